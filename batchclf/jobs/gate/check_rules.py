"""Check the current run against its gate: gathers the values, and the runs and files that it is compared with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from batchclf.core.compare.result import Comparison
from batchclf.core.gate.evidence import Change, Measure, Pairs, Share, measure_change, share_change
from batchclf.core.gate.judge import (
    Holding,
    hold_change,
    hold_drift,
    hold_each_change,
    hold_each_value,
    hold_value,
    missing,
    rule_name,
)
from batchclf.core.gate.rules import Gate, Rule
from batchclf.core.metrics.catalog import EACH_CLASS, METRICS, find_metric
from batchclf.core.records.history import RunSummary
from batchclf.core.records.run import LAST_GOOD, GateResult, main_of
from batchclf.core.text import first_of
from batchclf.errors import BatchclfError, RunError
from batchclf.jobs.evaluate.compare import compare_runs
from batchclf.jobs.gate.alarms import raise_alarms
from batchclf.jobs.gate.current_run import CurrentRun
from batchclf.jobs.gate.measured import (
    NotThereError,
    Reading,
    read_accuracy,
    read_class_share,
    read_class_shares,
    read_drift,
    read_measure,
    read_reading,
    read_slice,
    reading_of,
)

NAMES_IN_SENTENCE = 3
_Key = TypeVar("_Key")
_Made = TypeVar("_Made")


def hold_gate(gate: Gate, current: CurrentRun) -> list[GateResult]:
    """Check a run against all rules of its gate, the short forms first, and raise the alarms.

    It never raises for what is missing: such a rule fails, or says that no earlier run can be there yet.
    """
    held = _Held(current)
    results = [held.hold(rule, name) for name, rule in _short_forms(gate)]
    results += [held.hold(rule) for rule in gate.rules]
    if gate.alarms is not None:
        results += raise_alarms(gate.alarms, current)
    raised = {result.name for result in results if result.kind == "alarm" and not result.passed}
    return [replace(result, because=result.because if result.because in raised else "") for result in results]


def _short_forms(gate: Gate) -> list[tuple[str, Rule]]:
    rules = []
    if gate.min_test_accuracy is not None:
        rules.append(("min_test_accuracy", Rule("accuracy", "test", minimum=gate.min_test_accuracy)))
    if gate.max_gap is not None:
        rules.append(("max_gap", Rule("gap", maximum=gate.max_gap)))
    return rules


class _NoReferenceError(Exception):
    """There is nothing to compare a value with; `allowed` if no earlier run can be there yet."""

    def __init__(self, why: str, *, allowed: bool = False) -> None:
        super().__init__(why)
        self.allowed = allowed


@dataclass(frozen=True, eq=False)
class _Reference:
    """What a value is compared with: `words` name it in a sentence."""

    words: str
    reading: Reading


class _Held:
    """Checks rules one by one; reads each reference, and compares with it, once."""

    def __init__(self, of: CurrentRun) -> None:
        self.current = of
        self._now = reading_of(of.folder, of.record, of.evaluations, of.gap, of.studies)
        self._main = main_of(of.record.main_subset, [subset.split for subset in of.record.subsets] or [""])
        self._read: dict[Path, Reading | BatchclfError] = {}
        self._compared: dict[tuple[Path, str], Comparison | BatchclfError] = {}

    def hold(self, rule: Rule, name: str = "") -> GateResult:
        """Check one rule; its subset is the run's main one unless it names another. `name` is one of its own."""
        metric = find_metric(rule.metric)
        if metric is None:
            raise ValueError(f"there is no metric '{rule.metric}'")
        subset = "" if metric.source == "gap" else self._main if rule.subset is None else rule.subset
        held = Holding(rule, metric, name or rule_name(rule, subset), subset)
        try:
            return self._value(held) if rule.against is None else self._change(held)
        except NotThereError as error:
            return missing(held, str(error), because=f"{error.alarm}[{subset}]" if error.alarm else "")
        except _NoReferenceError as error:
            return missing(held, str(error), passed=error.allowed)

    def _value(self, held: Holding) -> GateResult:
        name, metric, subset = held.rule.class_name, held.metric, held.subset
        if held.rule.slice is not None:
            found = read_slice(self._now, metric, subset, held.rule.slice)
            return hold_value(held, _of_share(found) if isinstance(found, Share) else found)
        if metric.per_class and name == EACH_CLASS:
            return hold_each_value(held, read_class_shares(self._now, metric, subset))
        if metric.per_class:
            return hold_value(held, _of_share(read_class_share(self._now, metric, subset, name or "")))
        if metric.source == "drift":
            n = read_measure(self._now, METRICS["images"], subset).n
            return hold_drift(held, read_drift(self.current.images, subset), n)
        return hold_value(held, read_measure(self._now, metric, subset))

    def _change(self, held: Holding) -> GateResult:
        """Compare with a reference, once the current run's own value is there."""
        if held.metric.source == "pairs":
            return self._of_pairs(held)
        name = held.rule.class_name
        measure: Callable[[Reading], Measure | Share | dict[str, Share | None]]
        if held.rule.slice is not None:
            measure = partial(read_slice, metric=held.metric, subset=held.subset, name=held.rule.slice)
        elif held.metric.per_class and name == EACH_CLASS:
            measure = partial(read_class_shares, metric=held.metric, subset=held.subset)
        elif held.metric.per_class:
            measure = partial(read_class_share, metric=held.metric, subset=held.subset, name=name or "")
        else:
            measure = partial(read_measure, metric=held.metric, subset=held.subset)
        now = measure(self._now)
        reference = self._reference(held, measure)
        before = measure(reference.reading)
        held = replace(held, reference=reference.words)
        # The images of a slice are not those of its subset, which the two runs are compared on
        comparison = None if held.rule.slice else self._comparison_if_any(reference.reading, held.subset)
        if isinstance(now, dict) and isinstance(before, dict):
            return hold_each_change(held, _each(held, before, now, comparison))
        if isinstance(now, Share) and isinstance(before, Share):
            pairs = _class_pairs(comparison).get(name or "") if held.metric.name == "recall" else None
            return hold_change(held, share_change(before, now, pairs))
        assert isinstance(now, Measure)
        assert isinstance(before, Measure)
        return hold_change(held, self._measured(held, before, now, reference, comparison))

    def _measured(
        self, held: Holding, before: Measure, now: Measure, reference: _Reference, comparison: Comparison | None
    ) -> Change:
        if held.metric.name == "accuracy":
            shares = read_accuracy(reference.reading, held.subset), read_accuracy(self._now, held.subset)
            if shares[0] is not None and shares[1] is not None:
                return share_change(shares[0], shares[1], None if comparison is None else _pairs(comparison))
        if comparison is None:
            return measure_change(before, now, None)
        of_pairs = next((each for each in comparison.metrics if each.name == held.metric.name), None)
        return measure_change(before, now, None if of_pairs is None else (of_pairs.interval, comparison.labelled))

    def _of_pairs(self, held: Holding) -> GateResult:
        """Check what only the images show that both runs scored."""
        subset, share = held.subset, Share(0, 1)
        read_measure(self._now, METRICS["images"], subset)

        def measure(reading: Reading) -> None:
            nonlocal share
            found = self._comparison(reading, subset)
            counts = (
                (found.changed, found.images)
                if held.metric.name == "changed_share"
                else (found.only_first_right, found.labelled)
            )
            if not counts[1]:
                raise NotThereError(f"no image of {subset} has the same label in both runs: give labels")
            share = Share(*counts)

        reference = self._reference(held, measure)
        return hold_value(replace(held, reference=reference.words), _of_share(share))

    def _reference(self, held: Holding, measure: Callable[[Reading], object]) -> _Reference:
        """Find what a rule is compared with; `measure` raises NotThereError if a run does not have the metric.

        The last good run is the newest that has it: one that cannot be compared would keep every later run from
        being good. Raises _NoReferenceError.
        """
        # A last good run that lacks the metric counts as passed, or no later run could be good (decision 096)
        if held.rule.against == LAST_GOOD:
            return self._last_good(held, measure)
        name = held.rule.against or ""
        where = self.current.baselines.get(name)
        if where is None:
            raise _NoReferenceError(f"[baselines] does not name '{name}': add it there")
        path = self.current.beside / where if isinstance(where, str) else where
        words = f"the baseline {name}"
        try:
            reading = self._usable(path, held.subset)
            measure(reading)
        except (NotThereError, BatchclfError) as error:
            raise _NoReferenceError(f"{words}: {_in_words(error)}") from error
        return _Reference(f"{words} ({path.name})", reading)

    def _last_good(self, held: Holding, measure: Callable[[Reading], object]) -> _Reference:
        first = ""
        for run in reversed(self.current.history):
            if not run.good:
                continue
            try:
                reading = self._usable(self.current.beside / run.folder, held.subset)
                measure(reading)
                return _Reference(f"the last good run ({self._named(run)})", reading)
            except (NotThereError, BatchclfError) as error:
                first = first or f"the last good run ({self._named(run)}) cannot be compared with: {_in_words(error)}"
        why = first or "there is no earlier good run yet"
        raise _NoReferenceError(f"{why}; this run can be the first to compare with", allowed=True)

    def _named(self, run: RunSummary) -> str:
        """Name an earlier run by its run date, which people know; by its number if this run has the same date."""
        return run.run_date if run.run_date and run.run_date != self.current.record.run_date else run.run_id

    def _usable(self, path: Path, subset: str) -> Reading:
        """Read a reference, once; raises BatchclfError, or NotThereError if it is of other classes or data."""

        def read() -> Reading:
            if not path.exists():
                hint = "name a run of this job, a run directory or a metrics.json"
                raise RunError(f"there is no {path}", hint=hint)
            return read_reading(path)

        found = _once(self._read, path, path, read)
        there, here = found.class_names(), self._now.class_names()
        if there and there != here:
            sides = (("only it has", there - here), ("only this run's model has", here - there))
            raise NotThereError("it has other classes: " + "; ".join(f"{w} {_some(n)}" for w, n in sides if n))
        sources = [
            next((of.source for of in record.subsets if of.split == subset), "")
            for record in (found.record, self.current.record)
            if record is not None
        ]
        # A folder may have another name in every run; a data set's name is always the same.
        if len(set(sources)) == 2 and all(source and "/" not in source for source in sources):
            raise NotThereError(f"it scored another data set, {sources[0]} instead of {sources[1]}")
        return found

    def _comparison(self, reading: Reading, subset: str) -> Comparison:
        """Compare this run's predictions with those of a reference, once; raises NotThereError or BatchclfError."""
        folder = reading.folder
        if folder is None:
            raise NotThereError("it does not say what each image was predicted as: name a run directory")
        of = self.current
        made = (each for each in of.flips if each.split == subset and folder == of.beside / each.first_run)

        def compare() -> Comparison:
            return next(made, None) or compare_runs(folder, of.folder, subset, record=of.record, warn=of.warn)

        return _once(self._compared, (folder, subset), folder, compare)

    def _comparison_if_any(self, reading: Reading, subset: str) -> Comparison | None:
        try:
            return self._comparison(reading, subset)
        except (NotThereError, BatchclfError):
            return None


def _each(
    held: Holding, before: Mapping[str, Share | None], now: Mapping[str, Share | None], comparison: Comparison | None
) -> dict[str, Callable[[float], Change] | None]:
    """Give what computes the change of each class; classes of which neither run has a value are left out."""
    changes: dict[str, Callable[[float], Change] | None] = {}
    pairs = _class_pairs(comparison) if held.metric.name == "recall" else {}
    for name in now:
        first, second = before.get(name), now[name]
        if first is not None and second is not None:
            changes[name] = partial(share_change, first, second, pairs.get(name))
        elif first is not None or second is not None:
            changes[name] = None
    return changes


def _pairs(comparison: Comparison) -> Pairs:
    return Pairs(
        comparison.both_right, comparison.only_first_right, comparison.only_second_right, comparison.both_wrong
    )


def _class_pairs(comparison: Comparison | None) -> dict[str, Pairs]:
    pairs = {}
    for each in comparison.per_class if comparison is not None else ():
        both = round(each.first.value * each.images) - each.negative_flips
        pairs[each.name] = Pairs(
            both,
            each.negative_flips,
            each.positive_flips,
            each.images - both - each.negative_flips - each.positive_flips,
        )
    return pairs


def _of_share(share: Share) -> Measure:
    return Measure(share.value, share.n, share.estimate().interval)


def _once(known: dict[_Key, _Made | BatchclfError], key: _Key, path: Path, make: Callable[[], _Made]) -> _Made:
    """Make something of a path, once: `known` keeps it, or the BatchclfError that is raised, again and again."""
    if key not in known:
        try:
            known[key] = make()
        except BatchclfError as error:
            known[key] = error
        except OSError as error:
            known[key] = RunError(f"{path} cannot be read: {error.strerror}", hint="look at its rights")
    found = known[key]
    if isinstance(found, BatchclfError):
        raise found
    return found


def _in_words(error: Exception) -> str:
    return f"{error.message} ({error.hint})" if isinstance(error, BatchclfError) else str(error)


def _some(names: set[str]) -> str:
    return first_of([f"'{name}'" for name in sorted(names)], NAMES_IN_SENTENCE)

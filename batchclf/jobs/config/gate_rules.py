"""The rules of a job's gate: checked, and turned into the core's values."""

from collections.abc import Callable, Iterator
from math import inf

import msgspec

from batchclf.core.gate.judge import rule_name
from batchclf.core.gate.rules import Alarms, Gate, Rule
from batchclf.core.metrics.catalog import EACH_CLASS, ENTRIES, METRICS, find_metric, nearest_metrics, top_rank
from batchclf.core.metrics.entry import Entry
from batchclf.core.records.run import LAST_GOOD
from batchclf.core.renames import RULE_METRICS
from batchclf.errors import JobFileError
from batchclf.jobs.config.options import ScoringOptions
from batchclf.jobs.config.spec import JobSpec, RuleSpec, main_subset

Wrong = Callable[[tuple[str | int, ...], str, str], JobFileError]
"""Makes the error for a key of the job file, what is wrong with it, and what to do."""

_Mistake = tuple[str, str, str]
"""The key of the rule ("" for the rule itself), what is wrong, and what to do."""


def gate_of(spec: JobSpec) -> Gate:
    """Turn [gate] into the core's values."""
    of, alarms = spec.gate, spec.gate.alarms
    fixed = frozenset(name for name, each in spec.scoring.directories.items() if each.fixed)
    return Gate(
        of.min_test_accuracy,
        of.max_gap,
        tuple(map(_rule, of.rules)),
        Alarms(frozenset(alarms.off), alarms.count_fell_by, alarms.one_class, fixed),
    )


def _rule(spec: RuleSpec) -> Rule:
    # Of many classes some are beyond a bound by chance in most runs: there the value alone must not decide.
    by_value = spec.against is None and spec.class_name != EACH_CLASS
    return Rule(
        spec.metric,
        spec.subset,
        spec.class_name,
        spec.min,
        spec.max,
        spec.against,
        spec.max_drop,
        spec.max_rise,
        spec.min_support,
        spec.when_uncertain or ("value" if by_value else "pass"),
    )


def scoring_options(spec: JobSpec) -> ScoringOptions:
    """Give how a job scores: with all probabilities if a rule needs them, unless it says something else."""
    metrics = filter(None, (find_metric(rule.metric) for rule in spec.gate.rules))
    needed = any(metric.needs_probabilities for metric in metrics)
    if needed and spec.scoring.probabilities is None:
        return msgspec.structs.replace(spec.scoring, probabilities=True)
    return spec.scoring


def wrong_rules(spec: JobSpec, subsets: set[str] | None, wrong: Wrong) -> Iterator[JobFileError]:
    """Yield what `wrong` makes for each rule that cannot be checked, or that says the same as an earlier one.

    `subsets` are the splits and directories that the job scores, None if that is not known before they are read.
    """
    main = main_subset(spec)
    seen: dict[str, int] = {}
    for number, rule in enumerate(spec.gate.rules):
        mistake = _mistake(rule, spec, subsets, main)
        if mistake is None:
            metric = find_metric(rule.metric)
            of_both = metric is not None and metric.source == "gap"
            name = rule_name(_rule(rule), "" if of_both else rule.subset or main)
            if (first := seen.setdefault(name, number)) != number:
                what = f"it is about {name}, as rule {first + 1} is"
                mistake = "", what, "put all bounds into one of the two, and remove the other"
        if mistake is not None:
            key, what, hint = mistake
            place: tuple[str | int, ...] = ("gate", "rules", number)
            yield wrong((*place, key) if key else place, f"gate rule {number + 1}: {what}", hint)


def _mistake(rule: RuleSpec, spec: JobSpec, subsets: set[str] | None, main: str) -> _Mistake | None:
    """Say what is wrong with a rule by itself; None if nothing is."""
    metric = find_metric(rule.metric)
    if metric is None:
        nearest = nearest_metrics(rule.metric)
        known = ", ".join(entry.name for entry in ENTRIES)
        hint = f"did you mean '{nearest[0]}'? " if nearest else ""
        if rule.metric in RULE_METRICS:
            hint = f"it is called '{RULE_METRICS[rule.metric]}' now. "
        return "metric", f"there is no metric '{rule.metric}'", f"{hint}The metrics are: {known}"
    return (
        _wrong_place(rule, metric, subsets, main)
        or _wrong_reference(rule, metric, spec)
        or _wrong_kind(rule, metric)
        or _wrong_bounds(rule, metric)
        or _never(metric, spec, subsets, main)
    )


def _wrong_place(rule: RuleSpec, metric: Entry, subsets: set[str] | None, main: str) -> _Mistake | None:
    """Say what is wrong with its subset and class."""
    if rule.subset is not None and subsets is not None and rule.subset not in subsets:
        scored = ", ".join(sorted(subsets))
        return "subset", f"'{rule.subset}' is not scored by this job", f"choose one of: {scored}"
    if metric.source == "gap" and rule.subset is not None:
        return "subset", f"{metric.name} is {metric.definition}, so it has no subset", "remove subset"
    if metric.source == "drift" and rule.subset not in (None, main):
        return "subset", f"drift is looked for in {main} only", "remove subset"
    if metric.per_class and rule.class_name is None:
        hint = f'write: class = "{EACH_CLASS}" for each class, or a class\'s name'
        return "metric", f"{metric.name} is one of a class, and the rule names none", hint
    if not metric.per_class and rule.class_name is not None:
        per_class = ", ".join(each.name for each in METRICS.values() if each.per_class)
        return "class", f"{metric.name} is not one of a class", f"remove class, or choose one of: {per_class}"
    return None


def _wrong_kind(rule: RuleSpec, metric: Entry) -> _Mistake | None:
    """Say which of its bounds do not go with what it is compared with, or that it has none."""
    values, changes = _bounds(rule)
    pairs, changing = metric.source == "pairs", rule.against is not None
    if pairs and not changing:
        hint = f'write: against = "{LAST_GOOD}"'
        return "metric", f"{metric.name} compares two runs, and the rule names no other", hint
    if pairs and changes:
        return changes[0], f"{metric.name} is itself a change, which {changes[0]} does not bound", "use max"
    if changes and not changing:
        hint = f'write: against = "{LAST_GOOD}", or use min and max'
        return changes[0], f"{changes[0]} needs a run to compare with, and against is missing", hint
    if values and changing and not pairs:
        hint = "use max_drop and max_rise; a bound of the value is a rule of its own, without against"
        return values[0], f"{values[0]} bounds the value, not the change, and against is there", hint
    if not values and not changes:
        keys = "max_drop or max_rise" if changing and not pairs else "min or max"
        return "", f"it has no bound, so {metric.name} would pass whatever it is", f"add {keys}"
    return None


def _wrong_bounds(rule: RuleSpec, metric: Entry) -> _Mistake | None:
    """Say which of its bounds can never be reached, or always are."""
    values, changes = _bounds(rule)
    for key, low, high in [(key, metric.least, metric.most) for key in values] + [
        (key, 0.0, metric.most - metric.least) for key in changes
    ]:
        if not low <= (value := getattr(rule, key)) <= high:
            return key, f"{key} = {value:g} is beyond what {metric.name} can be", _range_words(key, value, low, high)
    if rule.min is not None and rule.max is not None and rule.min > rule.max:
        return "min", f"min {rule.min:g} is above max {rule.max:g}, so nothing can pass", "exchange the two"
    if metric.unit == "count" and rule.min_support != 1:
        return "min_support", f"{metric.name} is a count, which needs no least number of images", "remove min_support"
    return None


def _bounds(rule: RuleSpec) -> tuple[list[str], list[str]]:
    """Name the bounds of the value and those of the change that are set."""
    values, changes = (("min", rule.min), ("max", rule.max)), (("max_drop", rule.max_drop), ("max_rise", rule.max_rise))
    return [key for key, value in values if value is not None], [key for key, value in changes if value is not None]


def _range_words(key: str, value: float, low: float, high: float) -> str:
    if 1 < value <= 100 and high <= 2:
        return f"shares are 0 to 1; if you mean {value:g}%, write: {key} = {value / 100:g}"
    return f"write a number from {low:g} to {high:g}" if high < inf else f"write a number from {low:g} on"


def _wrong_reference(rule: RuleSpec, metric: Entry, spec: JobSpec) -> _Mistake | None:
    """Say what is wrong with what it is compared with."""
    if rule.against is None:
        return None
    if metric.source == "drift":
        hint = "remove against, and bound it with max"
        return "against", f"{metric.name} is already a comparison with what the model is known by", hint
    if rule.against != LAST_GOOD and rule.against not in spec.baselines:
        hint = f"choose one of: {', '.join([LAST_GOOD, *spec.baselines])}"
        return "against", f"'{rule.against}' is neither {LAST_GOOD} nor named in [baselines]", hint
    return None


def _never(metric: Entry, spec: JobSpec, subsets: set[str] | None, main: str) -> _Mistake | None:
    """Say why it could never be checked."""
    if spec.predictions is not None:
        return _never_of_predictions(metric)
    if metric.source == "gap" and subsets is not None and not {"test", "train"} <= subsets:
        return "metric", "the gap needs both splits scored", 'write: splits = ["test", "train"] in [scoring]'
    if metric.source == "drift" and main == "train":
        return "metric", "drift is not looked for in the training images", "have the test split or a folder scored"
    if metric.needs_probabilities and spec.scoring.probabilities is False:
        return "metric", f"{metric.name} needs all probabilities", "write: probabilities = true in [scoring]"
    rank = top_rank(metric.name)
    if rank is not None and rank > spec.scoring.topk:
        return "metric", f"{metric.name} needs {rank} classes a row", f"write: topk = {rank} in [scoring]"
    return None


def _never_of_predictions(metric: Entry) -> _Mistake | None:
    if metric.source == "drift":
        return (
            "metric",
            "drift needs a model that knows its training images",
            "remove the rule",
        )
    if metric.name in ("skipped", "skipped_share"):
        return "metric", "a table of predictions says nothing of images that could not be read", "remove the rule"
    return None

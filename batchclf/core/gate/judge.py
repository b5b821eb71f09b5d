"""Hold a metric against a rule: what comes of it, and the sentence that says so."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from batchclf.core.gate.evidence import Change, Measure, Share, beyond, side_of, surely_beyond
from batchclf.core.gate.rules import Rule
from batchclf.core.images.drift import Drift
from batchclf.core.metrics.catalog import EACH_CLASS
from batchclf.core.metrics.entry import Entry
from batchclf.core.metrics.multiple_tests import FALSE_ALARMS, holm
from batchclf.core.records.run import GateKind, GateResult
from batchclf.core.text import counted, first_of

SHOWN_CLASSES = 5

ROUNDING = ", before rounding"
"""Stands behind a number that only its further digits put on its side of a bound."""


@dataclass(frozen=True, slots=True)
class Holding:
    """A rule with what it is about: its metric, the subset's name ("" for the whole run), what it is checked against.

    `name` is the same in every run. `against` is the name of the reference, `reference` says which run or file that is
    in this run.
    """

    rule: Rule
    metric: Entry
    name: str
    subset: str = ""
    reference: str = ""

    @property
    def kind(self) -> GateKind:
        """Whether a value is held, or a change."""
        return "bound" if self.rule.against is None else "change"

    @property
    def subject(self) -> str:
        """Name the metric in a sentence: `test accuracy`, `test recall of Shirt`."""
        words = f"{self.subset} {self.metric.words}" if self.subset else self.metric.words
        words = words if self.rule.slice is None else f"{words} of the slice {self.rule.slice}"
        return words if self.rule.class_name in (None, EACH_CLASS) else f"{words} of {self.rule.class_name}"


def rule_name(rule: Rule, subset: str) -> str:
    """Name a rule by what it is about, the same in every run: `recall[test, Shirt] against last-good`."""
    about = ", ".join(part for part in (subset, rule.class_name, rule.slice) if part)
    name = f"{rule.metric}[{about}]" if about else rule.metric
    return name if rule.against is None else f"{name} against {rule.against}"


def missing(held: Holding, why: str, *, passed: bool = False, because: str = "") -> GateResult:
    """Say that a rule was not checked, and why; `because` is the alarm that would report the same."""
    sentence = f"rule {held.name} not checked: {why}"
    return _result(held, None, None, passed, sentence, certain=True, missing=True, because=because)


def hold_drift(held: Holding, drifts: Sequence[Drift], n: int) -> GateResult:
    """Hold how many quantities have drifted, or the largest PSI, against `minimum` and `maximum`.

    What too few images could not check neither keeps a rule nor breaks it: unless what was checked breaks it, the rule
    was not checked, which counts as passed unless it says otherwise. A PSI beyond a bound is in doubt if the test of
    its quantity found no difference: with few images it is large by chance.
    """
    checked = [(drift.psi, drift.sure) for drift in drifts if drift.psi is not None]
    result = None
    if held.metric.name != "psi":
        result = hold_value(held, Measure(sum(drift.drifted for drift in drifts), n)) if checked else None
    elif checked:
        # Of a PSI that is beyond a bound and sure the rule fails, even if a larger one may be chance
        sure = [psi for psi, is_sure in checked if is_sure]
        result = hold_value(held, Measure(max(sure), n)) if sure else None
        if result is None or result.passed:
            largest, is_sure = max(checked)
            doubt = "" if is_sure else f", but with {counted(n, 'image')} that can be chance"
            result = hold_value(held, Measure(largest, n), doubt)
    most = inf if held.rule.maximum is None else held.rule.maximum
    if result is not None and (len(checked) == len(drifts) or (result.certain and (result.value or 0) > most)):
        return result
    sentence = "; ".join(drift.sentence.rstrip(".") for drift in drifts if drift.psi is None)
    passed = held.rule.when_uncertain != "fail"
    sentence = f"rule {held.name} not checked: {sentence}; that counts as {'passed' if passed else 'failed'}"
    return _result(held, None, None, passed, sentence, certain=False)


def hold_value(held: Holding, measure: Measure, chance: str = "") -> GateResult:
    """Hold a value against `minimum` and `maximum`; `chance` says why one that is beyond them is in doubt.

    The evidence is enough where the 95% interval lies on one side of each bound, or there is none, and the images are
    not fewer than `min_support`.
    """
    rule, metric, value = held.rule, held.metric, measure.value
    bound, over = _nearest(value, rule.minimum, rule.maximum)
    broken, kept = _value_words(held, bound)
    sentence = f"{_of_value(held, value)} {broken if over > 0 else kept}"
    if _rounding_hides(held, value):
        sentence += ROUNDING
    if over > 0 and metric.name in ("skipped", "skipped_share"):
        sentence += "; the reasons are in skipped.csv"
    # A number of images rests on no images.
    doubt = "" if metric.source == "count" else _too_few(rule, measure.n) or (chance if over > 0 else "")
    # A share of what changed is a change: it is in doubt only where it is beyond what is allowed.
    interval = measure.interval if rule.against is None or over > 0 else None
    if not doubt and interval is not None and side_of(interval, rule.minimum, rule.maximum) == "both":
        ends = f"{metric.shown(interval.low)} to {metric.shown(interval.high)}"
        doubt = f", but its 95% interval, {ends}, contains the bound: {_images(measure.n)} too few to tell"
    return _judged(held, value, bound, over <= 0, sentence, doubt)


def hold_change(held: Holding, change: Change) -> GateResult:
    """Hold a change against `max_drop` and `max_rise`.

    It fails only where the whole 95% interval of the change lies beyond what is allowed. Where only the change itself
    does, the evidence is not enough. A change without an interval is held by its value.
    """
    rule, metric = held.rule, held.metric
    low, high = _limits(rule)
    kept = not beyond(change.value, rule.max_drop, rule.max_rise)
    sentence = f"{_of_value(held, change.second)} is {_move_words(held, change)}"
    limit = low if change.value < 0 else high
    if limit is not None and change.value:
        sentence += f", {'within' if kept else 'more than'} the {metric.shown_limit(abs(limit))} allowed"
        if kept == beyond(round(change.value, metric.decimals - 1), rule.max_drop, rule.max_rise):
            sentence += ROUNDING
    doubt = _too_few(rule, change.n)
    if not kept and not doubt and change.interval is not None:
        ends = [metric.shown_difference(end) for end in (change.interval.low, change.interval.high)]
        which = "the same " if change.same_images else ""
        interval = f" (95% interval of the change {ends[0]} to {ends[1]}, {which}{counted(change.n, 'image')})"
        if surely_beyond(change, rule.max_drop, rule.max_rise):
            sentence += interval
        else:
            doubt = f", but that can be chance{interval}"
    return _judged(held, change.value, _nearest(change.value, low, high)[0], kept, sentence, doubt)


@dataclass(frozen=True, slots=True)
class _Look:
    """One class of a rule on each: `over` is how far it is beyond the bound nearest to it, negative within.

    `surely` says whether it is beyond it at a risk of error; `doubtful` whether it can be although its value is not.
    """

    name: str
    text: str
    value: float
    bound: float
    over: float
    n: int
    surely: Callable[[float], bool]
    doubtful: bool = False


def hold_each_value(held: Holding, shares: Mapping[str, Share | None]) -> GateResult:
    """Hold a metric of every class against `minimum` and `maximum`; None for a class that it cannot be told of.

    Classes fail surely by the exact binomial test, at 5% for all of them together (`holm`).
    """
    rule, looks = held.rule, []
    for name, share in shares.items():
        if share is not None:

            def surely(risk: float, share: Share = share) -> bool:
                # Half of the risk to each side, as in a 95% interval.
                below = rule.minimum is not None and share.surely_below(rule.minimum, risk / 2)
                return below or (rule.maximum is not None and share.surely_above(rule.maximum, risk / 2))

            text = f"{name} {held.metric.shown(share.value)}"
            text += ROUNDING if _rounding_hides(held, share.value) else ""
            doubtful = side_of(share.estimate().interval, rule.minimum, rule.maximum) == "both"
            bound, over = _nearest(share.value, rule.minimum, rule.maximum)
            looks.append(_Look(name, text, share.value, bound, over, share.n, surely, doubtful))
    return _hold_each(held, looks, [name for name, share in shares.items() if share is None])


def hold_each_change(held: Holding, at: Mapping[str, Callable[[float], Change] | None]) -> GateResult:
    """Hold the change of every class against `max_drop` and `max_rise`.

    `at` has for each class what gives its change with the interval of a level, None where it cannot be told of. Classes
    fail surely by an interval of higher level, at 5% for all of them together (`holm`).
    """
    rule, looks = held.rule, []
    for name, change_at in at.items():
        if change_at is not None:
            change = change_at(1 - FALSE_ALARMS)

            def surely(risk: float, change_at: Callable[[float], Change] = change_at) -> bool:
                return surely_beyond(change_at(1 - risk), rule.max_drop, rule.max_rise, risk)

            text = f"{name} {held.metric.shown(change.first)} to {held.metric.shown(change.second)}"
            bound, over = _nearest(change.value, *_limits(rule))
            over = max(over, 0.0) if beyond(change.value, rule.max_drop, rule.max_rise) else min(over, 0.0)
            looks.append(_Look(name, text, change.value, bound, over, change.n, surely))
    return _hold_each(held, looks, [name for name, change_at in at.items() if change_at is None])


def _hold_each(held: Holding, looks: Sequence[_Look], absent: Sequence[str]) -> GateResult:
    """Judge all classes together; `absent` are those that nothing can be told of."""
    rule = held.rule
    if not looks:
        return missing(held, "no class has images to compute it on: give labels, or remove the rule")
    broken, kept = _value_words(held, None) if rule.against is None else _change_words(held)
    worst = max(looks, key=lambda look: look.over)
    over = sorted((look for look in looks if look.over > 0), key=lambda look: -look.over)
    thin = [look.name for look in looks if look.n < rule.min_support]
    sure = holm({look.name: look.surely for look in looks if look.n >= rule.min_support})
    failing = [look for look in over if look.name in sure]
    shown, doubt = failing or over, ""
    if shown:
        sentence = f"{held.subject} {broken} in {len(shown):,} of {_classes(len(looks))}: "
        sentence += _listed([look.text for look in shown])
    else:
        sentence = f"{held.subject} {kept} in {'each of ' if len(looks) > 1 else ''}{_classes(len(looks))}"
        sentence += f"; closest: {worst.text}"
    if failing:
        sentence += f"; beyond chance, with {_classes(len(looks))} tested together at the 5% level"
    elif over:
        doubt = f", but that can be chance with {_classes(len(looks))} tested together"
    elif doubtful := [look.name for look in looks if look.doubtful]:
        doubt = f", but the 95% interval of {_listed(doubtful)} contains the bound"
    if thin and not failing:
        doubt += f"; fewer than {counted(rule.min_support, 'image')}: {_listed(thin)}"
    if absent:
        doubt += "" if failing else f"; unknown for {_listed(absent)}"
    return _judged(held, worst.value, worst.bound, not over, sentence, "" if failing else doubt)


def _judged(held: Holding, value: float, bound: float, kept: bool, sentence: str, doubt: str) -> GateResult:
    """Let the value decide where there is no doubt, and what the rule says where there is."""
    passed = {"value": kept, "pass": True, "fail": False}[held.rule.when_uncertain] if doubt else kept
    sentence += doubt
    if passed != kept:
        sentence += f"; that counts as {'passed' if passed else 'failed'}"
    return _result(held, value, bound, passed, sentence, certain=not doubt)


def _result(
    held: Holding,
    value: float | None,
    bound: float | None,
    passed: bool,
    sentence: str,
    *,
    certain: bool,
    missing: bool = False,
    because: str = "",
) -> GateResult:
    rule = held.rule
    return GateResult(
        name=held.name,
        value=value,
        bound=bound,
        passed=passed,
        sentence=sentence,
        certain=certain,
        missing=missing,
        kind=held.kind,
        subset=held.subset,
        class_name=rule.class_name or "",
        against=rule.against or "",
        because=because,
    )


def _limits(rule: Rule) -> tuple[float | None, float | None]:
    """How far a change may go down and up."""
    return None if rule.max_drop is None else -rule.max_drop, rule.max_rise


def _nearest(value: float, low: float | None, high: float | None) -> tuple[float, float]:
    """Give the bound that a value is furthest beyond or else nearest to, and how far beyond it is; one must be set."""
    sides = [(low - value, low)] if low is not None else []
    sides += [(value - high, high)] if high is not None else []
    over, bound = max(sides)
    return bound, over


def _rounding_hides(held: Holding, value: float) -> bool:
    """Whether a value as shown lies on another side of a bound than the value itself."""
    ends = held.rule.minimum, held.rule.maximum
    shown = round(value, held.metric.decimals)
    # What is shown as <0.01% or >99.99% says by itself that it is not 0% or 100%.
    return shown not in (0, 1) and (_nearest(value, *ends)[1] > 0) != (_nearest(shown, *ends)[1] > 0)


def _of_value(held: Holding, value: float) -> str:
    """Name the metric with its value: `test accuracy 90.00%`, `the overfitting gap of 3.10 points`."""
    shown = held.metric.shown(value)
    if held.metric.source == "count" and held.metric.unit == "count":
        return f"the number of {held.subject}, {shown},"
    return f"{held.subject} of {shown} points" if held.metric.unit == "points" else f"{held.subject} {shown}"


def _value_words(held: Holding, bound: float | None) -> tuple[str, str]:
    """Say that a value is beyond a bound, and that it is within; None is for any of the bounds."""
    low, high = held.rule.minimum, held.rule.maximum
    shown = held.metric.shown_bound
    if low is not None and high is not None:
        both = f"the allowed range, {shown(low)} to {shown(high)}"
        if bound is None:
            return f"is outside {both}", f"is within {both}"
        side = f"below the minimum of {shown(low)}" if bound == low else f"above the maximum of {shown(high)}"
        return f"is {side}", f"is within {both}"
    if low is not None:
        return f"is below the minimum of {shown(low)}", f"meets the minimum of {shown(low)}"
    limit = shown(high or 0.0)
    return f"exceeds the maximum of {limit}", f"is within the maximum of {limit}"


def _change_words(held: Holding) -> tuple[str, str]:
    """Say that classes changed by more than is allowed, and that they did not."""
    rule, metric = held.rule, held.metric
    sides = [("fell", rule.max_drop, "down"), ("rose", rule.max_rise, "up")]
    limits = [(verb, metric.shown_limit(limit), way) for verb, limit, way in sides if limit is not None]
    verb, allowed, _ = limits[0]
    if len(limits) == 2:
        verb, allowed = "moved", " and ".join(f"{size} {way}" for _, size, way in limits)
    words = f"than the {allowed}{metric.difference_unit} allowed against {held.reference}"
    return f"{verb} by more {words}", f"{verb} by no more {words}"


def _move_words(held: Holding, change: Change) -> str:
    if not change.value:
        return f"the same as in {held.reference}"
    metric = held.metric
    size = metric.shown_difference(abs(change.value)).removeprefix("+")
    there = metric.shown(change.first)
    side = "below" if change.value < 0 else "above"
    return f"{size}{metric.difference_unit} {side} the {there} of {held.reference}"


def _too_few(rule: Rule, n: int) -> str:
    if n >= rule.min_support:
        return ""
    return f", but {_images(n)} fewer than the rule's min_support of {rule.min_support:,}"


def _images(n: int) -> str:
    return f"{counted(n, 'image')} {'is' if n == 1 else 'are'}"


def _classes(number: int) -> str:
    return counted(number, "class", "classes")


def _listed(texts: Sequence[str]) -> str:
    return first_of(texts, SHOWN_CLASSES)

"""Several trainings of one recipe side by side: which is best on the validation images, and at what gap."""

from collections.abc import Sequence
from dataclasses import dataclass

from batchclf.core.estimate import Estimate
from batchclf.core.metrics.gap import gap_of_counts
from batchclf.core.metrics.intervals import difference, square_and_add, wilson
from batchclf.core.text import duration, percent, points, points_apart, points_interval
from batchclf.core.training_record import Right, Variant


@dataclass(frozen=True, slots=True)
class MeasuredVariant:
    """A variant with its accuracies (Wilson) and its gap, train minus test (Newcombe); None without images.

    All are shares, 0 to 1, the gap -1 to 1.
    """

    variant: Variant
    train: Estimate | None
    validation: Estimate | None
    test: Estimate | None
    gap: Estimate | None


@dataclass(frozen=True, slots=True)
class Regularisation:
    """Variants of a training in numbers.

    `base` is the number, from 0 on, of the training as it is; `best` that of the best accuracy on the validation
    images, the base or else the first of equals, None where there are no such images. `better` is that accuracy minus
    the base's, `gap_change` the best's gap minus the base's, both with 95% intervals; None where they are the same
    variant.
    """

    variants: tuple[MeasuredVariant, ...]
    base: int
    best: int | None
    better: Estimate | None
    gap_change: Estimate | None
    sentence: str


def compare_variants(variants: Sequence[Variant]) -> Regularisation | None:
    """Compare the variants of a training by their validation accuracy; test images choose nothing. None of none.

    The intervals of the differences take both variants as measured on images of their own. They predicted the same
    ones, so these intervals are rather too wide than too narrow.
    """
    if not variants:
        return None
    measured = tuple(map(_measured, variants))
    base = next((number for number, each in enumerate(variants) if not each.options), 0)
    best = _best(measured, base)
    better = gap_change = None
    if best is not None and best != base:
        of_best, of_base = measured[best], measured[base]
        if of_best.validation and of_base.validation:
            better = difference(of_best.validation, of_base.validation)
        gap_change = _gap_change(of_best, of_base)
    return Regularisation(measured, base, best, better, gap_change, _sentence(measured, base, best, better, gap_change))


def _measured(variant: Variant) -> MeasuredVariant:
    train, test = variant.train, variant.test
    both = train.images and test.images
    return MeasuredVariant(
        variant,
        _share(train),
        _share(variant.validation),
        _share(test),
        gap_of_counts((train.correct, train.images), (test.correct, test.images)) if both else None,
    )


def _share(right: Right) -> Estimate | None:
    return wilson(right.correct, right.images) if right.images else None


def _best(measured: Sequence[MeasuredVariant], base: int) -> int | None:
    """Number the variant of the highest validation accuracy; of equal ones the base, else the first."""
    shares = {number: each.validation.value for number, each in enumerate(measured) if each.validation}
    return max(shares, key=lambda number: (shares[number], number == base, -number), default=None)


def _gap_change(best: MeasuredVariant, base: MeasuredVariant) -> Estimate | None:
    if best.gap is None or base.gap is None:
        return None
    interval = square_and_add(best.gap, base.gap, 0.0)
    return Estimate(best.gap.value - base.gap.value, interval, min(best.gap.n, base.gap.n))


def _sentence(
    measured: Sequence[MeasuredVariant],
    base: int,
    best: int | None,
    better: Estimate | None,
    gap_change: Estimate | None,
) -> str:
    if best is None or measured[best].validation is None:
        return "There were no validation images, so no variant can be chosen; the test images choose nothing."
    of_best, of_base = measured[best], measured[base]
    name, accuracy = of_best.variant.name, _percent(of_best.validation)
    if better is None:
        others = "; no other variant is better" if len(measured) > 1 else ""
        gap = f" Its gap is {points(of_best.gap.value)} points." if of_best.gap else ""
        return (
            f"Nothing speaks for a change: '{name}' has the best accuracy on the validation images, "
            f"{accuracy}{others}.{gap}"
        )
    size = f"{points_apart(better.value)} points more (95% interval {points_interval(better)})"
    sure = "more than chance" if better.interval.low > 0 else "within what chance does"
    facts = (
        f"'{name}' has the best accuracy on the validation images: {accuracy} against {_percent(of_base.validation)} "
        f"of '{of_base.variant.name}', {size}, which is {sure}."
    )
    return f"{facts}{_gap_words(of_best, gap_change)}{_cost(of_best, of_base)}"


def _gap_words(best: MeasuredVariant, change: Estimate | None) -> str:
    if change is None or best.gap is None:
        return ""
    zero_inside = change.interval.low <= 0 <= change.interval.high
    sure = "within what chance does" if zero_inside else "more than chance"
    return (
        f" Its gap between train and test is {points(best.gap.value)} points, {points_apart(change.value)} "
        f"{'more' if change.value > 0 else 'less'} (95% interval {points_interval(change)}), which is {sure}."
    )


def _cost(best: MeasuredVariant, base: MeasuredVariant) -> str:
    """Say how much longer or shorter the training took, where that is a tenth or more."""
    before, after = base.variant.seconds, best.variant.seconds
    if not before > 0 or abs(after / before - 1) < 0.1:
        return ""
    return f" It trained for {duration(after)} instead of {duration(before)}."


def _percent(share: Estimate | None) -> str:
    return "no" if share is None else percent(share.value)

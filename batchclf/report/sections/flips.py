"""What has changed since the last run, image by image: counts by subset, McNemar's test, the images themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batchclf.core.compare.result import Comparison, Flip
from batchclf.core.records.findings import Findings
from batchclf.core.text import NOTHING, class_name, count, counted, p_value, percent, visible
from batchclf.core.types import Prediction
from batchclf.report.parts.markdown_text import code
from batchclf.report.parts.pictures import Picture, Pictures, exact_text
from batchclf.report.parts.subset_words import named_run
from batchclf.report.sections.earlier_runs import report_address

NAMED_FLIPS = 3
"""So many are named in Markdown."""


@dataclass(frozen=True)
class FlipShot:
    """One image on which the predictions of the runs differ; `split`, `path` and `exact` are those of a `Shot`.

    `label` is None where unknown.
    """

    picture: Picture | None
    split: str
    path: str
    exact: list[str]
    label: str | None
    first: str
    second: str


@dataclass(frozen=True)
class FlipGallery:
    """Some of the images of a kind; `about` says which they are and how many there are."""

    anchor: str
    title: str
    about: str
    shots: tuple[FlipShot, ...]


@dataclass(frozen=True)
class FlipRow:
    """One subset in numbers; – where there is none to show."""

    name: str
    images: str
    changed: str
    negative_flips: str
    positive_flips: str
    replaced: str
    new: str
    gone: str


@dataclass(frozen=True)
class FlipSubset:
    """One subset's images; `test` is McNemar's, empty without labels; `notes` say what does not count."""

    name: str
    test: str
    notes: tuple[str, ...]
    galleries: tuple[FlipGallery, ...]


@dataclass(frozen=True)
class FlipsView:
    """`than` names the last run, `address` is that of its report, empty where there is none.

    `subsets` are those with something to say; `with_replaced` where images were replaced; `file`
    where flips.csv has them all.
    """

    sentence: str
    than: str
    address: str
    rows: tuple[FlipRow, ...]
    with_replaced: bool
    subsets: tuple[FlipSubset, ...]
    file: bool


def flips_view(findings: Findings, names: Mapping[str, str], pictures: Pictures) -> FlipsView | None:
    """Show what has changed on the images scored by both runs; None where there is no run to compare with."""
    compared = compared_subsets(findings)
    if not compared:
        return None
    last = next((run for run in findings.history if run.run_id == compared[0].first_run), None)
    return FlipsView(
        sentence=flips_sentence(compared),
        than=named_run(last, findings.record) if last else f"run {visible(compared[0].first_run)}",
        address=report_address(last) if last else "",
        rows=tuple(_row(each, names) for each in compared),
        with_replaced=any(each.replaced for each in compared),
        subsets=tuple(_subset(each, names, pictures) for each in compared if each.changed or each.relabelled),
        file=bool(findings.flips),
    )


def compared_subsets(findings: Findings) -> tuple[Comparison, ...]:
    """Give the comparisons with the last run, the main subset's first."""
    return findings.flips or ((findings.change,) if findings.change else ())


def flipped(comparison: Comparison) -> tuple[Prediction, ...]:
    """Give the images that changed as the second run predicted them, the negative flips first."""
    split, unknown = comparison.split, float("nan")
    return tuple(
        Prediction(each.path, split, each.label, each.second_prediction, each.second_confidence, unknown)
        for each in (*comparison.negative_flips, *comparison.positive_flips, *comparison.other)
    )


def flips_sentence(compared: Sequence[Comparison]) -> str:
    """Say in a sentence what has changed over all subsets."""
    images, changed, negative, positive = (
        sum(getattr(each, name) for each in compared)
        for name in ("images", "changed", "only_first_right", "only_second_right")
    )
    if not changed:
        return f"All {counted(images, 'image')} scored by both runs have the same prediction."
    known = any(each.labelled for each in compared)
    right = f": {count(negative)} from right to wrong, {count(positive)} from wrong to right" if known else ""
    got = "image scored by both runs" if images == 1 else "images scored by both runs"
    return f"{count(changed)} of {count(images)} {got} got another prediction{right}."


def flip_test(comparison: Comparison) -> str:
    """Say what McNemar's test makes of the flips; empty without labels."""
    if comparison.p_value is None:
        return ""
    flips = comparison.only_first_right + comparison.only_second_right
    if not flips:
        return "No image flipped between right and wrong."
    return (
        f"{counted(flips, 'image')} flipped: {flip_words(comparison)}. If both runs were equally good, a split at "
        f"least as uneven would come up with {p_value(comparison.p_value)} (McNemar's exact test)."
    )


def flip_words(comparison: Comparison) -> str:
    """Count the flips in both directions."""
    return (
        f"{count(comparison.only_first_right)} from right to wrong (negative flips), "
        f"{count(comparison.only_second_right)} from wrong to right (positive flips)"
    )


def flip_galleries(comparison: Comparison, pictures: Pictures, first: str, second: str) -> tuple[FlipGallery, ...]:
    """Show the images that changed, the negative flips first; `first` and `second` are what the runs are called."""
    negative, positive = comparison.only_first_right, comparison.only_second_right
    kinds = (
        ("negative", "Negative flips", f"right in {first}, wrong in {second}", comparison.negative_flips, negative),
        ("positive", "Positive flips", f"wrong in {first}, right in {second}", comparison.positive_flips, positive),
        (
            "other",
            "Other changes" if comparison.labelled else "Changed predictions",
            _other(comparison),
            comparison.other,
            comparison.changed - negative - positive,
        ),
    )
    galleries = []
    for anchor, title, which, flips, total in kinds:
        if flips:
            some = f"{count(len(flips))} of " if len(flips) < total else ""
            shots = tuple(_shot(flip, comparison.split, pictures) for flip in flips)
            order = f"; most confident in {second} first" if len(shots) > 1 else ""
            about = f"{some}{counted(total, 'image')}, {which}{order}."
            galleries.append(FlipGallery(anchor, title, about, shots))
    return tuple(galleries)


def _other(comparison: Comparison) -> str:
    return (
        "wrong in both runs with different predictions, or not labelled"
        if comparison.labelled
        else "different predictions in the two runs"
    )


def _shot(flip: Flip, split: str, pictures: Pictures) -> FlipShot:
    return FlipShot(
        picture=pictures.get((split, flip.path)),
        split=visible(split),
        path=visible(flip.path),
        exact=exact_text(flip.path, visible(flip.path)),
        label=None if flip.label is None else class_name(flip.label),
        first=f"{class_name(flip.first_prediction)} {percent(flip.first_confidence)}",
        second=f"{class_name(flip.second_prediction)} {percent(flip.second_confidence)}",
    )


def _row(comparison: Comparison, names: Mapping[str, str]) -> FlipRow:
    known = comparison.labelled > 0
    return FlipRow(
        name=visible(names.get(comparison.split, comparison.split)),
        images=count(comparison.images),
        changed=count(comparison.changed),
        negative_flips=count(comparison.only_first_right) if known else NOTHING,
        positive_flips=count(comparison.only_second_right) if known else NOTHING,
        replaced=count(comparison.replaced),
        new=count(comparison.only_second),
        gone=count(comparison.only_first),
    )


def _subset(comparison: Comparison, names: Mapping[str, str], pictures: Pictures) -> FlipSubset:
    notes = []
    if comparison.relabelled:
        notes.append(
            f"{counted(comparison.relabelled, 'image')} with a different label than in the last run, not counted as "
            "flips."
        )
    return FlipSubset(
        name=visible(names.get(comparison.split, comparison.split)),
        test=flip_test(comparison),
        notes=tuple(notes),
        galleries=flip_galleries(comparison, pictures, "the last run", "this run"),
    )


def negative_flip_lines(findings: Findings) -> list[str]:
    """Name the negative flips since the last run in Markdown; nothing if there is none."""
    negative = [flip for each in compared_subsets(findings) for flip in each.negative_flips]
    if not negative:
        return []
    total = sum(each.only_first_right for each in compared_subsets(findings))
    named = ", ".join(
        f"{code(flip.path)} ({code(flip.first_prediction)} → {code(flip.second_prediction)})"
        for flip in negative[:NAMED_FLIPS]
    )
    more = f" and {count(total - NAMED_FLIPS)} more" if total > NAMED_FLIPS else ""
    return [f"- Right in the last run, wrong now: {named}{more}"]

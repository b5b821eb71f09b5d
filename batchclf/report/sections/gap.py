"""The part of the report on overfitting: train against test, overall and by class, and what bears on it."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from batchclf.core.estimate import Estimate
from batchclf.core.records.findings import Findings
from batchclf.core.text import class_name, count, counted, decimal, decimal_difference, interval_text
from batchclf.core.training_record import TrainingRecord
from batchclf.report.parts.markdown_text import prose
from batchclf.report.parts.metric_words import TrainTestRow, metric_words, train_test
from batchclf.report.sections.duplicates import DuplicatesView, duplicates_view
from batchclf.report.sections.earlier_runs import EarlierRunsView, earlier_runs_view
from batchclf.report.sections.learning import LearningView, learning_view

if TYPE_CHECKING:
    from batchclf.core.metrics.gap import ClassGap, Gap, Overfitting
    from batchclf.report.sections.regularisation import RegularisationView

SHOWN_DUMBBELLS = 25
_HEADLINES: "dict[Overfitting, str]" = {
    "no evidence": "No evidence of overfitting",
    "mild": "Mild overfitting",
    "strong": "Strong overfitting",
    "underfitting": "Underfitting",
}
_STATES: "dict[Overfitting, str]" = {
    "no evidence": "passed",
    "mild": "partial",
    "strong": "failed",
    "underfitting": "partial",
}


@dataclass(frozen=True, kw_only=True)
class GapRow(TrainTestRow):
    """Train, test and their difference; `clear` where the interval leaves out zero.

    `metric` and `difference` are the keys of a metric and of its gap in metrics.json, empty in the row of a class.
    """

    name: str
    clear: bool
    metric: str = ""
    difference: str = ""


@dataclass(frozen=True)
class Dumbbell:
    """One class of the dumbbell chart: recall on train and on test, 0 to 1."""

    name: str
    train: float
    test: float


@dataclass(frozen=True)
class GapView:
    """`missing` says why there is no gap; all that rests on it is empty then.

    `overall` are accuracy and, where it is known, log loss; `dumbbells` and `rows` are the same classes, those with the
    largest gaps. `part` says how many they are, empty where they are all. `held_out` says that the train split has
    images which the model was not trained on; `regularisation` is None where no variants were trained.
    """

    missing: str
    headline: str
    state: str
    sentence: str
    overall: tuple[GapRow, ...]
    no_loss: str
    dumbbells: tuple[Dumbbell, ...]
    rows: tuple[GapRow, ...]
    part: str
    learning: LearningView
    regularisation: "RegularisationView | None"
    duplicates: DuplicatesView | None
    earlier_runs: EarlierRunsView
    held_out: str = ""


def gap_view(findings: Findings) -> GapView:
    """Show the gap, or why there is none, with learning curves, duplicates between the splits and earlier runs."""
    gap = findings.gap
    model, earlier_runs = findings.record.model, earlier_runs_view(findings)
    learning = learning_view(model.history, model.training, model.settings)
    variants = _variants(model.training)
    if gap is None:
        return GapView(_why_missing(findings), "", "", "", (), "", (), (), "", learning, variants, None, earlier_runs)
    compared = sorted((c for c in gap.per_class if c.gap is not None), key=_by_gap)
    shown = compared[:SHOWN_DUMBBELLS]
    return GapView(
        missing="",
        headline=_HEADLINES[gap.overfitting],
        state=_STATES[gap.overfitting],
        sentence=gap.sentence,
        overall=(_accuracy_row(gap), *_loss_rows(gap)),
        no_loss="" if gap.loss_gap else _why_no_loss(findings),
        dumbbells=tuple(Dumbbell(class_name(c.name), c.train.value, c.test.value) for c in shown if c.train and c.test),
        rows=tuple(_share_row(class_name(c.name), c.train, c.test, c.gap) for c in shown),
        part=f"the {len(shown)} largest gaps of {count(len(compared))} classes" if len(shown) < len(compared) else "",
        learning=learning,
        regularisation=variants,
        duplicates=duplicates_view(findings.duplicates, gap),
        earlier_runs=earlier_runs,
        held_out=_held_out(findings),
    )


def _variants(training: TrainingRecord | None) -> "RegularisationView | None":
    if training is None or not training.variants:
        return None
    from batchclf.report.sections.regularisation import regularisation_view

    return regularisation_view(training)


def _held_out(findings: Findings) -> str:
    """Say where the validation images, which are no training images, were scored as part of the train split."""
    training = findings.record.model.training
    train = next((each.total for each in findings.evaluations if each.split == "train"), 0)
    if training is None or not training.validation_images:
        return ""
    if train != training.train_images + training.validation_images:
        return ""
    return (
        f"{counted(training.validation_images, 'image')} of {count(train)} in train were held out for validation: "
        f"without them the gap would be slightly larger."
    )


def _by_gap(each: "ClassGap") -> float:
    return -each.gap.value if each.gap else 0.0


def _share_row(name: str, train: Estimate | None, test: Estimate | None, gap: Estimate | None) -> GapRow:
    clear = gap is not None and _leaves_out_zero(gap)
    return GapRow(name=name, clear=clear, **train_test(train, test, gap))


def _accuracy_row(gap: "Gap") -> GapRow:
    row = _share_row("Accuracy", gap.train, gap.test, gap.gap)
    return replace(row, metric="accuracy", difference="gap")


def _loss_rows(gap: "Gap") -> tuple[GapRow, ...]:
    if gap.train_loss is None or gap.test_loss is None or gap.loss_gap is None:
        return ()
    train, test, loss = gap.train_loss, gap.test_loss, gap.loss_gap
    return (
        GapRow(
            name=metric_words("log_loss")[0],
            metric="log_loss",
            difference="log_loss_gap",
            train=decimal(train.value),
            train_interval=interval_text(train.interval, decimal),
            test=decimal(test.value),
            test_interval=interval_text(test.interval, decimal),
            gap=decimal_difference(loss.value),
            gap_interval=interval_text(loss.interval, decimal_difference),
            clear=_leaves_out_zero(loss),
        ),
    )


def _leaves_out_zero(gap: Estimate) -> bool:
    return not gap.interval.low <= 0 <= gap.interval.high


def _why_no_loss(findings: Findings) -> str:
    if findings.record.probabilities:
        return "The gap in log loss needs at least two images in each split."
    return "The gap in log loss needs the probabilities of all classes: score with --probabilities."


def _why_missing(findings: Findings) -> str:
    subsets = {subset.split: subset for subset in findings.record.subsets}
    directories = {name for name, subset in subsets.items() if subset.kind == "directory"}
    splits = {each.split: each for each in findings.evaluations if each.split not in directories}
    other = {"test": "train", "train": "test"}
    scored = [split for split in other if split in splits]
    absent = subsets.keys() & other.keys() - splits.keys() - directories
    cut = " and the ".join(sorted(split for split in absent if not subsets[split].complete))
    if cut:
        return f"No gap: the deadline passed before an image of the {cut} split was scored."
    if not scored and findings.record.is_of_predictions:
        return (
            "The overfitting gap is accuracy on training images minus accuracy on new ones. It needs a column that "
            "gives the split of each row, train or test."
        )
    if not scored:
        what = "a directory" if len(findings.record.subsets) == 1 else "directories"
        return (
            "The overfitting gap is accuracy on training images minus accuracy on new ones. This run scored "
            f"{what}; a job that scores both splits of a data set shows the gap."
        )
    if len(scored) == 1:
        which = other[scored[0]]
        return f"No gap: only the {scored[0]} split was scored. Score the {which} split with the same model, too."
    bare = [split for split in scored if splits[split].labelled is None]
    if bare:
        return f"No gap: the images of the {' and the '.join(bare)} split have no labels."
    return "No gap: the two splits were not scored with the same model and classes."


def gap_lines(findings: Findings) -> list[str]:
    """Say the gap in Markdown, and what the variants of the training have come to."""
    from batchclf.report.sections.regularisation import variant_lines

    sentence = [prose(findings.gap.sentence)] if findings.gap else []
    variants = variant_lines(findings.record.model.training)
    return [*sentence, "", *variants] if sentence and variants else sentence or variants

"""An evaluation as users of Python see it."""

from collections.abc import Mapping
from functools import cached_property
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, overload

from batchclf.api.failures import in_words
from batchclf.api.metric import Metric
from batchclf.api.pairs import compare_subjects
from batchclf.api.subject import Subject
from batchclf.api.tables import classification_report, confusion_table, per_class_table
from batchclf.core.metrics import evaluation as core
from batchclf.core.metrics.catalog import find_metric, formulas_of, place
from batchclf.core.metrics.formulas import OfCalibration
from batchclf.core.records.run import main_of
from batchclf.errors import UsageError
from batchclf.storage.run.metrics import metrics_dict

if TYPE_CHECKING:
    import pandas as pd

    from batchclf.core.compare.result import Comparison
    from batchclf.core.records.studies import Studies


class Evaluation:
    """What predictions are worth, on one split of images.

    Each metric of the catalogue (docs/metrics.md) is an attribute: a float with its `interval`, nan if it cannot be
    known. `split` is the split's name, "" if it has none; `class_names` are the classes in the model's order; `images`
    counts its images, `labelled` those with a label, which all metrics but `mean_confidence` rest on.
    """

    accuracy: Metric
    balanced_accuracy: Metric
    macro_precision: Metric
    macro_recall: Metric
    macro_f1: Metric
    weighted_precision: Metric
    weighted_recall: Metric
    weighted_f1: Metric
    log_loss: Metric
    brier: Metric
    mcc: Metric
    kappa: Metric
    gap: Metric
    log_loss_gap: Metric
    ece: Metric
    overconfidence: Metric
    mean_confidence: Metric

    def __init__(self, subject: Subject, split: str | None = None) -> None:
        """Take a split, by default the one called "test" or the first. `evaluate` and `load_run` make evaluations."""
        names = [each.split for each in subject.evaluations]
        self.split = main_of("", names) if split is None else split
        self._subject = subject
        self._core = subject.evaluations[names.index(self.split)]
        self.class_names, self.images = self._core.class_names, self._core.total
        self.labelled = 0 if self._core.labelled is None else self._core.labelled.total
        self._metrics = _metrics(subject, self._core)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Metric:
            """Give a metric by its name in metrics.json, such as `accuracy` or `top3_accuracy`."""
            entry = None if name.startswith("_") else find_metric(name)
            if entry is None or (name not in _NAMES and entry.source != "overall"):
                raise AttributeError(f"an evaluation has no '{name}'", name=name, obj=self)
            return self._metrics.get(name, Metric(name=name))

    def __dir__(self) -> list[str]:
        """List the metrics, too, for editors and notebooks."""
        return [*super().__dir__(), *_NAMES, *self._metrics]

    def __repr__(self) -> str:
        """Say what it is about."""
        of = f"split {self.split!r}, " if self.split else ""
        return f"<Evaluation: {of}{self.images:,} images, {self.labelled:,} labelled, accuracy {self.accuracy!r}>"

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """All metrics that are known, by name, in the order of docs/metrics.md."""
        return MappingProxyType(self._metrics)

    @property
    def splits(self) -> "Mapping[str, Evaluation]":
        """The evaluation of each split, this one among them, by name."""
        return {each.split: Evaluation(self._subject, each.split) for each in self._subject.evaluations}

    @property
    def per_class(self) -> "pd.DataFrame":
        """A row a class, in the model's order, with the columns of per_class.csv; nan for what cannot be known.

        `support`, `predicted` and `correct` count images; recall, precision, gap and AUC have the ends of their 95%
        intervals in `…_low` and `…_high`.
        """
        return per_class_table(self._core, self._subject.gap)

    @property
    def confusion(self) -> "pd.DataFrame":
        """The confusion matrix, images as int64: true classes down, predicted ones across; no row without labels."""
        return confusion_table(self._core)

    @cached_property
    @in_words
    def _studies(self) -> "Studies | None":
        return self._subject.studies()

    @property
    def slices(self) -> "pd.DataFrame":
        """A row a slice of the labelled images, by what is known of them: `metadata`, the file's format, images.csv.

        `accuracy` and `difference` to all other images have the ends of their 95% intervals in `…_low` and `…_high`;
        `class_mix` is how much of the difference the classes of the slice explain, `beyond` what they do not
        (docs/slices.md). No row without labels.
        """
        from batchclf.api.slices import slices_table

        found = self._studies
        return slices_table(None if found is None else found.slices.get(self.split))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on what may make the numbers mean less than they seem to."""
        if self._core.labelled is None:
            return ()
        from batchclf.core.compare.fitted_order import fitted_order, fitted_order_sentence

        order = fitted_order(self.class_names, self._core.labelled.confusion.counts)
        return () if order is None else (fitted_order_sentence(order),)

    def to_dict(self) -> dict[str, Any]:
        """Give the content of metrics.json (docs/formats.md), of all splits: plain values that JSON can hold."""
        return metrics_dict(self._subject.evaluations, self._subject.gap, self._studies)

    @overload
    def classification_report(
        self, *, digits: int = 2, output_dict: Literal[False] = False, zero_division: float | Literal["warn"] = "warn"
    ) -> str: ...

    @overload
    def classification_report(
        self, *, digits: int = 2, output_dict: Literal[True], zero_division: float | Literal["warn"] = "warn"
    ) -> dict[str, Any]: ...

    def classification_report(
        self, *, digits: int = 2, output_dict: bool = False, zero_division: float | Literal["warn"] = "warn"
    ) -> str | dict[str, Any]:
        """Give what scikit-learn's `classification_report` gives for the labelled images, as text or as a dictionary.

        The classes are those that occur as label or prediction, in the model's order. The arguments are scikit-learn's.
        Raises UsageError if no image has a label.
        """
        if self._core.labelled is None:
            raise UsageError("no image has a label, so there is nothing to report on", hint="give y_true")
        return classification_report(
            self._core.labelled.confusion, digits=digits, output_dict=output_dict, zero_division=zero_division
        )

    @in_words
    def report(
        self,
        path: str | PathLike[str],
        *,
        templates: str | PathLike[str] | None = None,
        pictures: bool = True,
    ) -> Path:
        """Write the report of all splits to a file that ends in .html, .md or .json, and give its path.

        It shows the images to which the paths given to `evaluate` lead, unless `pictures` is false. `templates` is a
        folder whose files replace built-in ones. Raises UsageError for another suffix.
        """
        from batchclf.api.report import rewrite_report, write_report

        out, source, own = Path(path), self._subject.source, None if templates is None else Path(templates)
        if isinstance(source, Path):
            rewrite_report(source, out, templates=own, pictures=None if pictures else False)
        else:
            write_report(source, out, templates=own, pictures=pictures)
        return out

    @in_words
    def save(self, out: str | PathLike[str]) -> Path:
        """Write a run directory, which must not be there yet, and give its path.

        It is one like any other: `load_run`, `batchclf report` and `batchclf evaluate` read it. Raises RunError if
        something stands at `out`, and UsageError if the evaluation is that of a run.
        """
        from batchclf.api.report import write_run
        from batchclf.jobs.run.inputs import Publication

        folder, source = Path(out), self._subject.source
        if isinstance(source, Path):
            raise UsageError(f"this is the evaluation of the run {source}", hint="copy that folder")
        write_run(source, folder, Publication(folder.parent))
        return folder

    @in_words
    def compare(self, other: "Evaluation") -> "Comparison":
        """Compare with a later evaluation of the same images: McNemar's test and paired intervals.

        Images go by their paths if both have them, else by the places of their rows. `print` shows the result in a
        sentence. Raises ComparisonError if the classes or the images are not the same.
        """
        return compare_subjects((self._subject, self.split), (other._subject, other.split))

    def _repr_html_(self) -> str:
        """Show what matters in a notebook: without script, style sheet or network."""
        from batchclf.report.html.notebook import render_evaluation

        return render_evaluation(self._core, self.warnings)


_NAMES = tuple(Evaluation.__annotations__)
"""The metrics that are attributes of every evaluation."""


def _metrics(subject: Subject, of: core.Evaluation) -> dict[str, Metric]:
    found: dict[str, Metric] = {}
    if of.labelled is not None:
        for each in of.labelled.overall:
            baseline = float("nan") if each.baseline is None else each.baseline
            found[each.name] = Metric(each.value, each.name, each.interval, baseline)
        if of.labelled.calibration is not None:
            for name, formula in formulas_of(OfCalibration).items():
                found[name] = Metric(formula.value(of.labelled.calibration), name)
    if subject.gap is not None and of.split in ("train", "test"):
        for name, estimate in (("gap", subject.gap.gap), ("log_loss_gap", subject.gap.loss_gap)):
            if estimate is not None:
                found[name] = Metric(estimate.value, name, estimate.interval)
    if of.mean_confidence == of.mean_confidence:
        found["mean_confidence"] = Metric(of.mean_confidence, "mean_confidence")
    return dict(sorted(found.items(), key=lambda item: place(item[0])))

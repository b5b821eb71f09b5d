"""The variants of a training side by side, as the report and the page of a training show them."""

from dataclasses import dataclass

from batchclf.core.records.regularisation import MeasuredVariant, compare_variants
from batchclf.core.text import NOTHING, class_name, count, duration, visible
from batchclf.core.training_record import TrainingRecord, Variant
from batchclf.report.parts.markdown_text import code, prose
from batchclf.report.parts.metric_words import TrainTestRow, share, share_interval, train_test


@dataclass(frozen=True, kw_only=True)
class VariantRow(TrainTestRow):
    """One variant; accuracies and gap with 95% intervals. `best` is the best one on the validation images."""

    name: str
    options: str
    epochs: str
    kept: str
    validation: str
    validation_interval: str
    seconds: str
    best: bool


@dataclass(frozen=True)
class RegularisationView:
    """The variants, what they show in a sentence, and the options that train the best one (empty: the recipe's)."""

    sentence: str
    options: str
    rows: tuple[VariantRow, ...]


def regularisation_view(training: TrainingRecord | None) -> RegularisationView | None:
    """Show the variants of a training; None where none were tried."""
    found = compare_variants(training.variants) if training else None
    if found is None:
        return None
    rows = tuple(_row(each, number == found.best) for number, each in enumerate(found.variants))
    best = next((row for row in rows if row.best), None)
    return RegularisationView(visible(found.sentence), best.options if best else "", rows)


def _row(of: MeasuredVariant, best: bool) -> VariantRow:
    variant = of.variant
    return VariantRow(
        name=class_name(variant.name),
        options=visible(variant.options),
        epochs=count(variant.epochs),
        kept=_kept(variant),
        validation=share(of.validation),
        validation_interval=share_interval(of.validation),
        seconds=duration(variant.seconds),
        best=best,
        **train_test(of.train, of.test, of.gap),
    )


def _kept(variant: Variant) -> str:
    return "the last kept" if variant.kept_epoch == variant.epochs else f"epoch {count(variant.kept_epoch)} kept"


def variant_lines(training: TrainingRecord | None) -> list[str]:
    """Show the variants of a training side by side in Markdown; nothing if none were tried."""
    view = regularisation_view(training)
    if view is None:
        return []
    lines = [prose(view.sentence), "", "| Variant | Options | Epochs | Train | Validation | Test | Gap (points) |"]
    lines.append("|---|---|--:|--:|--:|--:|--:|")
    for row in view.rows:
        name = f"{code(row.name)}{' (best on validation)' if row.best else ''}"
        options = code(row.options) if row.options else NOTHING
        gap = f"{row.gap} ({row.gap_interval})" if row.gap_interval else row.gap
        lines.append(f"| {name} | {options} | {row.epochs} | {row.train} | {row.validation} | {row.test} | {gap} |")
    return lines

"""The page of one training: how it went, which epoch was kept, what regularisation and temperature do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite

from batchclf.core.metrics.intervals import wilson
from batchclf.core.records.run import ModelRecord
from batchclf.core.text import count, counted, decimal, duration, moment, percent, percent_interval, scientific, visible
from batchclf.report.charts.gap import learning_curves
from batchclf.report.html.render import render_page
from batchclf.report.sections.calibration import TemperatureView, temperature_view
from batchclf.report.sections.facts import (
    Fact,
    FactGroup,
    classes_fact,
    geometry_facts,
    settings_facts,
    shape_words,
    shown_moment,
    training_line,
)
from batchclf.report.sections.learning import LearningView, learning_view
from batchclf.report.sections.metrics import Measure
from batchclf.report.sections.regularisation import RegularisationView, regularisation_view
from batchclf.report.sections.whole_report import Link

TRAINING_BUDGET = 1_000_000
"""Bytes; a training of 1,000 epochs takes about 100 kB."""


@dataclass(frozen=True)
class TrainedModel:
    """What the page says of a model: what `run.json` says of it, and more of its training.

    `train_images` are those of the train split of `data`, validation images included. `onnx_difference` is how far the
    graph's probabilities are from the model's.
    """

    record: ModelRecord
    data: str
    train_images: int
    fingerprint: str
    onnx_difference: float
    versions: Mapping[str, str]


@dataclass(frozen=True)
class TrainingView:
    """The page as plain, formatted data; `regularisation` and `temperature` are None where there is none."""

    title: str
    headline: str
    summary: str
    generated: str
    contents: tuple[Link, ...]
    measures: tuple[Measure, ...]
    learning: LearningView
    temperature: TemperatureView | None
    regularisation: RegularisationView | None
    groups: tuple[FactGroup, ...]


def training_view(model: TrainedModel, *, generated: datetime) -> TrainingView:
    """Put together what the page shows; `generated` is an aware time."""
    learning = learning_view(model.record.history, model.record.training, model.record.settings)
    temperature, regularisation = temperature_view(model.record.training), regularisation_view(model.record.training)
    headline = visible(f"{model.record.recipe} trained on {model.data}")
    sections = (
        (True, "learning", "Learning curves"),
        (regularisation, "regularisation", "Regularisation"),
        (temperature, "temperature", "Temperature"),
        (True, "facts", "Model and data"),
    )
    return TrainingView(
        title=f"{headline} · {model.record.created[:10]}",
        headline=headline,
        summary=training_line(model.record.training) or "The bundle has no training history.",
        generated=moment(generated),
        contents=tuple(Link(anchor, title) for there, anchor, title in sections if there),
        measures=_measures(model),
        learning=learning,
        temperature=temperature,
        regularisation=regularisation,
        groups=_groups(model),
    )


def render_training(view: TrainingView) -> str:
    """Write the page as HTML: one file that fetches nothing."""
    return render_page(
        "training.html", {"view": view, "curves": learning_curves(view.learning)}, budget=TRAINING_BUDGET
    )


def _measures(model: TrainedModel) -> tuple[Measure, ...]:
    """Show how the model does at its end, and what its training took."""
    training = model.record.training
    if training is None:
        return ()
    said = {"validation": " not trained on", "test": ", not used for selection", "train": " trained on"}
    measures: list[Measure] = []
    for name, note in said.items():
        right = training.final.get(name)
        if right is not None and right.images:
            accuracy = wilson(right.correct, right.images)
            on = f"on {counted(right.images, 'image')}{note}"
            interval = f"95% interval {percent_interval(accuracy)}"
            main = not measures
            measures.append(Measure(f"{name.capitalize()} accuracy", percent(accuracy.value), on, interval, main=main))
    planned = (
        f"of {count(training.planned_epochs)} planned; the weights are those after epoch {count(training.kept_epoch)}"
    )
    measures.append(Measure("Epochs", count(training.epochs), planned))
    loss = _at(model.record.history, "val_loss", training.kept_epoch)
    if loss is not None:
        alone = ", without flip TTA" if model.record.settings.get("flip_tta") else ""
        measures.append(
            Measure(f"{training.measured_on.capitalize()} loss", decimal(loss), f"of the epoch that was kept{alone}")
        )
    return (*measures, Measure("Time", duration(training.seconds), "of training"))


def _at(history: Mapping[str, Sequence[float]], metric: str, epoch: int) -> float | None:
    values = history.get(metric, ())
    value = values[epoch - 1] if 0 < epoch <= len(values) else None
    return value if value is not None and isfinite(value) else None


def _groups(model: TrainedModel) -> tuple[FactGroup, ...]:
    held = model.record.training.validation_images if model.record.training else 0
    split = f", {count(held)} of them for validation" if held else ""
    return (
        FactGroup("Settings", (Fact("Recipe", visible(model.record.recipe)), *settings_facts(model.record.settings))),
        FactGroup(
            "Data",
            (
                Fact("Name", visible(model.data)),
                Fact("Train split", f"{counted(model.train_images, 'image')}{split}"),
                Fact("Images", shape_words(model.record.input_shape, model.record.color_mode)),
                *geometry_facts(model.record),
                classes_fact(model.record.class_names),
                Fact("SHA-256", visible(model.fingerprint), code=True),
            ),
        ),
        FactGroup(
            "Model",
            (
                Fact("Parameters", count(model.record.parameters)),
                Fact("Created", shown_moment(model.record.created)),
                Fact("ONNX and Keras", f"agree within {scientific(model.onnx_difference)}"),
                Fact("SHA-256", visible(model.record.digest), code=True),
                Fact("Versions", " · ".join(f"{visible(k)} {visible(v)}" for k, v in model.versions.items())),
            ),
        ),
    )

"""The part of the report that says what was scored, by which model and how."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from batchclf.core.geometry import OWN
from batchclf.core.metrics.evaluation import Evaluation
from batchclf.core.records.findings import Findings
from batchclf.core.records.run import ModelRecord, RunRecord, SubsetRecord
from batchclf.core.text import (
    NOTHING,
    count,
    counted,
    duration,
    exact,
    moment,
    percent,
    percent_interval,
    scientific,
    visible,
)
from batchclf.core.training_record import TrainingRecord
from batchclf.report.parts.subset_words import is_cut, subset_name, subset_place

SHOWN_CLASS_NAMES = 20
MANY_SETTINGS = 4
"""A trained model with more settings has only some of them in sight."""

_IN_SIGHT = ("epochs", "batch_size", "learning_rate", "validation_split", "seed")
FLIPS_FILE = "flips.csv"


@dataclass(frozen=True)
class Fact:
    """One term and its value; `code` values are set in a monospaced face."""

    term: str
    value: str
    code: bool = False


@dataclass(frozen=True)
class FactGroup:
    """Facts under one heading; `more` are those that a click shows, `more_title` says what they are."""

    title: str
    facts: tuple[Fact, ...]
    more: tuple[Fact, ...] = ()
    more_title: str = ""


@dataclass(frozen=True)
class SubsetRow:
    """The row accounting of one subset; `adds_up` where found = scored + skipped + excluded.

    `place` is the path of a directory that has a name; not `complete` where the deadline cut it.
    """

    name: str
    place: str
    labels: str
    found: str
    scored: str
    skipped: str
    excluded: str
    adds_up: bool
    complete: bool
    accuracy: str
    accuracy_interval: str
    seconds: str
    rate: str


@dataclass(frozen=True)
class File:
    """A file beside the report."""

    name: str
    about: str


@dataclass(frozen=True)
class FactsView:
    """Everything needed to know where the numbers come from."""

    groups: tuple[FactGroup, ...]
    subsets: tuple[SubsetRow, ...]
    files: tuple[File, ...]


def facts_view(findings: Findings) -> FactsView:
    """Show the data set, the model, the run, the row accounting and the files."""
    record = findings.record
    by_split = {evaluation.split: evaluation for evaluation in findings.evaluations}
    return FactsView(
        groups=(_data(record), _model(record.model), _run(record)),
        subsets=tuple(_subset(subset, by_split.get(subset.split)) for subset in record.subsets),
        files=_files(findings),
    )


def _data(record: RunRecord) -> FactGroup:
    facts = []
    if record.dataset is not None:
        facts += [
            Fact("Name", visible(record.dataset.name)),
            Fact("Origin", visible(record.dataset.origin)),
            Fact("Train split", counted(record.dataset.train_images, "image")),
            Fact("Test split", counted(record.dataset.test_images, "image")),
        ]
    if record.is_of_predictions:
        images = dict.fromkeys(subset.images for subset in record.subsets if subset.images)
        facts += [Fact("Predictions of", visible(record.model.path), code=True)]
        facts += [Fact("Images", visible(each), code=True) for each in images]
        return FactGroup("Data", (*facts, classes_fact(record.model.class_names)))
    directories = [subset for subset in record.subsets if subset.kind == "directory"]
    facts += [Fact(_directory(subset), visible(subset.source), code=True) for subset in directories]
    resized = f", larger ones resized ({visible(record.resize)})" if directories else ""
    facts += [
        Fact("Images", f"{shape_words(record.model.input_shape, record.model.color_mode)}{resized}"),
        *geometry_facts(record.model),
        classes_fact(record.model.class_names),
    ]
    return FactGroup("Data", tuple(facts))


def shape_words(shape: tuple[int, int, int], color_mode: str) -> str:
    """Say what images are brought to: (height, width, channels), and how they are decoded."""
    height, width, channels = shape
    return f"{height} × {width} pixels, {visible(color_mode)} ({counted(channels, 'channel')})"


def geometry_facts(model: ModelRecord) -> list[Fact]:
    """Say how files become images of the model's size, unless that is batchclf's own way."""
    if model.geometry == OWN:
        return []
    return [Fact("Geometry", visible(model.geometry.sentence(model.input_shape[:2])))]


def classes_fact(names: Sequence[str]) -> Fact:
    """Count the classes and name the first of them."""
    shown = ", ".join(visible(name) for name in names[:SHOWN_CLASS_NAMES])
    more = len(names) - SHOWN_CLASS_NAMES
    return Fact(f"Classes ({len(names)})", f"{shown} and {more} more" if more > 0 else shown)


def _directory(subset: SubsetRecord) -> str:
    return f"Directory {visible(subset.split)}" if subset.split else "Directory"


def _model(model: ModelRecord) -> FactGroup:
    if model.source == "predictions":
        columns = "; ".join(f"{visible(name)}: {visible(str(value))}" for name, value in model.settings.items())
        made = Fact("Made by", "unknown: only predictions were read")
        taken = Fact("Taken from", columns)
        return FactGroup(
            "Model", (made, *([taken] if columns else []), Fact("SHA-256", visible(model.digest), code=True))
        )
    this_run = "trained in this run" if model.trained_in_this_run else "loaded, trained before"
    if not model.history:  # an imported model; the date is that of the import
        this_run = "imported"
    facts = (
        Fact("Recipe", visible(model.recipe)),
        Fact("Settings", settings_line(model.settings, trained=bool(model.history))),
        Fact("Training", training_line(model.training)),
        Fact("Parameters", count(model.parameters)),
        Fact("Trained on", visible(model.trained_on)),
        Fact("Created", f"{shown_moment(model.created)}, {this_run}"),
        Fact("Bundle", visible(model.path), code=True),
        Fact("SHA-256", visible(model.digest), code=True),
    )
    more = settings_facts(model.settings) if model.history and len(model.settings) > MANY_SETTINGS else ()
    title = f"All {len(more)} training settings" if more else ""
    return FactGroup("Model", tuple(fact for fact in facts if fact.value), more, title)


def settings_line(settings: Mapping[str, int | float | str | bool], *, trained: bool) -> str:
    """Put settings into a line; of the many ones of a training those that are asked for first."""
    names = list(settings)
    if trained and len(names) > MANY_SETTINGS:
        names = [name for name in _IN_SIGHT if name in settings] or names[:MANY_SETTINGS]
    return visible(", ".join(f"{_words(name)} {_setting(settings[name])}" for name in names)) or "none"


def settings_facts(settings: Mapping[str, int | float | str | bool]) -> tuple[Fact, ...]:
    """Show each setting as a term and its value."""
    return tuple(Fact(visible(_term(name)), visible(_setting(settings[name]))) for name in settings)


def training_line(training: TrainingRecord | None) -> str:
    """Sum up how a training went; empty where that is not known."""
    if training is None:
        return ""
    ran = f"{count(training.epochs)} of {counted(training.planned_epochs, 'epoch')} in {duration(training.seconds)}"
    kept = f", weights of epoch {count(training.kept_epoch)}" if training.kept_epoch != training.epochs else ""
    held = f", {count(training.validation_images)} held out for validation" if training.validation_images else ""
    return f"{ran}{kept}; trained on {counted(training.train_images, 'image')}{held}"


def _words(name: str) -> str:
    return name.replace("_", " ").replace("flip tta", "flip TTA")


def _term(name: str) -> str:
    words = _words(name)
    return f"{words[:1].upper()}{words[1:]}"


def _setting(value: int | float | str | bool) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return exact(value) if isinstance(value, float) else str(value) or "none"


def _run(record: RunRecord) -> FactGroup:
    timings = " · ".join(
        f"{visible(step)} {duration(value)}" for step, value in record.timings.items() if step != "report"
    )
    versions = " · ".join(f"{visible(name)} {visible(value)}" for name, value in record.versions.items())
    runtime = f"{visible(record.runtime)} on {visible(record.device)}, batches of {counted(record.batch_size, 'image')}"
    facts = [
        Fact("Run", visible(record.run_id), code=True),
        Fact("Job", visible(record.job) if record.job else "none (started by hand)"),
        Fact("Run date", visible(record.run_date)),
        Fact("Status", f"{record.status}, cut off by the deadline" if is_cut(record) else record.status),
        Fact("Command", visible(shlex.join(record.command)), code=True),
        Fact("Started", shown_moment(record.started)),
        Fact("Duration", duration(record.seconds)),
        Fact("Timings", timings),
        Fact("Runtime", "" if record.is_of_predictions else runtime),
        Fact("Precision", "; ".join(_precision(subset, record) for subset in record.subsets if subset.precision)),
        Fact("From the cache", _cached(record)),
        Fact("From a killed run", _resumed(record)),
        # Else a reader may take the missing pictures for a fault.
        Fact("Pictures", "" if record.pictures else "left out (report.pictures or --no-pictures)"),
        Fact("Versions", versions),
    ]
    return FactGroup("Run", tuple(fact for fact in facts if fact.value))


def _precision(subset: SubsetRecord, record: RunRecord) -> str:
    check = subset.precision
    if check is None or not check.images:
        return f"{visible(record.precision)}, not compared with f32: all predictions came from the cache"
    return (
        f"{visible(record.precision)}: of {counted(check.images, 'image')} also scored with f32, {check.changed:,} "
        f"have another class there; probabilities differ by up to {scientific(check.largest)}"
    )


def _resumed(record: RunRecord) -> str:
    resumed = sum(subset.resumed for subset in record.subsets)
    return f"{counted(resumed, 'image')}; files and labels were compared again" if resumed else ""


def _cached(record: RunRecord) -> str:
    cached = sum(subset.cached for subset in record.subsets)
    return f"{counted(cached, 'image')}, scored by an earlier run with this model" if cached else ""


def shown_moment(iso: str) -> str:
    """Show a point in time given as ISO 8601."""
    try:
        return moment(datetime.fromisoformat(iso))
    except ValueError:  # an imported model may come with any date; show what it says
        return visible(iso)


def _subset(subset: SubsetRecord, evaluation: Evaluation | None) -> SubsetRow:
    labelled = evaluation.labelled if evaluation else None
    fast = subset.seconds > 0 and subset.scored > 0
    return SubsetRow(
        name=subset_name(subset),
        place=subset_place(subset),
        labels=visible(subset.labels),
        found=count(subset.found),
        scored=count(subset.scored),
        skipped=count(subset.skipped),
        excluded=count(subset.excluded),
        adds_up=subset.found == subset.scored + subset.skipped + subset.excluded,
        complete=subset.complete,
        accuracy=percent(labelled.accuracy.value) if labelled else NOTHING,
        accuracy_interval=percent_interval(labelled.accuracy) if labelled else "",
        seconds=duration(subset.seconds),
        rate=f"{round(subset.scored / subset.seconds):,} images/s" if fast else "",
    )


def _files(findings: Findings) -> tuple[File, ...]:
    if findings.alone:
        return ()
    labelled = any(evaluation.labelled for evaluation in findings.evaluations)
    record = findings.record
    other_formats = [] if record.is_partitioned else [name for name in record.formats if name != "csv"]
    files = (
        (not record.is_partitioned, "predictions.csv", "one row per image"),
        (record.is_partitioned, "predictions/", "one row per image, in Parquet files"),
        *((True, f"predictions.{name}", "the same rows at full precision") for name in other_formats),
        (labelled, "per_class.csv", "metrics per class"),
        (labelled, "confusion.csv", "confusion counts"),
        (findings.statistics, "images.csv", "size, mode, brightness and digest of each image"),
        (findings.duplicates, "duplicates.csv", "images that occur more than once"),
        (findings.flips, FLIPS_FILE, "predictions that changed since the last run"),
        (True, "metrics.json", "all metrics"),
        (True, "skipped.csv", "files not scored, with reasons"),
        (True, "run.json", "how the run came about"),
    )
    return tuple(File(name, about) for is_there, name, about in files if is_there)

"""Find out all that can be known of a job without running it."""

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from batchclf import atomic
from batchclf.core.metrics.catalog import EACH_CLASS
from batchclf.core.text import counted, size
from batchclf.data.metadata_table import read_metadata
from batchclf.errors import BatchclfError, DataError, JobFileError, ModelError, RunError, StoreError
from batchclf.jobs.config.load import Job, read_job, texts_of
from batchclf.jobs.config.placeholders import is_dated, variables
from batchclf.jobs.config.study_options import check_positive_class
from batchclf.jobs.config.toml_lines import JobText, Keys
from batchclf.jobs.setup.check_predictions import check_predictions
from batchclf.jobs.setup.check_subsets import (
    Found,
    State,
    check_data,
    check_directories,
    check_model,
    check_packages,
    of_error,
    why_not_writable,
)
from batchclf.report.html.templates import environment, template_error
from batchclf.storage.exports.prometheus import SUFFIX
from batchclf.storage.history.database import check as check_history
from batchclf.storage.run.metrics import read_metrics
from batchclf.storage.run.published import HISTORY_FILE
from batchclf.storage.run.resume import take_lock

LOW_SPACE, LEAST_SPACE = 2_000_000_000, 100_000_000
"""Bytes free on the disk of the reports: fewer than the first are a warning, fewer than the second an error."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: `topic` names it, `message` says what was found, `hint` what to do.

    `key` is the dotted key of the job file that it is about, "" for none, and `line` its line from 1, None for none.
    """

    topic: str
    state: State
    message: str
    hint: str = ""
    key: str = ""
    line: int | None = None


def check_job(path: Path, run_date: date | None = None) -> tuple[Job | None, list[Check]]:
    """Check a job file and what it names; trains, scores and fetches nothing, and leaves nothing behind.

    The job is None if the file itself is wrong; then nothing else can be looked at. `run_date` is as for `load_job`.
    """
    try:
        read = read_job(path, run_date)
    except JobFileError as error:
        return None, [_of_file(error)]
    if read.job is None:
        return None, [_of_file(problem) for problem in read.problems]
    return read.job, [_located(each, read.text) for each in _look(read.job, read.raw)]


def _look(job: Job, raw: dict[str, Any]) -> Iterator[Found]:
    scored = ", ".join([*job.splits, *job.directories]) or "nothing: it reads predictions"
    yield Found("job file", "ok", f"the job {job.name} scores {scored}; run date {job.run_date}")
    if names := sorted({name for text in texts_of(raw) for name in variables(text)}):
        yield Found("environment", "ok", f"placeholders take {', '.join(names)}")
    classes: Sequence[str] | None = None
    if job.spec.predictions is not None:
        yield from check_predictions(job, job.spec.predictions, raw)
    else:
        yield from check_packages(job)
        of_model, found = check_model(job)
        yield from found
        of_data, found = check_data(job, of_model)
        yield from found
        classes = of_model or of_data
        yield from check_directories(job, classes, raw)
    yield from _studies(job, classes, raw)
    yield from _rules(job, classes)
    yield from _baselines(job, classes)
    yield from _reports(job)
    yield from _templates(job)
    yield from _notify(job)


def _of_file(error: JobFileError) -> Check:
    return Check("job file", "error", error.message, error.hint, error.key, error.line)


def _located(found: Found, text: JobText) -> Check:
    """Name file, line and key of what is not in order."""
    if found.state == "ok" or not found.keys:
        return Check(found.topic, found.state, found.message, found.hint)
    error = text.error(found.keys, found.message, found.hint)
    return Check(found.topic, found.state, error.message, found.hint, error.key, error.line)


def _studies(job: Job, classes: Sequence[str] | None, raw: dict[str, Any]) -> Iterator[Found]:
    """Check the metadata and the positive class; the other keys were checked when the file was read."""
    if job.metadata is not None:
        keys: Keys = ("slices", "metadata")
        if isinstance(job.metadata, Path) and not job.metadata.exists() and is_dated(raw["slices"]["metadata"]):
            what = f"there is no {job.metadata} yet"
            yield Found("metadata", "warning", what, keys, "it must be there when the job runs, or nothing is scored")
        else:
            try:
                table = read_metadata(job.metadata, job.roots)
                columns = ", ".join(table.columns)
                yield Found("metadata", "ok", f"{job.metadata}: {columns} of {counted(table.count, 'image')}")
            except (DataError, StoreError) as error:
                yield of_error("metadata", error, keys)
    positive = job.spec.thresholds.positive_class
    if positive is not None and classes is not None:
        try:
            check_positive_class(positive, classes)
        except ModelError as error:
            yield of_error("thresholds", error, ("thresholds", "positive_class"))


def _rules(job: Job, classes: Sequence[str] | None) -> Iterator[Found]:
    """Check the classes that rules name; metrics, subsets and baselines were checked when the file was read."""
    rules = job.gate.rules
    wrong = False
    for number, rule in enumerate(rules):
        name = rule.class_name
        if name in (None, EACH_CLASS) or classes is None or name in classes:
            continue
        wrong = True
        what = f"the rule on {rule.metric} is about the class '{name}', which the model has not"
        yield Found("gate", "error", what, ("gate", "rules", number, "class"), f"choose one of: {', '.join(classes)}")
    if not wrong:
        bounds = sum(bound is not None for bound in (job.gate.min_test_accuracy, job.gate.max_gap))
        off = sorted(job.gate.alarms.off) if job.gate.alarms else []
        yield Found(
            "gate",
            "ok",
            f"{counted(bounds, 'bound')}, {counted(len(rules), 'rule')}, "
            f"{'all alarms' if not off else 'off: ' + ', '.join(off)}",
        )


def _baselines(job: Job, classes: Sequence[str] | None) -> Iterator[Found]:
    for name, baseline in job.baselines.items():
        keys: Keys = ("baselines", name)
        place = job.folder / baseline if isinstance(baseline, str) else baseline
        place = atomic.followed(place)
        folder = place if place.is_dir() else place.parent
        try:
            if not os.path.lexists(place):
                raise JobFileError(f"there is no {place}", hint="give a run id of this job, or a path that is there")
            metrics = read_metrics(folder)
        except BatchclfError as error:
            yield of_error(f"baseline {name}", error, keys)
            continue
        splits = metrics.get("splits", {})
        unlike = {str(each) for of in splits.values() for each in of.get("predicted", {})} ^ set(classes or ())
        if classes is not None and unlike:
            what = f"{place} and the model have other classes: '{min(unlike)}' is in one only"
            yield Found(f"baseline {name}", "error", what, keys, "take a run of a model with the same classes")
        else:
            yield Found(f"baseline {name}", "ok", f"{place}, of {', '.join(map(repr, splits))}")


def _reports(job: Job) -> Iterator[Found]:
    keys: Keys = ("publish", "reports")
    if (trouble := why_not_writable(job.folder)) is not None:
        yield Found(
            "reports", "error", f"nothing can be published in {job.folder}: {trouble}", keys, "correct its rights"
        )
        return
    above = next(folder for folder in (job.folder, *job.folder.parents) if folder.is_dir())
    free = shutil.disk_usage(above).free
    state: State = "error" if free < LEAST_SPACE else "warning" if free < LOW_SPACE else "ok"
    hint = "free some, or name another reports folder" if state != "ok" else ""
    yield Found("reports", state, f"{job.folder}: {size(free)} are free", keys, hint)
    yield from _file_system(above, keys)
    history = job.reports / HISTORY_FILE
    if os.path.lexists(history):
        try:
            check_history(history)
        except BatchclfError as error:
            yield of_error("history", error, ())
        else:
            yield Found("history", "ok", str(history))


def _file_system(folder: Path, keys: Keys) -> Iterator[Found]:
    """Try what a run needs of the file system: links, and locks of both kinds."""
    try:
        if not atomic.has_links(folder):
            what = f"{folder} is on a file system without symbolic links: latest and last-good will be text files"
            hint = "batchclf reads them as links; for other programs name a reports folder on another disk"
            yield Found("reports", "warning", what, keys, hint)
        file = atomic.beside(folder / "lock")
        try:
            take_lock(file).release()
            file.touch()
            atomic.try_lock(file)
        finally:
            file.unlink(missing_ok=True)
    except RunError as error:
        yield of_error("reports", error, keys)
    except OSError as error:
        what = f"nothing can be locked in {folder}: {error.strerror or error}"
        yield Found("reports", "error", what, keys, "name a reports folder on another disk")


def _templates(job: Job) -> Iterator[Found]:
    """Compile the user's own templates; only a report can show whether they name what is there."""
    folder, keys = job.templates, ("report", "templates")
    if folder is None:
        return
    try:
        finder = environment(folder)
    except BatchclfError as error:
        yield of_error("templates", error, keys)
        return
    wrong = False
    names = sorted(file.name for file in folder.iterdir() if file.suffix in (".html", ".css", ".js"))
    for name in names:
        try:
            finder.get_template(name)
        except BatchclfError as error:
            yield of_error("templates", error, keys)
            wrong = True
        except Exception as error:  # whatever Jinja2 makes of a user's template
            known = template_error(error, folder)
            yield of_error("templates", known or BatchclfError(f"{folder / name}: {error}", hint="correct it"), keys)
            wrong = True
    if not wrong:
        yield Found("templates", "ok", f"{folder}: {', '.join(names)}")


def _notify(job: Job) -> Iterator[Found]:
    notify = job.spec.notify
    base = job.path.resolve().parent
    for name, command in (("on_success", notify.on_success), ("on_failure", notify.on_failure)):
        if command is None:
            continue
        program = command[0]
        found = shutil.which(base / program if "/" in program else program)
        if found is None:
            what = f"there is no program '{program}' that could be run"
            hint = "install it, or give its whole path: in cron PATH is short"
            yield Found(name, "error", what, ("notify", name), hint)
        else:
            yield Found(name, "ok", found)
    if notify.webhook is not None:
        yield Found("webhook", "ok", f"notified {'of failures' if notify.webhook_on == 'failure' else 'every night'}")
    for name, path in (("prometheus", job.prometheus), ("junit", job.junit)):
        if path is not None:
            yield _file_to_write(name, path)


def _file_to_write(name: str, path: Path) -> Found:
    keys: Keys = ("notify", name)
    if path.is_dir():
        return Found(name, "error", f"{path} is a folder; a file is expected", keys, "name a file in it")
    if name == "prometheus" and not path.parent.is_dir():
        hint = "make it, and start the node exporter with --collector.textfile.directory"
        return Found(name, "error", f"there is no folder {path.parent}", keys, hint)
    if (trouble := why_not_writable(path.parent)) is not None:
        return Found(name, "error", f"{path} cannot be written: {trouble}", keys, "correct its rights")
    if name == "prometheus" and path.suffix != SUFFIX:
        hint = "the node exporter reads no others"
        return Found(name, "error", f"the name of {path} does not end in {SUFFIX}", keys, hint)
    return Found(name, "ok", str(path))

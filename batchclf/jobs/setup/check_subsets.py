"""Check a job's model, data and folders, without training, scoring or fetching."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from batchclf.core.geometry import GEOMETRY_HINT, UNKNOWN
from batchclf.core.text import counted
from batchclf.core.types import ExcludedFile, ImageRef
from batchclf.data.catalog import load_dataset
from batchclf.data.folders import check_enough, list_class_folders
from batchclf.data.labels import LabelRule
from batchclf.data.providers import DATA_DIR_VARIABLE, OFFLINE_VARIABLE
from batchclf.data.selection import select
from batchclf.data.sources.found import excluded_words, hint_without_image, links_left_out
from batchclf.errors import BatchclfError, DataError, StoreError, UsageError
from batchclf.jobs.config.data_options import input_not_used, label_map, will_train
from batchclf.jobs.config.load import Job
from batchclf.jobs.config.options import DataSpec
from batchclf.jobs.config.placeholders import is_dated
from batchclf.jobs.config.settings import DirectorySubset, open_bundle
from batchclf.jobs.config.spec import ScoringSpec
from batchclf.jobs.config.toml_lines import Keys
from batchclf.models.bundle import Bundle
from batchclf.models.runtime.registry import ENTRIES, default_runtime, find_runtime
from batchclf.training.recipes.builtin import DEFAULT_RECIPE
from batchclf.training.recipes.custom import find_recipe

State = Literal["ok", "warning", "error"]
EXTRAS = {entry.extra: (entry.module,) for entry in ENTRIES if entry.extra} | {
    "train": ("tensorflow", "tf2onnx", "onnx"),
    "parquet": ("pyarrow",),
    "ray": ("ray",),
}
"""The extras that a job may need, with the modules that they bring."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found about some keys of the job file; `hint` says what to do."""

    topic: str
    state: State
    message: str
    keys: Keys = ()
    hint: str = ""


def of_error(topic: str, error: BatchclfError, keys: Keys) -> Found:
    """Turn an error into what was found."""
    return Found(topic, "error", error.message, keys, error.hint or "correct the path, or what lies there")


def needed_extras(job: Job) -> dict[str, Keys]:
    """Name the extras of the package that a job needs, each with the keys that say so."""
    scoring = job.spec.scoring
    needs: dict[str, Keys] = {}
    if job.spec.data is not None and job.spec.model.bundle is None:
        needs["train"] = ("model",)
    with suppress(UsageError):  # of which `check_model` speaks
        if extra := find_runtime(scoring.runtime or "onnx", scoring.precision, scoring.device).extra:
            needs[extra] = ("scoring", "precision" if scoring.precision != "f32" else "runtime")
    if will_train(job):
        needs["train"] = ("model",)
    if "parquet" in scoring.format:
        needs["parquet"] = ("scoring", "format")
    if scoring.partitioned:
        needs["parquet"] = ("scoring", "partitioned")
    if scoring.engine == "ray":
        needs["ray"] = ("scoring", "engine")
    return needs


def check_packages(job: Job) -> Iterator[Found]:
    """Check that the packages which the job needs are installed."""
    for extra, keys in needed_extras(job).items():
        missing = [module for module in EXTRAS[extra] if find_spec(module) is None]
        if not missing:
            yield Found("packages", "ok", f"the extra {extra} is installed")
            continue
        now = extra != "train" or will_train(job) or keys == ("scoring", "runtime")
        yield Found(
            "packages",
            "error" if now else "warning",
            f"the job needs the extra {extra}{'' if now else ' once its model is to be trained anew'}: "
            f"{', '.join(missing)} is not installed",
            keys,
            f"pip install 'batchclf[{extra}]'",
        )


def check_model(job: Job) -> tuple[tuple[str, ...] | None, list[Found]]:
    """Give the classes of the model that the job will load, None if it trains one or cannot, and what was found."""
    keys: Keys = ("model", "bundle") if job.spec.model.bundle else ("model",)
    found = list(_runtime(job.spec.scoring))
    if will_train(job):
        why = "retrain = true" if job.spec.model.retrain else f"there is none yet at {job.bundle}"
        found.append(_recipe(job, why))
        if isinstance(job.bundle, Path) and (trouble := why_not_writable(job.bundle.parent)) is not None:
            found.append(Found("model", "error", f"the model cannot be kept: {trouble}", keys, "correct its rights"))
        return None, found
    try:
        bundle = open_bundle(job.bundle)
        if not found:
            _open(bundle, job.spec.scoring)
    except BatchclfError as error:
        return None, [*found, of_error("model", error, keys)]
    info = bundle.info
    if job.spec.data is not None:
        for key, sentence in input_not_used(job.spec.data, info.input_shape, info.color_mode, info.geometry):
            found.append(Found("data", "warning", sentence, ("data", key), "take the key away, or train again"))
    if info.geometry == UNKNOWN and (job.spec.scoring.directories or job.directory is not None):
        size = "x".join(map(str, info.input_shape[:2]))
        what = (
            "the bundle does not know how images are cut and resized for its model: the first one that has not "
            f"{size} pixels ends the run"
        )
        found.append(Found("model", "warning", what, keys, GEOMETRY_HINT))
    what = f"{job.bundle}: {info.origin}, {counted(len(info.class_names), 'class', 'classes')}, of {info.created}"
    return info.class_names, [*found, Found("model", "ok", what)]


def _runtime(scoring: ScoringSpec) -> Iterator[Found]:
    """Check that this machine can run a model as the job asks for; the model itself may not be there yet."""
    try:
        entry = find_runtime(scoring.runtime or "onnx", scoring.precision, scoring.device)
        # An extra that is missing is reported by itself. TensorFlow takes seconds to load, and needs nothing on a CPU.
        is_here = not entry.extra or find_spec(entry.module) is not None
        if is_here and (entry.graph or scoring.device != "cpu"):
            entry.load().check(scoring.device)
    except BatchclfError as error:
        yield of_error("model", error, ("scoring", "precision" if scoring.precision != "f32" else "device"))


def _open(bundle: Bundle, scoring: ScoringSpec) -> None:
    """Open a bundle as the job would, but load no TensorFlow; raises ModelError."""
    entry = find_runtime(scoring.runtime or default_runtime(bundle), scoring.precision, scoring.device)
    entry.check_bundle(bundle)
    if entry.runs == "tflite" or (entry.graph and find_spec(entry.module) is not None):
        entry.open(bundle, scoring.device)


def _recipe(job: Job, why: str) -> Found:
    """Look for the recipe; the module of a custom one is imported, which runs its code, and nothing is built."""
    if job.base is not None:
        if job.base.exists():
            return Found("model", "ok", f"{job.base} will be fine-tuned: {why}")
        return Found("model", "error", f"there is no base at {job.base}", ("model", "base"), "correct the path")
    name = job.spec.model.recipe or DEFAULT_RECIPE
    try:
        find_recipe(name, [job.path.resolve().parent])
    except BatchclfError as error:
        return of_error("model", error, ("model", "recipe"))
    return Found("model", "ok", f"recipe {name} will be trained: {why}")


def check_data(job: Job, classes: tuple[str, ...] | None) -> tuple[tuple[str, ...] | None, list[Found]]:
    """Check that the data set is on this machine, or what stands in its class folders; images are not read.

    `classes` are those of the model. Gives the classes of the data, None if they are not known, and what was found.
    """
    data = job.spec.data
    if data is None:
        return None, []
    if data.dataset is None:
        names, found = _class_folders(job, data)
        keys: Keys = ("data", "directory")
    else:
        names, found = _data_set(job, data.dataset)
        keys = ("data", "dataset")
    if names is not None and classes is not None and (strangers := [name for name in names if name not in classes]):
        what = f"the data has the class '{strangers[0]}', which the model has not ({', '.join(classes)})"
        found.append(Found("data", "error", what, keys, "train again (retrain = true), or name another model or data"))
    return names, found


def _data_set(job: Job, name: str) -> tuple[tuple[str, ...] | None, list[Found]]:
    offline = os.environ.get(OFFLINE_VARIABLE, "") not in ("", "0")
    named = job.data_dir is not None or bool(os.environ.get(DATA_DIR_VARIABLE))
    try:
        dataset = load_dataset(name, data_dir=job.data_dir, say=lambda _: None, fetch=False)
    except DataError as error:
        keys: Keys = ("data", "dataset") if job.data_dir is None else ("data", "data_dir")
        if offline or named:
            return None, [of_error("data", error, keys)]
        what = f"{name} is not on this machine; the first run will fetch it"
        return None, [Found("data", "warning", what, keys, f"fetch it now: batchclf data fetch {name}")]
    return dataset.class_names, [Found("data", "ok", dataset.origin)]


def _class_folders(job: Job, data: DataSpec) -> tuple[tuple[str, ...] | None, list[Found]]:
    """List the images of class folders as the job would; a class without one is an error before hours of training."""
    root, keys = job.directory or Path(), ("data", "directory")
    try:
        meanings = label_map(job.label_map)
        names, listed, left_out = list_class_folders(
            root, say=lambda _: None, label_map=meanings, follow_symlinks=data.follow_symlinks
        )
        check_enough(root, names if will_train(job) else (), listed, left_out)
    except DataError as error:
        return None, [of_error("data", error, keys)]
    except OSError as error:
        what = f"{error.filename} cannot be listed: {error.strerror}"
        return None, [Found("data", "error", what, keys, "correct its rights")]
    images = sum(len(part.files) for part in listed)
    found = [Found("data", "ok", f"{root}: {len(names)} class folders, {counted(images, 'image')}")]
    if links := links_left_out(left_out.excluded):
        hint = "set follow_symlinks = true, or take the links away"
        found.append(Found("data", "warning", f"{root}: {links}", keys, hint))
    if len(listed) > 1 and data.test_size is not None:
        what = f"data.test_size is not used, since there are train/ and test/ in {root}"
        found.append(Found("data", "warning", what, ("data", "test_size"), "take the key away"))
    return names, found


def check_directories(job: Job, classes: tuple[str, ...] | None, raw: dict[str, Any]) -> Iterator[Found]:
    """Check that the folders to score are there and hold an image, and what gives labels.

    `classes` are those of the model or, before it is trained, of the data; `raw` is the job file with its placeholders.
    """
    for name, subset in job.directories.items():
        topic, keys = f"directory {name}", ("scoring", "directories", name)
        if is_dated(raw["scoring"]["directories"][name]["path"]) and not subset.source.has(""):
            what = f"the folder of this run date is not there yet: {subset.source}"
            hint = "it must be there when the job runs; otherwise the alarm no-images is raised"
            yield Found(topic, "warning", what, (*keys, "path"), hint)
            continue
        try:
            subset = replace(subset, source=subset.source.opened())
        except (DataError, StoreError) as error:
            yield of_error(topic, error, (*keys, "path"))
            continue
        try:
            yield _directory(topic, keys, subset, classes)
        except BatchclfError as error:
            yield of_error(topic, error, (*keys, "labels"))
        except OSError as error:
            what = f"{error.filename} cannot be read: {error.strerror}"
            yield Found(topic, "error", what, (*keys, "path"), "correct its rights")


def _directory(topic: str, keys: Keys, subset: DirectorySubset, classes: tuple[str, ...] | None) -> Found:
    """Look for one image and for labels; raises what `rule_for` and `select` do."""
    chosen = subset.selection
    rule = LabelRule(None, "labels are not known before the model is") if classes is None else subset.rule(classes)
    found = select(subset.source, rule, chosen)
    excluded: Counter[str] = Counter()
    for each in found:
        if isinstance(each, ImageRef):
            break
        if isinstance(each, ExcludedFile):
            excluded[each.reason] += 1
    else:
        why = f" ({excluded_words(excluded)})" if excluded else ""
        what = f"{subset.source} holds no image that would be scored{why}"
        hint = hint_without_image(excluded, {}) or "put images there, or correct glob"
        return Found(topic, "warning", what, (*keys, "path"), hint)
    if rule.warning:
        hint = "rename it, or leave it out by a .batchclfignore"
        return Found(topic, "warning", rule.warning, (*keys, "labels"), hint)
    if rule.table is not None:
        for _ in found:  # how many rows of the CSV name a file is known after the last one
            pass
        if warning := rule.table.warning(listed=False):
            return Found(topic, "warning", warning, (*keys, "labels"), "correct the paths, or the folder")
    return Found(topic, "ok", f"{subset.source}: {rule.sentence}")


def why_not_writable(folder: Path) -> str | None:
    """Say why no file can be made in a folder, or in the nearest one above that is there; None if one can."""
    above = folder
    while not os.path.lexists(above) and above != above.parent:
        above = above.parent
    if not above.is_dir():
        return f"{above} is not a folder"
    if not os.access(above, os.W_OK | os.X_OK):
        return f"{above} may not be written"
    return None

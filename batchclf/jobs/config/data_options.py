"""Class folders as a job's [data] describes them: how they are loaded, split, and split again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from batchclf.core.choices import ColorMode
from batchclf.core.geometry import OF_GEOMETRY, OWN, UNKNOWN, Geometry
from batchclf.core.options import given_of
from batchclf.core.records.run import SplitRecord
from batchclf.data.geometry.settle import geometry_of
from batchclf.data.label_table import read_label_map
from batchclf.data.size_text import parse_size
from batchclf.jobs.config.load import Job
from batchclf.jobs.config.options import DataSpec
from batchclf.models.bundle import is_bundle
from batchclf.training.finetune.base import Base


def split_record(job: Job) -> SplitRecord | None:
    """Give what splits the job's class folders; None for a named data set, whose splits are fixed."""
    data = job.spec.data
    if data is None or data.directory is None:
        return None
    return split_of(data, job.spec.model.seed, job.label_map)


def split_of(data: DataSpec, seed: int, label_map_file: Path | None) -> SplitRecord:
    """Record how class folders are read and split; raises what `read_label_map` does."""
    return SplitRecord(data.test_size, data.group_by, seed, label_map(label_map_file), data.follow_symlinks)


def split_options(split: SplitRecord) -> dict[str, Any]:
    """Give the arguments of `load_class_folders` that split class folders so."""
    return {
        "test_size": split.test_size,
        "group": split.group_by,
        "seed": split.seed,
        "label_map": split.label_map,
        "follow_symlinks": split.follow_symlinks,
    }


def label_map(path: Path | None) -> dict[str, str]:
    """Read the label map of class folders, empty without one; raises what `read_label_map` does."""
    return {} if path is None else read_label_map(path, None)


def input_options(data: DataSpec, base: Base | None) -> dict[str, Any]:
    """Give the arguments of `load_class_folders` for the size, colour and geometry that a job asks for.

    A base says what it wants if the job does not. Raises UsageError if options of the geometry do not go together.
    """
    size = None if data.input_size is None else parse_size(data.input_size)
    color: ColorMode | None = data.color
    geometry = OWN
    if base is not None:
        size, color = size or base.input_shape[:2], color or base.steps.color_mode
        geometry = OWN if base.steps.geometry == UNKNOWN else base.steps.geometry
    return {"size": size, "color_mode": color, "geometry": geometry_of(data) or geometry}


def input_not_used(
    data: DataSpec, input_shape: tuple[int, int, int], color_mode: ColorMode, geometry: Geometry
) -> Iterator[tuple[str, str]]:
    """Yield each key of [data] that a loaded model overrules, and the sentence that says so.

    The model takes images of `input_shape` (height, width, channels) in `color_mode`, cut and resized by `geometry`,
    whatever the job says.
    """
    height, width = input_shape[:2]
    asked = geometry_of(data)
    if asked is not None and asked((height, width)) != geometry:
        yield (
            given_of(data, OF_GEOMETRY)[0],
            f"[data] asks for another geometry than the model's, which is used: {geometry.sentence((height, width))}; "
            "train again (retrain = true) for another",
        )
    if data.input_size is not None and parse_size(data.input_size) != (height, width):
        yield (
            "input_size",
            f"data.input_size = {data.input_size} is not used: the model takes {height}x{width}; train again "
            "(retrain = true) for another",
        )
    if data.color is not None and data.color != color_mode:
        yield (
            "color",
            f"data.color = {data.color} is not used: the model takes {color_mode}; train again (retrain = true) for "
            "another",
        )


def will_train(job: Job) -> bool:
    """Whether the job trains (`retrain = true`, or there is no bundle yet) rather than loads."""
    return job.spec.data is not None and (
        job.spec.model.retrain or (isinstance(job.bundle, Path) and not is_bundle(job.bundle))
    )

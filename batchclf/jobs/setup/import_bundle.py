"""Import a model that was made elsewhere, as the command line and Python ask for it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from batchclf.core.geometry import GeometryOptions
from batchclf.core.types import Say
from batchclf.data.geometry.settle import geometry_of, profile_of
from batchclf.data.sample import Sample
from batchclf.data.size_text import parse_size
from batchclf.models.bundle import Bundle
from batchclf.models.sources.import_model import import_model
from batchclf.models.sources.infer_preprocessing import ImportOptions


def import_bundle(
    path: Path,
    class_names: tuple[str, ...],
    geometry: GeometryOptions,
    out: Path,
    *,
    input_size: str | None,
    channel_order: Any,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    sample: Sample | None,
    say: Say,
    warn: Say,
    **others: Any,
) -> Bundle:
    """Make a bundle at `out` of the model at `path`, and check it on images of `sample` if one is given.

    The options are those of `batchclf model import`; `others` are fields of `ImportOptions`. Raises UsageError for
    options that are missing or do not fit, and what `import_model` raises.
    """
    profile = profile_of(geometry)
    options = ImportOptions(
        class_names,
        input_size=None if input_size is None else parse_size(input_size),
        channel_order=channel_order or "rgb",
        mean=None if mean is None else tuple(mean),
        std=None if std is None else tuple(std),
        geometry=geometry_of(geometry),
        std_twice=profile is not None and profile.std_twice,
        **others,
    )
    read_sample = None if sample is None else sample.images
    return import_model(path, options, out, say=say, warn=warn, read_sample=read_sample)

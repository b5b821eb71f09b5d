"""Import a model that was made elsewhere, as the command line and Python ask for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchclf.core.geometry import GeometryOptions
from batchclf.core.types import Say
from batchclf.data.geometry.settle import geometry_of, profile_of
from batchclf.data.sample import Sample, sample_of
from batchclf.data.size_text import parse_size
from batchclf.errors import UsageError
from batchclf.models.bundle import Bundle
from batchclf.models.sources.beside import model_file, read_stated
from batchclf.models.sources.class_files import ClassFile
from batchclf.models.sources.class_names import check_class_names, check_order, read_class_names, taken_class_names
from batchclf.models.sources.import_model import import_model
from batchclf.models.sources.infer_preprocessing import ImportOptions
from batchclf.models.sources.stated import Stated, with_stated

if TYPE_CHECKING:
    from batchclf.data.sources.addresses import Location


@dataclass(frozen=True)
class Imported:
    """The bundle, and the images that it was checked on beside made ones; None if no folder was given."""

    bundle: Bundle
    sample: Sample | None


def import_bundle(
    path: Path,
    classes: str | Sequence[str] | None,
    geometry: GeometryOptions,
    out: Path,
    *,
    unique_names: bool,
    sample: "Location | None",
    input_size: str | None,
    channel_order: Any,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    say: Say,
    warn: Say,
    **others: Any,
) -> Imported:
    """Make a bundle at `out` of the model at `path`, and check it on images of the folder `sample` if one is given.

    The options are those of `batchclf model import`, `classes` a text as there or the names themselves; `others` are
    fields of `ImportOptions`. What no option says is taken from the model's file and the files beside it. Raises
    UsageError for options that are missing or do not fit, and what `import_model` raises.
    """
    profile_of(geometry)  # a wrong name before any file is read
    model = model_file(path)
    stated = read_stated(model, others["output_name"])
    names, names_from = _class_names(classes, stated, unique=unique_names, say=say)
    asked = {
        "input_size": None if input_size is None else parse_size(input_size),
        "mean": None if mean is None else tuple(mean),
        "std": None if std is None else tuple(std),
        **others,
    }
    taken, geometry = with_stated(stated, asked, geometry, say)
    profile = profile_of(geometry)
    options = ImportOptions(
        names,
        names_from=names_from,
        channel_order=channel_order or "rgb",
        geometry=geometry_of(geometry),
        std_twice=profile is not None and profile.std_twice,
        **taken,
    )
    # Without names the import asks for them
    images = sample_of(sample, names) if sample is not None and names else None
    read_sample = None if images is None else images.images
    return Imported(import_model(model, options, out, say=say, warn=warn, read_sample=read_sample), images)


def _class_names(
    classes: str | Sequence[str] | None, stated: Stated, *, unique: bool, say: Say
) -> tuple[tuple[str, ...], str]:
    """Give the class names that are asked for, or those of the model's files, and the file that they are from."""
    if classes is None:
        if stated.names is None:
            return (), ""
        if isinstance(stated.names, UsageError):
            raise stated.names
        return taken_class_names(stated.names, stated.names_from, unique=unique, say=say), stated.names_from
    if isinstance(classes, str):
        names = read_class_names(classes, unique=unique, say=say)
    else:
        names = check_class_names(list(map(str, classes)), "classes")
    if isinstance(stated.names, ClassFile) and not stated.own_names:  # those are compared when the file is opened
        check_order(stated.names.names, stated.names_from, names, say)
    return names, ""

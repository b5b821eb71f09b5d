"""Tables of predictions, as a job file and the command line name them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from batchclf.core.options import PathText, Text, option
from batchclf.errors import PredictionsError, UsageError
from batchclf.jobs.config.options import LabelMap

if TYPE_CHECKING:
    from batchclf.storage.predictions.foreign.shapes import Role

_FOUND = "found by its name"
_MORE = "see [Tables of other tools](tables.md)"
_GLOB = "*?["


class TableOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a table of predictions is read: its columns, its classes, its labels, its images."""

    label_column: Annotated[
        Text | None,
        option("column of the true classes, or none", example="y_true", unset=_FOUND, metavar="NAME", more=_MORE),
    ] = None
    prediction_column: Annotated[
        Text | None,
        option("column of the predicted classes, or none", example="y_pred", unset=_FOUND, metavar="NAME", more=_MORE),
    ] = None
    confidence_column: Annotated[
        Text | None,
        option(
            "column of the probability of each prediction, or none",
            example="score",
            unset=_FOUND,
            metavar="NAME",
            more=_MORE,
        ),
    ] = None
    path_column: Annotated[
        Text | None,
        option("column of the path of each image, or none", example="file", unset=_FOUND, metavar="NAME", more=_MORE),
    ] = None
    split_column: Annotated[
        Text | None,
        option(
            "column of the part that each row belongs to, such as test or train, or none",
            example="split",
            unset=_FOUND,
            metavar="NAME",
            more=_MORE,
        ),
    ] = None
    probability_prefix: Annotated[
        str | None,
        option(
            "what the columns of all classes' probabilities begin with",
            example="proba_",
            unset="found by their names",
            metavar="TEXT",
            more=_MORE,
        ),
    ] = None
    classes: Annotated[
        Text | None,
        option(
            "names of the classes in their order, for class numbers: a file, or names with commas between them",
            example="classes.txt",
            unset="numbers stay numbers",
            metavar="FILE",
            more=_MORE,
        ),
    ] = None
    labels: Annotated[
        PathText,
        option(
            "where labels come from: auto (the table), folders (the first of each path), none, or a CSV file",
            metavar="{auto,folders,none,FILE}",
            more=_MORE,
        ),
    ] = "auto"
    label_map: LabelMap = None
    renormalize: Annotated[
        bool,
        option("divide the probabilities of each row by their sum, which need not be 1", more=_MORE),
    ] = False
    images: Annotated[
        PathText | None,
        option(
            "folder that the paths are in, for the report's pictures",
            example="../photos",
            unset="no pictures",
            metavar="DIR",
            more=_MORE,
        ),
    ] = None


class PredictionsSpec(TableOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[predictions]: tables that something else writes, in place of a model."""

    files: Annotated[
        list[PathText],
        option(
            "tables of predictions, which count as one: files, or patterns with * and **",
            example=["../predictions/{date}/*.csv"],
            more=_MORE,
        ),
    ]


@dataclass(frozen=True)
class TableSettings:
    """How a table is read, with its paths.

    `columns` are those that were named, by role. `labels` says where labels are from: a column of the table, the first
    folder of the paths, nowhere, or a CSV. `classes` is a file, or names with commas between them.
    """

    columns: "dict[Role, str]" = field(default_factory=dict)
    probability_prefix: str | None = None
    classes: str | None = None
    labels: Literal["auto", "folders", "none"] | Path = "auto"
    label_map: Path | None = None
    renormalize: bool = False
    images: Path | None = None


def table_settings(options: TableOptions, base: Path) -> TableSettings:
    """Settle the paths of options, which are relative to `base`; raises UsageError if `images` is no folder."""
    columns: dict[Role, str | None] = {
        "label": options.label_column,
        "prediction": options.prediction_column,
        "confidence": options.confidence_column,
        "path": options.path_column,
        "split": options.split_column,
    }
    images = None if options.images is None else base / options.images
    if images is not None and not images.is_dir():
        raise UsageError(f"images: there is no folder {images}", hint="give the folder that the paths are in")
    mode = next((each for each in ("auto", "folders", "none") if each == options.labels), None)
    classes = options.classes
    if classes is not None and (base / classes).is_file():
        classes = str(base / classes)
    return TableSettings(
        {role: name for role, name in columns.items() if name is not None},
        options.probability_prefix,
        classes,
        mode or base / options.labels,
        None if options.label_map is None else base / options.label_map,
        options.renormalize,
        images,
    )


def files_of(pattern: str, base: Path) -> list[Path]:
    """List the files that a path or a pattern names, in order. Raises PredictionsError if there is none."""
    text = str(base / pattern)
    if not any(sign in pattern for sign in _GLOB) or Path(text).is_file():
        found = [Path(text)]
    else:
        anchor = Path(text).anchor
        found = sorted(path for path in Path(anchor).glob(text.removeprefix(anchor)) if path.is_file())
    if not found or not found[0].is_file():
        what = "matches" if any(sign in pattern for sign in _GLOB) else "is at"
        raise PredictionsError(f"no file {what} {text}", hint="correct files, or look whether they were written")
    return found

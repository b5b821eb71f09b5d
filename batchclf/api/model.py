"""A model that scores images from Python."""

import os
import shutil
import weakref
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from batchclf.api.failures import in_words, warn_caller
from batchclf.api.options import checked
from batchclf.api.pixels import images_of, read_all
from batchclf.core.choices import AskedLayout, AskedOutput, ChannelOrder, ColorMode, Interpolation, Scale
from batchclf.core.geometry import OF_GEOMETRY, GeometryOptions
from batchclf.core.text import counted, first_of
from batchclf.core.types import BatchScores, ImageRef
from batchclf.data.sources.addresses import Address, located
from batchclf.errors import NothingToScoreError, UsageError
from batchclf.jobs.config.settings import ScoreSettings, open_bundle
from batchclf.jobs.score.subset_run import check_probabilities
from batchclf.log import LogWatcher
from batchclf.models.bundle import Bundle, is_bundle, load_bundle
from batchclf.models.runtime.registry import Device, Precision, RuntimeName, open_runtime
from batchclf.scoring.batches import files_per_block
from batchclf.scoring.model_run import ModelRun
from batchclf.storage.predictions.columns import PROBABILITY, column_names, ranked

if TYPE_CHECKING:
    import pandas as pd

_NOT_OF_AN_IMAGE = ("split", "label", "correct")
"""Columns of predictions.csv that need more than the image."""


class ImportKeywords(TypedDict, total=False):
    """The options of `batchclf model import` for a model that is no bundle yet (docs/models.md)."""

    sample: str | os.PathLike[str]
    input_size: str
    color: ColorMode
    channel_order: ChannelOrder
    layout: AskedLayout
    scale: Scale
    mean: Sequence[float]
    std: Sequence[float]
    output: AskedOutput
    output_name: str
    renormalize: bool
    unique_names: bool
    like: str
    resize_shorter: int
    crop: bool
    pad: str
    interpolation: Interpolation
    antialias: bool


_IMPORT: dict[str, Any] = {
    **dict.fromkeys(
        ("input_size", "color", "channel_order", "layout", "scale", "mean", "std", "output_name", "sample")
    ),
    **{"output": "auto", "renormalize": False, "unique_names": False},
}
"""The options that are not about the geometry, with their defaults."""


class Model:
    """A model bundle, opened. `class_names` are its classes, in the order of the probabilities."""

    def __init__(self, bundle: Bundle, settings: ScoreSettings) -> None:
        """Take a bundle; `load_model` makes models."""
        self.bundle, self._settings = bundle, settings
        batch = settings.images_a_batch(bundle)
        self._run = ModelRun(self._open, batch, say=LogWatcher().say)
        self._at_once = files_per_block(batch, bundle.info.input_shape)

    def __repr__(self) -> str:
        """Say what it is."""
        return f"<Model {self.path}: {self.bundle.info.origin}, {counted(len(self.class_names), 'class', 'classes')}>"

    @property
    def path(self) -> Path:
        """The folder of the bundle."""
        return self.bundle.path

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes, in the order of the probabilities."""
        return self.bundle.info.class_names

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the images as the model takes them; those of other sizes are brought to it."""
        return self.bundle.info.input_shape

    @in_words
    def predict(self, images: Any) -> "pd.DataFrame":
        """Score images: a row each, in their order, with the columns of predictions.csv that need nothing else.

        Args:
            images: The path of an image file, or several; or pixels, uint8 in the order R, G, B: (height, width,
                channels) of one image, (n, height, width, channels) of several, or (n, height, width) in gray, or a
                list of such; or images of Pillow. Pixels are treated as a file with the same pixels would be.

        Returns:
            `path` (the number of the image if it has none), `prediction` (a category), `confidence`, `margin`, the
            next most probable classes, and `prob:CLASS` for each class, float64. `skipped` says why an image could not
            be read: then all else is missing, and a warning says so.

        Raises:
            NothingToScoreError: None of them can be read.
            UsageError: They are no images, or of another size than a model takes whose geometry is not known.
            ModelError: The model fails, or gives no probabilities.
        """
        import pandas as pd

        names, (paths, reasons, shares) = self.class_names, self._scored(images)
        topk = min(self._settings.topk, len(names))
        classes, best = ranked(np.nan_to_num(shares, nan=-1.0), max(2, topk))
        good = np.array([not reason for reason in reasons], np.bool_)
        classes, best = np.where(good[:, None], classes, -1), np.where(good[:, None], best, np.nan)
        columns: dict[str, Any] = {"path": pd.Series(paths, dtype="str")}
        for name in column_names(names, topk, probabilities=True):
            if name == "margin":
                columns[name] = (best[:, 0] - best[:, 1]).astype(np.float64)
            elif name.startswith(PROBABILITY):
                columns[name] = shares[:, names.index(name.removeprefix(PROBABILITY))].astype(np.float64)
            elif name.endswith("prediction"):
                columns[name] = pd.Categorical.from_codes(classes[:, _rank(name)], list(names))
            elif name.endswith("confidence"):
                columns[name] = best[:, _rank(name)].astype(np.float64)
        columns["skipped"] = pd.Series(reasons, dtype="str")
        return pd.DataFrame(columns)

    @in_words
    def predict_proba(self, images: Any) -> NDArray[np.float32]:
        """Score images, as `predict` takes them: (n, classes) float32, rows sum to 1.

        A row is nan if the image could not be read, and a warning says so. Raises what `predict` raises.
        """
        return self._scored(images)[2]

    def _scored(self, images: Any) -> tuple[list[str], list[str], NDArray[np.float32]]:
        """Give path, reason to skip it (or "") and probabilities of each image."""
        items = images_of(images)
        shares = np.full((len(items), len(self.class_names)), np.nan, np.float32)
        reasons = [""] * len(items)
        for places, pixels, skipped in read_all(items, self.bundle.info, self._settings, self._at_once):
            for place, reason in skipped.items():
                reasons[place] = reason
            if len(places):
                rows = self._run.probabilities(pixels)
                check_probabilities(BatchScores(tuple(ImageRef(items[place].name, None) for place in places), rows))
                shares[places] = rows
        failed = [f"{items[place].name}: {reason}" for place, reason in enumerate(reasons) if reason]
        if failed and len(failed) == len(items):
            raise NothingToScoreError(
                f"no image could be read: {first_of(failed, 3)}", hint="give the paths of image files that are there"
            )
        if failed:
            warn_caller(f"{counted(len(failed), 'image')} could not be read: {first_of(failed, 3)}")
        return [item.name for item in items], reasons, shares

    def _open(self) -> Any:
        of = self._settings
        return open_runtime(self.bundle, of.runtime_for(self.bundle), precision=of.precision, device=of.device)


def _rank(name: str) -> int:
    """Give the place, from 0, of `prediction`, `top2_confidence`, …."""
    return int(name.partition("_")[0].removeprefix("top")) - 1 if name.startswith("top") else 0


@in_words
def load_model(
    path: str | os.PathLike[str],
    *,
    classes: Sequence[str] | str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    runtime: RuntimeName | None = None,
    precision: Precision = "f32",
    device: Device = "cpu",
    **options: Unpack[ImportKeywords],
) -> Model:
    """Open a model bundle, or import a model that was made elsewhere.

    Args:
        path: The folder of a bundle; or a .keras, .h5, .onnx or .tflite file, a SavedModel folder, or one of Hugging
            Face with an .onnx file, which is imported first.
        classes: For an import: the class names in the order of the model's outputs, or a file with them; None if the
            model's file or the config.json beside it names them.
        out: For an import: where to write the bundle, so that it need not be imported again; by default it is gone
            with the model.
        runtime: What runs the model: by default onnx, but litert for a model that came as a TFLite file.
        precision: The arithmetic of the model.
        device: Where it is run.
        **options: Further options of `batchclf model import`: scale, mean, std, like, …

    Raises:
        ModelError: There is no model, it is damaged, or a library is missing.
        UsageError: An import needs an option that is not given, or one does not fit.
    """
    source = located(os.fspath(path))
    settings = ScoreSettings(runtime=runtime, precision=precision, device=device)
    of_import = {"classes": classes, "out": out, **options}
    if isinstance(source, Address):
        if any(value is not None for value in of_import.values()):
            raise UsageError(f"{source} is an address, and a model to import lies in a folder", hint="copy it first")
        return Model(open_bundle(source), settings)
    if is_bundle(source) or (classes is None and not _is_model(source)):
        given = next((name for name, value in of_import.items() if value is not None), None)
        if given is not None and is_bundle(source):
            raise UsageError(
                f"{source} is a model bundle already, and {given} is for an import", hint=f"leave {given} out"
            )
        return Model(load_bundle(source), settings)
    if out is not None:
        return Model(_imported(source, classes, Path(out), dict(options)), settings)
    folder = mkdtemp(prefix="batchclf-")
    try:
        model = Model(_imported(source, classes, Path(folder) / source.stem, dict(options)), settings)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(model, shutil.rmtree, folder, ignore_errors=True)
    return model


def _imported(source: Path, classes: Any, out: Path, options: dict[str, Any]) -> Bundle:
    from batchclf.jobs.setup.import_bundle import import_bundle

    geometry = checked(GeometryOptions, {name: value for name, value in options.items() if name in OF_GEOMETRY})
    others = {name: value for name, value in options.items() if name not in OF_GEOMETRY}
    unknown = next((name for name in others if name not in _IMPORT), None)
    if unknown is not None:
        raise UsageError(
            f"there is no option {unknown}; there are {', '.join([*_IMPORT, *OF_GEOMETRY])}", hint="leave it out"
        )
    given = {**_IMPORT, **others}
    sample = given.pop("sample")
    imported = import_bundle(
        source,
        os.fspath(classes) if isinstance(classes, os.PathLike) else classes,
        geometry,
        out,
        sample=None if sample is None else located(os.fspath(sample)),
        say=LogWatcher().say,
        warn=warn_caller,
        **given,
    )
    return imported.bundle


def _is_model(path: Path) -> bool:
    """Whether a path is one that an import may take: a file, or a folder that holds a model."""
    from batchclf.models.sources.beside import model_file

    return path.is_file() or (path / "saved_model.pb").is_file() or model_file(path) != path

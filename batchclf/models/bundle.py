"""The model bundle: a folder with an ONNX graph, the model it was made of, and model.json that says what they are.

A bundle of a TFLite file has that file in place of a graph (decision 208).
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from batchclf import atomic
from batchclf.core.choices import ColorMode
from batchclf.core.geometry import Geometry
from batchclf.core.images.drift import Reference
from batchclf.core.training_record import TrainingRecord
from batchclf.errors import ModelError, UsageError
from batchclf.models.preprocessing import Preprocessing

BUNDLE_FORMAT, OLDEST_FORMAT = 4, 2
KERAS_FILE, ONNX_FILE, INFO_FILE = "model.keras", "model.onnx", "model.json"
LEARNT_FILE = "learnt.json"
"""The paths of the images that a model was trained on, where chance has chosen them."""

H5_FILE, SAVED_MODEL_FOLDER, TFLITE_FILE = "model.h5", "saved_model", "model.tflite"
IMPORTED = "imported"
"""The recipe of a model that was trained elsewhere."""

ROW_SUMS, SAME_ANSWER, ONE_IMAGE = "row sums", "same answer", "one image at a time"
"""Settings that an import adds if need be: what the probabilities of an image add up to if not to 1; that no two sample
images had another answer; why the batch size is 1."""
OUTPUT_NAME = "output name"
"""The setting that names the output of several that was imported."""

_AGAIN = "copy the bundle again as a whole folder, or train or import it again"


@dataclass(frozen=True)
class TrainingData:
    """What a model was trained on; `fingerprint` is the SHA-256 over sorted paths and pixel digests."""

    name: str
    images: int
    fingerprint: str


@dataclass(frozen=True)
class BundleInfo:
    """The content of model.json.

    `recipe` is "imported" for a model that was trained elsewhere: then `settings` names its source, `history` is
    empty, `training_data` and `training` None. `history` has one list per training metric, one value an epoch;
    `training` says which images the `val_*` metrics were measured on (without it: the test split). `original` is the
    file or folder of the bundle that TensorFlow or LiteRT runs, None where there is none. `files` maps each file of the
    bundle, with `/` in its path, to its SHA-256. `onnx_difference` is the largest difference of a probability between
    the bundle's graph and the model it was made of, after softmax or sigmoid, on sample images when the bundle was
    made; 0 without a graph.
    `reference` is what later images and predictions are compared with; None for an imported model, and in bundles made
    before it was kept. `batch_size` is the number of images that the model must be given at a time; None for any.
    """

    format: int
    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    recipe: str
    settings: dict[str, int | float | str | bool]
    parameters: int
    history: dict[str, list[float]]
    training_data: TrainingData | None
    created: str
    versions: dict[str, str]
    onnx_difference: float
    original: str | None
    files: dict[str, str]
    reference: Reference | None = None
    training: TrainingRecord | None = None
    batch_size: int | None = None

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the images that are scored."""
        return self.preprocessing.input_shape

    @property
    def color_mode(self) -> ColorMode:
        """How the images are decoded."""
        return self.preprocessing.color_mode

    @property
    def geometry(self) -> Geometry:
        """How files become images of the input's size; batchclf's own in bundles of formats 2 and 3."""
        return self.preprocessing.geometry

    @property
    def origin(self) -> str:
        """Say in a few words where the model comes from: `mlp, trained on fashion-mnist`."""
        if self.training_data is not None:
            return f"{self.recipe}, trained on {self.training_data.name}"
        return f"{self.recipe} from {self.settings.get('source', 'elsewhere')}"


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk whose files have been checked against their digests."""

    path: Path
    info: BundleInfo
    address: str = ""
    """Where it was fetched from; "" if it was not."""

    @property
    def place(self) -> str:
        """Where it is kept: its address, or the path as it was given."""
        return self.address or str(self.path)

    @property
    def recorded(self) -> str:
        """Where another process finds it: its address, or its absolute path."""
        return self.address or str(self.path.resolve())

    @property
    def digest(self) -> str:
        """The SHA-256 of what is scored with, 64 hex digits: two bundles with the same digest score alike."""
        return self.info.files[ONNX_FILE if self.has_graph else TFLITE_FILE]

    @property
    def has_graph(self) -> bool:
        """Whether it has an ONNX graph, as all have but those of TFLite files."""
        return self.info.original != TFLITE_FILE

    @property
    def onnx_path(self) -> Path:
        """The graph that ONNX Runtime runs."""
        return self.path / ONNX_FILE

    @property
    def original_path(self) -> Path | None:
        """The file or folder that TensorFlow or LiteRT loads; None for a model that came as an ONNX graph."""
        return None if self.info.original is None else self.path / self.info.original

    @property
    def output_name(self) -> str | None:
        """The name of the one output of several that was imported; None for the only one."""
        given = self.info.settings.get(OUTPUT_NAME)
        return None if given is None else str(given)

    def learnt(self) -> frozenset[str] | None:
        """The paths below the class folders' root, with `/`, of the images that the model was trained on.

        Those held out for validation are among them. None where chance has not chosen them, and in bundles that were
        made before they were kept. Raises ModelError where the file is damaged.
        """
        if LEARNT_FILE not in self.info.files:
            return None
        try:
            return frozenset(map(str, json.loads((self.path / LEARNT_FILE).read_bytes())))
        except (OSError, ValueError, TypeError) as error:
            raise ModelError(f"{self.path / LEARNT_FILE} is damaged: {error}", hint=_AGAIN) from error


def is_bundle(path: Path) -> bool:
    """Whether a folder holds a model bundle, whole or damaged."""
    return (path / INFO_FILE).is_file()


def load_bundle(path: Path, address: str = "") -> Bundle:
    """Open a bundle and check its format version and the SHA-256 of each file; imports no TensorFlow.

    `address` is where it was fetched from.

    Raises ModelError where the folder is no bundle, a file is missing or changed, or the format is another.
    """
    remake = (
        "make a bundle with: batchclf train --dataset fashion-mnist --recipe mlp --out BUNDLE "
        "(or: batchclf model import MODEL --classes FILE --out BUNDLE)"
    )
    if not is_bundle(path):
        from batchclf.models.import_hint import import_hint

        if hint := import_hint(path):
            raise ModelError(f"{path} is a model, but not a model bundle", hint=hint)
    if not path.is_dir():
        raise ModelError(f"there is no model bundle at {path}", hint=remake)
    try:
        content = (path / INFO_FILE).read_bytes()
    except OSError as error:
        raise ModelError(
            f"{path} is not a model bundle: {INFO_FILE} cannot be read ({error.strerror})", hint=remake
        ) from error
    info = bundle_info(path / INFO_FILE, content)
    for name, expected in info.files.items():
        try:
            actual = file_digest(path / name)
        except OSError as error:
            raise ModelError(
                f"the model bundle {path} lacks {name} ({error.strerror})",
                hint=_AGAIN,
            ) from error
        if actual != expected:
            raise ModelError(
                f"{path / name} is not the file the bundle was made with: its SHA-256 is {actual[:12]}…, "
                f"{INFO_FILE} says {expected[:12]}…",
                hint=_AGAIN,
            )
    return Bundle(path, info, address)


def bundle_info(path: object, content: bytes) -> BundleInfo:
    """Read the content of a model.json; raises ModelError that names it by `path`."""
    try:
        values = msgspec.json.decode(content, type=dict[str, Any])
        version = values.get("format")
        if version is None:
            raise ModelError(
                f"{path} is not a bundle's: it has no key 'format'", hint="train or import the model again"
            )
        if version not in range(OLDEST_FORMAT, BUNDLE_FORMAT + 1):
            newer = isinstance(version, int) and version > BUNDLE_FORMAT
            raise ModelError(
                f"{path} has bundle format {version}; this batchclf reads formats {OLDEST_FORMAT} to {BUNDLE_FORMAT}",
                hint="update batchclf"
                if newer
                else "train the model again with this batchclf (a job does with retrain = true), or import it again",
            )
        if version == 2:
            values = _renewed(path, values)
        info = msgspec.convert({**values, "format": BUNDLE_FORMAT}, BundleInfo)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} is damaged: {error}", hint=_AGAIN) from error
    for name in (None if info.original == TFLITE_FILE else ONNX_FILE, info.original):
        if name is not None and not any(file == name or file.startswith(f"{name}/") for file in info.files):
            raise ModelError(f"{path} names no {name}", hint="train or import the model again")
    return info


def _renewed(path: object, values: dict[str, Any]) -> dict[str, Any]:
    from batchclf.core.renames import RenameError, renew_model

    try:
        return renew_model(values)
    except RenameError as error:
        raise ModelError(f"{path} is damaged: {error}", hint=_AGAIN) from error


def check_replaceable(out: Path) -> None:
    """Raise UsageError where something stands at `out` that is neither a model bundle nor an empty folder."""
    if out.exists() and not is_bundle(out) and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(
            f"{out} is there already and is not a model bundle",
            hint="give --out another folder, or remove it",
        )


def file_digests(folder: Path) -> dict[str, str]:
    """Give the SHA-256 of each file under a folder that is to become a bundle, by its path with `/`. Raises OSError."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in files}


def write_learnt(folder: Path, paths: Iterable[str]) -> None:
    """Write the paths that `Bundle.learnt` gives. Raises OSError."""
    atomic.write_bytes(folder / LEARNT_FILE, json.dumps(sorted(paths), indent=0).encode())


def write_info(folder: Path, info: BundleInfo) -> None:
    """Write model.json. Raises OSError."""
    atomic.write_bytes(folder / INFO_FILE, msgspec.json.format(msgspec.json.encode(info), indent=2))


def file_digest(path: Path) -> str:
    """The SHA-256 of a file as 64 hex digits. Raises OSError."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()

"""The model bundle: a folder with the Keras model, its ONNX graph, and model.json that says what they are."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from batchclf.core.types import ColorMode
from batchclf.errors import ModelError

BUNDLE_FORMAT = 1
KERAS_FILE, ONNX_FILE, INFO_FILE = "model.keras", "model.onnx", "model.json"


@dataclass(frozen=True)
class TrainingData:
    """What a model was trained on; `fingerprint` is the SHA-256 over sorted paths and pixel digests."""

    name: str
    images: int
    fingerprint: str


@dataclass(frozen=True)
class BundleInfo:
    """The content of model.json.

    `input_shape` is (height, width, channels). `history` has one list per training metric, one value an epoch;
    `val_*` metrics were measured on the test split, which chose nothing. `files` maps each file of the bundle to
    its SHA-256. `onnx_difference` is the largest difference of a probability between ONNX Runtime and Keras on
    sample images when the bundle was made.
    """

    format: int
    class_names: tuple[str, ...]
    input_shape: tuple[int, int, int]
    color_mode: ColorMode
    preprocessing: str
    recipe: str
    settings: dict[str, int | float | str | bool]
    parameters: int
    history: dict[str, list[float]]
    training_data: TrainingData
    created: str
    versions: dict[str, str]
    onnx_difference: float
    files: dict[str, str]


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk whose files have been checked against their digests."""

    path: Path
    info: BundleInfo

    @property
    def digest(self) -> str:
        """The SHA-256 of the ONNX graph, 64 hex digits: two bundles with the same digest score alike."""
        return self.info.files[ONNX_FILE]

    @property
    def onnx_path(self) -> Path:
        """The graph that ONNX Runtime runs."""
        return self.path / ONNX_FILE

    @property
    def keras_path(self) -> Path:
        """The model that Keras loads."""
        return self.path / KERAS_FILE


def is_bundle(path: Path) -> bool:
    """Whether a folder holds a model bundle, whole or damaged."""
    return (path / INFO_FILE).is_file()


def load_bundle(path: Path) -> Bundle:
    """Open a bundle and check its format version and the SHA-256 of each file; imports no TensorFlow.

    Raises ModelError where the folder is no bundle, a file is missing or changed, or the format is another.
    """
    remake = "make a bundle with: batchclf train --dataset fashion-mnist --recipe mlp --out BUNDLE"
    if not path.is_dir():
        raise ModelError(f"there is no model bundle at {path}", hint=remake)
    try:
        content = (path / INFO_FILE).read_bytes()
    except OSError as error:
        raise ModelError(
            f"{path} is not a model bundle: {INFO_FILE} cannot be read ({error.strerror})", hint=remake
        ) from error
    info = _decode(path / INFO_FILE, content)
    for name, expected in info.files.items():
        try:
            actual = file_digest(path / name)
        except OSError as error:
            raise ModelError(
                f"the model bundle {path} lacks {name} ({error.strerror})",
                hint="copy the bundle again as a whole folder, or train it again",
            ) from error
        if actual != expected:
            raise ModelError(
                f"{path / name} is not the file the bundle was made with: its SHA-256 is {actual[:12]}…, "
                f"{INFO_FILE} says {expected[:12]}…",
                hint="copy the bundle again as a whole folder, or train it again",
            )
    return Bundle(path, info)


def _decode(path: Path, content: bytes) -> BundleInfo:
    try:
        version = msgspec.json.decode(content, type=dict).get("format")
        if version is None:
            raise ModelError(f"{path} is not a bundle's: it has no key 'format'", hint="train the model again")
        if version != BUNDLE_FORMAT:
            newer = isinstance(version, int) and version > BUNDLE_FORMAT
            raise ModelError(
                f"{path} has bundle format {version}; this batchclf reads format {BUNDLE_FORMAT}",
                hint="update batchclf" if newer else "train the model again with this batchclf",
            )
        info = msgspec.json.decode(content, type=BundleInfo)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ModelError(
            f"{path} is damaged: {error}", hint="copy the bundle again as a whole folder, or train it again"
        ) from error
    for name in (KERAS_FILE, ONNX_FILE):
        if name not in info.files:
            raise ModelError(f"{path} names no {name}", hint="train the model again")
    return info


def file_digest(path: Path) -> str:
    """The SHA-256 of a file as 64 hex digits. Raises OSError."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()

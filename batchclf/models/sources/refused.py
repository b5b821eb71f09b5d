"""What a file or folder is that cannot be imported, and the way to one that can."""

import zipfile
from pathlib import Path

from batchclf.errors import ModelError
from batchclf.models.import_hint import PYTORCH_SUFFIXES

GIVE = "give a .keras, .h5, .tflite or .onnx file, or a SavedModel folder"
_OTHERWISE = {
    ".data": "give the .onnx file that lies beside it",
    ".pb": "give the SavedModel folder that it lies in",
}
_BEFORE_ZIP = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""What torch.save wrote first before PyTorch 1.6, and writes with _use_new_zipfile_serialization=False."""

_NETWORK_IN_CODE = "with weights whose network is in Python code"
_IMAGES = "(torch.zeros(2, 3, 224, 224),)"
_WITH_SIZE = "with the size of your images, and import model.onnx"

_CHECKPOINT = (
    f"is a checkpoint of TensorFlow, {_NETWORK_IN_CODE}",
    'load it into its network, save the whole of that with model.save("model.keras"), and import that file',
)


def refused(path: Path) -> ModelError:
    """Say what a path is that exists and that no source of models opens, and what to do with it."""
    what, hint = _folder(path) if path.is_dir() else _file(path)
    return ModelError(f"{path} is not a model that can be imported; it {what}", hint=hint)


def _folder(path: Path) -> tuple[str, str]:
    if (path.parent / "saved_model.pb").is_file():
        return f"lies in the SavedModel {path.parent}", f"give {path.parent}"
    if (path / "variables").is_dir():
        return (
            "holds the variables of a SavedModel without its saved_model.pb",
            "copy the whole folder, or export the model again",
        )
    if any(path.glob("*.index")):
        return _CHECKPOINT
    return "is no SavedModel: it holds no saved_model.pb", GIVE


def _file(path: Path) -> tuple[str, str]:
    suffix = path.suffix.lower()
    if suffix == ".index" or ".data-0" in path.name:
        return _CHECKPOINT
    inside = _names_inside(path)
    if "constants.pkl" in inside:
        return (
            "is a network of TorchScript",
            f'run torch.onnx.export(torch.jit.load("{path.name}").eval(), {_IMAGES}, "model.onnx", dynamo=False, '
            f'input_names=["image"], dynamic_axes={{"image": {{0: "batch"}}}}) {_WITH_SIZE}',
        )
    if suffix == ".pt2" and inside:
        return (
            "is a network that torch.export has saved",
            f'run torch.onnx.export(torch.export.load("{path.name}"), f="model.onnx"), and import model.onnx',
        )
    if suffix in PYTORCH_SUFFIXES or "data.pkl" in inside or _begins_as_pytorch(path):
        return (
            f"is a checkpoint of PyTorch, {_NETWORK_IN_CODE}",
            f'load it into its network, run torch.onnx.export(model.eval(), {_IMAGES}, "model.onnx", '
            f'dynamic_shapes=({{0: "batch"}},)) {_WITH_SIZE}',
        )
    return "is none by its suffix", _OTHERWISE.get(suffix, GIVE)


def _names_inside(path: Path) -> set[str]:
    """Give the names in the only folder of a zip, as PyTorch writes them; none for another file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.partition("/")[2] for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile):
        return set()


def _begins_as_pytorch(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_BEFORE_ZIP)) == _BEFORE_ZIP
    except OSError:
        return False

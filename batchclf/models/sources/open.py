"""Open a model that was made elsewhere, by what its file or folder is."""

import zipfile
from pathlib import Path

from batchclf.errors import ModelError
from batchclf.models.sources.interface import H5_SUFFIXES, Original
from batchclf.models.sources.onnx import OnnxOriginal

_PYTORCH_SUFFIXES = (".pt", ".pth", ".safetensors")
_OTHERWISE = {
    ".data": "give the .onnx file that lies beside it",
    ".pb": "give the SavedModel folder that it lies in",
}


def open_original(path: Path, output_name: str | None = None) -> Original:
    """Open a `.keras`, `.h5` or `.onnx` file or a SavedModel folder, with the output `output_name` of several.

    Raises ModelError where there is no such model, its package is missing, it cannot be loaded, or it has several
    inputs or, without a name, outputs; UsageError if it has no output of this name.
    """
    if not path.exists():
        raise ModelError(
            f"there is no model at {path}", hint="give a .keras, .h5 or .onnx file, or a SavedModel folder"
        )
    if path.is_dir() and (path / "saved_model.pb").is_file():
        from batchclf.models.sources.keras import load_saved_model
        from batchclf.models.sources.keras_process import load_apart

        return load_apart(load_saved_model, path, output_name)
    if path.is_file() and path.suffix.lower() in (".keras", *H5_SUFFIXES):
        from batchclf.models.sources.keras import load_keras
        from batchclf.models.sources.keras_process import load_apart

        return load_apart(load_keras, path, output_name)
    if path.is_file() and path.suffix.lower() == ".onnx":
        return OnnxOriginal(path, output_name)
    if path.is_file() and (path.suffix.lower() in _PYTORCH_SUFFIXES or _is_pytorch_zip(path)):
        raise ModelError(
            f"{path} is not a model that can be imported; it is a checkpoint of PyTorch, with weights whose network is "
            "in Python code",
            hint="load it into its network, run torch.onnx.export(model.eval(), (torch.zeros(2, 3, 224, 224),), "
            '"model.onnx", dynamic_shapes=({0: "batch"},)) with the size of your images, and import model.onnx',
        )
    what = "is no SavedModel: it holds no saved_model.pb" if path.is_dir() else "is none by its suffix"
    raise ModelError(
        f"{path} is not a model that can be imported; it {what}",
        hint=_OTHERWISE.get(path.suffix.lower(), "give a .keras, .h5 or .onnx file, or a SavedModel folder"),
    )


def _is_pytorch_zip(path: Path) -> bool:
    """Say whether a file is what torch.save writes: a zip with the pickle data.pkl in its only folder."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.split("/")[1:] == ["data.pkl"] for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False

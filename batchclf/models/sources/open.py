"""Open a model that was made elsewhere, by what its file or folder is."""

from pathlib import Path

from batchclf.errors import ModelError
from batchclf.models.sources.interface import H5_SUFFIXES, Original
from batchclf.models.sources.onnx import OnnxOriginal
from batchclf.models.sources.refused import GIVE, refused


def open_original(path: Path, output_name: str | None = None) -> Original:
    """Open a `.keras`, `.h5`, `.tflite` or `.onnx` file or a SavedModel folder, with one output of several by its name.

    Raises ModelError where there is no such model, its package is missing, it cannot be loaded, or it has several
    inputs or, without a name, outputs; UsageError if it has no output of this name.
    """
    if not path.exists():
        raise ModelError(f"there is no model at {path}", hint=GIVE)
    if path.is_dir() and (path / "saved_model.pb").is_file():
        from batchclf.models.sources.keras_process import load_apart
        from batchclf.models.sources.saved_model import SavedModel

        return load_apart(SavedModel, path, output_name)
    if path.is_file() and path.suffix.lower() in (".keras", *H5_SUFFIXES):
        from batchclf.models.sources.keras import load_keras
        from batchclf.models.sources.keras_process import load_apart

        return load_apart(load_keras, path, output_name)
    if path.is_file() and path.suffix.lower() == ".tflite":
        from batchclf.models.sources.tflite import TfliteModel

        return TfliteModel(path, output_name)
    if path.is_file() and path.suffix.lower() == ".onnx":
        return OnnxOriginal(path, output_name)
    raise refused(path)

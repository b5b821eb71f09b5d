"""Find the ONNX file of a folder, and read what it and the files beside it say of the model."""

import ast
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from batchclf.core.geometry import GeometryOptions, Size
from batchclf.core.text import counted
from batchclf.errors import ModelError, UsageError
from batchclf.models.bundle import is_bundle
from batchclf.models.sources.class_files import ClassFile, parse_class_file
from batchclf.models.sources.processor_config import processor_geometry, processor_pixels, processor_settings
from batchclf.models.sources.stated import Pixels, Stated
from batchclf.models.sources.timm_config import timm_geometry, timm_pixels, timm_settings

CONFIG, PROCESSOR = "config.json", "preprocessor_config.json"
_SUBFOLDER = "onnx"
"""Where Hugging Face's exporters put ONNX files, if not beside config.json."""

Value = TypeVar("Value")


def model_file(path: Path) -> Path:
    """Give the ONNX file of a folder as Hugging Face's exporters write one; any other path as it is.

    Raises UsageError if there are several, ModelError if the folder has a config.json and no such file.
    """
    if not path.is_dir() or is_bundle(path) or (path / "saved_model.pb").is_file():
        return path
    found = sorted(
        each for folder in (path, path / _SUBFOLDER) for each in folder.glob("*.onnx") if not each.name.startswith(".")
    )
    if len(found) > 1:
        named = ", ".join(str(each.relative_to(path)) for each in found)
        raise UsageError(
            f"{path} holds {counted(len(found), 'ONNX file')}: {named}", hint=f"give one of them, such as {found[0]}"
        )
    if not found and (path / CONFIG).is_file():
        raise ModelError(
            f"{path} has a {CONFIG} and no .onnx file, also not in {_SUBFOLDER}/",
            hint="export the model to this folder, with torch.onnx.export as docs/models.md shows, or with optimum-cli",
        )
    return found[0] if found else path


def read_stated(path: Path, output_name: str | None) -> Stated:
    """Read what an ONNX file says in its metadata, or else config.json and preprocessor_config.json beside it.

    A TFLite file may say its class names; other models say nothing. Raises UsageError if a file cannot be read,
    ModelError if it is not a classifier's.
    """
    itself = f"{path} itself"
    if path.suffix.lower() == ".tflite" and path.is_file():
        from batchclf.models.sources import tflite

        packed = tflite.own_class_names(path)
        return Stated(ClassFile(list(packed), "") if packed else None, itself, True)
    if path.suffix.lower() != ".onnx" or not path.is_file():
        return Stated()
    from batchclf.models.onnx_graph.bundle_notes import CLASSES
    from batchclf.models.onnx_graph.own_names import own_class_names
    from batchclf.models.onnx_graph.read import dims, load, real_inputs

    model = load(path, weights=False)
    outputs = [each.name for each in model.graph.output]
    chosen = output_name or (outputs[0] if len(outputs) == 1 else None)
    own = own_class_names(model, chosen)
    names = ClassFile(list(own), "") if own else None
    notes = {each.key: each.value for each in model.metadata_props}
    if CLASSES in notes:
        # What the graph of a bundle takes and gives is always the same
        return Stated(names, itself, True, layout="channels-last", output="probabilities")
    if {"task", "names"} <= set(notes):
        size = _ultralytics_size(notes)
        return Stated(names, itself, True, Pixels("0..1"), GeometryOptions(like="ultralytics"), size, itself)
    shapes = [dims(each) for each in real_inputs(model.graph)]
    stated = _beside(path, shapes[0][2:] if shapes and len(shapes[0]) == 4 else None)
    return stated if names is None else replace(stated, names=names, names_from=itself, own_names=True)


def _ultralytics_size(notes: Mapping[str, str]) -> Size | None:
    """Read `imgsz`: `[224, 224]`, height and width."""
    try:
        height, width = map(int, ast.literal_eval(notes.get("imgsz", "")))
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return None
    return height, width


def _beside(path: Path, model: Any) -> Stated:
    """Read the files beside an ONNX file, or beside its folder if that is named onnx."""
    folders = [path.parent, path.parent.parent] if path.parent.name == _SUBFOLDER else [path.parent]
    folder = next((each for each in folders if (each / CONFIG).is_file() or (each / PROCESSOR).is_file()), path.parent)
    config, processor = _document(folder / CONFIG), _document(folder / PROCESSOR)
    if config.get("problem_type") == "multi_label_classification":
        raise ModelError(
            f"{folder / CONFIG}: problem_type is multi_label_classification: an image may have several classes; "
            "batchclf scores exactly one class an image",
            hint="export a model of a single label an image",
        )
    stated, timm = Stated(), timm_settings(config)
    if timm is not None:
        stated = _of_timm(timm, str(folder / CONFIG), model)
    elif processor:
        stated = _of_processor(processor, config.get("model_type"), str(folder / PROCESSOR))
    names = _names(folder / CONFIG, config, timm or {})
    return replace(stated, names=names, names_from=str(folder / CONFIG))


def _of_timm(of: Mapping[str, Any], source: str, model: Any) -> Stated:
    geometry, size = _both(_tried(lambda: timm_geometry(of, source, model)))
    return Stated(pixels=_tried(lambda: timm_pixels(of, source)), geometry=geometry, size=size, pixels_from=source)


def _of_processor(document: Mapping[str, Any], model_type: str | None, source: str) -> Stated:
    of = _tried(lambda: processor_settings(document, model_type, source))
    if isinstance(of, UsageError):
        return Stated(pixels=of, geometry=of, pixels_from=source)
    known = of
    geometry, size = _both(_tried(lambda: processor_geometry(known, source)))
    pixels = _tried(lambda: processor_pixels(known, source))
    return Stated(pixels=pixels, geometry=geometry, size=size, pixels_from=source)


def _document(path: Path) -> dict[str, Any]:
    """Read a JSON object; {} if there is no file, or it holds something else."""
    if not path.is_file():
        return {}
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path}, which lies beside the model, cannot be read: {error}",
            hint="copy it again, or move the model to a folder without it",
        ) from error
    return document if isinstance(document, dict) else {}


def _names(path: Path, config: Mapping[str, Any], timm: Mapping[str, Any]) -> ClassFile | UsageError | None:
    """Read the class names of a config.json, None if it has none; `timm` are the settings of timm in it."""
    if not (config.get("id2label") or config.get("label_names") or timm.get("label_names") or timm.get("labels")):
        return None
    try:
        return parse_class_file(path, json.dumps(config))
    except ValueError as error:
        return UsageError(f"the class names in {path} cannot be read: {error}", hint="give --classes")


def _tried(read: Callable[[], Value]) -> Value | UsageError:
    """Read something, or give the error, which counts only if no option says it otherwise."""
    try:
        return read()
    except UsageError as error:
        return error


def _both(read: tuple[GeometryOptions, Size] | UsageError) -> tuple[GeometryOptions | UsageError, Size | None]:
    return (read, None) if isinstance(read, UsageError) else read

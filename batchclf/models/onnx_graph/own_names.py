"""The class names that an ONNX file gives itself."""

import ast
from typing import Any

from batchclf.errors import ModelError
from batchclf.models.onnx_graph.bundle_notes import noted_classes
from batchclf.models.onnx_graph.outputs import zipped_labels


def own_class_names(model: Any, output_name: str | None) -> tuple[str, ...]:
    """Give the names of the classes in the order of an output of a ModelProto, () if it has none.

    They are those of a bundle, the labels of its maps, or the metadata `names` that Ultralytics writes. `output_name`
    is None if it is not known. Raises ModelError if Ultralytics' metadata says that the model is no classifier.
    """
    if noted := noted_classes(model):
        return noted
    labels = None if output_name is None else zipped_labels(model.graph, output_name)
    if labels is not None:
        texts = tuple(map(str, labels))
        # Labels that are the places of the outputs name nothing
        return () if texts == tuple(map(str, range(len(texts)))) else texts
    notes = {entry.key: entry.value for entry in model.metadata_props}
    if "names" not in notes or "task" not in notes:
        return ()
    if notes["task"] != "classify":
        raise ModelError(
            f"the model's metadata says that its task is {notes['task']}; batchclf scores classifiers",
            hint="export a model of the task classify, such as yolo11n-cls.pt",
        )
    try:
        names = ast.literal_eval(notes["names"])
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):  # as its documentation lists them
        return ()
    if not isinstance(names, dict) or list(names) != list(range(len(names))):
        return ()
    return tuple(map(str, names.values()))

"""The model within the graph of a bundle, without the steps that batchclf has put before and behind it."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf.core.text import counted
from batchclf.errors import ModelError
from batchclf.models.bundle import Bundle
from batchclf.models.onnx_graph.bundle_graph import INPUT, OUTPUT
from batchclf.models.onnx_graph.read import onnx_or_error
from batchclf.models.onnx_session import onnx_session

_BATCH = 32


class InnerModel:
    """Runs the model of a bundle on inputs that `models.preprocessing.prepare` has made, by ONNX Runtime on the CPU.

    Raises ModelError if the graph is none that batchclf has written. `folder` keeps a file for as long as it runs.
    """

    def __init__(self, bundle: Bundle, folder: Path) -> None:
        onnx = onnx_or_error()
        model = onnx.load(bundle.onnx_path)
        kind = _cut(model, bundle.path)
        self.dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind))
        self._batch = bundle.info.batch_size or _BATCH
        path = folder / "inner.onnx"
        onnx.save(model, path)
        self._session = onnx_session(path)
        self._input = self._session.get_inputs()[0].name

    @property
    def takes_numbers(self) -> bool:
        """Whether it takes numbers with a fraction, not only pixels as they are."""
        return bool(np.issubdtype(self.dtype, np.floating))

    def run(self, inputs: NDArray[Any]) -> NDArray[np.float64]:
        """Give what the model makes of (n, …) inputs: (n, units) float64, logits or probabilities."""
        rows = []
        for start in range(0, len(inputs), self._batch):
            batch = inputs[start : start + self._batch].astype(self.dtype, copy=False)
            (outputs,) = self._session.run(None, {self._input: batch})
            if len(outputs) != len(batch):
                raise ModelError(f"the model gives {counted(len(outputs), 'row')} for {counted(len(batch), 'image')}")
            rows.append(np.asarray(outputs, np.float64).reshape(len(batch), -1))
        return np.concatenate(rows)


def _cut(model: Any, path: Path) -> int:
    """Leave of a bundle's graph the model alone; gives the kind of numbers that it takes, as `onnx.TensorProto` does.

    What `with_interface` adds are chains of one node after the other, which are found by their names.
    """
    from onnx import TensorProto, helper

    graph = model.graph
    first = _only_user(graph, INPUT)
    # A bundle's graph that was imported again has chains of its own inside, of another prefix
    prefix = "" if first is None else first.name.rpartition("in/")[0]
    kind, name, before = TensorProto.UINT8, INPUT, []
    while (node := _only_user(graph, name)) is not None and node.name.startswith(f"{prefix}in/"):
        if node.op_type == "Cast":
            kind = node.attribute[0].i
        before.append(node)
        name = node.output[0]
    makers = {output: node for node in graph.node for output in node.output}
    result, after = OUTPUT, []
    while (node := makers.get(result)) is not None and node.name.startswith(f"{prefix}out/"):
        after.append(node)
        result = node.input[0]
    if not prefix or not before or not after:
        raise ModelError(
            f"the graph of {path} has other steps than a bundle's, so no other way to feed it can be tried",
            hint="import the model again",
        )
    added = {node.name for node in (*before, *after)}
    kept = [node for node in graph.node if node.name not in added]
    del graph.node[:], graph.input[:], graph.output[:], graph.value_info[:]
    graph.node.extend(kept)
    graph.input.append(helper.make_tensor_value_info(name, kind, None))
    graph.output.append(helper.make_empty_tensor_value_info(result))
    return int(kind)


def _only_user(graph: Any, name: str) -> Any | None:
    users = [node for node in graph.node if name in node.input]
    return users[0] if len(users) == 1 else None

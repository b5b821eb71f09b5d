"""TFLite files: opened and run by LiteRT, and what they say of themselves."""

import zipfile
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf.core.geometry import Geometry
from batchclf.errors import ModelError
from batchclf.models.bundle import TFLITE_FILE
from batchclf.models.onnx_graph.last_step import LastStep
from batchclf.models.onnx_graph.outputs import words_of_tensor
from batchclf.models.onnx_session import usable_cores
from batchclf.models.sources.class_files import parse_class_file
from batchclf.models.sources.infer_preprocessing import ModelInput
from batchclf.models.sources.interface import check_one_input, chosen_output

_LAST = {"SOFTMAX": "Softmax", "LOGISTIC": "Sigmoid", "LOG_SOFTMAX": "LogSoftmax"}
_ROUNDS = {"QUANTIZE", "DEQUANTIZE"}
_CUTS = {"SLICE", "STRIDED_SLICE", "GATHER", "GATHER_ND", "SPLIT", "SPLIT_V"}
_MOVES = {"RESHAPE", "SQUEEZE", "EXPAND_DIMS", "CAST", *_ROUNDS, *_CUTS}
"""Operations that leave the values of the outputs what they are, but for rounding or leaving out."""


class TfliteModel:
    """A TFLite file in LiteRT: takes and gives numbers that are not quantised, whatever the file itself takes.

    `cores` is how many it may use, all by default. Raises ModelError if LiteRT is missing or cannot load the file, or
    it has several inputs or, without `output_name`, outputs; UsageError if it has no output of this name.
    """

    kept: str | None = TFLITE_FILE
    libraries: tuple[str, ...] = ("ai_edge_litert",)
    geometry: Geometry | None = None

    def __init__(self, path: Path, output_name: str | None = None, cores: int | None = None) -> None:
        self._path, self.class_names = path, own_class_names(path)
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise ModelError(
                f"LiteRT is needed for TFLite files and cannot be imported ({error})",
                hint="install it with: pip install 'batchclf[tflite]'",
            ) from error
        try:
            self._interpreter = Interpreter(str(path), num_threads=cores or usable_cores())
            inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
            # An open size stands at 1 until there are images, which may be too small for the model
            if not any(-1 in _signature(each)[1:] for each in inputs):
                self._interpreter.allocate_tensors()
        except Exception as error:  # LiteRT raises ValueError and RuntimeError
            raise ModelError(
                f"LiteRT cannot load {path}: {error}",
                hint="check that the file is whole; a model with operations of TensorFlow (SELECT_TF_OPS) or your own "
                "must be converted again without them",
            ) from error
        self._shape: tuple[int, ...] = ()
        check_one_input(path, [_described(each) for each in inputs])
        name = chosen_output(path, {each["name"]: _described(each) for each in outputs}, output_name)
        self._input, self._output = inputs[0], next(each for each in outputs if each["name"] == name)
        batch, *dims = [None if size == -1 else int(size) for size in _signature(self._input)] or [None]
        if batch not in (None, 1):
            raise ModelError(
                f"{path} takes batches of exactly {batch} images",
                hint="convert it with an open batch, or with one of exactly 1, which is run image by image",
            )
        self._alone = batch == 1
        quantised = _scale(self._input) > 0
        self.kind = "TFLite model" + (f" that takes quantised {_dtype(self._input)}" if quantised else "")
        self.input = ModelInput(
            self._input["name"],
            tuple(dims),
            "float32" if quantised else _dtype(self._input),
            _range(self._input) if quantised else None,
        )

    @property
    def takes_numbers(self) -> bool:
        """Whether it takes numbers with a fraction, not only pixels as they are."""
        return self.input.dtype != "uint8"

    def run(self, inputs: NDArray[Any]) -> NDArray[np.floating]:
        """Predict (n, *shape) inputs, one at a time if the file takes no more: (n, units), or more axes, float32.

        Raises ModelError if LiteRT fails; its cause tells a lack of memory.
        """
        values = self._quantised(inputs)
        parts = np.split(values, len(values)) if self._alone else [values]
        try:
            return np.concatenate([self._answers(part) for part in parts])
        except Exception as error:  # LiteRT raises ValueError and RuntimeError
            self._shape = ()
            raise ModelError(
                f"the model cannot make predictions for inputs of shape {inputs.shape}: {error}",
                hint="check --input-size, --color and --layout",
            ) from error

    def graph(self, shape: tuple[int, ...]) -> None:
        """Give no ONNX graph: the file itself is scored with (decision 208)."""

    @cached_property
    def last_step(self) -> LastStep:
        """The operation that gives the output's values."""
        schema, model = self._parsed
        names = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
        graph = model.subgraphs[0]
        makers = {int(output): each for each in graph.operators for output in each.outputs}
        place, quantised, cut = int(self._output["index"]), _scale(self._output) > 0, False
        while (maker := makers.get(place)) is not None:
            code = model.operatorCodes[maker.opcodeIndex]
            # Files of before 2020 have the code in the other field alone
            name = names.get(max(code.builtinCode, code.deprecatedBuiltinCode), "")
            if name not in _MOVES:
                return LastStep(_LAST.get(name, name), quantised, cut)
            quantised, cut, place = quantised or name in _ROUNDS, cut or name in _CUTS, int(maker.inputs[0])
        return LastStep("", quantised, cut)

    def parameters(self) -> int:
        """Count the weights: the constant tensors but shapes and axes, which are whole numbers without a scale."""
        schema, model = self._parsed
        kinds = schema.TensorType
        whole = {kinds.INT32, kinds.INT64, kinds.STRING, kinds.BOOL}
        count = 0
        for tensor in (each for graph in model.subgraphs for each in graph.tensors):
            scaled = tensor.quantization is not None and tensor.quantization.scale is not None
            constant = model.buffers[tensor.buffer].data is not None or model.buffers[tensor.buffer].size > 1
            if constant and (scaled or tensor.type not in whole):
                count += int(np.prod(tensor.shape))
        return count

    @cached_property
    def _parsed(self) -> Any:
        from ai_edge_litert import schema_py_generated

        return schema_py_generated, schema_py_generated.ModelT.InitFromPackedBuf(self._path.read_bytes(), 0)

    def close(self) -> None:
        """Free the model."""
        del self._interpreter

    def _quantised(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """Round as the first operation of a converted model would that takes float32 (`quantize` of TFLite)."""
        scale, dtype = _scale(self._input), self._input["dtype"]
        if not scale:
            return inputs.astype(dtype, copy=False)
        limits = np.iinfo(dtype)
        steps = np.rint(inputs.astype(np.float32) / np.float32(scale)) + self._input["quantization"][1]
        values: NDArray[Any] = np.clip(steps, limits.min, limits.max).astype(dtype)
        return values

    def _answers(self, values: NDArray[Any]) -> NDArray[np.float32]:
        if values.shape != self._shape:
            if -1 in _signature(self._input):
                self._interpreter.resize_tensor_input(self._input["index"], values.shape, strict=True)
            self._interpreter.allocate_tensors()
            self._shape = values.shape
        self._interpreter.set_tensor(self._input["index"], np.ascontiguousarray(values))
        self._interpreter.invoke()
        answers: NDArray[np.float32] = self._interpreter.get_tensor(self._output["index"]).astype(np.float32)
        if scale := _scale(self._output):
            answers = (answers - np.float32(self._output["quantization"][1])) * np.float32(scale)
        return answers


def own_class_names(path: Path) -> tuple[str, ...]:
    """Give the class names of the label file that is packed as a zip behind a TFLite file; () if there is not just one.

    Model Maker and the writers of metadata put it there.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            lists = [name for name in archive.namelist() if name.endswith(".txt") and "label" in name]
            if len(lists) != 1:
                return ()
            return tuple(parse_class_file(Path(lists[0]), archive.read(lists[0]).decode()).names)
    except (OSError, ValueError, zipfile.BadZipFile):
        return ()


def _signature(details: dict[str, Any]) -> Any:
    """Give the shape with -1 for open sizes; files of before 2020 have the shape alone."""
    return details["shape_signature"] if len(details["shape_signature"]) else details["shape"]


def _described(details: dict[str, Any]) -> str:
    shape = tuple(None if size == -1 else int(size) for size in _signature(details))
    return words_of_tensor(details["name"], _dtype(details), shape)


def _dtype(details: dict[str, Any]) -> str:
    return str(np.dtype(details["dtype"]).name)


def _scale(details: dict[str, Any]) -> float:
    """Give the number that a step of a quantised tensor stands for; 0 if it is not quantised."""
    return float(details["quantization"][0]) if np.issubdtype(details["dtype"], np.integer) else 0.0


def _range(details: dict[str, Any]) -> tuple[float, float]:
    """Give the least and the greatest number that a quantised tensor can hold."""
    limits, (scale, zero) = np.iinfo(details["dtype"]), details["quantization"]
    return (limits.min - zero) * scale, (limits.max - zero) * scale

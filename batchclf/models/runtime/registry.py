"""The runtimes: what each serves, what it needs and what opens it; a new one is an entry here and a file beside it."""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Literal, Protocol

from batchclf.errors import ModelError, UsageError

if TYPE_CHECKING:
    from batchclf.models.bundle import Bundle
    from batchclf.models.runtime.interface import Runtime

RuntimeName = Literal["onnx", "tensorflow", "litert"]
Precision = Literal["f32", "bf16"]
Device = Literal["cpu", "cuda"]


class Implementation(Protocol):
    """The class that an entry names."""

    def __call__(self, bundle: "Bundle", device: Device, cores: int | None = None) -> "Runtime":
        """Load the bundle's model onto a device, to compute on so many cores, all by default.

        Raises ModelError if that fails or another device would run it.
        """

    def versions(self) -> dict[str, str]:
        """Import the libraries that compute and give their versions by module; raises ImportError."""

    def check(self, device: Device) -> None:
        """Raise ModelError if this machine cannot compute on the device; needs no model."""


@dataclass(frozen=True, slots=True)
class RuntimeEntry:
    """One runtime, with the precision and the devices that it serves.

    `opener` is `file:class` in this folder; `module` is the library that it imports, which either `extra` of batchclf
    or `distribution` installs. `runs` says what of a bundle it runs: its graph, the Keras model or SavedModel that this
    was made of, or a TFLite file.
    """

    name: RuntimeName
    precision: Precision
    devices: tuple[Device, ...]
    opener: str
    module: str
    distribution: str = ""
    extra: str = ""
    runs: Literal["graph", "original", "tflite"] = "graph"

    @property
    def graph(self) -> bool:
        """Whether it runs the bundle's graph."""
        return self.runs == "graph"

    @property
    def install(self) -> str:
        """The command that installs it."""
        return f"pip install '{f'batchclf[{self.extra}]' if self.extra else self.distribution}'"

    @property
    def options(self) -> str:
        """The options of `score` that choose it."""
        return f"--runtime {self.name} --precision {self.precision} --device {'|'.join(self.devices)}"

    def load(self) -> Implementation:
        """Import its class and its libraries; raises ModelError if one is missing or broken."""
        file, _, name = self.opener.partition(":")
        loaded: Implementation = getattr(import_module(f"batchclf.models.runtime.{file}"), name)
        try:
            loaded.versions()
        except ImportError as error:
            raise ModelError(
                f"{self.module} is needed for {self.options} and cannot be imported ({error})",
                hint=f"install it with: {self.install}",
            ) from error
        return loaded

    def check_bundle(self, bundle: "Bundle") -> None:
        """Raise ModelError if the bundle has no model that it runs."""
        if not self.serves(bundle):
            came = "a TFLite file" if not bundle.has_graph else "a Keras model or SavedModel"
            if bundle.original_path is None:
                came = "an ONNX file"
            raise ModelError(
                f"{bundle.path} came as {came}, so there is no model in it that --runtime {self.name} runs",
                hint=f"score with --runtime {default_runtime(bundle)}",
            )

    def serves(self, bundle: "Bundle") -> bool:
        """Whether the bundle has a model that it runs."""
        if not bundle.has_graph:
            return self.runs == "tflite"
        return self.graph or (self.runs == "original" and bundle.original_path is not None)

    def open(self, bundle: "Bundle", device: Device, cores: int | None = None) -> "Runtime":
        """Load the bundle's model onto a device; raises ModelError."""
        self.check_bundle(bundle)
        return self.load()(bundle, device, cores)


ENTRIES = (
    RuntimeEntry("onnx", "f32", ("cpu",), opener="onnx:OnnxRuntime", module="onnxruntime", distribution="onnxruntime"),
    RuntimeEntry(
        "onnx", "f32", ("cuda",), opener="onnx:OnnxRuntime", module="onnxruntime", distribution="onnxruntime-gpu"
    ),
    RuntimeEntry("onnx", "bf16", ("cpu",), opener="openvino:OpenvinoRuntime", module="openvino", extra="openvino"),
    RuntimeEntry(
        *("tensorflow", "f32", ("cpu", "cuda")),
        opener="tensorflow:TensorflowRuntime",
        module="tensorflow",
        extra="train",
        runs="original",
    ),
    RuntimeEntry(
        "litert", "f32", ("cpu",), opener="litert:LitertRuntime", module="ai_edge_litert", extra="tflite", runs="tflite"
    ),
)


def find_runtime(name: RuntimeName, precision: Precision = "f32", device: Device = "cpu") -> RuntimeEntry:
    """Give the entry that serves all three; raises UsageError, which names those that there are."""
    for entry in ENTRIES:
        if (entry.name, entry.precision) == (name, precision) and device in entry.devices:
            return entry
    raise UsageError(
        f"--runtime {name}, --precision {precision} and --device {device} do not go together",
        hint=f"choose of: {'; '.join(entry.options for entry in ENTRIES)}",
    )


def runtimes_of(bundle: "Bundle") -> list[RuntimeName]:
    """Name the runtimes that can run a bundle."""
    return list(dict.fromkeys(entry.name for entry in ENTRIES if entry.serves(bundle)))


def default_runtime(bundle: "Bundle") -> RuntimeName:
    """Name the runtime that is used if none is asked for."""
    return "onnx" if bundle.has_graph else "litert"


def open_runtime(
    bundle: "Bundle",
    name: RuntimeName,
    *,
    precision: Precision = "f32",
    device: Device = "cpu",
    cores: int | None = None,
) -> "Runtime":
    """Load the bundle's model, to compute on so many cores, by default all that this process may use.

    Raises ModelError if it cannot be loaded, a library is missing or the machine cannot do what is asked for, and
    UsageError if the three do not go together.
    """
    return find_runtime(name, precision, device).open(bundle, device, cores)

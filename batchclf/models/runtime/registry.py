"""The runtimes and precisions by name."""

from typing import Literal

RuntimeName = Literal["onnx", "tensorflow"]
Precision = Literal["f32", "bf16"]

"""Batch scoring and evaluation reports for image classifiers; docs/python.md describes what can be imported here."""

import os
from typing import TYPE_CHECKING

from batchclf.libraries import VERSION

if TYPE_CHECKING:
    from batchclf.api.compare import Comparison, compare
    from batchclf.api.evaluate import evaluate
    from batchclf.api.evaluation import Evaluation
    from batchclf.api.metric import Metric
    from batchclf.api.model import Model, load_model
    from batchclf.api.run import Run, load_run, read_predictions
    from batchclf.api.score import score
    from batchclf.errors import BatchclfError

__all__ = [
    "BatchclfError",
    "Comparison",
    "Evaluation",
    "Metric",
    "Model",
    "Run",
    "__version__",
    "compare",
    "evaluate",
    "load_model",
    "load_run",
    "read_predictions",
    "score",
]

__version__ = VERSION

# ONNX Runtime reads it once, as it is imported, and else records and sends its use: set it before any module of this
# package can import that, and for child processes; a value of the user's stays (decision 157)
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_MODULES = {
    "BatchclfError": "batchclf.errors",
    "Comparison": "batchclf.api.compare",
    "Evaluation": "batchclf.api.evaluation",
    "Metric": "batchclf.api.metric",
    "Model": "batchclf.api.model",
    "Run": "batchclf.api.run",
    "compare": "batchclf.api.compare",
    "evaluate": "batchclf.api.evaluate",
    "load_model": "batchclf.api.model",
    "load_run": "batchclf.api.run",
    "read_predictions": "batchclf.api.run",
    "score": "batchclf.api.score",
}
"""Where each name comes from; imported on use, so that `import batchclf` loads no numpy (decision 176)."""


if not TYPE_CHECKING:  # else a type checker would take any name

    def __getattr__(name: str) -> object:
        """Import a public name on its first use."""
        if name not in _MODULES:
            raise AttributeError(f"module 'batchclf' has no attribute '{name}'", name=name)
        from importlib import import_module

        value: object = getattr(import_module(_MODULES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """List the public names, for editors and notebooks."""
    return sorted({*globals(), *__all__})

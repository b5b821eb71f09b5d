"""The versions of other libraries, as their modules give them."""

from importlib import import_module

UNKNOWN = "unknown"


def versions_of(*modules: str) -> dict[str, str]:
    """Import modules and give their versions by the modules' names, UNKNOWN where one says none; raises ImportError.

    Several distributions have the same module (onnxruntime and onnxruntime-gpu, opencv-python and its relatives), so
    that their names are no key to it, and their metadata may speak of files that another one has replaced.
    """
    return {module: str(getattr(import_module(module), "__version__", UNKNOWN)) for module in modules}

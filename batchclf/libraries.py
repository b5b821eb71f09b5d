"""The versions of batchclf and of other libraries, as their modules give them."""

from importlib import import_module

VERSION = "0.2.0"
"""Of batchclf. Here, since every room may import it, and `batchclf` itself imports the rooms."""

UNKNOWN = "unknown"


def versions_of(*modules: str) -> dict[str, str]:
    """Import modules and give their versions by the modules' names, UNKNOWN if one says none.

    Raises ImportError if one is not installed, or only a folder is left of it.
    """
    # Not those of distributions, of which several have the same module and overwrite each other's (decision 132)
    found = {}
    for name in modules:
        module = import_module(name)
        if getattr(module, "__file__", None) is None:
            raise ImportError(f"only an empty folder is left of {name}; uninstall every package of it first")
        found[name] = str(getattr(module, "__version__", UNKNOWN))
    return found

"""Tell a library's failure for want of memory from its other failures."""

_SIGNS = (
    "bad_alloc",
    "bad allocation",
    "failed to allocate",
    "cannot allocate memory",
    "out of memory",
    "not enough memory",
)


def is_out_of_memory(error: Exception) -> bool:
    """Whether a library failed for want of memory.

    ONNX Runtime and OpenVINO have no class for it: they pass on C++'s `std::bad_alloc`, or say that they failed to
    allocate so many bytes, in a class that other failures share.
    """
    return isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in _SIGNS)

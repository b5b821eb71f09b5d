"""Tell a library's failure for want of memory from its other failures."""

_SIGNS = (
    "bad_alloc",
    "bad allocation",
    "failed to allocate",
    "cannot allocate memory",
    "out of memory",
    "not enough memory",
    "alloc_failed",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a library failed for want of memory.

    TensorFlow's class for it is known by its name, for TensorFlow may not be installed. ONNX Runtime and OpenVINO have
    none: they pass on C++'s `std::bad_alloc`, or say that they failed to allocate so many bytes, in a class that other
    failures share.
    """
    # Every lack of memory becomes a MemoryError, on which the stream halves its batch (decision 044)
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return True
    return any(sign in str(error).lower() for sign in _SIGNS)

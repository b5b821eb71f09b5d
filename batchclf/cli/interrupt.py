"""SIGTERM and Ctrl-C as an exception that a run can clean up after."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_RETRY_SECONDS = 0.01


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM and Ctrl-C end the block with KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [signal.SIGTERM]
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a job in the background ignores it
        numbers.append(signal.SIGINT)
    if hasattr(signal, "setitimer"):  # not on Windows
        numbers.append(signal.SIGALRM)
    before = {number: signal.signal(number, _interrupt) for number in numbers}
    try:
        yield
    finally:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, or a moment later if Python is about to import.

    Within importlib it could be swallowed, and leave the lock of all imports locked; then the run would hang.
    """
    importing = frame is not None and frame.f_code.co_filename.startswith("<frozen importlib")
    if importing and hasattr(signal, "setitimer"):
        # Raised inside an import it could leave the import lock locked for ever (decision 052)
        signal.setitimer(signal.ITIMER_REAL, _RETRY_SECONDS)
        return
    raise KeyboardInterrupt

"""Decode in a process beside this one that is ended when an image takes too long; it may crash, too.

For decoders that are neither quick nor hardened, which a thread could not stop. The processes are started when they
are first needed and kept for the next image. The callers are threads, and there are never more processes than callers
at a time.
"""

import atexit
import os
import subprocess
import threading
from collections.abc import Callable, Collection
from typing import Any, TypeVar, TypeVarTuple

from batchclf import child
from batchclf.child import ChildDiedError
from batchclf.data.decoding.limits import took_too_long
from batchclf.errors import UnreadableImageError

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")

_MAIN = "from batchclf.data.decoding.aside import main; main()"

_lock = threading.Lock()
_idle: "list[subprocess.Popen[bytes]]" = []
_busy: "dict[subprocess.Popen[bytes], int]" = {}  # with the thread that has it
_none_to_be_had = _is_apart = False


def this_process_is_apart() -> None:
    """Call functions directly from now on: this process may crash, and has a timer that ends it."""
    global _is_apart
    _is_apart = True


def call(function: Callable[[*Arguments], Result], *arguments: *Arguments, seconds: float) -> Result:
    """Call a function of a module, sent by its name, in a process beside this one; raises what it raises.

    Raises ImageTimeoutError if it takes longer than `seconds`, UnreadableImageError if the process crashes twice,
    and RuntimeError if `close` ends it. If no process can be started, and in one that `this_process_is_apart`,
    the function is called directly and has no limit here.
    """
    crash = None
    for _ in range(2):
        if (process := _take()) is None:
            return function(*arguments)
        try:
            result: Result = child.ask(process, (function, seconds, arguments))
            return result
        except ChildDiedError as error:
            crash = error
        finally:
            wanted = _give_back(process)
        if not wanted:
            raise RuntimeError("the run is ending") from crash
        if crash.timed_out:
            raise took_too_long(seconds) from crash
    raise UnreadableImageError(f"the decoder crashed on it twice ({crash})")


def close(threads: Collection[int] | None = None) -> None:
    """End the processes: those that are idle, and those that work for some threads, by their ids, or for any."""
    global _none_to_be_had
    with _lock:
        ended = [process for process, thread in _busy.items() if threads is None or thread in threads]
        for process in ended:
            del _busy[process]
            process.kill()  # the thread that waits for it frees the rest
        ended, _idle[:] = _idle[:], []
        _none_to_be_had = False
    for process in ended:
        child.end(process)


def pids() -> list[int]:
    """The ids of the processes."""
    with _lock:
        return [process.pid for process in (*_idle, *_busy)]


def main() -> None:
    """Answer requests until standard input ends."""
    this_process_is_apart()
    child.serve(_answer)


def _answer(request: Any) -> Any:
    function, seconds, arguments = request
    child.set_timer(seconds)
    return function(*arguments)


def _take() -> "subprocess.Popen[bytes] | None":
    """Give a process that no other thread has; None if there is none to be had, or none is wanted."""
    global _none_to_be_had
    with _lock:
        if _is_apart or _none_to_be_had:
            return None
        while _idle:
            process = _idle.pop()
            if process.poll() is None:
                _busy[process] = threading.get_ident()
                return process
            child.end(process)
    try:
        process = child.start(_MAIN)
    except OSError:
        _none_to_be_had = True
        return None
    with _lock:
        _busy[process] = threading.get_ident()
    try:
        # Else an image would be blamed for a process that does not come so far.
        child.ask(process, (bool, 0, ()))
    except ChildDiedError:
        _none_to_be_had = _give_back(process)
        return None
    return process


def _give_back(process: "subprocess.Popen[bytes]") -> bool:
    """Keep a process for the next call, unless it has ended; False if `close` has ended it."""
    with _lock:
        wanted = _busy.pop(process, None) is not None
        if wanted and process.returncode is None:
            _idle.append(process)
            return True
    child.end(process)
    return wanted


def _new_lock() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    # Another thread may have had it. The processes are found not to be this one's children when they are taken.
    os.register_at_fork(after_in_child=_new_lock)
atexit.register(close)

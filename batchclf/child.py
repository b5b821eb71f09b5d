"""A process that answers requests: how it is started, asked and ended, and what it does.

Requests go to its standard input and answers come from its standard output, until standard input ends: it ends with
its parent, however that ends. Both sides are this program, so they speak in pickles.
"""

import logging
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

# Windows has no timer that ends a process, so there is no limit there.
set_timer: Callable[[float], object] = (
    partial(signal.setitimer, signal.ITIMER_REAL) if hasattr(signal, "setitimer") else lambda seconds: None
)
"""Have the system end this process after so many seconds, whatever it does; 0 calls that off. For children only."""


class ChildDiedError(Exception):
    """A process ended, with `status` as `subprocess` has it, instead of answering."""

    def __init__(self, status: int) -> None:
        super().__init__(f"signal {-status}" if status < 0 else f"exit status {status}")
        self.timed_out = -status == getattr(signal, "SIGALRM", None)


def start(main: str) -> "subprocess.Popen[bytes]":
    """Start a process that runs `main`, Python code that ends in a call of `serve`. Raises OSError."""
    if not sys.executable:
        raise OSError("the path of this Python is not known")
    # With this process' own import path, so that the package need not be installed, and no main module runs twice.
    path = [str(Path(__file__).parents[1]), *sys.path]
    # And with its encoding of file names.
    options = ["-S", "-E", "-X", f"utf8={sys.flags.utf8_mode}"]
    # Not multiprocessing, whose workers outlive a killed parent and run the main module again (decision 034)
    command = [sys.executable, *options, "-c", f"import sys; sys.path[:] = {path!r}; {main}"]
    # numpy's threads would only get into the way of the other processes.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    # In a session of its own: signals to the run's process group are for the run to handle (decision 052)
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, env=environment
    )


def ask(process: "subprocess.Popen[bytes]", request: Any) -> Any:
    """Give the answer to a request, or raise it if it is an exception; from one thread at a time.

    Raises ChildDiedError if the process ends instead of answering.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        pickle.dump(request, process.stdin, pickle.HIGHEST_PROTOCOL)
        process.stdin.flush()
        answer = pickle.load(process.stdout)
    except (BrokenPipeError, EOFError, pickle.UnpicklingError, ValueError) as error:  # ValueError: closed by a thread
        raise ChildDiedError(process.wait()) from error
    except BaseException:
        # In the midst of a message: nothing that follows would be understood.
        end(process)
        raise
    if isinstance(answer, Exception):
        raise answer
    return answer


def end(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process, if it has not ended, and free what it held."""
    process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            # What was still to be written has nobody to go to.
            with suppress(OSError):
                pipe.close()
    process.wait()


def serve(answer: Callable[[Any], Any]) -> None:
    """Answer requests until standard input ends; what `answer` raises is the answer, and its timer is called off."""
    # Ctrl-C goes to the whole group; the parent decides what ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGALRM"):
        # A parent that ignores or blocks it hands that down. Python could not handle it while C code decodes, the
        # system's default ends the process at once (decision 142)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    # Else Python prints warnings of libraries that log.
    logging.lastResort = logging.NullHandler()
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # Whatever prints must not get between the answers.
    os.dup2(2, 1)
    try:
        while True:
            _answer_one(answer, requests, answers)
    except (EOFError, BrokenPipeError, pickle.UnpicklingError):
        # The parent has ended, maybe in the midst of a message; what is left in `answers` has nobody to go to.
        # (decision 034)
        os._exit(0)


def _answer_one(answer: Callable[[Any], Any], requests: BinaryIO, answers: BinaryIO) -> None:
    # In a function of its own, so that nothing of a large image stays in memory until the next one comes.
    request = pickle.load(requests)
    try:
        reply = answer(request)
    except Exception as error:  # the parent's to handle, as if it had done the work by itself
        reply = error.with_traceback(None)  # which holds the request
    finally:
        set_timer(0)
    pickle.dump(reply, answers, pickle.HIGHEST_PROTOCOL)
    answers.flush()

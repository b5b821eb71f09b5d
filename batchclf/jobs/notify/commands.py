"""`on_success` and `on_failure`: a command that is started after a run, with the summary on its standard input."""

import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from batchclf.core.types import Say
from batchclf.errors import NotifyError

GRACE = 5.0
"""Seconds between asking a command to end and ending it."""

_KEPT = 64 * 1024
_SHOWN = 300
_LOOK_AGAIN = 0.02
_LAST_OUTPUT = 1.0
"""Seconds for the output to arrive once the command has ended: what it started itself may hold the pipe for ever."""


@dataclass(frozen=True, slots=True)
class Command:
    """What is run, in which folder, with which variables beside the process' own, for at most `timeout` seconds."""

    name: str
    arguments: Sequence[str]
    folder: Path
    variables: Mapping[str, str]
    timeout: float


def run_command(command: Command, stdin: bytes, say: Say, *, grace: float = GRACE) -> None:
    """Run a command without a shell, with `stdin` to read, which it need not do; what it prints is said line by line.

    It has a process group of its own. When the time is up, the group gets SIGTERM, and after `grace` seconds SIGKILL.
    Raises NotifyError if it cannot be started, takes too long, or ends with another code than 0.
    """
    try:
        process = subprocess.Popen(
            command.arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=command.folder,
            env={**os.environ, **command.variables},
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise _not_started(command, error) from error
    output = _Output(process.stdout)
    # Pipes and threads, no files: the disk may be full (decision 092)
    threading.Thread(target=_feed, args=(process.stdin, stdin), daemon=True).start()
    try:
        code: int | None = process.wait(command.timeout)
    except subprocess.TimeoutExpired:
        code = None
        _end_group(process, grace)
    except BaseException:
        _end_group(process, grace)
        raise
    text = output.text()
    for line in text.splitlines():
        say(f"{command.name}: {line}")
    if code != 0:
        raise _failed(command, code, text)


class _Output:
    """Reads a pipe to its end in a thread of its own and keeps the end of it."""

    def __init__(self, pipe: IO[bytes] | None) -> None:
        self._kept = b""
        self._pipe = pipe
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def text(self) -> str:
        """Give what has come, up to a moment after the command has ended."""
        self._thread.join(_LAST_OUTPUT)
        return self._kept.decode("utf-8", "backslashreplace")

    def _read(self) -> None:
        if self._pipe is None:
            return
        with self._pipe as pipe:
            while piece := os.read(pipe.fileno(), _KEPT):
                self._kept = (self._kept + piece)[-_KEPT:]


def _feed(pipe: IO[bytes] | None, content: bytes) -> None:
    """Write all that a command cares to read: one that does not closes the pipe."""
    if pipe is not None:
        with suppress(OSError), pipe:
            pipe.write(content)


def _end_group(process: "subprocess.Popen[bytes]", grace: float) -> None:
    """End a command with all that it has started: asked first, and after `grace` seconds whether it will or not."""
    end = time.monotonic() + grace
    _signal(process, signal.SIGTERM)
    while _signal(process, 0) and time.monotonic() < end:
        process.poll()
        time.sleep(_LOOK_AGAIN)
    _signal(process, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(grace)


def _signal(process: "subprocess.Popen[bytes]", number: int) -> bool:
    """Send a signal to a command's process group; returns whether there is one any more."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _not_started(command: Command, error: OSError | ValueError) -> NotifyError:
    program = command.arguments[0]
    if isinstance(error, FileNotFoundError) and not command.folder.is_dir():
        return NotifyError(f"{command.name}: the folder {command.folder} is not there", hint="see why it is gone")
    if isinstance(error, FileNotFoundError):
        hint = f"give its whole path in notify.{command.name}: in cron PATH is short"
        return NotifyError(f"{command.name}: there is no program '{program}'", hint=hint)
    if isinstance(error, PermissionError):
        return NotifyError(f"{command.name}: '{program}' may not be run", hint="make it executable: chmod +x")
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return NotifyError(f"{command.name}: '{program}' cannot be run: {reason}", hint=f"correct notify.{command.name}")


def _failed(command: Command, code: int | None, text: str) -> NotifyError:
    shown = shlex.join(command.arguments)
    if code is None:
        how = f"took longer than {command.timeout:g} s and was ended"
    elif code < 0:
        how = f"was ended by signal {-code} ({_signal_name(-code)})"
    else:
        how = f"failed with exit code {code}"
    end = " ".join(text.split())[-_SHOWN:]
    said = f"; the end of its output: {end}" if end else "; it printed nothing"
    hint = "try it by hand" if code is not None else "try it by hand, or raise notify.timeout"
    return NotifyError(f"{command.name}: {shown} {how}{said}", hint=f"{hint}: batchclf run --json prints its input")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"

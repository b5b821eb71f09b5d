"""Where lines go: standard output for a person, standard error beside `--json`, nowhere with `--quiet`."""

import json
import logging
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self, TextIO

from batchclf.errors import BatchclfError, ExitCode
from batchclf.log import LOGGER, LogWatcher

if TYPE_CHECKING:
    from batchclf.core.progress import Advance, Total

_NOWHERE = logging.NullHandler()

_COLORS = {"red": 31, "green": 32, "yellow": 33}
_OUTCOME = re.compile(
    r"(?P<green>(?:gate|alarm) passed(?=:)|ok(?= after | {2}))"
    r"|(?P<red>(?:gate|alarm) FAILED(?=:)|gate failed(?= after )|error(?= {2}))"
    r"|(?P<yellow>(?:gate|alarm) not checked(?=:)|partial(?= after )|warning(?= {2}))"
)
"""How a line begins that says how something went: lines are plain text, for logs as for the terminal."""


class _Streams:
    """Standard output and standard error, by name; what cannot be written ends nothing, but is kept in `failed`."""

    def __init__(self, *, colors: bool) -> None:
        self.failed: dict[str, OSError] = {}
        self._colors = colors

    def line(self, name: str, line: str, begin: str = "", color: str = "") -> None:
        """Print a line, unless an earlier one could not be written; on a terminal its beginning is in colour."""
        if name in self.failed:
            return
        try:
            if begin and self._colors and _shows_colors(getattr(sys, name)):
                line = f"\x1b[1;{_COLORS[color]}m{begin}\x1b[0m{line.removeprefix(begin)}"
            print(line, file=getattr(sys, name), flush=True)
        except OSError as error:
            self.failed[name] = error


def _shows_colors(stream: TextIO) -> bool:
    """Whether a stream shows colours, by the variables that Python's own tracebacks follow, in their order."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (os.environ.get("TERM") != "dumb" and stream.isatty())


class Handler(logging.Handler):
    """Prints what is logged; `quiet` hides what is neither a warning nor an error, details need `verbose`."""

    def __init__(self, streams: _Streams, *, quiet: bool, verbose: bool, to: str) -> None:
        super().__init__(logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO)
        self._streams = streams
        self.to = to
        """The name of the stream for what is neither a warning nor an error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        line = _printable(record.getMessage())
        if record.levelno < logging.WARNING:
            outcome = _OUTCOME.match(line)
            begin, color = (outcome[0], outcome.lastgroup or "") if outcome else ("", "")
            self._streams.line(self.to, line, begin, color)
            return
        begin = f"batchclf: {record.levelname.lower()}:"
        self._streams.line("stderr", f"{begin} {line}", begin, "red" if record.levelno > logging.WARNING else "yellow")
        for more in getattr(record, "excerpt", ()):
            self._streams.line("stderr", f"    {_printable(more)}")
        if hint := getattr(record, "hint", ""):
            self._streams.line("stderr", f"  hint: {_printable(hint)}")


class Console(LogWatcher):
    """The command line as a watcher of jobs; within `with` what they log is printed, and nothing else that is logged.

    Handlers that a program around it has set up hear other libraries as ever.
    """

    def __init__(self, *, quiet: bool = False, as_json: bool = False, verbose: bool = False) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self.summary: dict[str, Any] = {}
        """What `--json` shows of a run that has ended with an error, beside that error."""
        self.made = ""
        """What the verb has made, in words: for the error if standard output, which would name it, breaks."""
        self._streams = _Streams(colors=not as_json)
        self._handler = Handler(self._streams, quiet=quiet, verbose=verbose, to="stderr" if as_json else "stdout")

    def __enter__(self) -> Self:
        """Print what is logged from now on."""
        LOGGER.addHandler(self._handler)
        LOGGER.setLevel(logging.DEBUG)
        LOGGER.propagate = False  # TensorFlow gives the root logger a handler of its own (decision 139)
        # Where nobody has set up logging, Python prints the warnings of other libraries, and absl sets it up.
        self._last_resort, logging.lastResort = logging.lastResort, _NOWHERE
        logging.getLogger().addHandler(_NOWHERE)
        return self

    def __exit__(self, *of_error: object) -> None:
        """Leave the logger as it was."""
        LOGGER.removeHandler(self._handler)
        LOGGER.setLevel(logging.NOTSET)
        LOGGER.propagate = True
        logging.getLogger().removeHandler(_NOWHERE)
        logging.lastResort = self._last_resort

    def trouble(self, error: BatchclfError) -> None:
        """Say an error and what to do; `--quiet` does not hide it."""
        LOGGER.error(error.message, extra={"hint": error.hint, "excerpt": error.excerpt})

    def result(self, summary: dict[str, Any], code: ExitCode = ExitCode.OK) -> ExitCode:
        """Print the one JSON object of `--json`, nothing without it; returns the exit code, which is part of it."""
        if self.as_json:
            self._streams.line("stdout", json.dumps({**summary, "exit_code": code}, ensure_ascii=True))
        return code

    def lines_to_stderr(self) -> None:
        """Print all lines on standard error from now on: standard output carries a file."""
        self._handler.to = "stderr"

    def closing_code(self, code: int) -> int:
        """Give what the command ends with: `code`, or ERROR if that is OK and not all could be printed.

        Says so, unless nobody reads standard output any more, as behind `| head`, and nothing was made.
        """
        error = self._streams.failed.get("stdout")
        if error is not None and (self.made or not isinstance(error, BrokenPipeError)):
            hint = self.made or "see what standard output leads to, or use --quiet"
            self.trouble(BatchclfError(f"standard output cannot be written ({error.strerror or error})", hint=hint))
        return code or (ExitCode.ERROR if self._streams.failed else ExitCode.OK)

    @contextmanager
    def progress(self, what: str, total: "Total") -> "Iterator[Advance]":
        """Show a bar on a terminal's standard error; nothing in cron, with `--quiet` or with `--json`."""
        if self.quiet or self.as_json or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
            with super().progress(what, total) as advance:
                yield advance
            return
        from rich.console import Console as Terminal
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        # Rich itself follows NO_COLOR.
        columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
        # Lines said meanwhile go above the bar; into a file or pipe they must go as ever.
        above = sys.stdout.isatty()
        terminal = Terminal(stderr=True)
        with Progress(*columns, console=terminal, transient=True, redirect_stdout=above) as bar:
            task = bar.add_task(what, total=None if callable(total) else total)
            if callable(total):
                count = total
                threading.Thread(target=lambda: bar.update(task, total=count()), daemon=True).start()
            yield lambda steps: bar.advance(task, steps)


def _printable(line: str) -> str:
    """Keep file names with line breaks, escape codes or broken UTF-8 from garbling the terminal or cron's mail."""
    return encodable(escaped(line))


def escaped(text: str) -> str:
    """Write what is not printable as an escape, so that the text is one line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def encodable(text: str) -> str:
    """Write what standard output's encoding does not have as an escape."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)

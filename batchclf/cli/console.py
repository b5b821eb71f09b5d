"""Where lines go: standard output for a person, standard error beside `--json`, nowhere with `--quiet`."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from batchclf.errors import BatchclfError, ExitCode

if TYPE_CHECKING:
    from batchclf.core.progress import Advance


class Console:
    """The command line as a watcher of jobs."""

    def __init__(self, *, quiet: bool = False, as_json: bool = False, verbose: bool = False) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self.summary: dict[str, Any] = {}
        """What `--json` shows of a run that has ended with an error, beside that error."""
        self._verbose = verbose

    def say(self, line: str) -> None:
        """Say one line."""
        if not self.quiet:
            print(_printable(line), file=sys.stderr if self.as_json else sys.stdout, flush=True)

    def detail(self, line: str) -> None:
        """Say one line with `--verbose`."""
        if self._verbose:
            self.say(line)

    def trouble(self, error: BatchclfError) -> None:
        """Say an error and what to do; `--quiet` does not hide it."""
        print(f"batchclf: error: {_printable(error.message)}", file=sys.stderr)
        if error.hint:
            print(f"  hint: {_printable(error.hint)}", file=sys.stderr)

    def warn(self, line: str) -> None:
        """Say what is no error but must not go unseen; `--quiet` does not hide it."""
        print(f"batchclf: warning: {_printable(line)}", file=sys.stderr)

    def result(self, summary: dict[str, Any], code: ExitCode = ExitCode.OK) -> ExitCode:
        """Print the one JSON object of `--json`, nothing without it; returns the exit code, which is part of it."""
        if self.as_json:
            print(json.dumps({**summary, "exit_code": code}, ensure_ascii=True), flush=True)
        return code

    @contextmanager
    def progress(self, what: str, total: int | None) -> "Iterator[Advance]":
        """Show a bar on a terminal's standard error; nothing in cron, with `--quiet` or with `--json`."""
        if self.quiet or self.as_json or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
            yield _no_bar
            return
        from rich.console import Console as Terminal
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        # Rich itself follows NO_COLOR.
        columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
        # Lines said meanwhile go above the bar; into a file or pipe they must go as ever.
        above = sys.stdout.isatty()
        terminal = Terminal(stderr=True)
        with Progress(*columns, console=terminal, transient=True, redirect_stdout=above) as bar:
            task = bar.add_task(what, total=total)
            yield lambda steps: bar.advance(task, steps)


def _no_bar(steps: int) -> None:
    """Show nothing."""


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

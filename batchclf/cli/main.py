"""The entry point: parse, hand over to a verb, turn what it raises into a message and an exit code."""

import argparse
import gc
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any, NoReturn

from batchclf.cli import options
from batchclf.errors import (
    BatchclfError,
    ExitCode,
    StoppedError,
    UsageError,
    explained,
    is_published,
    kept_of,
    with_kept,
)
from batchclf.libraries import VERSION

if TYPE_CHECKING:
    from batchclf.cli.console import Console

VERBS = (
    "run",
    "train",
    "score",
    "evaluate",
    "report",
    "query",
    "history",
    "job",
    "model",
    "data",
    "pack",
    "completion",
    "help",
)
"""In the order in which `--help` lists them; each has the module of its name beside this one."""

_WIDTH = 103  # of the lines of the epilog

EXAMPLES = """\
examples:
  batchclf data describe fashion-mnist          look at the data first
  batchclf job new nightly.toml                 write a job file in which every key is explained
  batchclf run nightly.toml                     train or load, score, evaluate, report; every night by job install
  batchclf score photos/                        score a folder with the newest published model

"""


class Parser(argparse.ArgumentParser):
    """Says what is wrong and what may have been meant, and then the usage in one line; alone it lists its commands."""

    given: tuple[str, ...] = ()
    """The arguments that are being parsed."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; what is left over ends the process here, since only this parser knows what comes near it."""
        self.given = tuple(sys.argv[1:] if args is None else args)
        if not self.given and self._subparsers is not None:
            self.print_help(sys.stderr)
            self.exit(ExitCode.USAGE)
        namespace, others = super().parse_known_args(self.given, namespace)
        if others:
            from batchclf.cli.usage import left_over

            self._fail(left_over(self, others))
        return namespace, others

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            from batchclf.cli.usage import wrong_choice

            self._fail(wrong_choice(self, action, value))

    def error(self, message: str) -> NoReturn:
        """End with what argparse found."""
        from batchclf.cli.usage import wrong_usage

        self._fail(wrong_usage(self, self.given, message))

    def _fail(self, error: UsageError) -> NoReturn:
        from batchclf.cli.console import Console
        from batchclf.cli.usage import usage

        with Console(as_json="--json" in self.given) as console:
            console.trouble(error)
            console.result({"error": error.message, "hint": error.hint}, error.exit_code)
        self.exit(error.exit_code, f"  usage: {usage(self)}\n")

    def format_help(self) -> str:
        """Write the help, with the usage in one line: the options are listed below it."""
        from batchclf.cli.usage import usage

        self.usage = usage(self).replace("%", "%%")
        return super().format_help()


def build_parser(verbs: Sequence[str] = VERBS) -> argparse.ArgumentParser:
    """Make the parser of some verbs, or of all; imports nothing heavy, so that --help is quick."""
    codes = ", ".join(f"{code} {code.words}" for code in ExitCode)
    parser = Parser(
        prog="batchclf",
        description="Batch scoring and evaluation reports for image classifiers.",
        epilog=EXAMPLES + fill(f"exit codes: {codes}", _WIDTH),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-V", "--version", action="version", version=f"batchclf {VERSION}")
    parsers = parser.add_subparsers(title="commands", dest="verb", metavar="COMMAND", required=True)
    for verb in verbs:
        import_module(f"batchclf.cli.{verb}").add(parsers, options.common())
    return parser


def entry() -> NoReturn:
    """Run as a process: `main`, then the end, without taking down all that was loaded (0.1 s)."""
    # Scoring makes many small objects and few cycles; looking for these every 700 objects costs 4% of a run.
    gc.set_threshold(10_000)
    # OpenBLAS starts a thread a core, which spins, and has next to nothing to do here (decision 199)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _open_standard_streams()
    code = main()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            try:
                stream.flush()
            except OSError:  # nobody reads it any more
                code = code or ExitCode.ERROR
    os._exit(code)


def _open_standard_streams() -> None:
    """Open what was closed on the null device: a file of a run must not become standard output or error."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 (until the end)


def main(argv: list[str] | None = None) -> int:
    """Run one command, by default that of this process; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:], "--help"]
    # Who names a verb does not wait for the modules of the others; without one, or with a wrong one, all are listed.
    named = tuple(arguments[:1])
    args = build_parser(named if set(named) & set(VERBS) else VERBS).parse_args(arguments)
    args.command = ["batchclf", *arguments]
    # Imported here: it loads json, which --help does not need.
    from batchclf.cli.console import Console

    with Console(quiet=args.quiet, as_json=args.json, verbose=args.verbose) as console:
        try:
            if argv is not None:  # within a process that goes on, and with it what uses temporary files
                return console.closing_code(_run(args, console))
            with _temporary_files():
                return console.closing_code(_run(args, console))
        finally:
            # The pictures of a report may have needed it.
            if (aside := sys.modules.get("batchclf.data.decoding.aside")) is not None:
                aside.close()


@contextmanager
def _temporary_files() -> Iterator[None]:
    """Let Python's `tempfile` write into a folder of this process; it is removed at the end, or by a later process.

    TensorFlow and matplotlib remove theirs with `atexit`, which neither a kill nor `os._exit` runs (decision 166).
    """
    import tempfile  # here: --help does without

    from batchclf import atomic

    try:
        before = tempfile.gettempdir()
        folder = tempfile.TemporaryDirectory(prefix=f"batchclf-{os.getpid()}-", ignore_cleanup_errors=True)
    except OSError:  # there is no folder for temporary files that can be written to; most commands need none
        yield
        return
    atomic.remove_abandoned(Path(before), f"batchclf-{atomic.OWNER}")
    with folder:
        tempfile.tempdir = folder.name
        try:
            yield
        finally:
            tempfile.tempdir = before


def _run(args: argparse.Namespace, console: "Console") -> int:
    """Hand over to the verb; what it raises becomes a message and an exit code."""
    from batchclf.cli.interrupt import interruptible
    from batchclf.cli.native_stderr import diverted_native_stderr

    try:
        with interruptible(), diverted_native_stderr():
            code: int = args.handle(args, console)
        return code
    except KeyboardInterrupt as error:
        kept = kept_of(error)
        message = "interrupted" if is_published(error) else "interrupted; nothing was published"
        return _ended(console, StoppedError(message, hint=kept))
    except BatchclfError as error:
        error.hint = with_kept(error.hint, error)
        return _ended(console, error)
    except Exception as error:
        if isinstance(error, BrokenPipeError) and error.filename is None:
            return ExitCode.ERROR  # nobody reads standard output any more, as behind `| head`
        if (found := explained(error)) is not None:
            return _ended(console, found)
        traceback.print_exc()
        hint = with_kept("this is a fault in batchclf: please report it with the traceback above", error)
        return _ended(console, BatchclfError(f"unexpected {type(error).__name__}: {error}", hint=hint))


def _ended(console: "Console", error: BatchclfError) -> ExitCode:
    console.trouble(error)
    return console.result({**console.summary, "error": error.message, "hint": error.hint}, error.exit_code)

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
from typing import TYPE_CHECKING, NoReturn

from batchclf.cli import options
from batchclf.errors import BatchclfError, ExitCode, StoppedError, explained, is_published, kept_of, with_kept
from batchclf.libraries import VERSION

if TYPE_CHECKING:
    from batchclf.cli.console import Console

VERBS = ("run", "train", "score", "evaluate", "report", "query", "history", "job", "model", "data", "pack")
"""In the order in which `--help` lists them; each has the module of its name beside this one."""

_WIDTH = 103  # of the lines of the epilog

EXAMPLES = """\
examples:
  batchclf run jobs/fashion-mnist.toml          the nightly job: train or load, score, evaluate, report
  batchclf score photos/                        score a folder with the newest published model
  batchclf data describe fashion-mnist          look at the data first

"""


class _Parser(argparse.ArgumentParser):
    """Names the new name of an option that was renamed."""

    def error(self, message: str) -> NoReturn:
        """End with the usage."""
        from batchclf.core.renames import OPTIONS

        words = {word.partition("=")[0] for word in message.split()}
        super().error(
            "; ".join([message, *(f"{old} is called {new} now" for old, new in OPTIONS.items() if old in words)])
        )


def build_parser(verbs: Sequence[str] = VERBS) -> argparse.ArgumentParser:
    """Make the parser of some verbs, or of all; imports nothing heavy, so that --help is quick."""
    codes = ", ".join(f"{code} {code.words}" for code in ExitCode)
    parser = _Parser(
        prog="batchclf",
        description="Batch scoring and evaluation reports for image classifiers.",
        epilog=EXAMPLES + fill(f"exit codes: {codes}", _WIDTH),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"batchclf {VERSION}")
    parsers = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
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

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

from batchclf import __version__
from batchclf.cli import options
from batchclf.errors import WANT, BatchclfError, ExitCode, StoppedError, is_published

if TYPE_CHECKING:
    from batchclf.cli.console import Console

VERBS = ("run", "train", "score", "evaluate", "report", "query", "history", "job", "model", "data")
"""In the order in which `--help` lists them; each has the module of its name beside this one."""

_NO_THREAD = "can't start new thread"  # Python's RuntimeError for that has no class of its own
_CHECK_LIMITS = "raise the limits of the process, or give fewer --workers"
_WIDTH = 103  # of the lines of the epilog
_CHECK_DISK = "check the disk's free space and the permissions"

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
    parser.add_argument("--version", action="version", version=f"batchclf {__version__}")
    parsers = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in verbs:
        import_module(f"batchclf.cli.{verb}").add(parsers, options.common())
    return parser


def entry() -> NoReturn:
    """Run as a process: `main`, then the end, without taking down all that was loaded (0.1 s)."""
    # Scoring makes many small objects and few cycles; looking for these every 700 objects costs 4% of a run.
    gc.set_threshold(10_000)
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
        kept = _kept(error)
        message = "interrupted" if is_published(error) else "interrupted; nothing was published"
        return _ended(console, StoppedError(message, hint=kept))
    except BatchclfError as error:
        error.hint = _with_kept(error.hint, error)
        return _ended(console, error)
    except MemoryError as error:
        hint = _with_kept("free memory, or give a smaller --batch-size or fewer --workers", error)
        return _ended(console, BatchclfError(f"the memory does not suffice: {error}", hint=hint))
    except OSError as error:
        if isinstance(error, BrokenPipeError) and error.filename is None:
            return ExitCode.ERROR  # nobody reads standard output any more, as behind `| head`
        where = f": {error.filename}" if error.filename else ""
        check = _CHECK_LIMITS if error.errno in WANT else _CHECK_DISK
        hint = f"{check}; {_kept(error) or 'nothing was published'}"
        return _ended(console, BatchclfError(f"the system refused ({error.strerror or error}){where}", hint=hint))
    except Exception as error:
        if str(error) == _NO_THREAD:
            hint = _with_kept(_CHECK_LIMITS, error)
            return _ended(console, BatchclfError(f"the system refused ({error})", hint=hint))
        traceback.print_exc()
        hint = _with_kept("this is a fault in batchclf: please report it with the traceback above", error)
        return _ended(console, BatchclfError(f"unexpected {type(error).__name__}: {error}", hint=hint))


def _kept(error: BaseException) -> str:
    """Give what a run has noted on its way out: that what was scored can be gone on with."""
    return "; ".join(getattr(error, "__notes__", []))


def _with_kept(hint: str, error: BaseException) -> str:
    return "; ".join(filter(None, (hint, _kept(error))))


def _ended(console: "Console", error: BatchclfError) -> ExitCode:
    console.trouble(error)
    return console.result({**console.summary, "error": error.message, "hint": error.hint}, error.exit_code)

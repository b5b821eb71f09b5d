"""The entry point: parse, hand over to a verb, turn what it raises into a message and an exit code."""

import argparse
import gc
import os
import signal
import sys
import traceback
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from batchclf import __version__
from batchclf.cli import data, evaluate, model, options, report, run, score, train
from batchclf.errors import BatchclfError

if TYPE_CHECKING:
    from batchclf.cli.console import Console

INTERRUPTED = 130

EXAMPLES = """\
examples:
  batchclf run jobs/fashion-mnist.toml          the nightly job: train or load, score, evaluate, report
  batchclf score photos/                        score a folder with the newest published model
  batchclf data describe fashion-mnist          look at the data first

exit codes: 0 ok, 1 error, 2 usage, 3 gate failed, 4 partial, 5 nothing to score, 75 already running,
130 interrupted
"""


def build_parser() -> argparse.ArgumentParser:
    """Make the whole parser; imports nothing heavy, so that --help is quick."""
    parser = argparse.ArgumentParser(
        prog="batchclf",
        description="Batch scoring and evaluation reports for image classifiers.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"batchclf {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in (run, train, score, evaluate, report, model, data):
        verb.add(verbs, options.common())
    return parser


def entry() -> NoReturn:
    """Run as a process: `main`, then the end, without taking down all that was loaded (0.1 s)."""
    # Scoring makes many small objects and few cycles; looking for these every 700 objects costs 4% of a run.
    gc.set_threshold(10_000)
    code = main()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            try:
                stream.flush()
            except OSError:  # nobody reads it any more
                code = code or 1
    os._exit(code)


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code (README, "Exit codes")."""
    arguments = sys.argv[1:] if argv is None else argv
    args = build_parser().parse_args(arguments)
    args.command = ["batchclf", *arguments]
    # Imported here: it loads json, which --help does not need.
    from batchclf.cli.console import Console
    from batchclf.cli.native_stderr import diverted_native_stderr

    console = Console(quiet=args.quiet, as_json=args.json, verbose=args.verbose)
    try:
        before = signal.signal(signal.SIGTERM, _terminate)
    except ValueError:  # not in the main thread
        before = None
    try:
        with diverted_native_stderr():
            code: int = args.handle(args, console)
        return code
    except KeyboardInterrupt as error:
        ended = BatchclfError("interrupted; nothing was published", hint=_kept(error))
        return _ended(console, ended, INTERRUPTED)
    except BatchclfError as error:
        error.hint = "; ".join(filter(None, (error.hint, _kept(error))))
        return _ended(console, error, error.exit_code)
    except MemoryError as error:
        hint = "free memory, or give a smaller --batch-size or fewer --workers"
        hint = "; ".join(filter(None, (hint, _kept(error))))
        return _ended(console, BatchclfError(f"the memory does not suffice: {error}", hint=hint), 1)
    except BrokenPipeError:
        sys.stdout = None
        return 1
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        hint = "check the disk's free space and the permissions; " + (_kept(error) or "nothing was published")
        return _ended(console, BatchclfError(f"the system refused ({error.strerror or error}){where}", hint=hint), 1)
    except Exception as error:
        traceback.print_exc()
        hint = "this is a fault in batchclf: please report it with the traceback above"
        hint = "; ".join(filter(None, (hint, _kept(error))))
        return _ended(console, BatchclfError(f"unexpected {type(error).__name__}: {error}", hint=hint), 1)
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _kept(error: BaseException) -> str:
    """Give what a run has noted on its way out: that what was scored can be gone on with."""
    return "; ".join(getattr(error, "__notes__", []))


def _ended(console: "Console", error: BatchclfError, code: int) -> int:
    console.trouble(error)
    console.result({"error": error.message, "hint": error.hint, "exit_code": code})
    return code

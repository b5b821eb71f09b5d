"""Options that several verbs share, and the types of their values."""

import argparse
from pathlib import Path


def positive(text: str) -> int:
    """Read a whole number from 1 up."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 1 up")
    return value


def seed(text: str) -> int:
    """Read a whole number that seeds every random generator: 32 bits, as numpy's old one and Keras take."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 0 to {2**32 - 1}")
    return int(text)


def common() -> argparse.ArgumentParser:
    """Make the parent parser of every verb."""
    parser = argparse.ArgumentParser(add_help=False)
    group = parser.add_argument_group("output")
    group.add_argument("--quiet", action="store_true", help="say nothing unless there is trouble")
    group.add_argument("--verbose", action="store_true", help="say more: a line for each skipped image")
    group.add_argument("--json", action="store_true", help="print one JSON object; all else goes to standard error")
    return parser


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    """Add --data-dir."""
    parser.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="folder that holds the data set's files (else $BATCHCLF_DATA_DIR, the cache, or a download)",
    )


def add_reports(parser: argparse.ArgumentParser) -> None:
    """Add --reports."""
    parser.add_argument(
        "--reports",
        type=Path,
        default=Path("reports"),
        metavar="DIR",
        help="reports folder: where published models are looked for and runs are written (default: reports)",
    )

"""Options that several verbs share, and the types of their values."""

import argparse
from math import isfinite
from pathlib import Path

from batchclf.errors import UsageError


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


def size(text: str) -> tuple[int, int]:
    """Read height and width in pixels, such as 224x224."""
    from batchclf.data.size_text import parse_size

    try:
        return parse_size(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(error.message) from error


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


def add_scaling(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add --scale, --mean, --std and --channel-order: how a model wants pixels, if it does not say."""
    parser.add_argument(
        "--channel-order", choices=("rgb", "bgr"), help="order of the channels that the model takes (default: rgb)"
    )
    parser.add_argument(
        "--scale",
        choices=("none", "0..1", "minus1..1"),
        help="none: 0 to 255 as they are; 0..1: / 255; minus1..1: / 127.5 - 1 (default: what the model says, or "
        "0..1 with --mean or --std)",
    )
    parser.add_argument(
        "--mean",
        type=_numbers,
        metavar="R,G,B",
        help="subtracted after --scale, so in units of 0 to 1 unless that says otherwise (one number for grayscale)",
    )
    parser.add_argument(
        "--std", type=_numbers, metavar="R,G,B", help="what is divided by after that, in the same units"
    )


def _numbers(text: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, 3) or not all(map(isfinite, numbers)):
        raise argparse.ArgumentTypeError(f"'{text}' is neither three numbers with commas between them nor one")
    return numbers

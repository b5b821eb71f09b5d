"""Numbers and names in sentences."""

from collections.abc import Sequence


def counted(number: int, one: str, many: str = "") -> str:
    """Format a number with its noun: `1 image`, `2 images`; `many` only where it is not `one` + s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def first_of(texts: Sequence[str], most: int) -> str:
    """Join the first `most` texts by commas, and say how many more there are."""
    rest = len(texts) - most
    shown = ", ".join(texts[:most])
    return f"{shown} and {rest:,} more" if rest > 0 else shown

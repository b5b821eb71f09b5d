"""An image size as text: height and width with an x between them."""

import re

from batchclf.core.options import SIZE
from batchclf.errors import UsageError


def parse_size(text: str) -> tuple[int, int]:
    """Read height and width in pixels from a text such as `224x224`; raises UsageError where it is another."""
    if not re.match(SIZE, text):
        raise UsageError(f"'{text}' is not a height and a width such as 224x224", hint="write HEIGHTxWIDTH, in pixels")
    height, width = text.lower().split("x")
    return int(height), int(width)

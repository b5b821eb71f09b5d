"""What a single image may take, pixels and seconds."""

from dataclasses import dataclass

from batchclf.errors import ImageTimeoutError

MAX_PIXELS = 80_000_000
IMAGE_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """At most `pixels` are decoded of an image, in at most `seconds`; one that takes more is skipped."""

    pixels: int = MAX_PIXELS
    seconds: float = IMAGE_TIMEOUT


DEFAULT_LIMITS = Limits()
SCORED_BEFORE = Limits(pixels=2**63)
"""For an image that a run has scored, which kept to that run's limit."""


def took_too_long(seconds: float) -> ImageTimeoutError:
    """Make the error for a file that was not through after so many seconds."""
    return ImageTimeoutError(f"took longer than {seconds:g} s to read and decode (--image-timeout)")

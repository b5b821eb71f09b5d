"""The size of a JPEG XL image: the plugin that reads it decodes all of it before it says so, and all of its frames."""

from batchclf.data.decoding.interface import check_pixels, unsupported
from batchclf.data.decoding.limits import Limits

_CODESTREAM = b"\xff\x0a"
_BOXES = {b"jxlc": 4, b"jxlp": 8}
"""Boxes of a container that hold the codestream, and how far behind their name it begins (ISO/IEC 18181-2, 9)."""

_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_BITS_OF_SIDE = (9, 13, 18, 30)


def check(content: bytes, limits: Limits) -> None:
    """Raise UnreadableImageError if an image has more pixels than are decoded, or is an animation."""
    check_pixels(_pixels(content), limits)


def _pixels(content: bytes) -> int:
    """Read how many pixels an image has from its header (ISO/IEC 18181-1, D.2 and D.3); 0 if it has none.

    Raises UnreadableImageError if it is an animation, of which the plugin gives the last frame.
    """
    starts = [content.find(name) + behind for name, behind in _BOXES.items() if name in content]
    start = 0 if content.startswith(_CODESTREAM) else min(starts, default=len(content))
    if not content.startswith(_CODESTREAM, start):
        return 0
    # Fields are packed from the lowest bit on.
    bits = int.from_bytes(content[start + 2 : start + 34], "little")

    def take(count: int) -> int:
        nonlocal bits
        value = bits & ((1 << count) - 1)
        bits >>= count
        return value

    def size() -> int:
        small = take(1)

        def side() -> int:
            return 8 * (take(5) + 1) if small else take(_BITS_OF_SIDE[take(2)]) + 1

        height = side()
        ratio = take(3)
        if ratio:
            over, under = _RATIOS[ratio - 1]
            return height * (height * over // under)
        return height * side()

    pixels = size()
    is_default, has_more = take(1), take(1)
    if not is_default and has_more:
        take(3)  # orientation
        if take(1):
            size()  # the intrinsic one
        has_preview, is_animated = take(1), take(1)
        if has_preview or is_animated:
            raise unsupported("a JPEG XL animation or one with a preview")
    return pixels

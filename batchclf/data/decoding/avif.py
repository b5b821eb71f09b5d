"""What Pillow passes over in an AVIF."""

from batchclf.data.decoding.interface import unsupported
from batchclf.data.decoding.limits import Limits


def check(content: bytes, limits: Limits) -> None:
    """Raise UnreadableImageError if it is to be cropped: libavif leaves that to Pillow, which does not do it."""
    # The box with the properties of the images (ISO/IEC 14496-12, 8.11.1).
    box = content.find(b"meta")
    if box >= 4 and b"clap" in content[box : box - 4 + int.from_bytes(content[box - 4 : box])]:
        raise unsupported("an AVIF that is to be cropped (clap)")

"""Decode with Pillow what OpenCV refuses: either a kind that only Pillow knows, or the reason why it is broken."""

import io
import threading
import warnings
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from batchclf.data.decoding.limits import Limits
from batchclf.errors import UnreadableImageError

WARNING_FILTERS = threading.Lock()
"""To be held while Python's warning filters are changed: they are the process's, not a thread's."""

_SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"BM", b"GIF8", b"RIFF", b"II*\0", b"MM\0*")

# Not EPS, for which Pillow starts Ghostscript, nor any other that is handed on to a program (decision 142)
_FORMATS = (
    *("AVIF", "BMP", "DIB", "GIF", "ICO", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "PSD", "QOI", "SGI"),
    *("TGA", "TIFF", "WEBP"),
)


def decode_with_pillow(content: bytes, kind: Literal["L", "RGB"], limits: Limits) -> NDArray[np.uint8]:
    """Decode a file's bytes at its own size: (height, width) uint8 of kind `L`, (height, width, 3) of kind `RGB`.

    Raises UnreadableImageError with the reason. To be called through `aside.call`: it is slow where it is given the
    time, and Pillow's decoders have no other limit.
    """
    # A decoding process seldom needs it, and starts sooner without (decision 005)
    from PIL import Image, ImageOps, UnidentifiedImageError

    most = Image.MAX_IMAGE_PIXELS
    try:
        # Pillow warns of what here becomes a reason.
        with WARNING_FILTERS, warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.simplefilter("ignore", UserWarning)
            Image.MAX_IMAGE_PIXELS = limits.pixels
            Image.init()
            known = [name for name in _FORMATS if name in Image.OPEN]
            with Image.open(io.BytesIO(content), formats=known) as image:
                return np.asarray(ImageOps.exif_transpose(image).convert(kind))
    except UnidentifiedImageError:
        if content.startswith(_SIGNATURES):
            reason = "damaged: it begins like an image, but nothing after that can be decoded"
        else:
            reason = "not an image: the content is of no known image format"
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        reason = f"too large to decode: {error}"
    except Exception as error:  # Pillow's plugins raise nearly anything on damaged files
        reason = f"damaged: {error or type(error).__name__}"
    finally:
        Image.MAX_IMAGE_PIXELS = most
    raise UnreadableImageError(reason)

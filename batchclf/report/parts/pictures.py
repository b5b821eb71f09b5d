"""The pictures of a page: each stands in it once, and as many of them as its size allows."""

import base64
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from batchclf.core.text import utf8_text

PIXELATED_BELOW = 64
"""Pictures of at most this many pixels a side are enlarged with hard pixel edges."""

_TAG_BYTES = 100
_LEVELS = 8
_ORANGE, _BLUE = (213, 94, 0), (0, 114, 178)
"""Two colours of Okabe and Ito (2008), told apart by colour-blind people."""

_FORMATS = ("PNG", "JPEG", "WEBP")


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture, drawn wherever the page refers to its `id`.

    `kind` is png, jpeg or webp; width and height are pixels; `small` ones are enlarged without smoothing.
    """

    id: str
    kind: str
    content: bytes
    width: int
    height: int
    small: bool

    @property
    def size(self) -> int:
        """What it takes of the page, in bytes: its content as base64, and the tag around it."""
        return 4 * -(-len(self.content) // 3) + _TAG_BYTES

    @property
    def source(self) -> str:
        """The picture as a data URI."""
        return _data_uri(self.kind, self.content)


Pictures = Mapping[tuple[str, str], Picture]
"""By (split, path)."""


def album(images: Mapping[tuple[str, str], bytes]) -> Pictures:
    """Give each picture its size and the id by which the page knows it.

    Raises ValueError where one is neither PNG nor JPEG nor WebP.
    """
    return {key: _picture(f"p{number}", content) for number, (key, content) in enumerate(images.items(), 1)}


def _picture(name: str, content: bytes) -> Picture:
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:  # reads the header only
            kind, (width, height) = str(image.format).lower(), image.size
    except OSError as error:
        raise ValueError("pictures must be PNG, JPEG or WebP bytes") from error
    return Picture(name, kind, content, width, height, max(width, height) <= PIXELATED_BELOW)


def exact_text(text: str, shown: str) -> list[str]:
    """Give a name as the predictions have it, as JSON for the page's script; nothing if it is shown like that."""
    exact = utf8_text(text)
    return [] if exact == shown else [json.dumps(exact)]


def for_script(data: Any) -> str:
    """Write plain values as JSON that can stand within `<script>`."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.translate({ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"})


def pictures_in(*views: Any) -> tuple[Picture, ...]:
    """Find the pictures that views refer to, each once, in the order in which they come up."""
    return tuple({picture.id: picture for view in views for picture in _walk(view)}.values())


def _walk(value: Any) -> Iterator[Picture]:
    if isinstance(value, Picture):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from _walk(each)
    elif is_dataclass(value):
        for each in fields(value):
            yield from _walk(getattr(value, each.name))


def heat_map(levels: NDArray[np.uint8]) -> str:
    """Draw (n, n) levels from 0 (nothing) to 8 as a PNG in a data URI: the diagonal blue, the rest orange.

    The higher the level the less transparent, so that it fits light and dark pages.
    """
    shown = levels.copy()
    on_diagonal = np.diag_indices_from(shown)
    shown[on_diagonal] = np.where(levels[on_diagonal] > 0, levels[on_diagonal] + _LEVELS, 0)
    image = Image.fromarray(shown, "P")
    image.putpalette([*_ORANGE * (_LEVELS + 1), *_BLUE * _LEVELS])
    opacity = [round(255 * (0.25 + 0.75 * level / _LEVELS)) for level in range(1, _LEVELS + 1)]
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True, transparency=bytes([0, *opacity, *opacity]))
    return _data_uri("png", buffer.getvalue())


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"

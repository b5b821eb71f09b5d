"""Read the size and the channels of a JPEG from its header, without decoding it."""

SOI = b"\xff\xd8"
"""Start of image: how every JPEG begins."""

# Marker codes, by ITU-T T.81, table B.1.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
_ENDS = frozenset({0x00, 0xD8, 0xD9, 0xDA})


def jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Give (height, width) in pixels as `jpeg_frame` does."""
    frame = jpeg_frame(content)
    return None if frame is None else frame[:2]


def jpeg_frame(content: bytes) -> tuple[int, int, int] | None:
    """Give (height, width, channels) as the frame header (SOF) stores them, before any turning by EXIF.

    Segments are stepped over by their lengths, so thumbnails inside them are not seen. None where the content is no
    JPEG, breaks off before the frame header, or has anything between segments but markers.
    """
    if not content.startswith(SOI):
        return None
    place = 2
    try:
        while content[place] == 0xFF:
            code = content[place + 1]
            if code in _FRAMES:
                height, width = content[place + 5 : place + 7], content[place + 7 : place + 9]
                return int.from_bytes(height), int.from_bytes(width), content[place + 9]
            if code == 0xFF:  # a fill byte
                place += 1
            elif code in _WITHOUT_LENGTH:
                place += 2
            elif code in _ENDS:
                return None
            else:
                place += 2 + (content[place + 2] << 8 | content[place + 3])
    except IndexError:
        pass
    return None

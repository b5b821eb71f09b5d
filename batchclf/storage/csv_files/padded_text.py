"""Columns of text as arrays of bytes, put side by side and joined into lines without a loop over the rows."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PAD = 0xFF
Text = NDArray[np.uint8]
"""Texts of UTF-8: (..., width) uint8. PAD, which no UTF-8 holds, fills the rest and may also stand in between."""


def text_column(cells: Sequence[bytes]) -> Text:
    """Make a column, (n, width), of n >= 1 texts."""
    lengths = np.fromiter(map(len, cells), np.int64, len(cells))
    out = np.full((len(cells), int(lengths.max())), PAD, np.uint8)
    out[np.arange(out.shape[1]) < lengths[:, None]] = np.frombuffer(b"".join(cells), np.uint8)
    return out


def named_columns(names: Text, values: Text) -> Text:
    """Put the k texts `names`, (k, w), before the k `values` of each row, (n, k, v): one column, (n, k * (w + v))."""
    rows, count, width = values.shape
    out = np.empty((rows, count, names.shape[1] + width), np.uint8)
    out[:, :, : names.shape[1]] = names
    out[:, :, names.shape[1] :] = values
    return out.reshape(rows, -1)


def text_lines(rows: int, columns: Sequence[Text | bytes]) -> bytearray:
    """Join columns, (n, width) each, or one text for all rows, from left to right and the rows after each other."""
    parts = [np.frombuffer(each, np.uint8) if isinstance(each, bytes) else each for each in columns if len(each)]
    buffer = bytearray(rows * sum(part.shape[-1] for part in parts))
    out, at = np.frombuffer(buffer, np.uint8).reshape(rows, -1), 0
    for part in parts:
        out[:, at : at + part.shape[-1]] = part
        at += part.shape[-1]
    return buffer.translate(None, bytes([PAD]))

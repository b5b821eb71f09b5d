"""predictions.csv and predictions.jsonl: prediction columns as the bytes that the files grow by."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from batchclf.storage.csv_files.cells import csv_cells
from batchclf.storage.csv_files.vector_text import Text, known_digits, named_columns, shortest, text_column, text_lines
from batchclf.storage.predictions.columns import PredictionColumns, PredictionLayout

_PROBABILITIES = 32_000
"""So many are turned into text at a time, which then stays in the processor's cache (decision 195)."""


@dataclass(frozen=True, slots=True)
class _Spelling:
    """How a format writes texts, numbers and what is unknown."""

    texts: Callable[[Sequence[str]], list[bytes]]
    numbers: Callable[[NDArray[np.float32]], Text]
    unknown: bytes


class TextFormat:
    """A format with one line a row. `header` is what the file starts with."""

    def __init__(
        self, layout: PredictionLayout, spelling: _Spelling, *, header: bytes, before: list[bytes], end: bytes
    ) -> None:
        """Take what stands before each column and at the end of a line."""
        self.header = header
        self._spelling = spelling
        self._before, self._end = before, end
        self._before_probabilities = text_column(before[-len(layout.class_names) :])
        self._names = list(layout.class_names)
        self._cells = self._cells_of(self._names)
        self._correct = text_column([spelling.unknown, b"false", b"true"])

    def rows(self, columns: PredictionColumns) -> Iterator[bytearray]:
        """Write at least one row: the bytes of some rows after the other."""
        line = self._line(columns)
        if columns.probabilities is None:
            yield text_lines(len(columns), [*line, self._end])
            return
        step = max(1, _PROBABILITIES // len(self._before_probabilities))
        for start in range(0, len(columns), step):
            some = slice(start, start + step)
            numbers = self._spelling.numbers(columns.probabilities[some])
            begin = [part if isinstance(part, bytes) else part[some] for part in line]
            yield text_lines(len(numbers), [*begin, named_columns(self._before_probabilities, numbers), self._end])

    def _line(self, columns: PredictionColumns) -> list[Text | bytes]:
        """Write all but the probabilities of each class."""
        spelling = self._spelling
        if columns.names != self._names:  # labels that are no class
            self._names, self._cells = columns.names, self._cells_of(columns.names)
        classes, confidence = self._cells.take(columns.classes, axis=0), spelling.numbers(columns.confidence)
        values: list[Text | bytes] = [
            text_column(spelling.texts(columns.paths)),
            *spelling.texts([columns.split]),
            self._cells[columns.labels],
            classes[:, 0],
            self._correct[np.where(columns.known, 1 + columns.correct, 0)],
            confidence[:, 0],
            spelling.numbers(columns.margin),
        ]
        for rank in range(1, confidence.shape[1]):
            values += [classes[:, rank], confidence[:, rank]]
        return [part for pair in zip(self._before, values, strict=False) for part in pair]

    def _cells_of(self, names: list[str]) -> Text:
        """Write the names as cells; the last one, which the index -1 finds, is for what is unknown."""
        return text_column([*self._spelling.texts(names), self._spelling.unknown])


def csv_format(layout: PredictionLayout) -> TextFormat:
    """Write predictions.csv: UTF-8, RFC 4180 (CRLF line ends), probabilities with 7 significant digits."""
    header = io.StringIO(newline="")
    csv.writer(header).writerow(layout.column_names)
    before = [b"", *[b","] * (len(layout.column_names) - 1)]
    spelling = _Spelling(csv_cells, known_digits, b"")
    return TextFormat(layout, spelling, header=header.getvalue().encode(), before=before, end=b"\r\n")


def jsonl_format(layout: PredictionLayout) -> TextFormat:
    """Write predictions.jsonl: UTF-8, one object a line, as many digits as tell the exact float32."""
    first, *others = [name + b":" for name in _json_texts(layout.column_names)]
    before = [b"{" + first, *[b"," + name for name in others]]
    spelling = _Spelling(_json_texts, shortest, b"null")
    return TextFormat(layout, spelling, header=b"", before=before, end=b"}\n")


def _json_texts(texts: Sequence[str]) -> list[bytes]:
    return list(map(msgspec.json.Encoder().encode, texts))

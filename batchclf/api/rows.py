"""Labels and predictions from anywhere as rows of predictions, checked as those of a file are."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from batchclf.api.arrays import Column, shown
from batchclf.api.classes import Classes
from batchclf.core.text import exact
from batchclf.core.types import ROUNDING, PredictionRows, first_improper
from batchclf.errors import PredictionsError, UsageError
from batchclf.storage.predictions.columns import ranked

if TYPE_CHECKING:
    from batchclf.data.metadata_table import MetadataTable

MOST_RANKED = 5
"""So many classes of each row are ranked, so that the accuracy of the true class among the first 5 is known."""

_ROWS, _NUMBERS = 5_000, 2**20
"""Rows, and probabilities, that are worked on at a time."""


@dataclass(frozen=True, eq=False, slots=True)
class Rows:
    """Predictions in memory: `labels` and `predictions` are (n,) int64 class indices, a label is -1 if it is unknown.

    `predictions` is None if they follow from `probabilities`, which is (n, classes) of any numeric dtype, (n,) for the
    second of two classes, or None. `paths` and `splits` have n texts; a single split may stand for all. `metadata` is
    what else is known of the images.
    """

    classes: Classes
    labels: NDArray[np.int64]
    predictions: NDArray[np.int64] | None
    probabilities: NDArray[Any] | None
    paths: tuple[str, ...]
    splits: tuple[str, ...] | str
    named: bool
    """Whether the images have names of their own; numbers of the rows otherwise."""

    metadata: "MetadataTable | None" = None

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.labels)

    def pieces(self) -> Iterator[PredictionRows]:
        """Give the rows in their order, some thousand at a time; raises PredictionsError if they are no predictions."""
        step = max(1, min(_ROWS, _NUMBERS // len(self.classes.names)))
        for start in range(0, len(self), step):
            yield self._piece(slice(start, start + step))

    def _piece(self, some: slice) -> PredictionRows:
        labels, given = self.labels[some], None if self.predictions is None else self.predictions[some]
        paths = self.paths[some]
        splits = (self.splits,) * len(labels) if isinstance(self.splits, str) else self.splits[some]
        names = self.classes.names
        if self.probabilities is None:
            assert given is not None
            unknown = np.full(len(labels), np.nan)
            return PredictionRows(names, paths, splits, labels, given, unknown, unknown, None, given[:, None])
        rows = self._shares(self.probabilities[some], some.start)
        order = rows if given is None else self._led_by(given, rows, some.start)
        best = ranked(order, max(1, min(MOST_RANKED, len(names))))[0]
        confidence = np.take_along_axis(rows, best, axis=1)
        second = confidence[:, 1] if confidence.shape[1] > 1 else 0.0
        margin = confidence[:, 0] - second
        return PredictionRows(
            names, paths, splits, labels, best[:, 0], confidence[:, 0], margin, rows, best, confidence
        )

    def _shares(self, values: NDArray[Any], start: int) -> NDArray[np.float64]:
        """Give the probabilities of some rows: (n, classes) float64, each 0 to 1."""
        rows = values.astype(np.float64)
        if rows.ndim == 1 or rows.shape[1] == 1:
            second = rows.reshape(-1)
            rows = np.column_stack([1 - second, second])
        row = first_improper(rows)
        if row is not None:
            raise _improper(rows[row], start + row)
        return np.clip(rows, 0.0, 1.0)

    def _led_by(self, given: NDArray[np.int64], rows: NDArray[np.float64], start: int) -> NDArray[np.float64]:
        """Let the given prediction come first of those that are as probable; raises PredictionsError if one is not."""
        of_given, best = np.take_along_axis(rows, given[:, None], axis=1)[:, 0], rows.max(axis=1)
        if (of_given < best).any():
            row = int(np.argmax(of_given < best))
            names, place = self.classes.names, start + row
            raise PredictionsError(
                f"y_pred[{place}] is '{names[given[row]]}' with probability {exact(of_given[row])}, but "
                f"'{names[int(rows[row].argmax())]}' has {exact(best[row])}",
                hint="give probabilities alone, or y_pred alone if a threshold or another rule has chosen it; check "
                "the order of classes",
            )
        led = rows.copy()
        np.put_along_axis(led, given[:, None], np.inf, axis=1)
        return led


def _improper(row: NDArray[np.float64], place: int) -> PredictionsError:
    """Say what is wrong with a row of probabilities."""
    if not np.isfinite(row).all():
        return PredictionsError(
            f"probabilities[{place}] has a value that is no finite number",
            hint="leave images out that the model gave no answer for",
        )
    least, most = float(row.min()), float(row.max())
    softmax = "give the softmax of the model's outputs; divide the rows by their sums if that is what they mean"
    if least < -ROUNDING or most > 1 + ROUNDING:
        return PredictionsError(
            f"probabilities[{place}] has {exact(least if least < -ROUNDING else most)}; numbers from 0 to 1 are "
            "expected",
            hint=softmax,
        )
    what = f"the probabilities in probabilities[{place}] sum to {exact(row.sum())}, not to 1"
    return PredictionsError(what, hint=softmax)


def read_paths(images: Column | None, rows: int) -> tuple[str, ...]:
    """Give each image's path: that of `images`, else the number of its row, with as many digits in all rows.

    Raises UsageError for what is no path.
    """
    if images is None:
        digits = len(str(max(0, rows - 1)))
        return tuple(f"{row:0{digits}d}" for row in range(rows))
    paths = []
    for row, item in enumerate(images.values):
        if not isinstance(item, str | os.PathLike) or not os.fspath(item):
            raise UsageError(
                f"images[{row}] is {shown(item)}; the path of an image file is expected",
                hint="give paths; pixels are not needed for an evaluation",
            )
        paths.append(os.fsdecode(item))
    return tuple(paths)


def read_splits(split: Column | str | None, rows: int) -> tuple[str, ...] | str:
    """Give the split of all rows or of each; raises UsageError for one that is no text."""
    if split is None or isinstance(split, str):
        return split or ""
    wrong = next((row for row, item in enumerate(split.values) if not isinstance(item, str)), None)
    if wrong is not None:
        raise UsageError(
            f"split[{wrong}] is {shown(split.values[wrong])}; a name such as 'test' is expected",
            hint="give one name for all rows, or a name for each",
        )
    return tuple(map(str, split.values))


def check_unique(paths: tuple[str, ...], splits: tuple[str, ...] | str) -> None:
    """Raise UsageError if an image stands twice in a split."""
    of_rows = paths if isinstance(splits, str) else list(zip(splits, paths, strict=True))
    if len(set(of_rows)) == len(of_rows):
        return
    seen: dict[Any, int] = {}
    for row, image in enumerate(of_rows):
        if image in seen:
            raise UsageError(
                f"images[{seen[image]}] and images[{row}] are both {paths[row]}",
                hint="give each image once",
            )
        seen[image] = row

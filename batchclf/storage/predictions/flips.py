"""flips.csv: the images whose prediction is another one than in the run before."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from batchclf.core.records.run import WrittenFile
from batchclf.storage.csv_files.append_file import AppendFile, ClosedAtEnd
from batchclf.storage.csv_files.cells import csv_cells
from batchclf.storage.csv_files.vector_text import known_digits, text_column, text_lines

if TYPE_CHECKING:
    from batchclf.core.compare.pair_tally import RunPredictions

FLIPS_FILE = "flips.csv"
COLUMNS = [
    "kind",
    "split",
    "path",
    "label",
    "earlier_prediction",
    "earlier_confidence",
    "prediction",
    "confidence",
]
NEGATIVE, POSITIVE, CHANGED = "negative", "positive", "changed"
_HEADER = ",".join(COLUMNS).encode() + b"\r\n"
_KINDS = text_column([CHANGED.encode(), NEGATIVE.encode(), POSITIVE.encode()])


class FlipsWriter(ClosedAtEnd):
    """Writes flips.csv as the predictions of both runs come; use as a context manager.

    The rows are in the order that they come in. Raises OSError where the disk refuses.
    """

    def __init__(self, path: Path, class_names: Sequence[str]) -> None:
        self._path, self._rows = path, 0
        self._file = AppendFile(path, _HEADER, None)
        self.name_classes(class_names)

    def name_classes(self, class_names: Sequence[str]) -> None:
        """Name the classes that predictions are indices of."""
        # The last one, which the index -1 finds, is for what is unknown.
        self._names = text_column([*csv_cells(class_names), b""])

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def write(self, split: str, first: "RunPredictions", second: "RunPredictions") -> None:
        """Append a row for each image with another prediction; both are of the same images in the same order."""
        from batchclf.core.compare.pair_tally import find_flips

        flipped = find_flips(first, second)
        kinds = flipped.negative_flips + 2 * flipped.positive_flips
        changed = np.flatnonzero(kinds.astype(bool) | flipped.other)
        if not len(changed):
            return
        self._rows += len(changed)
        self._file.write(
            text_lines(
                len(changed),
                [
                    _KINDS[kinds[changed]],
                    *(b"," + cell + b"," for cell in csv_cells([split])),
                    text_column(csv_cells([second.paths[row] for row in changed.tolist()])),
                    b",",
                    self._names[second.labels[changed]],
                    *(
                        part
                        for side in (first, second)
                        for part in (
                            b",",
                            self._names[side.predictions[changed]],
                            b",",
                            known_digits(side.confidence[changed].astype(np.float32)),
                        )
                    ),
                    b"\r\n",
                ],
            )
        )

    def clear(self) -> None:
        """Take all rows back."""
        self._file.close()
        self._rows = 0
        self._file = AppendFile(self._path, _HEADER, None)

    def written(self) -> WrittenFile:
        """Describe the file as it is now."""
        return WrittenFile(self._rows, self._file.sha256)

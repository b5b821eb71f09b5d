"""images.csv beside the rows of predictions: what is known of each image, found by its path."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from batchclf.core.text import plain_text
from batchclf.errors import RunError
from batchclf.storage.csv_files.read import Cells, read_cells
from batchclf.storage.images.facts import COLUMNS, hundredths, kinds_of

_READ = ["split", "path", "width", "height", "mode", "brightness", "contrast"]
_NOTHING = ("", "", "", "nan", "nan")
"""What stands for an image that is not in the file: size, mode, brightness and contrast."""


@dataclass(eq=False)
class StoredFacts:
    """What is known of n images: `stored` has `WIDTH,HEIGHT,MODE`, its parts empty where unknown, the others nan."""

    stored: list[str] = field(default_factory=list)
    brightness: list[float] = field(default_factory=list)
    contrast: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, facts: NDArray[np.void]) -> Self:
        """Give n FACTS as images.csv has them."""
        kinds, of_row = kinds_of(facts)
        brightness, contrast = (hundredths(facts[name]) / 100 for name in ("brightness", "contrast"))
        return cls([kinds[row] for row in of_row.tolist()], brightness.tolist(), contrast.tolist())

    def add(self, width: Sequence[str], height: Sequence[str], mode: Sequence[str], *numbers: Sequence[str]) -> None:
        """Add cells as they stand in the file; raises ValueError if a number is none."""
        self.stored += map(",".join, zip(width, height, mode, strict=True))
        for values, cells in zip((self.brightness, self.contrast), numbers, strict=True):
            values += map(float, cells)


class ImagesByPath:
    """Reads images.csv as far as it is asked for images, which come in its own order; it may lack some of them.

    `skip` of its first rows are passed over. Raises RunError or PredictionsError if it is damaged.
    """

    def __init__(self, path: Path, skip: int = 0) -> None:
        self._path = path
        self._pieces = self._read()
        self._cells: Cells = {name: [] for name in _READ}
        self._place = 0
        while skip > 0 and self._there():
            step = min(skip, len(self._cells["path"]) - self._place)
            self._place += step
            skip -= step

    def next(self, splits: Sequence[str], paths: Sequence[str]) -> StoredFacts:
        """Give what is known of the next images; raises RunError or PredictionsError if the file is damaged."""
        found = StoredFacts()
        done = 0
        try:
            while done < len(paths):
                count = self._same(splits, paths, done)
                if count:
                    some = slice(self._place, self._place + count)
                    found.add(*(self._cells[name][some] for name in _READ[2:]))
                    self._place += count
                else:
                    count = 1
                    found.add(*([cell] for cell in _NOTHING))
                done += count
        except ValueError as error:
            raise RunError(f"{self._path} is damaged: {error}", hint="score again") from error
        return found

    def left(self) -> str:
        """Say which image the predictions did not have at its place; empty if they had all."""
        if not self._there():
            return ""
        return f"{self._path.name} has '{self._cells['path'][self._place]}' out of the order of the predictions"

    def _same(self, splits: Sequence[str], paths: Sequence[str], start: int) -> int:
        """Count how many of the images from `start` on are the next ones in the file."""
        if not self._there():
            return 0
        here = slice(self._place, self._place + len(paths) - start)
        of_file = self._cells["split"][here], self._cells["path"][here]
        some = slice(start, start + len(of_file[0]))
        wanted = list(splits[some]), list(paths[some])
        if of_file == wanted:
            return len(wanted[0])
        pairs = zip(zip(*of_file, strict=True), zip(*wanted, strict=True), strict=True)
        return next(place for place, (one, other) in enumerate(pairs) if one != other)

    def _there(self) -> bool:
        """Whether there is a next row, which is read if need be."""
        while self._place == len(self._cells["path"]):
            piece = next(self._pieces, None)
            if piece is None:
                return False
            self._cells, self._place = piece, 0
        return True

    def _read(self) -> Iterator[Cells]:
        with self._path.open(encoding="utf-8-sig", newline="") as handle:
            header = handle.readline().rstrip("\r\n")
        if header != ",".join(COLUMNS):
            raise RunError(f"{self._path} is damaged: its first line is not {','.join(COLUMNS)}", hint="score again")
        for cells in read_cells(self._path, COLUMNS, _READ):
            yield {**cells, "path": [plain_text(path) for path in cells["path"]]}

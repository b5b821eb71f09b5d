"""Arrays of an .npz file: one of labels, one of predictions, one of probabilities with a column for each class."""

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from batchclf.errors import PredictionsError
from batchclf.storage.csv_files.read import Cells, rows_per_piece

CLASS_NAMES = ("classes", "class_names")


class NpzTable:
    """See `Table`; the arrays are in memory. Raises PredictionsError if they are no columns of the same length."""

    words = "NumPy arrays"
    guarded = decimal_comma = False

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: np.asarray(file[name]) for name in file.files}
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise PredictionsError(
                f"{path} cannot be read as arrays: {error}",
                hint="write it by numpy.savez, with arrays of numbers or texts, not of objects",
            ) from error
        named = next((arrays.pop(name) for name in CLASS_NAMES if name in arrays), np.array([], str))
        self.class_names = tuple(map(str, named.tolist()))
        lengths = {name: array.shape[:1] for name, array in arrays.items()}
        wrong = next((name for name, array in arrays.items() if array.ndim not in (1, 2)), "")
        if wrong or len(set(lengths.values())) != 1:
            shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items()) or "none"
            raise PredictionsError(
                f"{path} holds arrays that are no columns of one table: {shapes}",
                hint=f"give arrays of one length; class names are an array named {CLASS_NAMES[0]}",
            )
        self._columns = {}
        for name, array in arrays.items():
            if array.ndim == 1:
                self._columns[name] = array
            else:
                self._columns |= {f"{name}_{number}": array[:, number] for number in range(array.shape[1])}
        self.columns = list(self._columns)
        self._rows = next(iter(lengths.values()))[0]

    def pieces(self, columns: Sequence[str]) -> Iterator[Cells]:
        """Give the cells of some columns."""
        step = rows_per_piece(len(self.columns))
        for start in range(0, self._rows, step):
            yield {name: self._columns[name][start : start + step].astype(str).tolist() for name in columns}

    def place(self, row: int) -> str:
        """Name a row by its number."""
        return f"row {row + 1}"

"""images.csv as one pandas DataFrame."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchclf.core.text import plain_text
from batchclf.errors import BatchclfError, RunError
from batchclf.storage.csv_files.read import read_cells
from batchclf.storage.images.facts import COLUMNS, IMAGES_FILE

if TYPE_CHECKING:
    import pandas as pd

_TYPES = {"width": "Int64", "height": "Int64", "brightness": "float64", "contrast": "float64"}


def read_image_table(folder: Path) -> "pd.DataFrame":
    """Read the images.csv of a run directory, a row an image, in the file's order.

    Texts are exact, without the `'` that guards cells of a CSV. Raises RunError if it is missing or damaged.
    """
    import pandas as pd

    path = folder / IMAGES_FILE
    cells: dict[str, list[str]] = {name: [] for name in COLUMNS}
    try:
        with path.open("rb") as handle:
            header = handle.readline().decode("utf-8", "replace").strip()
        if header != ",".join(COLUMNS):
            raise RunError(f"{path} is damaged: its first line is not {','.join(COLUMNS)}", hint="score again")
        for piece in read_cells(path, COLUMNS, COLUMNS):
            for name, column in piece.items():
                cells[name] += column
        return pd.DataFrame({name: _typed(name, column) for name, column in cells.items()})
    except OSError as error:
        raise RunError(
            f"{path} cannot be read: {error.strerror}", hint="runs of an earlier batchclf have none; score again"
        ) from error
    except ValueError as error:
        raise RunError(f"{path} is damaged: {error}", hint="score again") from error
    except BatchclfError as error:
        raise RunError(error.message, hint="score again") from error


def _typed(name: str, cells: list[str]) -> Any:
    import pandas as pd

    kind = _TYPES.get(name)
    if kind == "Int64":
        return pd.array([int(cell) if cell else None for cell in cells], dtype="Int64")
    if kind is not None:
        return pd.array([float(cell) for cell in cells], dtype=kind)
    return pd.Series(list(map(plain_text, cells)), dtype="str")

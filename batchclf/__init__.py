"""Batch scoring and evaluation reports for Keras image classifiers."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__version__ = "0.2.0"

# ONNX Runtime reads it once, as it is imported, and else records and sends its use: set it before any module of this
# package can import that, and for child processes; a value of the user's stays (decision 157)
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def read_predictions(path: str | os.PathLike[str]) -> "pd.DataFrame":
    """Read predictions for analysis: those of a run directory, or a predictions.csv, .jsonl or .parquet.

    One row an image, in the file's order. Texts are exact, without the `'` that guards cells of a CSV. `label` and
    the predictions are categories with the classes in the model's order if it can be known (an unknown label is
    missing), `correct` is a nullable boolean, all numbers are float64: the model's exact float32 values from JSON lines
    and Parquet, 7 significant digits from a CSV. Raises BatchclfError if there is nothing to read, if it is damaged, if
    it has other rows than the run wrote, or if rows contradict themselves or each other; warns (UserWarning) if it was
    edited since and has as many rows, and if rows stand twice, which are given once.
    """
    # On use, so that `import batchclf` loads neither numpy nor pandas.
    from pathlib import Path
    from warnings import warn

    from batchclf.storage.predictions.table import predictions_file, read_table
    from batchclf.storage.run.written import check_written

    file = predictions_file(Path(path))
    check_written(file.parent, [file.name], warn=lambda line: warn(line, stacklevel=5))
    return read_table(file, lambda line: warn(line, stacklevel=5))

"""The few rows of a split that are worth looking at."""

import numpy as np
from numpy.typing import NDArray

from batchclf.core.types import Prediction, PredictionRows

SHOWN_IMAGES = 24


def first_rows(rows: PredictionRows, values: NDArray[np.float64], allowed: NDArray[np.int64]) -> list[Prediction]:
    """Give the allowed rows of lowest value; ties go to the first, so in rows sorted by path to the first path."""
    chosen = allowed[np.argsort(values[allowed], kind="stable")[:SHOWN_IMAGES]]
    return [rows.row(index) for index in chosen.tolist()]

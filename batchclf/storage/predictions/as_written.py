"""Prediction columns as rows of predictions.csv, without the way through the file."""

import numpy as np

from batchclf.core.types import PredictionRows
from batchclf.storage.csv_files.vector_text import seven_digit_numbers
from batchclf.storage.predictions.columns import PredictionColumns


def rows_as_written(columns: PredictionColumns, class_names: tuple[str, ...]) -> PredictionRows:
    """Give the rows that `read_prediction_rows` reads of what is written of the columns, to the bit.

    So metrics are the same whether rows are counted as they are written or read again. Of rows without a label the
    probabilities have all their digits, since nothing counts them. All labels must be classes.
    """
    assert len(columns.names) == len(class_names)
    confidence = np.clip(seven_digit_numbers(columns.confidence), 0.0, 1.0)
    probabilities = None
    if columns.probabilities is not None:
        probabilities, known = columns.probabilities.astype(np.float64), columns.known
        probabilities[known] = np.clip(seven_digit_numbers(columns.probabilities[known]), 0.0, 1.0)
    return PredictionRows(
        class_names,
        tuple(columns.paths),
        (columns.split,) * len(columns),
        columns.labels,
        columns.classes[:, 0],
        confidence[:, 0],
        np.clip(seven_digit_numbers(columns.margin), 0.0, 1.0),
        probabilities,
        columns.classes,
        confidence,
    )

"""What is known of the classes as tables: pandas, and scikit-learn's report."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from batchclf.core.metrics import evaluation as core
from batchclf.core.metrics.confusion import ConfusionCounts
from batchclf.core.text import class_name
from batchclf.storage.run.metrics import PER_CLASS, per_class_rows

if TYPE_CHECKING:
    import pandas as pd

    from batchclf.core.metrics.gap import Gap

_COUNTS = 3
"""The first of PER_CLASS, which are whole numbers."""


def per_class_table(evaluation: core.Evaluation, gap: "Gap | None") -> "pd.DataFrame":
    """Give a row a class: counts as Int64, all else as float64."""
    import pandas as pd

    rows = per_class_rows(evaluation, gap)
    index = pd.Index(evaluation.class_names, dtype="str", name="class")
    columns = {
        name: pd.array(values, dtype="Int64" if place < _COUNTS else "float64")
        for place, (name, values) in enumerate(zip(PER_CLASS, zip(*rows, strict=True), strict=True))
    }
    return pd.DataFrame(columns, index=index)


def confusion_table(evaluation: core.Evaluation) -> "pd.DataFrame":
    """Give the confusion matrix, int64."""
    import pandas as pd

    names, labelled = list(evaluation.class_names), evaluation.labelled
    columns = pd.Index(names, dtype="str", name="predicted")
    if labelled is None:
        counts, rows = np.zeros((0, len(names)), np.int64), []
    else:
        counts, rows = labelled.confusion.counts.copy(), names
    return pd.DataFrame(counts, index=pd.Index(rows, dtype="str", name="label"), columns=columns)


def classification_report(
    confusion: ConfusionCounts, *, digits: int, output_dict: bool, zero_division: float | Literal["warn"]
) -> str | dict[str, Any]:
    """Have scikit-learn report on the images of a confusion matrix, on the classes that occur."""
    from sklearn.metrics import classification_report as report

    cells = confusion.cells()
    occurring = np.flatnonzero(confusion.support + confusion.predicted)
    names = [confusion.class_names[each] for each in occurring]
    # The images themselves, not weights of the cells, which would make floats of the supports
    found: str | dict[str, Any] = report(
        np.repeat(cells.labels, cells.counts),
        np.repeat(cells.predictions, cells.counts),
        labels=occurring,
        target_names=names if output_dict else list(map(class_name, names)),
        digits=digits,
        output_dict=output_dict,
        zero_division=zero_division,
    )
    return found

"""Slices of an evaluation in memory, and slices as a table."""

from typing import TYPE_CHECKING

from batchclf.api.failures import warn_caller
from batchclf.api.rows import Rows
from batchclf.core.records.studies import Studies
from batchclf.core.slices.result import SliceFindings
from batchclf.jobs.config.options import SliceOptions, ThresholdOptions
from batchclf.jobs.evaluate.predictions import Studying
from batchclf.jobs.evaluate.studies import Plan
from batchclf.storage.run.studies import SLICE, slice_values

if TYPE_CHECKING:
    import pandas as pd

_COUNTS = 2
"""The first of SLICE, which are whole numbers."""


def plan_of(rows: Rows) -> Plan | None:
    """Say what is to be studied of rows; None without metadata."""
    return None if rows.metadata is None else Plan(SliceOptions(), ThresholdOptions(), rows.metadata)


def studies_of(rows: Rows) -> Studies | None:
    """Slice the labelled rows and set thresholds on them, as a run does; None without labels."""
    studying = Studying(None, plan_of(rows))
    for piece in rows.pieces():
        studying.take(piece)
    return studying.studies(warn_caller)


def slices_table(found: SliceFindings | None) -> "pd.DataFrame":
    """Give a row a slice: counts as int64, all else as float64, nan for what cannot be known."""
    import pandas as pd

    slices = () if found is None else found.slices
    index = pd.Index([each.name for each in slices], dtype="str", name="slice")
    table = pd.DataFrame(map(slice_values, slices), columns=list(SLICE), index=index)
    return table.astype({name: "int64" if place < _COUNTS else "float64" for place, name in enumerate(SLICE)})

"""A number over the runs of a job: what a figure knows of each run."""

from dataclasses import dataclass
from datetime import datetime

from batchclf.core.estimate import Estimate


@dataclass(frozen=True, slots=True)
class RunPoint:
    """One run: when it began, an aware time, its date YYYY-MM-DD, and its value; `marked` if it was not good."""

    time: datetime
    date: str
    value: Estimate
    marked: bool = False

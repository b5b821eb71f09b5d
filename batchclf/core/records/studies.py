"""What slices and thresholds show of the labelled images of a run, by split or directory."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from batchclf.core.metrics.thresholds import ThresholdFindings
from batchclf.core.slices.result import SliceFindings


@dataclass(frozen=True, eq=False)
class Studies:
    """Those of each split or directory that has labels, by its name."""

    slices: Mapping[str, SliceFindings] = field(default_factory=dict)
    thresholds: Mapping[str, ThresholdFindings] = field(default_factory=dict)

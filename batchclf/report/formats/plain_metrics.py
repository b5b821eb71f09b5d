"""The metrics of a run as plain numbers, for programs that take nothing else: no lists, no null, nothing nested."""

import json
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from batchclf.core.metrics.catalog import formulas_of
from batchclf.core.metrics.evaluation import Evaluation
from batchclf.core.metrics.formulas import OfCalibration

if TYPE_CHECKING:
    from batchclf.core.metrics.gap import Gap

WHOLE = "all"
"""What a subset without a name is called: a folder, or a table without splits."""


def plain_metrics(evaluation: Evaluation) -> dict[str, float]:
    """Give the metrics of one subset by their keys in metrics.json, each a finite float; those not known are left out.

    The ends of 95% intervals follow their metric as NAME_low and NAME_high. Without labels it has `images` alone.
    """
    found = {"images": float(evaluation.total)}
    of = evaluation.labelled
    if of is None:
        return found
    found |= {"labelled": float(of.total), "correct": float(of.correct)}
    for metric in of.overall:
        found[metric.name] = float(metric.value)
        if metric.interval is not None:
            found |= {
                f"{metric.name}_low": float(metric.interval.low),
                f"{metric.name}_high": float(metric.interval.high),
            }
    if of.calibration is not None:
        found |= {name: float(each.value(of.calibration)) for name, each in formulas_of(OfCalibration).items()}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def dvc_metrics(evaluations: Sequence[Evaluation], gap: "Gap | None") -> bytes:
    """Write a metrics file for DVC: one JSON object of numbers by SUBSET.METRIC, as DVC itself names nested ones.

    DVC 3.67 drops lists without a word; other programs that take a flat object of numbers can read it, too.
    """
    values = {
        f"{evaluation.split or WHOLE}.{name}": value
        for evaluation in evaluations
        for name, value in plain_metrics(evaluation).items()
    }
    return (json.dumps(values | dict(_of_gap(gap)), indent=2) + "\n").encode()


def _of_gap(gap: "Gap | None") -> Iterator[tuple[str, float]]:
    for name, estimate in () if gap is None else (("gap", gap.gap), ("log_loss_gap", gap.loss_gap)):
        if estimate is not None:
            yield name, float(estimate.value)
            yield f"{name}_low", float(estimate.interval.low)
            yield f"{name}_high", float(estimate.interval.high)

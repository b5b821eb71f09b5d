"""Slices and thresholds for pages, from drawn rows; names may be hostile."""

from dataclasses import replace

import numpy as np

from batchclf.core.metrics.thresholds import Scored, ThresholdFindings, refusal, two_classes
from batchclf.core.slices.columns import LeftOut, column_of_numbers, column_of_texts
from batchclf.core.slices.measure import Labelled, measure_column, trends
from batchclf.core.slices.result import SliceFindings
from batchclf.core.slices.search import find_weakest


def studied(of, names=("indoors", "outdoors", "")):
    """Findings by site, which is weak where it is the first name, and by brightness, along which accuracy falls.

    Returns what `Findings` takes: `slices` and `thresholds`.
    """
    rows, rng = of.rows, np.random.default_rng(0)
    images = Labelled(rows.labels, rows.predictions, len(rows.class_names))
    # Wrong images are mostly of the first site, and bright
    site = np.where(images.right | (rng.random(len(rows)) < 0.2), rng.integers(0, len(names), len(rows)), 0)
    brightness = rng.normal(100, 20, len(rows)) + 40 * ~images.right
    columns = [column_of_texts("site", site.astype(np.int32), names), column_of_numbers("brightness", brightness)]
    half = rng.random(len(rows)) < 0.5
    search = find_weakest(images, columns, half, 20)
    errors = tuple(rows.row(place) for place in np.flatnonzero(~images.right)[:6].tolist())
    weakest = tuple(replace(each, errors=errors if each.is_weak else ()) for each in search.weakest)
    slices = [each for column in columns for each in measure_column(images, column)]
    left_out = (LeftOut(names[3] if len(names) > 3 else names[0], "it has 1,203 values, and at most 100 make slices"),)
    found = SliceFindings(
        len(rows), tuple(slices), left_out, trends(images, columns), replace(search, weakest=weakest), ("A note.",)
    )
    scored = Scored(rows.probabilities[:, 1], rows.labels == 1)
    two = two_classes(
        scored, half, rows.class_names[1], assumed=True, threshold=0.5, at_recall=0.8, at_precision=0.999999
    )
    refused = refusal(rows.confidence, images.right, half, error_cost=10.0, review_cost=1.0)
    return {"slices": found, "thresholds": ThresholdFindings(len(rows), "", two, refused)}

"""What the page's script needs to review labels: the classes, their counts, and the images that the page shows."""

import hashlib
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from batchclf.core.class_names import NO_CLASS
from batchclf.core.metrics.labelled import LabelledMetrics
from batchclf.core.records.findings import Findings
from batchclf.core.text import class_name, visible
from batchclf.core.types import Prediction
from batchclf.report.parts.pictures import exact_text
from batchclf.report.sections.confusion import HEAT_BOUNDS


def review_data(findings: Findings, labelled: LabelledMetrics, place: str) -> Mapping[str, Any]:
    """Give plain values for the script. `labelled` are the metrics of the main split, `place` is the run directory.

    `run` tells this run from all others. `classes` has what each class is called, its images, predictions and right
    predictions; `images` has path, true and predicted class of those that stand in galleries. Both end in the name or
    path that the predictions have, as JSON, if the page shows another. `none` is the class of no class, -1 without.
    """
    main, confusion = findings.main, labelled.confusion
    names = confusion.class_names
    counts = zip(*(each.tolist() for each in (confusion.support, confusion.predicted, confusion.correct)), strict=True)
    issues = findings.label_issues.shown if findings.label_issues else ()
    shown = {row.path: row for row in (*labelled.worst_errors, *issues, *main.least_confident)}
    run = shlex.quote(visible(place))
    return {
        "run": _identity(findings),
        "split": [visible(main.split), *exact_text(main.split, visible(main.split))],
        "command": f"batchclf evaluate {run} --labels labels.csv",
        "query": f"batchclf query {run}",
        "classes": [
            [class_name(name), *numbers, *exact_text(name, class_name(name))]
            for name, numbers in zip(names, counts, strict=True)
        ],
        "none": names.index(NO_CLASS) if NO_CLASS in names else -1,
        "images": list(_images(shown.values(), {name: place for place, name in enumerate(names)})),
        "bounds": HEAT_BOUNDS,
    }


def _images(rows: Iterable[Prediction], places: Mapping[str, int]) -> Iterator[list[Any]]:
    for row in rows:
        if row.label is not None:
            path = visible(row.path)
            yield [path, places[row.label], places[row.prediction], *exact_text(row.path, path)]


def _identity(findings: Findings) -> str:
    """Tell a run from all others: pages opened from files share one store of the browser (decision 215)."""
    record, split = findings.record, findings.main.split
    parts = [record.run_id, record.started, record.job or "", record.model.digest, split]
    parts += [f"{name} {file.sha256}" for name, file in sorted(record.files.items()) if name.startswith("predictions")]
    return hashlib.sha256("\n".join(parts).encode("utf-8", "backslashreplace")).hexdigest()[:24]

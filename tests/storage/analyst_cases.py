"""A run whose names do their worst in spreadsheets, in SQL and in Markdown."""

import numpy as np
from prediction_cases import write
from run_cases import run_record

from batchclf.core.records.run import SubsetRecord
from batchclf.core.types import BatchScores, ImageRef
from batchclf.jobs.run.publish import write_hand_over

HOSTILE = (
    "=1+1",
    '=HYPERLINK("http://x.example";"y")',
    "-5",
    "+a",
    "@x",
    "'quoted",
    "2026-11-24",
    "1-2",
    "1/2",
    "12:30",
    "TRUE",
    "NA",
    "12345678901234567890",
    "001",
    "1e5",
    "0.5",
    "10%",
    "a,b",
    'say "hi"',
    "a`b|c](x) <b>",
    "two\nlines",
    "Größe 猫",
    "a",
    "A",
)


def write_run(
    folder, *, names=HOSTILE, unlabelled=(), split="", formats=("csv",), topk=2, probabilities=True, **changes
):
    """A run in which each class is predicted once, and right; `unlabelled` are the numbers of images without label."""
    confidence = 0.5
    matrix = np.full((len(names), len(names)), confidence / (len(names) - 1), np.float32)
    np.fill_diagonal(matrix, confidence)
    refs = tuple(ImageRef(f"{name}/1.png", None if number in unlabelled else name) for number, name in enumerate(names))
    options = {"topk": topk, "probabilities": probabilities}
    write(folder, names, [BatchScores(refs, matrix)], formats=formats, split=split, **options)
    subset = SubsetRecord(split, "directory", "/srv/photos", "folders", len(refs), len(refs), 0, 0, seconds=0.5)
    record = run_record(
        changes.pop("run_id", "20260301T023000Z"), names, [subset], **options, formats=list(formats), **changes
    )
    write_hand_over(folder, record)
    return record

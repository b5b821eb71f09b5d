"""Runs of a job with several subsets: an earlier run to compare with, rules and alarms, a deadline."""

from dataclasses import replace

import numpy as np
from report_cases import (
    FASHION,
    Sample,
    directory_subset,
    evaluate,
    image_bytes,
    record,
    sample,
    split_subset,
)

from batchclf.core.compare.pair_tally import PairTally, RunPredictions
from batchclf.core.metrics.gap import overfitting_gap
from batchclf.core.metrics.intervals import wilson
from batchclf.core.records.findings import Findings
from batchclf.core.records.history import RunSummary
from batchclf.core.records.run import GateResult
from batchclf.report.html.size_budget import wanted

LAST_RUN = "20260228T020000Z-cd34"
GATES = [
    GateResult("min_test_accuracy", 0.65, 0.6, True, "test accuracy 65.00% meets the minimum of 60.00%"),
    GateResult("max_gap", 0.17, 0.1, False, "the overfitting gap of 17.00 points exceeds the maximum of 10.00"),
    GateResult(
        name="recall",
        value=0.41,
        bound=0.5,
        passed=False,
        sentence="recall of Shirt on the test split 41.00% is below the minimum of 50.00%",
        subset="test",
        class_name="Shirt",
    ),
    GateResult(
        name="accuracy",
        value=-0.02,
        bound=-0.01,
        passed=True,
        sentence="accuracy on archive is 2.0 points below the last good run; 90 images are too few to tell",
        certain=False,
        kind="change",
        subset="archive",
        against="last-good",
    ),
    GateResult(
        name="ece",
        value=None,
        bound=0.05,
        passed=False,
        sentence="there is no ECE of inbox: its images have no labels",
        missing=True,
        subset="inbox",
    ),
    *(
        GateResult(name, None, None, True, f"nothing to report on {subset}", kind="alarm", subset=subset)
        for name in ("no-images", "no-new-images", "same-images", "class-folders")
        for subset in ("archive", "inbox")
    ),
    GateResult(
        name="fewer-images",
        value=60,
        bound=100,
        passed=False,
        sentence="inbox has 60 images; the last run had 200",
        kind="alarm",
        subset="inbox",
    ),
]


def summary(**changes) -> RunSummary:
    values = {
        "run_id": LAST_RUN,
        "folder": LAST_RUN,
        "started": "2026-02-28T03:00:00+01:00",
        "seconds": 80.0,
        "status": "ok",
        "split": "test",
        "images": 600,
        "skipped": 0,
        "accuracy": wilson(420, 600),
        "train_accuracy": None,
        "gap": None,
        "overfitting": None,
        "macro_f1": 0.8,
        "ece": 0.02,
        "model_digest": "ff" * 32,
        "gates": (),
        "files": ("report.html",),
        "job": "nightly",
        "run_date": "2026-02-28",
    }
    return RunSummary(**(values | changes))


def compare(of: Sample, split, *, share=0.1, seed=0, names=FASHION, gone=0, new=0, replaced=0):
    """Compare rows with an earlier run that predicted a share of them by chance, or right where that is known."""
    random = np.random.default_rng(seed)
    rows = of.rows
    guess = np.where((rows.labels >= 0) & (random.random(len(rows)) < 0.7), rows.labels, rows.predictions)
    other = np.where(random.random(len(rows)) < share / 2, random.integers(0, len(names), len(rows)), rows.predictions)
    other = np.where(random.random(len(rows)) < share, guess, other)
    tally = PairTally(LAST_RUN, record().run_id, split, names, only_first=gone, only_second=new, replaced=replaced)
    tally.update(
        RunPredictions(rows.paths, rows.labels, other, random.uniform(0.4, 1, len(rows)), None),
        RunPredictions(rows.paths, rows.labels, rows.predictions, rows.confidence, None),
    )
    return tally.comparison()


def job_run(names=FASHION, *, deadline=False, directories=("archive", "inbox"), **changes) -> Findings:
    """A run with both splits, a directory with labels, one without, and one that holds nothing."""
    archive, inbox = directories
    samples = {
        archive: sample(names, 90, archive, seed=3, skill=1.2),
        inbox: sample(names, 60, inbox, seed=4, labelled=0.0),
        "test": sample(names, 600, "test", seed=1, skill=0.9),
        "train": sample(names, 600, "train", seed=2, skill=1.6),
    }
    evaluations = {split: evaluate(of, split) for split, of in samples.items()}
    subsets = [
        directory_subset(90, 2, f"/srv/{archive}/2026-02", archive, "folders of the first level"),
        directory_subset(0, 0, "/srv/empty", "empty", "no labels"),
        directory_subset(60, 0, f"/srv/{inbox}/2026-03-01", inbox),
        split_subset("test", 600),
        split_subset("train", 600),
    ]
    if deadline:
        evaluations.pop("train")
        subsets[3:] = [replace(subsets[3], complete=False), replace(subsets[4], scored=0, found=0, complete=False)]
    test, train = evaluations["test"], evaluations.get("train")
    comparisons = [
        compare(samples["test"], "test", names=names),
        compare(samples[archive], archive, share=0.3, seed=1, names=names, gone=4, new=11),
        compare(samples[inbox], inbox, share=0.3, seed=2, names=names, new=7, replaced=3),
    ]
    values = {"gates": GATES, "status": "partial" if deadline else "gate failed", "run_date": "2026-02-28"}
    return Findings(
        record(names, subsets=subsets, **(values | changes)),
        tuple(evaluations.values()),
        overfitting_gap(train.labelled, test.labelled) if train else None,
        history=(summary(),),
        change=comparisons[0],
        flips=tuple(comparisons),
    )


def pictures(findings):
    """A picture of each image that the page wants: noise, no two alike."""
    random = np.random.default_rng(0)
    return {
        (row.split, row.path): image_bytes(28, 28, "PNG", random.integers(0, 256, (28, 28), np.uint8))
        for row in wanted(findings)
    }


def single_directory(names=FASHION) -> Findings:
    """A run of one directory of its own name, with no labels."""
    of = sample(names, 60, "inbox", labelled=0.0)
    run = record(names, subsets=[directory_subset(60, 0, "/srv/inbox/2026-03-01", "inbox")], dataset=None)
    same = compare(of, "inbox", share=0.2, names=names)
    return Findings(run, (evaluate(of, "inbox"),), history=(summary(split="inbox"),), change=same, flips=(same,))

"""Render the report of a finished run as a whole process: seconds, peak memory, size of the page.

    python benchmarks/report_speed.py [--rounds 5] [--work DIR] [CASE ...]

The run directories are made here, with made-up predictions. Cases: ten, thousand.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray

from batchclf.core.records.run import ModelRecord, RunRecord, SubsetRecord
from batchclf.core.types import BatchScores, ImageRef
from batchclf.jobs.evaluate.predictions import evaluate_predictions
from batchclf.storage.predictions.write import PredictionFiles
from batchclf.storage.run.directory import PREDICTIONS_FILE, SKIPPED_FILE, write_record
from batchclf.storage.run.metrics import write_metrics
from batchclf.storage.run.skipped import SkippedWriter

BATCH = 1_000
PICTURES = 500
"""So many pictures are drawn; every class folder is a link to the same ones."""


@dataclass(frozen=True)
class Case:
    """A run: its classes, the images of each split, and whether it has a column for each probability."""

    classes: int
    images: dict[str, int]
    probabilities: bool
    skill: float


CASES = {
    "ten": Case(10, {"test": 10_000, "train": 60_000}, True, 7.0),
    "thousand": Case(1_000, {"test": 50_000, "train": 950_000}, False, 9.0),
}


def main() -> None:
    """Measure the cases that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="ten, thousand (default: both)")
    parser.add_argument("--rounds", type=int, default=5, help="reports of each run (default: 5)")
    parser.add_argument("--work", type=Path, help="folder for the run directories, kept for the next time")
    args = parser.parse_args()
    work = (args.work or Path(tempfile.mkdtemp(prefix="batchclf-bench-"))).resolve()
    work.mkdir(parents=True, exist_ok=True)
    for name in args.cases or CASES:
        case, folder = CASES[name], work / name
        if not (folder / "run.json").is_file():
            _make(folder, case)
        rows = sum(case.images.values())
        print(f"{name}: {rows:,} rows, {case.classes:,} classes, {'with' if case.probabilities else 'without'} "
              "probability columns")  # fmt: skip
        measured = [_report(folder, work / f"{name}.html") for _ in range(args.rounds)]
        seconds, memory = zip(*measured, strict=True)
        size = (work / f"{name}.html").stat().st_size
        print(f"  median {median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f}), "
              f"peak {max(memory):.0f} MB, page {size / 1e6:.2f} MB")  # fmt: skip


def _report(folder: Path, out: Path) -> tuple[float, float]:
    """Write one report: seconds from start to exit, and the process's peak memory in MB."""
    # These make numpy slow if they are set.
    environment = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    command = [sys.executable, "-m", "batchclf", "report", str(folder), "--out", str(out), "--quiet"]
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if os.waitstatus_to_exitcode(status):
        sys.exit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return seconds, usage.ru_maxrss / 1024


def _make(folder: Path, case: Case) -> None:
    """Make a run directory whose images are there, so that the page gets its pictures."""
    folder.mkdir(exist_ok=True)
    names = tuple(f"class {number:04d}" for number in range(case.classes))
    _draw(folder / "images", names, case)
    with PredictionFiles(folder, names, topk=3, probabilities=case.probabilities) as files:
        for split, images in case.images.items():
            for batch in _predictions(split, images, names, case):
                files.write(batch, split)
    with SkippedWriter(folder / SKIPPED_FILE):
        pass
    evaluations, gap = evaluate_predictions(folder / PREDICTIONS_FILE, names)
    write_metrics(folder, evaluations, gap)
    write_record(folder, _record(folder, names, case))


def _draw(folder: Path, names: tuple[str, ...], case: Case) -> None:
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for number in range(PICTURES):
        pixels = cv2.resize(rng.integers(0, 256, (7, 7), np.uint8), (28, 28), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(pictures / f"{number:03d}.png"), pixels)
    for split in case.images:
        (folder / split).mkdir(exist_ok=True)
        for name in names:
            if not (folder / split / name).exists():
                (folder / split / name).symlink_to(pictures, target_is_directory=True)


def _predictions(split: str, images: int, names: tuple[str, ...], case: Case) -> Iterator[BatchScores]:
    """Score images of each class in turn; each class has two that it is often taken for, one of them of its own."""
    rng = np.random.default_rng(len(split))
    each = images // len(names)
    # Each path leads to a picture that is there, and no two are the same: `./` makes more of one.
    places = [f"{'./' * (turn - 1)}{n:03d}.png" for turn in range(-(-each // PICTURES), 0, -1) for n in range(PICTURES)]
    for start in range(0, images, BATCH):
        numbers = np.arange(start, min(start + BATCH, images))
        labels = numbers // each
        refs = tuple(
            ImageRef(f"{names[label]}/{places[place]}", names[label])
            for label, place in zip(labels.tolist(), (numbers % each).tolist(), strict=True)
        )
        yield BatchScores(refs, _probabilities(rng, labels, len(names), case.skill))


def _probabilities(
    rng: np.random.Generator, labels: NDArray[np.int64], classes: int, skill: float
) -> NDArray[np.float32]:
    rows = np.arange(len(labels))
    logits = rng.standard_normal((len(labels), classes), np.float32) * 1.5
    logits[rows, labels] += skill + rng.normal(0, 2, len(labels))
    logits[rows, labels ^ 1] += skill - 2.5
    logits[rows, (labels * 7 + 3) % classes] += skill - 4
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float32)


def _record(folder: Path, names: tuple[str, ...], case: Case) -> RunRecord:
    epochs = [0.9 - 0.08 * epoch for epoch in range(10)]
    model = ModelRecord(
        path=str(folder / "model"), digest="0123456789abcdef" * 4, recipe="mlp", settings={"epochs": 10, "seed": 0},
        class_names=list(names), input_shape=(28, 28, 1), color_mode="grayscale", parameters=101_770,
        trained_on="made up", created="2026-01-01T00:00:00+00:00",
        history={"loss": epochs, "accuracy": [1 - loss / 2 for loss in epochs]},
    )  # fmt: skip
    subsets = [
        SubsetRecord(split, "directory", str(folder / "images" / split), "the class folders", n, n, 0, 0, 1.0)
        for split, n in case.images.items()
    ]
    return RunRecord(
        run_id="20260101T000000Z", job=None, command=["batchclf", "score"], status="ok",
        started="2026-01-01T00:00:00+00:00", seconds=1.0, runtime="onnx", batch_size=128, topk=3,
        probabilities=case.probabilities, model=model, subsets=subsets,
    )  # fmt: skip


if __name__ == "__main__":
    main()

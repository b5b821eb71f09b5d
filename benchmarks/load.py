"""Large inputs, and many jobs at a time: seconds, peak memory, and whether the result is whole.

    python benchmarks/load.py [--work DIR] [CASE[=SIZE] ...]

Needs the extra `import`. The inputs are made in a temporary folder and removed. Cases and their sizes: jobs=60 (seconds
during which 8 jobs run again and again), million=1000000 (files), one-folder=200000 (files), class-folders=5000,
classes=10000, megapixels=200.
"""

import argparse
import json
import math
import os
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import onnx
from compare import Ended, megabytes_of, run, run_to_end
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

BATCHCLF = [sys.executable, "-m", "batchclf"]
SIDE = 28
NOISE, SHARPNESS = 40, 40.0
JOBS = 8
IMAGES_OF_A_JOB = 200
FILES_OF_A_FOLDER = 1_000
IMAGES_OF_A_CLASS = 2
ROWS_WITH_PROBABILITIES = 2_000
SAMPLE_SECONDS = 0.25
JOB = """\
[model]
bundle = "bundle"
[scoring.directories.photos]
path = "photos"
[publish]
reports = "reports"
"""


def main() -> None:
    """Run the cases that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE[=SIZE]", help="see above (default: all)")
    parser.add_argument("--work", type=Path, help="make the temporary folder in this one; a million files need 5 GB")
    args = parser.parse_args()
    for wanted in args.cases or CASES:
        name, _, size = wanted.partition("=")
        case, usual = CASES[name]
        with tempfile.TemporaryDirectory(prefix="batchclf-load-", dir=args.work) as folder:
            print(f"{name}: {case.__doc__}", flush=True)
            case(Path(folder), int(size or usual))


def jobs(work: Path, seconds: int) -> None:
    """8 jobs on one reports folder, each again and again."""
    _draw(work / "photos", IMAGES_OF_A_JOB, IMAGES_OF_A_JOB)
    _model(work, 10)
    for number in range(JOBS):
        (work / f"job-{number}.toml").write_text(JOB)
    ends = time.monotonic() + seconds
    peak, done = [0.0], threading.Event()
    sampler = threading.Thread(target=_sample_all, args=(peak, done))
    used = os.times()
    sampler.start()
    with ThreadPoolExecutor(JOBS) as pool:
        runs = list(pool.map(partial(_again_and_again, work, ends), range(JOBS)))
    done.set()
    sampler.join()
    after = os.times()
    cpu = after.children_user + after.children_system - used.children_user - used.children_system
    seen = sum(map(len, runs))
    times = sorted(each.seconds for job in runs for each in job)
    print(f"  {seen} runs, median {times[len(times) // 2]:.2f} s, longest {times[-1]:.2f} s, of the processor "
          f"{cpu / seen:.2f} s a run, all together at most {peak[0]:.0f} MB")  # fmt: skip
    reports = work / "reports"
    for number, of_job in enumerate(runs):
        _check(not (bad := [each for each in of_job if each.code]), f"job {number}: {bad[:1]}")
        kept = [path for path in (reports / f"job-{number}").glob("2*") if (path / "run.json").is_file()]
        _check(len(kept) == len(of_job), f"job {number}: {len(of_job)} runs, {len(kept)} run directories")
        _check((reports / f"job-{number}" / "latest").resolve() == max(kept), f"job {number}: latest is not the latest")
    with sqlite3.connect(reports / "history.sqlite") as history:
        (rows,) = history.execute("select count(*) from runs").fetchone()
        (state,) = history.execute("pragma integrity_check").fetchone()
    _check((rows, state) == (seen, "ok"), f"history: {rows} of {seen} runs, {state}")
    page = (reports / "index.html").read_text(encoding="utf-8")
    _check(all(f"job-{number}" in page for number in range(JOBS)), "the page of all runs lacks a job")
    left = [path.name for path in reports.rglob(".*") if path.is_dir()]
    _check(not left, f"left behind: {left[:3]}")


def million(work: Path, files: int) -> None:
    """Small files, 1,000 in a folder, all different."""
    _score_many(work, files, FILES_OF_A_FOLDER)


def one_folder(work: Path, files: int) -> None:
    """Small files in one folder, all different."""
    _score_many(work, files, files)


def _score_many(work: Path, files: int, each: int) -> None:
    _draw(work / "photos", files, each)
    _model(work, 10)
    ended = _run(work, "score", "photos", "--model", "bundle", "--out", "run")
    _counts(work / "run", found=files, scored=files)
    _print("score", ended)


def class_folders(work: Path, classes: int) -> None:
    """Class folders with 2 images each, a model of as many classes, labels from the folders."""
    _model(work, classes)
    _draw(work / "photos", classes * IMAGES_OF_A_CLASS, IMAGES_OF_A_CLASS)
    ended = _run(work, "score", "photos", "--model", "bundle", "--out", "run")
    subset = _counts(work / "run", found=classes * IMAGES_OF_A_CLASS, scored=classes * IMAGES_OF_A_CLASS)
    _check("class folders" in subset["labels"], f"labels: {subset['labels']}")
    _print("score with its evaluation and report", ended)
    _print_page("its report", work / "run" / "report.html")


def classes(work: Path, count: int) -> None:
    """Evaluate and report of a model of many classes, without and with a column for each probability."""
    _model(work, count)
    for name, images, option in (
        ("without probability columns", count * IMAGES_OF_A_CLASS, "--no-probabilities"),
        ("with probability columns", min(ROWS_WITH_PROBABILITIES, count * IMAGES_OF_A_CLASS), "--probabilities"),
    ):
        folder = work / option
        _draw(folder / "photos", images, IMAGES_OF_A_CLASS)
        ended = _run(folder, "score", "photos", "--model", "../bundle", "--out", "run", option)
        _counts(folder / "run", found=images, scored=images)
        size = (folder / "run" / "predictions.csv").stat().st_size
        print(f"  {name}: {images:,} rows, predictions.csv {size / 1e6:.0f} MB")
        _print("score with its evaluation and report", ended)
        ended = _run(folder, "evaluate", "run/predictions.csv", "--out", "evaluation")
        metrics = [json.loads((folder / where / "metrics.json").read_text()) for where in ("run", "evaluation")]
        _check(_of_subsets(metrics[0]) == _of_subsets(metrics[1]), "evaluate gives other metrics than score")
        _print("evaluate", ended)
        _print("report", _run(folder, "report", "run", "--out", "report.html"))
        _print_page("the page", folder / "report.html")
        shutil.rmtree(folder)


def megapixels(work: Path, millions: int) -> None:
    """One image of many pixels as PNG and JPEG beside a small one, with the usual limit and with a raised one."""
    _model(work, 10)
    for suffix in ("png", "jpg"):
        folder = work / suffix
        _draw(folder / "photos", 1, 1)
        width, height = 1_000 * math.isqrt(millions), millions * 1_000_000 // (1_000 * math.isqrt(millions))
        stripe = np.random.default_rng(0).integers(0, 256, (50, width, 3), np.uint8)
        cv2.imwrite(str(folder / "photos" / f"large.{suffix}"), np.tile(stripe, (height // 50, 1, 1)))
        size = (folder / "photos" / f"large.{suffix}").stat().st_size / 1e6
        # Without `exact` a JPEG is decoded at a reduced size, and the limit is on what is decoded.
        refused = _run(folder, "score", "photos", "--model", "../bundle", "--out", "refused", "--resize", "exact")
        _counts(folder / "refused", found=2, scored=1)
        reason = (folder / "refused" / "skipped.csv").read_text().splitlines()[1]
        _check("too large" in reason, reason)
        _print(f"{suffix} of {size:.0f} MB, skipped", refused)
        print(f"    {reason}")
        for how in ("fast", "exact"):
            limit = str(width * height)
            options = ["--max-pixels", limit, "--resize", how]
            ended = _run(folder, "score", "photos", "--model", "../bundle", "--out", how, *options)
            _counts(folder / how, found=2, scored=2)
            _print(f"{suffix}, --max-pixels {limit} --resize {how}", ended)


CASES = {
    "jobs": (jobs, 60),
    "million": (million, 1_000_000),
    "one-folder": (one_folder, 200_000),
    "class-folders": (class_folders, 5_000),
    "classes": (classes, 10_000),
    "megapixels": (megapixels, 200),
}


def _again_and_again(work: Path, ends: float, number: int) -> list[Ended]:
    ended = []
    while time.monotonic() < ends or not ended:
        ended.append(run_to_end([*BATCHCLF, "run", f"job-{number}.toml"], cwd=work))
    return ended


def _sample_all(peak: list[float], done: threading.Event) -> None:
    while not done.wait(SAMPLE_SECONDS):
        peak[0] = max(peak[0], megabytes_of(os.getpid()) - megabytes_of_itself())


def megabytes_of_itself() -> float:
    """Give the proportional set size of this process alone, in MB."""
    text = Path("/proc/self/smaps_rollup").read_text()
    return int(text.partition("\nPss:")[2].split()[0]) / 1024


def _run(work: Path, *arguments: str) -> Ended:
    ended = run_to_end([*BATCHCLF, *arguments], cwd=work, memory=True)
    _check(ended.code == 0, f"{' '.join(arguments)} ended with {ended.code}:\n{ended.output[-2000:]}")
    return ended


def _counts(folder: Path, **wanted: int) -> dict[str, object]:
    (subset,) = json.loads((folder / "run.json").read_text())["subsets"]
    found = {name: subset[name] for name in wanted}
    _check(found == wanted, f"{folder.name}: {found}, not {wanted}")
    return subset


def _of_subsets(metrics: dict[str, object]) -> object:
    return metrics["splits"]


def _check(holds: bool, what: str) -> None:
    if not holds:
        sys.exit(f"  WRONG: {what}")


def _print(name: str, ended: Ended) -> None:
    print(f"  {name}: {ended.seconds:.1f} s, of the processor {ended.processor:.1f} s, peak {ended.megabytes:.0f} MB",
          flush=True)  # fmt: skip


def _print_page(name: str, page: Path) -> None:
    print(f"  {name}: {page.stat().st_size / 1e6:.2f} MB", flush=True)


def _draw(folder: Path, files: int, each: int) -> None:
    """Draw pictures that are all different, so many of a class in a folder: FOLDER/class 00000/0000000.png."""
    rng = np.random.default_rng(0)
    for start in range(0, files, each):
        inside = folder / _class_name(start // each)
        inside.mkdir(parents=True)
        rows = _rows(start // each)
        for number in range(start, min(start + each, files)):
            pixels = rows[:, None] + rng.normal(0, NOISE, (SIDE, 1)) + rng.integers(-9, 10, (SIDE, SIDE))
            encoded = cv2.imencode(".png", pixels.clip(0, 255).astype(np.uint8))[1]
            (inside / f"{number:07d}.png").write_bytes(encoded.tobytes())


def _rows(number: int) -> NDArray[np.float64]:
    """Give how bright each row of pixels of a class is, from 60 to 195."""
    return np.random.default_rng(number).uniform(60, 195, SIDE)


def _class_name(number: int) -> str:
    return f"class {number:05d}"


def _model(work: Path, count: int) -> None:
    """Make WORK/bundle, which takes the class whose rows are nearest."""
    rows = np.stack([_rows(number) for number in range(count)], axis=1) / 255
    constants = [
        numpy_helper.from_array(np.array([2], np.int64), "axes"),
        numpy_helper.from_array((SHARPNESS * rows).astype(np.float32), "weights"),
        numpy_helper.from_array((-SHARPNESS / 2 * (rows**2).sum(axis=0)).astype(np.float32), "bias"),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["image", "axes"], ["means"], keepdims=0),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["predictions"]),
    ]
    inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", SIDE, SIDE, 1])]
    outputs = [helper.make_tensor_value_info("predictions", TensorProto.FLOAT, ["n", count])]
    graph = helper.make_graph(nodes, "rows", inputs, outputs, constants)
    onnx.save(helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 18)]), work / "rows.onnx")
    (work / "classes.txt").write_text("".join(f"{_class_name(number)}\n" for number in range(count)))
    how = ["--classes", "classes.txt", "--scale", "0..1", "--out", "bundle"]
    run([*BATCHCLF, "model", "import", "rows.onnx", *how], cwd=work)


if __name__ == "__main__":
    main()

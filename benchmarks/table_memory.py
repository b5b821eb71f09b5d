"""Evaluate tables of predictions that something else made: seconds, and bytes of memory a row over a fixed base.

`python benchmarks/table_memory.py 1000000 --work FOLDER` writes each table with so many rows and with a tenth of them,
evaluates both as whole processes, and takes the difference of their peak memories.
"""

import argparse
import csv
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

CLASSES = 1_000
_PIECE = 50_000


def rows(count: int, seed: int = 1) -> Iterator[tuple[list[str], list[str], list[str], list[float]]]:
    """Yield paths, labels, predictions and confidences, some rows at a time."""
    random = np.random.default_rng(seed)
    for start in range(0, count, _PIECE):
        size = min(_PIECE, count - start)
        labels = random.integers(0, CLASSES, size)
        # One in five is wrong, and taken for one of three classes nearby, as models err
        given = np.where(random.random(size) < 0.8, labels, (labels + random.integers(1, 4, size)) % CLASSES)
        yield (
            [f"images/{number:09}.jpg" for number in range(start, start + size)],
            [f"class {label:04}" for label in labels.tolist()],
            [f"class {label:04}" for label in given.tolist()],
            random.random(size).round(6).tolist(),
        )


def write_csv(path: Path, count: int) -> None:
    """Write a CSV."""
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(["path", "label", "prediction", "confidence"])
        for piece in rows(count):
            writer.writerows(zip(*piece, strict=True))


def write_jsonl(path: Path, count: int) -> None:
    """Write JSON lines."""
    names = ("path", "label", "prediction", "confidence")
    with path.open("w", encoding="utf-8") as handle:
        for piece in rows(count):
            handle.writelines(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in zip(*piece, strict=True))


def write_parquet(path: Path, count: int) -> None:
    """Write Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = ("path", "label", "prediction", "confidence")
    tables = (pa.table(dict(zip(names, piece, strict=True))) for piece in rows(count))
    first = next(tables)
    with pq.ParquetWriter(path, first.schema) as writer:
        writer.write_table(first)
        for table in tables:
            writer.write_table(table)


WRITERS = {"csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet}


def evaluate(table: Path, out: Path) -> tuple[float, int]:
    """Evaluate a table as a whole process: seconds, and its peak memory in bytes."""
    script = (
        "import resource, sys\n"
        "from batchclf.cli.main import main\n"
        "code = main(sys.argv[1:])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
        "sys.exit(code)"
    )
    begin = time.perf_counter()
    command = [sys.executable, "-c", script, "evaluate", str(table), "--out", str(out), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    unit = 1 if sys.platform == "darwin" else 1024
    return time.perf_counter() - begin, int(done.stdout.split()[-1]) * unit


def main() -> None:
    """Measure each format."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--formats", nargs="+", default=list(WRITERS), choices=list(WRITERS))
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    print(f"| {args.rows:,} rows, {CLASSES:,} classes | seconds | peak memory | bytes a row |\n|---|---|---|---|")
    for name in args.formats:
        peaks = []
        for count in (args.rows // 10, args.rows):
            table = args.work / f"{count}.{name}"
            WRITERS[name](table, count)
            seconds, peak = evaluate(table, args.work / f"run-{name}-{count}-{time.time_ns()}")
            peaks.append(peak)
            table.unlink()
        growth = (peaks[1] - peaks[0]) / (args.rows - args.rows // 10)
        print(f"| {name} | {seconds:.0f} | {peaks[1] / 1e6:,.0f} MB | {growth:.1f} |", flush=True)


if __name__ == "__main__":
    main()

"""Draw what a file costs as their number grows: time and memory of `score` over 1,000 to 1,000,000 files.

    python benchmarks/growth.py [--sizes 1000 10000 100000 300000 1000000] [--workers 1 2] [--rounds 3] [--work DIR]

Needs ../shared/bench beside the repository, and TensorFlow to train the network. The files are PNGs of 28x28, hard
links from 20,000 on. Prints a table of medians, and draws it into --out (default: growth.svg beside this file). The
runs take turns: all numbers of files with all numbers of workers once a round.
"""

import argparse
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from compare import Measured, alternate
from inputs import BATCHCLF, HERE, first_files, pictures, tutorial

IMAGES = 10_000
COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7"]  # of Okabe and Ito: colour-blind people can tell them apart


def main() -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000, 300_000, 1_000_000])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, help="folder for model and images, kept for the next time")
    parser.add_argument("--out", type=Path, default=HERE / "growth.svg")
    args = parser.parse_args()
    work = (args.work or Path(tempfile.mkdtemp(prefix="batchclf-bench-"))).resolve()
    work.mkdir(parents=True, exist_ok=True)
    bundle, _ = tutorial(work)
    commands = {}
    for size in args.sizes:
        score = [*BATCHCLF, "score", str(files(work, size)), "--model", str(bundle), "--out", "{out}"]
        for workers in args.workers:
            commands[f"{size:,} files, {workers} workers"] = [*score, "--workers", str(workers)]
    measured = list(alternate(commands, args.rounds, cwd=work, memory=True).values())
    of_workers = {workers: measured[number :: len(args.workers)] for number, workers in enumerate(args.workers)}
    for workers, runs in of_workers.items():
        for size, each in zip(args.sizes, runs, strict=True):
            print(
                f"{size:>9,} files, {workers} workers: {each.median:7.2f} s, of the processor {each.cpu:7.2f} s, "
                f"{each.cpu / size * 1e6:6.1f} µs a file, peak {each.peak:.0f} MB"
            )
    draw(args.sizes, of_workers, args.out)
    print(f"drawn: {args.out}")


def files(work: Path, size: int) -> Path:
    """Make a folder of so many files: the first of each class, or each of the 10,000 test images several times."""
    if size < IMAGES:
        return first_files(pictures(work / f"{IMAGES}", "--split", "test"), work / f"{size}", size // 10)
    return pictures(work / f"{size}", "--split", "test", "--copies", str(size // IMAGES))


def draw(sizes: list[int], of_workers: dict[int, list[Measured]], out: Path) -> None:
    """Draw seconds, time of the processor a file, and peak memory, each over the number of files."""
    figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
    for color, (workers, runs) in zip(COLORS, of_workers.items(), strict=False):
        a_file = [each.cpu / size * 1e6 for size, each in zip(sizes, runs, strict=True)]
        label = "1 worker" if workers == 1 else f"{workers} workers"
        for axis, values in zip(
            axes, ([each.median for each in runs], a_file, [each.peak for each in runs]), strict=True
        ):
            axis.plot(sizes, values, "o-", color=color, label=label)
    for axis, title in zip(
        axes, ("seconds, start to exit", "µs of the processor a file", "peak memory, MB"), strict=True
    ):
        axis.set(title=title, xlabel="files", xscale="log")
        axis.grid(alpha=0.3)
    axes[0].set_yscale("log")
    axes[1].set_yscale("log")
    axes[2].set_ylim(0)
    axes[0].legend()
    figure.savefig(out, metadata={"Date": None})


if __name__ == "__main__":
    main()

"""Pack images, and score them as loose files, in tars and in Parquet files, in turn, as whole processes.

    python benchmarks/shards.py [--rounds 5] [--work DIR] [--delays 0 30] [pngs] [jpegs]

Needs ../shared/bench beside the repository (the images), and TensorFlow; with --delays the extra remote. The same files
are scored from the local disk and, for each delay, from an object store on this machine that answers after so many
milliseconds.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from compare import Measured, alternate
from inputs import BATCHCLF, mobilenet, pictures, tutorial
from store_server import serving


def main() -> None:
    """Measure the cases that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="see above (default: all)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each command (default: 5)")
    parser.add_argument("--delays", type=float, nargs="*", default=[], help="of the object store, in milliseconds")
    parser.add_argument("--work", type=Path, help="folder for models and images, kept for the next time")
    args = parser.parse_args()
    work = (args.work or Path(tempfile.mkdtemp(prefix="batchclf-bench-"))).resolve()
    work.mkdir(parents=True, exist_ok=True)
    for case in args.cases or CASES:
        print(f"{case}: {CASES[case].__doc__}")
        CASES[case](work, args.rounds, args.delays)


def pngs(work: Path, rounds: int, delays: Sequence[float]) -> None:
    """60,000 PNGs of Fashion MNIST with a dense network."""
    _compare(work, pictures(work / "pngs", "--split", "train"), tutorial(work)[0], rounds, delays)


def jpegs(work: Path, rounds: int, delays: Sequence[float]) -> None:
    """2,000 JPEGs of 640x480 with MobileNetV2."""
    folder, bundle, _ = mobilenet(work)
    _compare(work, folder, bundle, rounds, delays)


def _compare(work: Path, folder: Path, bundle: Path, rounds: int, delays: Sequence[float]) -> None:
    for shard_format in ("tar", "parquet"):
        out = work / f"{folder.name} {shard_format}"
        shutil.rmtree(out, ignore_errors=True)
        command = [*BATCHCLF, "pack", str(folder), str(out), "--format", shard_format]
        packed = alternate({"pack": command}, 1, cwd=work, memory=True)["pack"]
        size = sum(path.stat().st_size for path in out.iterdir())
        print(
            f"pack as {shard_format}: {packed.median:.2f} s, of the processor {packed.cpu:.2f} s, "
            f"peak {packed.peak:.0f} MB, {size / 1e6:.0f} MB of {_size(folder) / 1e6:.0f}"
        )
    _score("local disk", str(work), work, folder, bundle, rounds)
    for delay in delays:
        with serving(work, delay):
            _score(f"store, {delay:g} ms", "s3://bucket", work, folder, bundle, rounds)


def _score(place: str, at: str, work: Path, folder: Path, bundle: Path, rounds: int) -> None:
    """Score the same images at a place, the address of what `work` is there."""
    names = {"loose files": folder.relative_to(work), "tar": f"{folder.name} tar", "parquet": f"{folder.name} parquet"}
    commands = {
        name: [*BATCHCLF, "score", f"{at}/{path}", "--model", str(bundle), "--out", "{out}"]
        for name, path in names.items()
    }
    _print(place, alternate(commands, rounds, cwd=work, memory=True))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _print(place: str, measured: dict[str, Measured]) -> None:
    loose = measured["loose files"]
    for each in measured.values():
        print(
            f"{place}, {each.name:<12} median {each.median:6.2f} s ({each.median / loose.median:.2f}), "
            f"of the processor {each.cpu:6.2f} s ({each.cpu / loose.cpu:.2f}), peak {each.peak:.0f} MB",
            flush=True,
        )


CASES = {each.__name__: each for each in (pngs, jpegs)}

if __name__ == "__main__":
    sys.exit(main())

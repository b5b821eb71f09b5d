"""Score a folder with each engine in turn, and with a plain script for Ray Data: seconds of clock and processors.

    python benchmarks/engines.py FOLDER BUNDLE [--rounds 3] [--ray-data] [--work DIR]

Whole processes, from start to exit. Of those with Ray the seconds are without what Ray itself took to start, which is
in run.json, and which the script prints. Processor seconds are those of all processes, Ray's among them, sampled while
they run, so that the last 0.05 s of a process may be missing. Needs the extra `ray`.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from compare import _with_children

SAMPLE_SECONDS = 0.05
TICKS = os.sysconf("SC_CLK_TCK")
SCRIPT = Path(__file__).with_name("ray_data.py")


def main() -> None:
    """Measure, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="images in folders")
    parser.add_argument("bundle", type=Path, help="the model")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ray-data", action="store_true", help="measure the script for Ray Data, too")
    parser.add_argument("--work", type=Path, help="where the runs are written")
    args = parser.parse_args()
    score = [sys.executable, "-m", "batchclf", "score", str(args.folder), "--model", str(args.bundle), "--no-pictures"]
    commands = {"local": score, "ray": [*score, "--engine", "ray"]}
    if args.ray_data:
        commands["ray data"] = [sys.executable, str(SCRIPT), str(args.folder), str(args.bundle / "model.onnx")]
    walls: dict[str, list[float]] = {name: [] for name in commands}
    predictions = {}
    for number in range(args.rounds):
        for name, command in commands.items():
            with tempfile.TemporaryDirectory(dir=args.work) as folder:
                out = Path(folder) / "run"
                wall, processor, start = measure([*command, "--out", str(out)], out)
                if name != "ray data":
                    predictions[name] = (out / "predictions.csv").read_bytes()
            walls[name].append(wall - start)
            print(
                f"round {number + 1}: {name}: {wall - start:.2f} s, and {start:.2f} s for the start of Ray; "
                f"of processors {processor:.2f} s",
                flush=True,
            )
    if predictions["local"] != predictions["ray"]:
        sys.exit("the engines give other predictions")
    for name, seconds in walls.items():
        print(f"{name}: median {median(seconds):.2f} s, {median(seconds) / median(walls['local']):.2f} x local")


def measure(command: list[str], out: Path) -> tuple[float, float, float]:
    """Run a command: its seconds by the clock and of processors, and how many of the former Ray took to start."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    used: dict[tuple[int, str], float] = {}
    while process.poll() is None:
        for pid in _with_children(process.pid):
            used.update(ticks(pid))
        time.sleep(SAMPLE_SECONDS)
    wall = time.perf_counter() - started
    output = process.communicate()[0]
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{output[-2000:]}")
    printed = re.search(r"Ray started in ([\d.]+) s", output)
    if printed:
        start = float(printed[1])
    else:
        (subset,) = json.loads((out / "run.json").read_text())["subsets"]
        start = subset["timings"].get("start", 0.0)
    return wall, sum(used.values()), start


def ticks(pid: int) -> dict[tuple[int, str], float]:
    """Processor seconds of a process so far, by its number and when it began; nothing if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return {}
    return {(pid, fields[19]): (int(fields[11]) + int(fields[12])) / TICKS}


if __name__ == "__main__":
    main()

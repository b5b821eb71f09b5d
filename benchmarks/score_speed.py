"""Score the same files with batchclf and with what people use today, in turn, as whole processes.

    python benchmarks/score_speed.py [--rounds 5] [--work DIR] [CASE ...]

Needs ../shared/bench beside the repository (the peers), and TensorFlow. Prints medians of the rounds, and ratios.
Cases: pngs, few, one, night, colour, jpegs, bf16, crop, cached, wide, many.
"""

import argparse
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from compare import Measured, alternate, run, run_to_end
from inputs import (
    BATCHCLF,
    HERE,
    JPEGS,
    NEW_JPEGS,
    PEERS,
    PYTHON,
    copy_links,
    first_files,
    import_mobilenet,
    link_new,
    mobilenet,
    pictures,
    tutorial,
    wide_model,
)
from inputs import (
    night as job_of_night,
)
from toolchains import environment

from batchclf.models.bundle import load_bundle
from batchclf.models.onnx_graph.inner_model import InnerModel

HELP = [*BATCHCLF, "--help"]


def main() -> None:
    """Measure the cases that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="see above (default: all)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each command (default: 5)")
    parser.add_argument("--work", type=Path, help="folder for models and images, kept for the next time")
    args = parser.parse_args()
    if not PEERS.is_dir():
        sys.exit("the peers are not there: ../shared/bench beside the repository is needed")
    work = (args.work or Path(tempfile.mkdtemp(prefix="batchclf-bench-"))).resolve()
    work.mkdir(parents=True, exist_ok=True)
    for case in args.cases or CASES:
        print(f"{case}: {CASES[case].__doc__}", flush=True)
        CASES[case](work, args.rounds)


def pngs(work: Path, rounds: int) -> None:
    """60,000 PNGs of Fashion MNIST, class folders, against three peers and the limit of reading and decoding."""
    folder = pictures(work / "pngs", "--split", "train")
    bundle, keras = tutorial(work)
    measured = alternate(
        {
            "batchclf": _score(folder, bundle),
            "peer_mp": [PYTHON, str(PEERS / "peer_mp.py"), str(folder), str(bundle / "model.onnx"), "{out}.csv"],
            "io_limit": [PYTHON, str(PEERS / "io_limit.py"), str(folder)],
            "peer_tfdata": [PYTHON, str(PEERS / "peer_tfdata.py"), str(folder), str(keras), "{out}.csv"],
            "peer_keras": [PYTHON, str(PEERS / "peer_keras.py"), str(folder), str(keras), "{out}.csv"],
        },
        rounds,
        cwd=work,
    )
    _print(measured)


def few(work: Path, rounds: int) -> None:
    """500 PNGs: mostly start-up, with the report."""
    folder = first_files(pictures(work / "pngs", "--split", "train"), work / "few", 50)
    bundle, keras = tutorial(work)
    commands = {
        "batchclf": _score(folder, bundle),
        "peer_keras": [PYTHON, str(PEERS / "peer_keras.py"), str(folder), str(keras), "{out}.csv"],
    }
    _print(alternate(commands, rounds, cwd=work))


def one(work: Path, rounds: int) -> None:
    """1 PNG, against --help."""
    folder = work / "one"
    if not folder.is_dir():
        folder.mkdir()
        shutil.copy(next(iter(sorted(pictures(work / "pngs", "--split", "train").rglob("*.png")))), folder)
    _print(alternate({"batchclf": _score(folder, tutorial(work)[0]), "--help": HELP}, rounds, cwd=work))


def night(work: Path, rounds: int) -> None:
    """A quiet night: jobs/fashion-mnist.toml run again, all in the cache, against --help: processor and memory."""
    commands = {"batchclf": [*BATCHCLF, "run", str(job_of_night(work))], "--help": HELP}
    measured = alternate(commands, rounds, cwd=work, memory=True)
    _print(measured)
    ours, of_help = measured.values()
    print(f"peak {ours.peak:.0f} MB, of --help {of_help.peak:.0f} MB: {ours.peak / of_help.peak:.1f} times")


def colour(work: Path, rounds: int) -> None:
    """20,000 colour PNGs scored by a model for gray, against the same pictures stored as gray."""
    folders = {"colour": work / "colour pngs", "gray": work / "gray pngs"}
    if not folders["gray"].is_dir():
        _write_colours(*folders.values())
    bundle, _ = tutorial(work)
    scored = {name: _score(folder, bundle) for name, folder in folders.items()}
    measured = alternate(scored, rounds, cwd=work)
    for each in measured.values():
        print(f"{each.name:<16} median {each.median:6.2f} s, of the processor {each.cpu:6.2f} s")
    print(f"colour takes {measured['colour'].cpu / measured['gray'].cpu:.2f} times the processor of gray")


def _write_colours(in_colour: Path, in_gray: Path) -> None:
    """Write 20,000 pictures of 28x28, smooth noise, in colour and in gray."""
    random = np.random.default_rng(0)
    for folder in (in_colour, in_gray):
        folder.mkdir(parents=True)
    for number in range(20_000):
        coarse = random.integers(0, 256, (7, 7, 3), np.uint8)
        pixels = cv2.resize(coarse, (28, 28), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(in_colour / f"{number:05}.png"), pixels)
        cv2.imwrite(str(in_gray / f"{number:05}.png"), cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY))


def jpegs(work: Path, rounds: int) -> None:
    """2,000 JPEGs of 640x480 with MobileNetV2: against Keras, and against decoding and model by themselves."""
    folder, bundle, keras = mobilenet(work)
    commands = {
        "batchclf": _score(folder, bundle),
        "batchclf exact": [*_score(folder, bundle), "--resize", "exact"],
        "keras": [PYTHON, str(HERE / "keras_jpegs.py"), "score", str(keras), str(folder), "{out}.csv"],
    }
    measured, ratios = {name: Measured(name) for name in commands}, []
    for _ in range(rounds):
        limits = run_to_end([PYTHON, str(HERE / "jpeg_limits.py"), str(folder), str(bundle)], cwd=work)
        print(f"  {limits.output.strip()}")
        _, decode, _, model = limits.output.split()
        for name, each in alternate(commands, 1, cwd=work).items():
            measured[name].seconds += each.seconds
            measured[name].processor += each.processor
        ratios.append(measured["batchclf"].seconds[-1] / (float(decode) + float(model)))
    _print(measured)
    each_round = " ".join(f"{ratio:.2f}" for ratio in ratios)
    print(f"wall time against decoding alone and the model alone: {median(ratios):.2f} times ({each_round})")


def bf16(work: Path, rounds: int) -> None:
    """The same JPEGs with --precision bf16, against float32."""
    if not find_spec("openvino"):
        print("left out: OpenVINO is not installed")
        return
    folder, bundle, _ = mobilenet(work)
    commands = {"batchclf": _score(folder, bundle), "batchclf bf16": [*_score(folder, bundle), "--precision", "bf16"]}
    _print(alternate(commands, rounds, cwd=work))


def crop(work: Path, rounds: int) -> None:
    """The same JPEGs cut as timm does it, against stretched ones and against timm's own loader.

    timm needs the environment of toolchains.py with onnxruntime; its folder may be a link in DIR: DIR/torch.
    """
    folder, stretched, keras = mobilenet(work)
    cut = work / "mobilenet timm"
    if not cut.is_dir():
        import_mobilenet(keras, cut, work, "timm")
    if not (work / "inner.onnx").is_file():
        InnerModel(load_bundle(cut), work)
    python = environment(work)
    ours = [*BATCHCLF, "score", str(folder), "--out", "{out}", "--resize", "exact", "--model"]
    commands = {
        "timm": [str(python), str(HERE / "timm_jpegs.py"), str(work / "inner.onnx"), str(folder), "{out}.csv"],
        "batchclf --like timm": [*ours, str(cut)],
        "batchclf exact": [*ours, str(stretched)],
    }
    measured = alternate(commands, rounds, cwd=work)
    of_cut, of_timm = measured["batchclf --like timm"], measured["timm"]
    print(
        f"  --like timm: {of_cut.cpu / measured['batchclf exact'].cpu:.2f} times the processor time of exact, "
        f"{of_cut.median / of_timm.median:.2f} times timm's wall time"
    )


def cached(work: Path, rounds: int) -> None:
    """The same 2,000 JPEGs scored with --cache, then again, then after 20 new ones came: whole runs."""
    folder, bundle, _ = mobilenet(work)
    new = pictures(work / "new jpegs", "--jpeg", str(JPEGS + NEW_JPEGS))
    measured = {name: Measured(name) for name in ("first", "again", "with 1% new")}
    for number in range(rounds):
        with tempfile.TemporaryDirectory(dir=work) as name:
            here = Path(name)
            copy_links(folder, here / "photos")
            for each in measured.values():
                if each.name == "with 1% new":
                    link_new(new, here / "photos")
                # Each in a folder of its own: beside each other they would be compared.
                out = here / each.name / "run"
                out.parent.mkdir()
                command = [*BATCHCLF, "score", "photos", "--model", str(bundle), "--cache", "--out", str(out)]
                seconds, cpu, _ = run(command, cwd=here)
                each.seconds.append(seconds)
                each.processor.append(cpu)
        print(f"  round {number + 1}: " + ", ".join(f"{e.name} {e.seconds[-1]:.2f} s" for e in measured.values()))
    for each in measured.values():
        print(
            f"{each.name}: median {each.median:.2f} s, of the processor {each.cpu:.2f} s: "
            f"{each.median / measured['first'].median:.1%} of the first run by the clock, "
            f"{each.cpu / measured['first'].cpu:.1%} of the processor"
        )


def wide(work: Path, rounds: int) -> None:
    """60,000 PNGs with 1,000 classes: a column for each probability, against the same run without."""
    ours = _score(pictures(work / "pngs", "--split", "train"), wide_model(work))
    measured = alternate({"batchclf": ours, "with probabilities": [*ours, "--probabilities"]}, rounds, cwd=work)
    without, with_all = measured.values()
    for each in measured.values():
        print(f"{each.name:<18} median {each.median:6.2f} s, of the processor {each.cpu:6.2f} s")
    print(
        f"with probabilities: {with_all.median / without.median:.2f} times the time, "
        f"{with_all.cpu / without.cpu:.2f} times the processor"
    )


def many(work: Path, rounds: int) -> None:
    """60,000, 600,000 and 1,000,000 files (hard links): time per file and peak memory."""
    bundle, _ = tutorial(work)
    folders = {
        60_000: pictures(work / "pngs", "--split", "train"),
        600_000: pictures(work / "600k", "--split", "train", "--copies", "10"),
        1_000_000: pictures(work / "1m", "--split", "test", "--copies", "100"),
    }
    commands = {f"{files:,}": _score(folder, bundle) for files, folder in folders.items()}
    measured = alternate(commands, rounds, cwd=work, memory=True)
    small = measured["60,000"]
    for files in folders:
        each = measured[f"{files:,}"]
        further = (each.peak - small.peak) * 2**20 / max(1, files - 60_000)
        print(
            f"{each.name} files: median {each.median:.2f} s, of the processor {each.cpu:.2f} s, "
            f"{each.cpu / files * 1e6:.1f} µs a file, peak {each.peak:.0f} MB, {further:.0f} bytes a further file"
        )


CASES = {each.__name__: each for each in (pngs, few, one, night, colour, jpegs, bf16, crop, cached, wide, many)}


def _score(folder: Path, bundle: Path) -> list[str]:
    return [*BATCHCLF, "score", str(folder), "--model", str(bundle), "--out", "{out}"]


def _print(measured: dict[str, Measured]) -> None:
    ours = measured["batchclf"]
    for each in measured.values():
        times = " ".join(f"{seconds:.2f}" for seconds in each.seconds)
        ratio = (
            f"batchclf takes {ours.median / each.median:.2f} times the time, {ours.cpu / each.cpu:.2f} times the CPU"
        )
        print(f"{each.name:<16} median {each.median:6.2f} s, of the processor {each.cpu:6.2f} s  ({ratio})  {times}")


if __name__ == "__main__":
    main()

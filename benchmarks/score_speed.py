"""Score the same files with batchclf and with what people use today, in turn, as whole processes.

    python benchmarks/score_speed.py [--rounds 5] [--work DIR] [CASE ...]

Needs ../shared/bench beside the repository (the peers), and TensorFlow.
Cases: pngs, few, colour, jpegs, crop, cached, many.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from compare import Measured, alternate, run
from toolchains import environment

from batchclf.models.bundle import load_bundle
from batchclf.models.onnx_graph.inner_model import InnerModel

HERE = Path(__file__).resolve().parent
PEERS = HERE.parents[1] / "shared" / "bench"
PYTHON = sys.executable
BATCHCLF = [PYTHON, "-m", "batchclf"]


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
        print(f"{case}: {CASES[case].__doc__}")
        CASES[case](work, args.rounds)


def pngs(work: Path, rounds: int) -> None:
    """60,000 PNGs of Fashion MNIST, class folders, against both peers and the limit of reading and decoding."""
    folder = _fashion(work / "pngs", "--split", "train")
    bundle, keras = _tutorial(work)
    measured = alternate(
        {
            "batchclf": [*BATCHCLF, "score", str(folder), "--model", str(bundle), "--out", "{out}"],
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
    folder = work / "few"
    if not folder.is_dir():
        _first_files(_fashion(work / "pngs", "--split", "train"), folder, 50)
    bundle, keras = _tutorial(work)
    measured = alternate(
        {
            "batchclf": [*BATCHCLF, "score", str(folder), "--model", str(bundle), "--out", "{out}"],
            "peer_keras": [PYTHON, str(PEERS / "peer_keras.py"), str(folder), str(keras), "{out}.csv"],
        },
        rounds,
        cwd=work,
    )
    _print(measured)


def colour(work: Path, rounds: int) -> None:
    """20,000 colour PNGs scored by a model for gray, against the same pictures stored as gray."""
    folders = {"colour": work / "colour pngs", "gray": work / "gray pngs"}
    if not folders["gray"].is_dir():
        _write_colours(*folders.values())
    bundle, _ = _tutorial(work)
    scored = {
        name: [*BATCHCLF, "score", str(folder), "--model", str(bundle), "--out", "{out}"]
        for name, folder in folders.items()
    }
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
    """2,000 JPEGs of 640x480 to 224x224 with MobileNetV2."""
    folder, bundle, keras = _mobilenet(work)
    ours = [*BATCHCLF, "score", str(folder), "--model", str(bundle), "--out", "{out}"]
    commands = {
        "batchclf": ours,
        "batchclf exact": [*ours, "--resize", "exact"],
        "keras": [PYTHON, str(HERE / "keras_jpegs.py"), "score", str(keras), str(folder), "{out}.csv"],
    }
    if find_spec("openvino"):
        commands["batchclf bf16"] = [*ours, "--precision", "bf16"]
    _print(alternate(commands, rounds, cwd=work))


def crop(work: Path, rounds: int) -> None:
    """The same JPEGs cut as timm does it, against stretched ones and against timm's own loader.

    timm needs the environment of toolchains.py with onnxruntime; its folder may be a link in DIR: DIR/torch.
    """
    folder, stretched, keras = _mobilenet(work)
    cut = work / "mobilenet timm"
    if not cut.is_dir():
        _import(keras, cut, work, "timm")
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
    """The same 2,000 JPEGs scored with --cache, then again after 20 new ones came: seconds of the model in each."""
    folder, bundle, _ = _mobilenet(work)
    new = work / "new jpegs"
    if not new.is_dir():
        run([PYTHON, str(PEERS / "make_images.py"), str(new), "--jpeg", "2020"], cwd=work)
    for number in range(rounds):
        with tempfile.TemporaryDirectory(dir=work) as name:
            here = Path(name)
            shutil.copytree(folder, here / "photos", copy_function=os.link)
            command = [*BATCHCLF, "score", "photos", "--model", str(bundle), "--cache", "--out"]
            model, whole = [], []
            for out in ("first", "again", "with 1% new"):
                if out == "with 1% new":
                    for path in sorted(new.rglob("*.jpg"), key=lambda path: path.name)[2000:]:
                        (here / "photos" / path.parent.name / path.name).hardlink_to(path)
                whole.append(run([*command, out], cwd=here)[0])
                model.append(json.loads((here / out / "run.json").read_text())["subsets"][0]["timings"]["model"])
        print(
            f"  round {number + 1}: model {model[0]:.2f} s the first time, {model[1]:.2f} s the same again, "
            f"{model[2]:.2f} s with 1% new ({model[2] / model[0]:.1%}); "
            f"whole runs {whole[0]:.1f}, {whole[1]:.1f}, {whole[2]:.1f} s"
        )


def many(work: Path, rounds: int) -> None:
    """60,000, 600,000 and 1,000,000 files (hard links): time per file and peak memory."""
    bundle, _ = _tutorial(work)
    folders = {"60,000": _fashion(work / "pngs", "--split", "train")}
    folders["600,000"] = _fashion(work / "600k", "--split", "train", "--copies", "10")
    measured = alternate(
        {
            name: [*BATCHCLF, "score", str(folder), "--model", str(bundle), "--out", "{out}"]
            for name, folder in folders.items()
        },
        rounds,
        cwd=work,
        memory=True,
    )
    small, large = measured["60,000"], measured["600,000"]
    for each in measured.values():
        print(f"{each.name}: median {each.median:.2f} s, peak {each.peak:.0f} MB")
    print(f"600,000 against 60,000: {large.median / small.median:.2f} times the time, "
          f"{large.peak / small.peak:.2f} times the memory")  # fmt: skip
    million = _fashion(work / "1m", "--split", "test", "--copies", "100")
    command = [*BATCHCLF, "score", str(million), "--model", str(bundle), "--out", "{out}"]
    one = alternate({"1,000,000": command}, 1, cwd=work, memory=True)["1,000,000"]
    print(f"1,000,000 files: {one.median:.1f} s, peak {one.peak:.0f} MB")


CASES = {each.__name__: each for each in (pngs, few, colour, jpegs, crop, cached, many)}


def _print(measured: dict[str, Measured]) -> None:
    ours = measured["batchclf"]
    for each in measured.values():
        times = " ".join(f"{seconds:.2f}" for seconds in each.seconds)
        ratio = f"(batchclf is {each.median / ours.median:.2f}x)"
        print(f"{each.name:<16} median {each.median:6.2f} s, of the processor {each.cpu:6.2f} s  {ratio}  {times}")


def _fashion(folder: Path, *arguments: str) -> Path:
    if not folder.is_dir():
        run([PYTHON, str(PEERS / "make_images.py"), str(folder), *arguments], cwd=folder.parent)
    return folder


def _mobilenet(work: Path) -> tuple[Path, Path, Path]:
    """Give the JPEGs, and a MobileNetV2 as a bundle and as a Keras file."""
    folder, bundle, keras = work / "jpegs", work / "mobilenet", work / "mobilenet.keras"
    if not folder.is_dir():
        run([PYTHON, str(PEERS / "make_images.py"), str(folder), "--jpeg", "2000"], cwd=work)
    if not keras.is_file():
        run([PYTHON, str(HERE / "keras_jpegs.py"), "make", str(keras)], cwd=work)
    if not bundle.is_dir():
        _import(keras, bundle, work, "batchclf")
    return folder, bundle, keras


def _import(keras: Path, bundle: Path, work: Path, like: str) -> None:
    how = ["--classes", "class0,class1,class2,class3", "--scale", "minus1..1", "--like", like]
    run([*BATCHCLF, "model", "import", str(keras), "--out", str(bundle), *how], cwd=work)


def _first_files(source: Path, folder: Path, each: int) -> None:
    """Link the first files of each class folder."""
    for class_folder in sorted(source.iterdir()):
        (folder / class_folder.name).mkdir(parents=True)
        for path in sorted(class_folder.iterdir())[:each]:
            (folder / class_folder.name / path.name).hardlink_to(path)


def _tutorial(work: Path) -> tuple[Path, Path]:
    """Train the tutorial's network twice: as a bundle, and with the tutorial's own code for the peers."""
    bundle, keras = work / "bundle", work / "tutorial.keras"
    if not bundle.is_dir():
        how = ["--dataset", "fashion-mnist", "--recipe", "mlp", "--data-dir", str(PEERS.parent / "data")]
        run([*BATCHCLF, "train", *how, "--out", str(bundle)], cwd=work)
    if not keras.is_file():
        run([PYTHON, str(PEERS / "tutorial_train.py"), str(keras)], cwd=work)
    return bundle, keras


if __name__ == "__main__":
    main()

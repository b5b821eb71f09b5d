"""How far batchclf's pixels and predictions are from those of other toolchains: the tables in docs/models.md.

python benchmarks/toolchains.py --work DIR             200 pictures, each profile; makes DIR/torch on the first run
python benchmarks/toolchains.py --work DIR --models    the same pictures, a model of each toolchain, imported and scored
python benchmarks/toolchains.py --work DIR --models timm vit     those rows alone
python benchmarks/toolchains.py --work DIR --record    the values that tests/data/geometry/recorded.json holds
"""

import argparse
import base64
import csv
import io
import json
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from toolchain_models import CLASSES, NAMED, ROWS

from batchclf.core.geometry import Geometry, GeometryOptions
from batchclf.data.decoding.decode import to_pixels
from batchclf.data.geometry.settle import geometry_of
from batchclf.models.bundle import load_bundle
from batchclf.models.runtime.registry import open_runtime

HERE = Path(__file__).parent
BATCHCLF = sys.executable, "-m", "batchclf"
RECORDED = HERE.parent / "tests" / "data" / "geometry" / "recorded.json"
TORCH = ("torch==2.14.1",)
"""With all that it asks for, gigabytes of CUDA, without which it cannot be imported."""

WHOLE = ("torchvision==0.29.1", "timm==1.0.31", "transformers==5.24.0", "ultralytics==8.4.190")
"""Without what they ask for, most of which is not needed here."""

PARTS = (
    *("numpy", "pillow==13.0.0", "sympy", "networkx", "jinja2", "fsspec", "filelock", "typing_extensions", "pyyaml"),
    *("regex", "tqdm", "requests", "packaging", "tokenizers", "opencv-python-headless==5.0.0.93", "matplotlib"),
    *("psutil", "polars", "scipy", "safetensors", "huggingface_hub", "scikit-image", "scikit-learn", "mpmath"),
    *("onnx==1.20.0", "onnxscript==0.7.2", "onnxruntime==1.32.0", "skl2onnx==1.20.0", "ultralytics-thop"),
)
BICUBIC = {"kernel": "bicubic"}
CASES: tuple[tuple[str, int, int, dict[str, Any]], ...] = (
    ("torchvision", 224, 224, {}),
    ("torchvision", 224, 224, {"shorter": 232, **BICUBIC}),
    ("torchvision", 97, 65, {"shorter": 80}),
    ("timm", 224, 224, {}),
    ("timm", 224, 224, BICUBIC),
    ("timm", 160, 224, BICUBIC),
    ("keras", 224, 224, {}),
    ("keras-load-img", 224, 224, {}),
    ("keras-load-img", 224, 224, BICUBIC),
    ("huggingface:vit", 224, 224, {}),
    ("huggingface:swin", 224, 224, BICUBIC),
    ("huggingface:deit", 224, 224, {}),
    ("huggingface:deit", 384, 384, {"shorter": 438}),
    ("huggingface:convnext", 224, 224, {}),
    ("huggingface:convnext", 384, 384, {}),
    ("huggingface:efficientnet", 224, 224, {}),
    ("ultralytics", 224, 224, {}),
    ("ultralytics", 160, 224, {}),
)
SMALL: tuple[tuple[str, int, int, dict[str, Any]], ...] = (
    ("torchvision", 12, 12, {"shorter": 14}),
    ("torchvision", 12, 12, {"shorter": 13, **BICUBIC}),
    ("torchvision", 12, 12, {"shorter": 12, "kernel": "nearest"}),
    ("torchvision", 13, 9, {"shorter": 11}),
    ("timm", 14, 14, {}),
    ("timm", 14, 14, BICUBIC),
    ("timm", 10, 14, BICUBIC),
    ("huggingface:vit", 12, 12, {}),
    ("huggingface:swin", 12, 12, BICUBIC),
    ("huggingface:deit", 12, 12, {"shorter": 15}),
    ("huggingface:convnext", 14, 14, {}),
    ("huggingface:efficientnet", 12, 12, {}),
    ("ultralytics", 12, 12, {}),
    ("ultralytics", 10, 14, {}),
)


def environment(work: Path) -> Path:
    """Give the Python of an environment with torch and its friends, made if it is not there."""
    folder = work / "torch"
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        for arguments in (TORCH, ("--no-deps", *WHOLE), PARTS):
            subprocess.run([python, "-m", "pip", "install", "-q", *arguments], check=True)
    return python


def of_library(python: Path, cases: tuple[Any, ...], files: list[Path], work: Path) -> dict[str, Any]:
    """Have the libraries read the files: an array for each case, by its number, and `versions`."""
    if not cases:
        return {}
    (work / "cases.json").write_text(json.dumps(cases))
    (work / "files.json").write_text(json.dumps([str(file) for file in files]))
    script = HERE / "toolchain_libraries.py"
    subprocess.run([python, script, work / "cases.json", work / "files.json", work / "out.npz"], check=True)
    return dict(np.load(work / "out.npz"))


def ours(contents: list[bytes], case: tuple[str, int, int, dict[str, Any]]) -> np.ndarray:
    """Read the files with batchclf: (files, height, width, 3) uint8."""
    like, height, width, options = case
    asked = GeometryOptions(like, options.get("shorter"), interpolation=options.get("kernel"))
    make = geometry_of(asked)
    assert make is not None
    return pixels_of(contents, make((height, width)), (height, width, 3))


def pixels_of(contents: list[bytes], geometry: Geometry, shape: tuple[int, int, int]) -> np.ndarray:
    """Bring the files to a size: (files, height, width, 3) uint8."""
    return np.stack([to_pixels(content, shape, "rgb", "exact", geometry=geometry) for content in contents])


def flags(case: tuple[str, int, int, dict[str, Any]]) -> str:
    """Write a case as the command line has it."""
    like, height, width, options = case
    names = {"shorter": "--resize-shorter", "kernel": "--interpolation"}
    return (
        f"`--like {like}" + "".join(f" {names[key]} {value}" for key, value in options.items()) + f"`, {height}x{width}"
    )


def pictures_of(work: Path) -> list[Path]:
    """Give the pictures, made if they are not there."""
    pictures = work / "pictures"
    if not pictures.exists():
        subprocess.run([environment(work), HERE / "toolchain_pictures.py", pictures], check=True)
    return sorted(pictures.iterdir())


def compare(work: Path) -> None:
    """Print the table of pixels."""
    python, files = environment(work), pictures_of(work)
    contents = [file.read_bytes() for file in files]
    print("| options, input | largest difference | mean | equal |\n|---|---|---|---|")
    versions: dict[str, str] = {}
    for runner, of_keras in ((python, False), (Path(sys.executable), True)):
        cases = tuple(case for case in CASES if case[0].startswith("keras") == of_keras)
        found = of_library(runner, cases, files, work)
        versions |= json.loads(str(found["versions"]))
        for number, case in enumerate(cases):
            right = found[str(number)]
            off = np.abs(ours(contents, case) - right)
            # What Keras gives is not rounded; equal is what rounds to our level.
            equal = float((ours(contents, case) == np.rint(right)).mean())
            print(f"| {flags(case)} | {off.max():.2f} | {off.mean():.4f} | {share(equal)} |")
    print(", ".join(f"{name} {version}" for name, version in versions.items()))


def share(value: float) -> str:
    """Write a share so that 100.00% is exactly all."""
    text = f"{100 * value:.2f}%"
    return ">99.99%" if text == "100.00%" and value < 1 else text


def compare_models(work: Path, names: list[str]) -> None:
    """Print the table of models: each is made by its toolchain, imported and scored by the commands that it names."""
    files = pictures_of(work)
    contents = [file.read_bytes() for file in files]
    (work / "files.json").write_text(json.dumps([str(file) for file in files]))
    (work / "names.txt").write_text("\n".join(f"class {number}" for number in range(CLASSES)))
    heads = "made by", "`model import FILE --classes FILE` and", "read from the file", "same pixels", "same files"
    heads += "same class", "equal pixels", "versions"
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for name in names or ROWS:
        row, folder = ROWS[name], work / "models" / name
        shutil.rmtree(folder, ignore_errors=True)
        runner = sys.executable if row.like.startswith("keras") else environment(work)
        quietly(runner, HERE / "toolchain_models.py", name, work / "files.json", folder)
        own, bundle, run = np.load(folder / "own.npz"), folder / "bundle", folder / "run"
        classes = () if name in NAMED else ("--classes", work / "names.txt")
        quietly(*BATCHCLF, "model", "import", folder / row.file, *classes, *row.options.split(), "--out", bundle)
        quietly(*BATCHCLF, "score", work / "pictures", "--model", bundle, "--out", run)
        found = probabilities_of(run / "predictions.csv", files)
        steps = load_bundle(bundle).info.preprocessing
        pixels, levels = pixels_of(contents, steps.geometry, steps.input_shape), np.rint(own["pixels"])
        same = int((found.argmax(axis=1) == own["probabilities"].argmax(axis=1)).sum())
        of_levels = "–"  # Keras leaves values between two levels
        if np.array_equal(levels, own["pixels"]):
            imported = load_bundle(bundle)
            runtime = open_runtime(imported, "onnx" if imported.has_graph else "litert")
            at_once = imported.info.batch_size or 20
            parts = np.split(levels.astype(np.uint8), range(at_once, len(levels), at_once))
            again = np.concatenate([runtime.probabilities(part) for part in parts])
            of_levels = f"{np.abs(again - own['probabilities']).max():.1e}"
        cells = [
            *(row.name, f"`{row.options}`" if row.options else "nothing", row.read, of_levels),
            f"{np.abs(found - own['probabilities']).max():.1e}",
            *(f"{same} of {len(files)}", share(float((pixels == levels).mean()))),
            ", ".join(f"{library} {version}" for library, version in json.loads(str(own["versions"])).items()),
        ]
        print(f"| {' | '.join(cells)} |", flush=True)


def quietly(*arguments: Any) -> None:
    """Run a command in this checkout; its output is shown if it fails."""
    command = list(map(str, arguments))
    ended = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True)
    if ended.returncode:
        sys.exit(f"{' '.join(command)} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}")


def probabilities_of(predictions: Path, files: list[Path]) -> np.ndarray:
    """Read the probabilities of the files, in their order: (files, CLASSES)."""
    with predictions.open(newline="") as handle:
        rows = {row["path"]: row for row in csv.DictReader(handle)}
    return np.array([[float(rows[file.name][f"prob:class {number}"]) for number in range(CLASSES)] for file in files])


def small_pictures() -> dict[str, bytes]:
    """Give the files of the recorded values: small, of each kind that a library treats in its own way."""
    from PIL import Image

    random = np.random.default_rng(0)

    def pixels(width: int, height: int) -> "Image.Image":
        rows, columns = np.mgrid[:height, :width]
        wave = 128 + 90 * np.sin(rows / 3 + columns / 4)
        base = np.stack([wave, 255 - wave, (rows * 9 + columns * 5) % 256], axis=-1)
        return Image.fromarray((base + random.integers(-12, 13, base.shape)).clip(0, 255).astype(np.uint8))

    def file(image: "Image.Image", kind: str, **options: Any) -> bytes:
        out = io.BytesIO()
        image.save(out, kind, **options)
        return out.getvalue()

    turned = Image.Exif()
    turned[0x0112] = 6
    deep = Image.fromarray((np.mgrid[:21, :26][0] * 20 + random.integers(0, 40, (21, 26))).astype(np.uint16))
    return {
        "landscape.png": file(pixels(37, 23), "PNG"),
        "portrait.png": file(pixels(19, 52), "PNG"),
        "small.png": file(pixels(9, 7), "PNG"),
        "nearly.png": file(pixels(15, 17), "PNG"),
        "420.jpg": file(pixels(41, 30), "JPEG", quality=75, subsampling=2),
        "turned.jpg": file(pixels(33, 22), "JPEG", quality=90, exif=turned),
        "gray.jpg": file(pixels(25, 31).convert("L"), "JPEG", quality=85),
        "cmyk.jpg": file(pixels(28, 24).convert("CMYK"), "JPEG", quality=92),
        "deep.png": file(deep, "PNG"),
    }


def record(work: Path) -> None:
    """Write the libraries' values for small pictures."""
    folder = work / "small"
    folder.mkdir(parents=True, exist_ok=True)
    contents = small_pictures()
    files = []
    for name, content in contents.items():
        (folder / name).write_bytes(content)
        files.append(folder / name)
    found = of_library(environment(work), SMALL, files, work)
    recorded = {
        "versions": json.loads(str(found["versions"])),
        "files": {name: base64.b64encode(content).decode() for name, content in contents.items()},
        "cases": [
            {
                "like": like,
                "input": [height, width],
                **options,
                "pixels": base64.b64encode(np.rint(found[str(number)]).astype(np.uint8).tobytes()).decode(),
            }
            for number, (like, height, width, options) in enumerate(SMALL)
        ],
    }
    RECORDED.parent.mkdir(parents=True, exist_ok=True)
    RECORDED.write_text(json.dumps(recorded, indent=1) + "\n")
    print(f"wrote {RECORDED}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for the environment and the pictures")
    parser.add_argument("--models", nargs="*", choices=list(ROWS), metavar="ROW", help="compare models, all or these")
    parser.add_argument("--record", action="store_true", help="write the values for the tests")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    if arguments.models is not None:
        compare_models(arguments.work.resolve(), arguments.models)
    else:
        (record if arguments.record else compare)(arguments.work)

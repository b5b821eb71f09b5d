"""What the benchmarks of scoring score: images, made by ../shared/bench beside the repository, and models."""

import os
import sys
from pathlib import Path

import numpy as np
import onnx
from compare import run
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).resolve().parent
PEERS = HERE.parents[1] / "shared" / "bench"
PYTHON = sys.executable
BATCHCLF = [PYTHON, "-m", "batchclf"]
WIDE_CLASSES = 1_000
JPEGS, NEW_JPEGS = 2_000, 20


def pictures(folder: Path, *arguments: str) -> Path:
    """Have make_images.py fill a folder that is not there yet: `--split train`, `--jpeg 2000`, `--copies 10`."""
    if not folder.is_dir():
        run([PYTHON, str(PEERS / "make_images.py"), str(folder), *arguments], cwd=folder.parent)
    return folder


def mobilenet(work: Path) -> tuple[Path, Path, Path]:
    """Give the JPEGs, and a MobileNetV2 as a bundle and as a Keras file."""
    folder, bundle, keras = work / "jpegs", work / "mobilenet", work / "mobilenet.keras"
    pictures(folder, "--jpeg", str(JPEGS))
    if not keras.is_file():
        run([PYTHON, str(HERE / "keras_jpegs.py"), "make", str(keras)], cwd=work)
    if not bundle.is_dir():
        import_mobilenet(keras, bundle, work, "batchclf")
    return folder, bundle, keras


def import_mobilenet(keras: Path, bundle: Path, work: Path, like: str) -> None:
    """Make a bundle of the Keras file that cuts and resizes images as a library does."""
    how = ["--classes", "class0,class1,class2,class3", "--scale", "minus1..1", "--like", like]
    run([*BATCHCLF, "model", "import", str(keras), "--out", str(bundle), *how], cwd=work)


def first_files(source: Path, folder: Path, each: int) -> Path:
    """Link the first files of each class folder, unless that was done before."""
    if not folder.is_dir():
        for class_folder in sorted(source.iterdir()):
            (folder / class_folder.name).mkdir(parents=True)
            for path in sorted(class_folder.iterdir())[:each]:
                (folder / class_folder.name / path.name).hardlink_to(path)
    return folder


def tutorial(work: Path) -> tuple[Path, Path]:
    """Train the tutorial's network twice: as a bundle, and with the tutorial's own code for the peers."""
    bundle, keras = work / "bundle", work / "tutorial.keras"
    if not bundle.is_dir():
        how = ["--dataset", "fashion-mnist", "--recipe", "mlp", "--data-dir", str(PEERS.parent / "data")]
        run([*BATCHCLF, "train", *how, "--out", str(bundle)], cwd=work)
    if not keras.is_file():
        run([PYTHON, str(PEERS / "tutorial_train.py"), str(keras)], cwd=work)
    return bundle, keras


def wide_model(work: Path) -> Path:
    """Import a layer of random weights with softmax: 28x28 in gray to 1,000 classes, probabilities of all sizes."""
    bundle, graph_file, classes = work / "wide", work / "wide.onnx", work / "wide.txt"
    if bundle.is_dir():
        return bundle
    weights = np.random.default_rng(0).normal(0, 0.25, (28 * 28, WIDE_CLASSES)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 28, 28, 1])
    out = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", WIDE_CLASSES])
    graph = helper.make_graph(nodes, "wide", [image], [out], [numpy_helper.from_array(weights, "weights")])
    onnx.save(helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 18)]), graph_file)
    classes.write_text("".join(f"class{number:04}\n" for number in range(WIDE_CLASSES)))
    how = ["--classes", str(classes), "--scale", "0..1"]
    run([*BATCHCLF, "model", "import", str(graph_file), "--out", str(bundle), *how], cwd=work)
    return bundle


def link_new(new: Path, photos: Path) -> None:
    """Link the JPEGs that came after the first 2,000 into the same class folders."""
    for path in sorted(new.rglob("*.jpg"), key=lambda path: path.name)[JPEGS:]:
        (photos / path.parent.name / path.name).hardlink_to(path)


def night(work: Path) -> Path:
    """Run a copy of jobs/fashion-mnist.toml once, which trains; give its file."""
    job = work / "night" / "jobs" / "fashion-mnist.toml"
    if not job.is_file():
        job.parent.mkdir(parents=True)
        text = (HERE.parent / "jobs" / job.name).read_text()
        job.write_text(text.replace("[data]\n", f'[data]\ndata_dir = "{PEERS.parent / "data"}"\n'))
        run([*BATCHCLF, "run", str(job)], cwd=work)
    return job


def copy_links(source: Path, target: Path) -> None:
    """Link all files of a folder tree into a new one."""
    for root, _, names in os.walk(source):
        to = target / Path(root).relative_to(source)
        to.mkdir(parents=True)
        for name in names:
            os.link(Path(root) / name, to / name)

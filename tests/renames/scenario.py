"""What every verb writes about one small folder of pictures, so that two versions of batchclf can be compared.

The model computes with whole numbers and one division, so that every processor gives the same bytes. Run as a script
with a version of batchclf that can be imported: `python tests/renames/scenario.py FOLDER` leaves the outputs in FOLDER.
That is how before/ was made, by the commit 645f870.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

CLASSES = ("bar", "box", "dot")
SIDE = 8
JOB = """\
name = "renames"
[data]
directory = "photos"
test_share = 0.25
[model]
bundle = "bundle"
[scoring]
splits = ["test", "train"]
[scoring.directories.incoming]
path = "incoming"
labels = "none"
[gate]
min_test_accuracy = 0.5
max_gap = 0.5
[[gate.rules]]
metric = "macro_f1"
target = "train"
min = 0.4
[[gate.rules]]
metric = "lost_share"
against = "last-good"
max = 0.05
[report]
target = "test"
format = ["html", "json", "md"]
[publish]
reports = "reports"
[notify]
prometheus = "night.prom"
junit = "night.xml"
"""


def pictures(count, seed):
    """Give (count, 8, 8) uint8 pictures and their classes: a bar, a box or a dot in noise that differs by seed."""
    state = np.random.RandomState(seed)
    labels = np.arange(count) % len(CLASSES)
    images = state.randint(0, 200, (count, SIDE, SIDE))
    images[labels == 0, :, 3:5] += 40
    images[labels == 1, 0, :] += 50
    images[labels == 1, -1, :] += 50
    images[labels == 2, 3:5, 3:5] += 90
    return np.clip(images, 0, 255).astype(np.uint8), labels


def bmp(pixels):
    """Write gray pixels as a BMP with a palette: unlike a PNG's, its bytes depend on no library."""
    height, width = pixels.shape
    palette = b"".join(bytes([level, level, level, 0]) for level in range(256))
    offset = 14 + 40 + len(palette)
    body = pixels[::-1].tobytes()
    head = b"BM" + (offset + len(body)).to_bytes(4, "little") + bytes(4) + offset.to_bytes(4, "little")
    numbers = [(40, 4), (width, 4), (height, 4), (1, 2), (8, 2), (0, 4), (len(body), 4), (2835, 4), (2835, 4)]
    info = b"".join(value.to_bytes(size, "little") for value, size in [*numbers, (256, 4), (256, 4)])
    return head + info + palette + body


def write_pictures(folder):
    """Write photos/train and photos/test by class, and incoming/ without labels, with two files that are no images."""
    for split, count, seed in (("train", 90, 1), ("test", 45, 2)):
        images, labels = pictures(count, seed)
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            path = folder / "photos" / split / CLASSES[label] / f"{number:03}.bmp"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bmp(image))
    shutil.copy(folder / "photos/train/bar/000.bmp", folder / "photos/test/bar/copy.bmp")
    images, _ = pictures(12, 3)
    incoming = folder / "incoming"
    incoming.mkdir()
    for number, image in enumerate(images):
        (incoming / f"{number:03}.bmp").write_bytes(bmp(image))
    (incoming / "broken.bmp").write_bytes(b"BM" + bytes(20))
    (incoming / "notes.txt").write_text("no image\n")


def write_model(path, *, other):
    """Write an ONNX model whose probabilities are whole numbers by their sum; the other takes more boxes for bars."""
    from onnx import TensorProto, checker, helper, numpy_helper, save

    images, labels = pictures(90, 1)
    means = np.stack([images[labels == k].mean(0) for k in range(len(CLASSES))])
    weights = np.rint((means - means.mean(0)) / 8).reshape(len(CLASSES), -1).T.astype(np.float32)
    bias = np.array([8_000, 4_800, 11_100] if other else [7_400, 5_400, 10_900], np.float32)
    constants = [
        numpy_helper.from_array(np.array([-1, SIDE * SIDE], np.int64), "shape"),
        numpy_helper.from_array(weights, "weights"),
        numpy_helper.from_array(bias, "bias"),
        numpy_helper.from_array(np.array([1], np.int64), "axis"),
    ]
    nodes = [
        helper.make_node("Reshape", ["image", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["products"]),
        helper.make_node("Add", ["products", "bias"], ["sums"]),
        helper.make_node("Relu", ["sums"], ["scores"]),
        helper.make_node("ReduceSum", ["scores", "axis"], ["total"], keepdims=1),
        helper.make_node("Div", ["scores", "total"], ["probabilities"]),
    ]
    source = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", SIDE, SIDE, 1])
    result = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", len(CLASSES)])
    graph = helper.make_graph(nodes, "made", [source], [result], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    checker.check_model(model)
    save(model, path)


SENTENCES = {
    "sentence",
    "text",
    "message",
    "headline",
    "reason",
    "partial",
    "change",
    "checked",
    "labels",
    "error",
    "method",
}
"""Keys whose values are sentences."""

TRAIN = (
    ("--validation", "0.2"),
    ("--early-stopping", "2"),
    ("--schedule", "cosine"),
    ("--average-mirrored",),
    ("--members", "2"),
)
"""Options of `train` that were renamed."""


class Verbs:
    """Calls batchclf in a folder and keeps what it prints."""

    def __init__(self, folder):
        self.folder = folder
        self.printed = {}

    def call(self, name, *args, code=0):
        """Call a verb; its standard output is kept under `name`."""
        command = [sys.executable, "-m", "batchclf", *args]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
        self.printed[name] = done.stdout


def run_verbs(folder, job=JOB, train=TRAIN, score=()):
    """Call the verbs that write or print something of their own in `folder`, new pictures and models in it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_pictures(folder)
    write_model(folder / "good.onnx", other=False)
    write_model(folder / "other.onnx", other=True)
    (folder / "job.toml").write_text(job, encoding="utf-8")
    verbs = Verbs(folder)
    about = ["--classes", ",".join(CLASSES), "--scale", "none", "--output", "probabilities", "--color", "grayscale"]
    # Then all images were stretched.
    about += ["--like", "batchclf"]
    verbs.call("import", "model", "import", "good.onnx", "--out", "bundle", *about, "--json")
    verbs.call("import-other", "model", "import", "other.onnx", "--out", "other", *about, "--json")
    verbs.call("show", "model", "show", "bundle", "--json")
    verbs.call("check", "job", "check", "job.toml", "--date", "2026-11-29", "--json")
    verbs.call("run", "run", "job.toml", "--date", "2026-11-01", "--json")
    (folder / "bundle").rename(folder / "kept")
    shutil.copytree(folder / "other", folder / "bundle")
    verbs.call("run-other", "run", "job.toml", "--date", "2026-11-02", "--json", code=3)
    runs = sorted(each.name for each in (folder / "reports/renames").iterdir() if each.name.startswith("20"))
    first, second = (f"reports/renames/{each}" for each in runs)
    plain = ["--model", "kept", "--json"]
    verbs.call("score", "score", "incoming", "--out", "scored", *score, *plain)
    labelled = ["--out", "labelled", "--probabilities", "--format", "csv,jsonl"]
    verbs.call("score-labelled", "score", "photos/test", *labelled, *plain)
    verbs.call("evaluate", "evaluate", "labelled/predictions.csv", "--out", "evaluated", "--json")
    verbs.call("report", "report", first, "--out", "again", "--format", "json,md", "--json")
    verbs.call("compare", "report", first, second, "--out", "compared", "--format", "json,md", "--json")
    verbs.call("history-list", "history", "list", "renames", "--json")
    verbs.call("history-show", "history", "show", "renames", "latest", "--json")
    verbs.call("history-diff", "history", "diff", "renames", *runs, "--json")
    verbs.call("history-csv", "history", "export", "renames", "--out", "runs.csv", "--json")
    verbs.call("history-json", "history", "export", "renames", "--out", "runs.json", "--format", "json", "--json")
    columns = "split, label, prediction, count(*) AS images"
    sql = f"SELECT {columns} FROM predictions WHERE NOT correct GROUP BY ALL ORDER BY ALL"
    verbs.call("query", "query", second, sql, "--format", "csv")
    options = [word for option in train for word in option]
    recipe = ["--data", "photos", "--recipe", "mlp", "--epochs", "2"]
    verbs.call("train", "train", *recipe, "--out", "trained", *options, "--json")
    (folder / "printed.json").write_text(json.dumps(verbs.printed, indent=1, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    run_verbs(Path(sys.argv[1]))

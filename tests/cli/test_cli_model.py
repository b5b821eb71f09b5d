"""`batchclf model import` and `model show`, and scoring with what they made."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

NAMES = ("zero", "one", "two")
SIZE = 8


@pytest.fixture(scope="module")
def linear(tmp_path_factory):
    """A linear classifier of 8x8 gray images as an ONNX file, channels first; and its weights."""
    from onnx import TensorProto, helper, numpy_helper, save_model

    path = tmp_path_factory.mktemp("onnx") / "linear.onnx"
    weights = np.random.default_rng(2).normal(size=(SIZE * SIZE, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["output"]),
    ]
    source = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 1, SIZE, SIZE])
    result = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", 3])
    graph = helper.make_graph(nodes, "linear", [source], [result], [numpy_helper.from_array(weights, "weights")])
    save_model(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path, weights.astype(np.float64)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Nine PNGs in three class folders."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(4)
    for name in NAMES:
        (folder / name).mkdir()
        for number in range(3):
            Image.fromarray(random.integers(0, 256, (SIZE, SIZE), np.uint8)).save(folder / name / f"{number}.png")
    return folder


def rows(result):
    return pd.read_csv(result["files"]["predictions.csv"], keep_default_na=False)


def by_hand(photos, weights, scale=lambda pixels: pixels / 255):
    """The probabilities of every image in path order, in float64 with Pillow and numpy."""
    paths = sorted(photos.rglob("*.png"))
    pixels = np.array([np.asarray(Image.open(path), np.float64).ravel() for path in paths])
    shares = np.exp(scale(pixels) @ weights)
    return shares / shares.sum(axis=1, keepdims=True)


def test_import_an_onnx_file_and_score_with_it(cli, linear, photos):
    path, weights = linear
    options = ("--classes", ",".join(NAMES), "--scale", "0..1", "--sample", photos)
    code, out, err = cli("model", "import", path, *options, "--out", "bundle")
    assert (code, err) == (0, "")
    assert "8x8 grayscale, channels-first" in out
    assert "output: logits (on 38 sample images" in out
    expected = by_hand(photos, weights)
    right = int((expected.argmax(axis=1) == np.repeat([1, 2, 0], 3)).sum())
    assert f"of 9 sample images with a label {right} are predicted right" in out
    code, out, _ = cli("score", photos, "--model", "bundle", "--probabilities", "--out", "run")
    assert code == 0
    assert "model: bundle (imported from linear.onnx)" in out
    table = pd.read_csv("run/predictions.csv")
    assert list(table["label"]) == ["one"] * 3 + ["two"] * 3 + ["zero"] * 3
    np.testing.assert_allclose(table[[f"prob:{name}" for name in NAMES]], expected, atol=1e-5)
    page = Path("run/report.html").read_text()
    for text in (
        "source linear.onnx",
        "pixels scaled to 0..1, channels-first",
        "not known",
        "The model has no training history",
    ):
        assert text in page
    code, _, err = cli("score", photos, "--model", "bundle", "--runtime", "tensorflow")
    assert code == 1
    assert "came as an ONNX file" in err
    assert "--runtime onnx" in err
    code, _, err = cli("score", "--split", "test", "--model", "bundle")
    assert code == 2
    assert "was trained elsewhere" in err


def test_both_runtimes_give_the_same_rows_of_a_keras_model(cli, photos):
    tensorflow = pytest.importorskip("tensorflow")
    layers = tensorflow.keras.layers
    tensorflow.keras.utils.set_random_seed(5)
    model = tensorflow.keras.Sequential(
        [
            tensorflow.keras.Input((SIZE, SIZE, 3)),
            layers.Conv2D(4, 3),
            layers.BatchNormalization(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.save("model.keras")
    options = ("--classes", ",".join(NAMES), "--mean", "0.4,0.5,0.6", "--std", "0.2,0.3,0.2", "--channel-order", "bgr")
    assert cli("model", "import", "model.keras", *options, "--out", "bundle")[0] == 0
    tables = [
        rows(cli.json("score", photos, "--model", "bundle", "--runtime", runtime, "--probabilities")[1])
        for runtime in ("onnx", "tensorflow")
    ]
    same = ["path", "label", "prediction", "correct", "top2_prediction", "top3_prediction"]
    pd.testing.assert_frame_equal(tables[0][same], tables[1][same])
    columns = [name for name in tables[0] if name not in same]
    np.testing.assert_allclose(
        tables[0][columns].select_dtypes("number"), tables[1][columns].select_dtypes("number"), atol=1e-5
    )


def test_onnx_files_are_imported_and_scored_without_tensorflow(process, linear, photos, tmp_path):
    """In a process that cannot import TensorFlow."""
    program = (
        "import sys\n"
        "for name in ('tensorflow', 'keras', 'tf2onnx'):\n"
        "    sys.modules[name] = None\n"
        "from batchclf.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    importing = ("model", "import", linear[0], "--classes", "zero,one,two", "--scale", "0..1", "--out", "bundle")
    for arguments in (importing, ("score", photos, "--model", "bundle", "--out", "run"), ("model", "show", "bundle")):
        done = process("-c", program, *arguments, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
    assert len(pd.read_csv(tmp_path / "run" / "predictions.csv")) == 9


def test_show(cli, linear, digits_bundle):
    importing = ("model", "import", linear[0], "--classes", "zero,one,two", "--mean", "0.5", "--out", "bundle")
    code, imported, _ = cli.json(*importing)
    assert code == 0
    code, shown, _ = cli.json("model", "show", "bundle")
    assert code == 0
    assert shown == imported
    document = json.loads(Path("bundle/model.json").read_text())
    assert {key: shown[key] for key in document} == document
    assert shown["preprocessing"]["mean"] == [0.5]
    content = Path("bundle/model.onnx").read_bytes()
    assert shown["digest"] == hashlib.sha256(content).hexdigest()
    assert shown["sizes"] == {"model.onnx": len(content)}
    assert Path(shown["onnx_path"]).read_bytes() == content
    assert shown["original_path"] is None
    code, out, err = cli("model", "show", "bundle")
    assert (code, err) == (0, "")
    for text in ("3: zero, one, two", "8x8 pixels, grayscale", "pixels scaled to 0..1, minus 0.5", "not known"):
        assert text in out
    code, out, _ = cli("model", "show", digits_bundle)
    for text in ("mlp", "epochs 8, batch_size 32, seed 7", "digits, 1,442 images", "9,610", "onnx, tensorflow"):
        assert text in out
    for name in ("model.keras", "model.onnx"):
        assert hashlib.sha256((digits_bundle / name).read_bytes()).hexdigest() in out


def test_many_classes_are_cut_short(cli, linear, digits_bundle):
    copy = shutil.copytree(digits_bundle, Path("many"))
    document = json.loads((copy / "model.json").read_text())
    document["class_names"] = [f"class {number}" for number in range(30)]
    (copy / "model.json").write_text(json.dumps(document))
    assert "class 19 and 10 more" in cli("model", "show", "many")[1]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ((), "--classes"),
        (("--classes", "a,b,c", "--input-size", "8"), "a height and a width such as 224x224"),
        (("--classes", "a,b,c", "--mean", "0.1,0.2"), "mean needs 1 numbers, one a channel"),
        (("--classes", "a,b,c", "--std", "inf"), "one finite number a channel: one, or three"),
        (("--classes", "a,b,c", "--scale", "255"), "invalid choice"),
        (("--classes", "a,b,c"), "--scale 0..1 (pixels / 255)"),
        (("--classes", "lables.txt"), "there is no file lables.txt"),
        (("--classes", "a,b", "--scale", "0..1"), "the model gives 3 values an image; --classes names 2 classes"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(cli, linear, options, text):
    code, _, err = cli("model", "import", linear[0], *options, "--out", "bundle")
    assert code == 2
    assert text in err
    assert not Path("bundle").exists()


def test_a_sample_without_images(cli, linear, tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("empty", "missing"):
        options = ("--classes", "a,b,c", "--scale", "0..1", "--sample", name)
        code, _, err = cli("model", "import", linear[0], *options, "--out", "bundle")
        assert code == 1
        assert name in err
    assert not Path("bundle").exists()


def test_bundles_of_the_first_format_are_told_what_to_do(cli, digits_bundle, photos, tmp_path):
    """A job that would load one, too: it ends with the message, not with a traceback."""
    old = shutil.copytree(digits_bundle, tmp_path / "old")
    document = json.loads((old / "model.json").read_text()) | {"format": 1, "preprocessing": "as in words"}
    (old / "model.json").write_text(json.dumps(document))
    (tmp_path / "job.toml").write_text('[data]\ndataset = "digits"\n[model]\nbundle = "old"\n')
    for arguments in (("score", photos, "--model", "old"), ("run", "job.toml"), ("model", "show", "old")):
        code, _, err = cli(*arguments)
        assert code == 1
        assert "has bundle format 1; this batchclf reads formats 2 to 4" in err
        assert "train the model again" in err
        assert "Traceback" not in err


def test_a_job_scores_with_an_imported_model(cli, digits_bundle, tmp_path):
    """The digits' graph, imported, in place of the bundle that the job would train."""
    digits = tuple("0123456789")
    (tmp_path / "classes.json").write_text(json.dumps({name: index for index, name in enumerate(digits)}))
    options = ("--classes", "classes.json", "--out", "imported")
    assert cli("model", "import", digits_bundle / "model.onnx", *options)[0] == 0
    job = '[data]\ndataset = "digits"\n[model]\nbundle = "imported"\n[publish]\nreports = "reports"\n'
    (tmp_path / "job.toml").write_text(job)
    code, result, _ = cli.json("run", "job.toml")
    assert code == 0
    assert result["metrics"]["splits"]["test"]["accuracy"]["value"] > 0.85
    assert "The model has no training history" in Path(result["files"]["report.html"]).read_text()

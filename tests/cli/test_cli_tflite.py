"""Import TFLite files and score with them; LiteRT's interpreter, called directly and image by image, is the oracle."""

import json
import sys
import warnings
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from batchclf.errors import ModelError, UsageError
from batchclf.models.runtime.registry import open_runtime
from batchclf.models.sources.import_model import import_model
from batchclf.models.sources.infer_preprocessing import ImportOptions

if find_spec("ai_edge_litert") is None or find_spec("tensorflow") is None:
    pytest.skip("LiteRT or TensorFlow is not installed", allow_module_level=True)

NAMES = ("cat", "dog", "owl")
SHAPE = (16, 12, 3)


def quiet(line):
    """Say nothing."""


@pytest.fixture(scope="module")
def pixels():
    random = np.random.default_rng(4)
    return random.integers(0, 256, (10, *SHAPE), np.uint8) // random.integers(1, 9, (10, 1, 1, 1), np.uint8)


@pytest.fixture(scope="module")
def files(tmp_path_factory, pixels):
    """One network, trained on nothing, in the forms that TensorFlow's converter writes."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(2)
    layers, folder = keras.layers, tmp_path_factory.mktemp("tflite")
    ends = [layers.GlobalAveragePooling2D(), layers.Rescaling(6), layers.Dense(3, activation="softmax")]
    body = [layers.Conv2D(8, 3), layers.BatchNormalization(), layers.ReLU(6), layers.Conv2D(64, 1, activation="relu")]
    model = keras.Sequential([keras.Input(SHAPE), *body, layers.Dense(40, activation="relu"), *ends])
    lite, scaled = tf.lite, pixels.astype(np.float32) / 127.5 - 1

    def write(name, converter):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on statistics that the images for calibration give
            (folder / f"{name}.tflite").write_bytes(converter.convert())

    def smaller(**options):
        converter = lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations = [lite.Optimize.DEFAULT]
        for key, value in options.items():
            setattr(converter, key, value)
        return converter

    def whole(kind):
        converter = smaller(representative_dataset=lambda: ([each[None]] for each in (*scaled, -1 + 0 * scaled[0])))
        converter.target_spec.supported_ops = [lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = kind
        return converter

    half = smaller()
    half.target_spec.supported_types = [tf.float16]
    image = keras.Input(batch_shape=(1, *SHAPE))
    write("float32", lite.TFLiteConverter.from_keras_model(model))
    write("float16", half)
    write("dynamic", smaller())
    size = keras.Input((None, None, 3))
    opened = keras.Sequential(
        [size, layers.Conv2D(5, 3, activation="relu"), *ends[:2], layers.Dense(3), layers.Softmax()]
    )
    several = keras.Sequential([keras.Input(SHAPE), layers.Flatten(), layers.Dense(3, activation="sigmoid")])
    write("anysize", lite.TFLiteConverter.from_keras_model(opened))
    write("sigmoids", lite.TFLiteConverter.from_keras_model(several))
    write("one", lite.TFLiteConverter.from_keras_model(keras.Model(image, model(image))))
    write("inside", whole(tf.float32))
    write("int8", whole(tf.int8))
    write("uint8", whole(tf.uint8))
    (folder / "packed.tflite").write_bytes((folder / "uint8.tflite").read_bytes())
    with zipfile.ZipFile(folder / "packed.tflite", "a") as archive:
        archive.writestr("labels.txt", "0 cat\n1 dog\n2 owl\n")
    return folder


def interpreted(path, inputs):
    """What the interpreter of LiteRT gives for each of the inputs by itself, float32 in and out."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    if path.stem == "anysize":
        interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], (1, *SHAPE))
    interpreter.allocate_tensors()
    rows = []
    for each in inputs:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], each[None])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
    return np.array(rows)


@pytest.mark.parametrize(
    ("name", "judge", "options"),
    [
        *((name, name, {"scale": "minus1..1"}) for name in ("float32", "float16", "dynamic", "one")),
        ("anysize", "anysize", {"scale": "minus1..1", "input_size": SHAPE[:2]}),
        # The same network takes and gives float32 in one file, and rounds itself
        *((name, "inside", {"output": "probabilities"}) for name in ("int8", "uint8")),
    ],
)
def test_predictions_are_those_of_the_interpreter(files, tmp_path, pixels, name, judge, options):
    bundle = import_model(files / f"{name}.tflite", ImportOptions(NAMES, **options), tmp_path / "bundle", say=quiet)
    expected = interpreted(files / f"{judge}.tflite", pixels.astype(np.float32) / np.float32(127.5) - np.float32(1))
    assert np.ptp(expected, axis=0).max() > 0.02
    runtime = open_runtime(bundle, "litert")
    for count in (10, 3, 1):
        np.testing.assert_allclose(runtime.probabilities(pixels[:count]), expected[:count], atol=1e-6)
    assert not (bundle.path / "model.onnx").exists()


def test_a_file_with_its_labels_is_imported_scored_and_checked_without_a_runtime_being_named(cli, files, pixels):
    for place, each in enumerate(pixels):
        path = Path("photos", NAMES[place % 3], f"{place}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(each).save(path)
    options = ("--output", "probabilities", "--like", "batchclf")
    code, out, err = cli("model", "import", files / "packed.tflite", *options, "--out", "bundle")
    assert (code, err) == (0, "")
    assert f"classes: 3 names from {files / 'packed.tflite'} itself: cat, dog, owl" in out
    assert "pixels: scaled to minus1..1: the model's quantised input holds" in out
    code, out, _ = cli("score", "photos", "--model", "bundle", "--probabilities", "--out", "run")
    assert code == 0
    table = pd.read_csv("run/predictions.csv")
    order = [int(path.rpartition("/")[2].removesuffix(".png")) for path in table["path"]]
    expected = interpreted(files / "inside.tflite", pixels.astype(np.float32) / np.float32(127.5) - np.float32(1))
    np.testing.assert_allclose(table[[f"prob:{name}" for name in NAMES]], expected[order], atol=1e-6)
    record = json.loads(Path("run/run.json").read_text(encoding="utf-8"))
    assert record["runtime"] == "litert"
    assert "ai_edge_litert" in record["versions"]
    assert "runtimes       litert" in cli("model", "show", "bundle")[1]
    code, _, err = cli("model", "export", "bundle", "--onnx", "m.onnx")
    assert (code, Path("m.onnx").exists()) == (1, False)
    assert "it was imported from a TFLite file, which is scored as it is" in err
    code, out, _ = cli("model", "check", "bundle", "photos")
    assert code in (0, 1)
    assert "as imported" in out
    code, _, err = cli("score", "photos", "--model", "bundle", "--runtime", "onnx")
    assert code == 1
    assert "came as a TFLite file" in err
    assert "--runtime litert" in err


def test_a_scale_that_a_quantised_input_cannot_hold_is_refused(files, tmp_path):
    with pytest.raises(UsageError, match="--scale none gives 0 to 255, of which a part would be cut off"):
        import_model(files / "uint8.tflite", ImportOptions(NAMES, scale="none"), tmp_path / "bundle", say=quiet)
    with pytest.raises(UsageError, match="the model does not tell how the pixels it takes are scaled"):
        import_model(files / "float32.tflite", ImportOptions(NAMES), tmp_path / "bundle", say=quiet)


def test_a_sigmoid_for_each_class_is_refused(files, tmp_path):
    with pytest.raises(ModelError, match="the model is multi-label: it ends in a sigmoid for each class"):
        import_model(files / "sigmoids.tflite", ImportOptions(NAMES, scale="0..1"), tmp_path / "bundle", say=quiet)


def test_without_litert_the_error_names_the_extra(files, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(ModelError) as caught:
        import_model(files / "float32.tflite", ImportOptions(NAMES), tmp_path / "bundle", say=quiet)
    assert caught.value.hint == "install it with: pip install 'batchclf[tflite]'"

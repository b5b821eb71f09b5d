"""Import files of Keras 2; tf_keras itself is the oracle."""

import json
import sys
import zipfile
from importlib.util import find_spec

import numpy as np
import pytest

from batchclf.errors import ModelError
from batchclf.models.runtime.registry import open_runtime
from batchclf.models.sources.class_names import read_class_names
from batchclf.models.sources.import_model import import_model
from batchclf.models.sources.infer_preprocessing import ImportOptions
from batchclf.training.finetune.base import BaseOptions, open_base

if find_spec("tf_keras") is None:
    pytest.skip("tf_keras is not installed", allow_module_level=True)

SHAPE = (24, 20, 3)
# Keras says that .h5 is a format of the past
pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file:UserWarning")


def quiet(line):
    """Say nothing."""


@pytest.fixture(scope="module")
def layers():
    import tf_keras

    tf_keras.utils.set_random_seed(3)
    return tf_keras.layers


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(2).integers(0, 256, (9, *SHAPE), np.uint8)


def teachable_machine(layers):
    """Networks in networks, as Teachable Machine exports them: x / 127.5 - 1 goes in, two classes come out."""
    import tf_keras

    image = tf_keras.Input(SHAPE)
    values = layers.ZeroPadding2D(((0, 1), (0, 1)))(image)
    values = layers.Conv2D(8, 3, strides=2, use_bias=False)(values)
    values = layers.ReLU(6.0)(layers.BatchNormalization(axis=[3])(values))
    values = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(values)
    body = tf_keras.Model(image, layers.Conv2D(16, 1)(values))
    return tf_keras.Sequential(
        [
            tf_keras.Sequential([body, layers.GlobalAveragePooling2D()]),
            tf_keras.Sequential([layers.Dense(12, "relu"), layers.Dense(2, "softmax", use_bias=False)]),
        ]
    )


def transfer_learning(layers):
    """Functions of TensorFlow between the layers, as preprocess_input leaves them, and layers that augment."""
    import tensorflow as tf
    import tf_keras

    image = tf_keras.Input(SHAPE, dtype="uint8")
    values = layers.RandomFlip("horizontal")(tf.cast(image, tf.float32))
    values = tf_keras.applications.resnet50.preprocess_input(values)  # BGR, and nn.bias_add
    values = tf.math.subtract(divided(tf.image.resize(values, (16, 16))), 0.5)
    values = layers.SeparableConv2D(6, 3, activation="hard_sigmoid")(values)  # is another function in Keras 3
    values = tf.concat([values, tf.nn.relu(values)], axis=-1)
    return tf_keras.Model(image, layers.Dense(2, "softmax")(layers.GlobalAveragePooling2D()(values)))


def divided(values):
    """Divide by 64 as TensorFlow 2.0 to 2.3 wrote it into files, by the definition of a node."""
    import tensorflow as tf
    from tf_keras.src.engine.base_layer import TensorFlowOpLayer

    node = tf.compat.v1.NodeDef(name="division", op="RealDiv", input=["values", "divisor"])
    node.attr["T"].type = tf.float32.as_datatype_enum
    return TensorFlowOpLayer(node.SerializeToString(), "division", constants={1: 64.0})(values)


def mixed_precision(layers):
    import tf_keras

    body = [layers.Conv2D(4, 3, dtype="mixed_float16"), layers.Conv2D(8, 3, groups=4, dtype="mixed_float16")]
    ends = [layers.GlobalAveragePooling2D(), layers.Dense(2, "softmax")]
    return tf_keras.Sequential([tf_keras.Input(SHAPE), layers.Rescaling(1 / 255), *body, *ends])


@pytest.mark.parametrize(
    ("make", "name", "options"),
    [
        (teachable_machine, "keras_model.h5", {"scale": "minus1..1"}),
        (teachable_machine, "keras_model.keras", {"scale": "minus1..1"}),
        (transfer_learning, "cats_and_dogs.h5", {}),
        (mixed_precision, "mixed.h5", {}),
    ],
)
def test_predictions_are_those_of_keras_2(layers, tmp_path, pixels, make, name, options):
    model = make(layers)
    inputs = pixels if make is transfer_learning else pixels.astype(np.float32)
    model.predict(inputs / 127.5 - 1 if options else inputs, verbose=0)
    model.save(tmp_path / name)
    (tmp_path / "labels.txt").write_text("0 cat\n1 dog\n")
    names = read_class_names(str(tmp_path / "labels.txt"))
    bundle = import_model(tmp_path / name, ImportOptions(names, **options), tmp_path / "bundle", say=quiet)
    expected = model.predict(inputs / 127.5 - 1 if options else inputs, verbose=0)
    # A model of mixed precision is computed in float32, as one of Keras 3 is
    tolerance = 2e-3 if make is mixed_precision else 1e-6
    for runtime in ("onnx", "tensorflow"):
        assert open_runtime(bundle, runtime).probabilities(pixels) == pytest.approx(expected, abs=tolerance)
    assert np.ptp(expected[:, 0]) > 5 * tolerance
    assert bundle.info.settings["kind"] == "Keras 2 model"
    assert "tf_keras" in bundle.info.versions


def refusal(path):
    with pytest.raises(ModelError) as caught:
        import_model(path, ImportOptions(("cat", "dog"), scale="0..1"), path.parent / "bundle", say=quiet)
    assert not (path.parent / "bundle").exists()
    return caught.value


@pytest.mark.parametrize("name", ["lambda.h5", "lambda.keras"])
def test_code_in_a_file_is_not_run(layers, tmp_path, name):
    import tf_keras

    written = str(tmp_path / "written")
    code = layers.Lambda(lambda values: (open(written, "w").close(), values)[1])  # noqa: PTH123 (must be a lambda)
    model = tf_keras.Sequential([tf_keras.Input(SHAPE), code, layers.Flatten(), layers.Dense(2)])
    model.save(tmp_path / name)
    (tmp_path / "written").unlink()
    assert "it has a Lambda layer, whose Python code would have to be run" in str(refusal(tmp_path / name))
    assert not (tmp_path / "written").exists()


def changed(path, change):
    """Change the configuration in a `.keras` file."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    change(config["config"]["layers"])
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, json.dumps(config) if name == "config.json" else content)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda each: each[2]["config"].update(function="io.read_file"), "it calls io.read_file of TensorFlow"),
        (
            lambda each: each[3].update(module="subprocess", class_name="Popen"),
            "it needs Popen of the module subprocess",
        ),
        (lambda each: each[3].update(class_name="Mine", module=None), "it needs the class Mine"),
    ],
    ids=["function", "module", "class"],
)
def test_only_layers_and_functions_that_compute_are_loaded(layers, tmp_path, change, message):
    import tf_keras

    image = tf_keras.Input(SHAPE)
    model = tf_keras.Model(image, layers.Dense(2)(layers.Flatten()(image / 2.0)))
    model.save(tmp_path / "other.keras")
    changed(tmp_path / "other.keras", lambda each: change([None, *each]))
    assert message in str(refusal(tmp_path / "other.keras"))


def test_without_tf_keras_the_error_names_the_extra_and_keras_3_trains_on_no_such_file(layers, tmp_path, monkeypatch):
    model = teachable_machine(layers)
    model.build((None, *SHAPE))
    model.save(tmp_path / "keras_model.h5")
    version = sys.modules["tf_keras"].__version__
    monkeypatch.setitem(sys.modules, "tf_keras", None)
    error = refusal(tmp_path / "keras_model.h5")
    assert f"was saved by Keras {version}; tf_keras, which loads such files, cannot be imported" in str(error)
    assert error.hint == "install it with: pip install 'batchclf[keras2]'"
    with pytest.raises(ModelError, match="Keras 3 would compute some layers otherwise"):
        open_base(BaseOptions(tmp_path / "keras_model.h5"), say=quiet)

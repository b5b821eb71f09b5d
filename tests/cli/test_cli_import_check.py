"""The check of an import looks at the outputs before softmax and sigmoid, and says when it can show nothing."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from PIL import Image
from quantised_cases import CLASSES, SIZE, network, photos
from scipy.special import softmax

from batchclf.models.sources.import_model import sample_images

IMPORT = ("--classes", ",".join(CLASSES), "--scale", "0..1", "--out", "bundle")


@pytest.mark.parametrize("bias", [0.0, 100.0])
def test_a_graph_with_other_logits_is_refused_even_if_its_probabilities_are_the_same(cli, bias, monkeypatch):
    """tf2onnx writes a resize by areas as another one; a model that is always sure has the same probabilities."""
    # It refuses such a resize by its name
    monkeypatch.setattr("batchclf.models.sources.keras_graph._check_resizes", lambda graph: None)
    keras = pytest.importorskip("keras")
    layers = keras.layers
    keras.utils.set_random_seed(2)
    first = keras.initializers.Constant([bias] + [0.0] * 9)
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 1)),
            layers.Resizing(5, 3, interpolation="area"),
            layers.Flatten(),
            layers.Dense(10, bias_initializer=first),
        ]
    )
    model.save("model.keras")
    pixels = sample_images((SIZE, SIZE, 1))
    logits = model.predict(pixels.astype(np.float32) / 255, verbose=0)
    assert (softmax(logits, axis=1)[:, 0] == 1).all() == (bias > 0)
    code, _, err = cli("model", "import", "model.keras", *IMPORT)
    assert code == 1
    assert "the ONNX graph does not give the model's outputs" in err
    assert "before softmax or sigmoid" in err
    assert f"they lie between {logits.min():.4g} and {logits.max():.4g}" in err
    assert not Path("bundle").exists()


@pytest.mark.parametrize("end", [(), [("Softmax", (), {})]], ids=["logits", "probabilities"])
def test_a_model_that_says_the_same_of_everything_is_warned_of(cli, end):
    """Weights of 0, as in a file that was saved before it was trained."""
    path = network("model.onnx", [("Add", ("bias",), {}), *end], {"bias": np.arange(10) - 4.5}, gain=0.0)
    code, out, err = cli("model", "import", path, *IMPORT, "--quiet")
    assert (code, out) == (0, "")
    warned = "checked on 29 images: the model gives the same answer for all of them, so the check shows nothing"
    assert warned in err
    assert "give --sample DIR with real images" in err
    assert "agree within" not in cli("model", "import", path, *IMPORT)[1]
    shown = cli("model", "show", "bundle")[1]
    assert "it shows nothing, since the model gave the same answer for all sample images" in shown
    assert json.loads(Path("bundle/model.json").read_text())["settings"]["same answer"] == "for all 29 sample images"


def test_real_images_show_what_made_ones_do_not(cli):
    """A model that looks at one pixel, and is blind unless the others are black: only the photo has such a one."""
    path = network("plain.onnx", gain=3.0)
    model = onnx.load(path)
    graph = model.graph
    graph.node[-1].output[0] = "seen"
    filters = np.full((SIZE * SIZE, 1), -0.5, np.float32)
    filters[0] = 1
    constants = {"filters": filters, "threshold": np.array(0.9, np.float32)}
    graph.initializer.extend([numpy_helper.from_array(value, name) for name, value in constants.items()])
    graph.node.extend(
        [
            helper.make_node("Flatten", ["input"], ["pixels"]),
            helper.make_node("MatMul", ["pixels", "filters"], ["spot"]),
            helper.make_node("Greater", ["spot", "threshold"], ["there"]),
            helper.make_node("Cast", ["there"], ["kept"], to=1),
            helper.make_node("Mul", ["seen", "kept"], ["output"]),
        ]
    )
    onnx.save(model, "model.onnx")
    logits = ("--output", "logits")
    assert "shows nothing" in cli("model", "import", "model.onnx", *IMPORT, *logits)[2]
    photos("photos", 2)
    spot = np.zeros((SIZE, SIZE), np.uint8)
    spot[0, 0] = 255
    Image.fromarray(spot).save("photos/spot.png")
    code, out, err = cli("model", "import", "model.onnx", *IMPORT, *logits, "--sample", "photos")
    assert (code, err) == (0, "")
    assert "checked on 32 images: the graph and the model agree within" in out

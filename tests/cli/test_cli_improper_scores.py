"""A model whose outputs are no probabilities for some image: the run is refused when it meets that image."""

import numpy as np
import pytest
from PIL import Image


def save_model(path, kernel):
    """A Keras model of 8 x 8 pixels: probabilities times exp(kernel x n), n > 0 only for a white dot on black."""
    keras = pytest.importorskip("keras")
    image = keras.Input((8, 8, 1))
    flat = keras.layers.Flatten()(image)
    dot, scale, dense = keras.layers.Dense(1, "relu"), keras.layers.Dense(1, "exponential"), keras.layers.Dense(3)
    outputs = keras.layers.Multiply()([keras.layers.Softmax()(dense(flat)), scale(dot(flat))])
    model = keras.Model(image, outputs)
    weights = np.full((64, 1), -0.5, np.float32)
    weights[0] = 1
    dot.set_weights([weights, np.array([-0.5], np.float32)])
    scale.set_weights([np.array([[kernel]], np.float32), np.zeros(1, np.float32)])
    dense.set_weights([np.random.default_rng(0).normal(0, 0.1, (64, 3)).astype(np.float32), np.zeros(3, np.float32)])
    model.save(path)


@pytest.mark.parametrize("probabilities", ["--probabilities", "--no-probabilities"])
@pytest.mark.parametrize(
    ("kernel", "said", "hint"),
    [(1.0, "and sum to 1.648721, not to 1", "--output logits"), (1000.0, "not all finite numbers", "--scale")],
)
def test_a_run_is_refused_with_the_image(cli, tmp_path, kernel, said, hint, probabilities):
    save_model(tmp_path / "model.keras", kernel)
    names = "--classes", "a,b,c", "--scale", "0..1", "--out", "bundle"
    code, out, err = cli("model", "import", "model.keras", *names)
    assert code == 0, err
    assert "output: probabilities" in out
    (tmp_path / "photos").mkdir()
    pixels = np.zeros((8, 8), np.uint8)
    Image.fromarray(pixels + 200).save(tmp_path / "photos" / "a.png")
    assert cli("score", "photos", "--model", "bundle", "--out", "good", probabilities)[0] == 0
    assert cli("evaluate", "good/predictions.csv", "--out", "again")[0] == 0
    pixels[0, 0] = 255
    Image.fromarray(pixels).save(tmp_path / "photos" / "dot.png")
    code, _, err = cli("score", "photos", "--model", "bundle", "--out", "bad", probabilities)
    assert code == 1
    assert "the model's outputs for dot.png are no probabilities" in err
    assert said in err
    assert hint in err
    assert not (tmp_path / "bad").exists()

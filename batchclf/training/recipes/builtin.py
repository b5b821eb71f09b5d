"""The recipes that `train --recipe` knows: one function each, named in `RECIPES`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from batchclf.core.choices import Schedule

Optimizer = Literal["adam", "sgd"]
"""Adam (Kingma 2015), or stochastic gradient descent with Nesterov momentum of 0.9 (Sutskever 2013)."""

DEFAULT_RECIPE = "mlp"
FINE_TUNE = "fine-tune"
"""Stands in place of a recipe's name where a base is fine-tuned."""


@dataclass(frozen=True)
class Recipe:
    """How a model is made and trained: `build(input_shape, classes)` gives an uncompiled Keras model.

    The model takes (n, height, width, channels) uint8 images as they are on disk, scales them itself, and gives
    (n, classes) float32 logits. The other values are what is done unless something else is asked for: the `optimizer`,
    its `learning_rate` and `learning_rate_schedule`, `weight_decay` by the learning rate in each step (Loshchilov 2019:
    AdamW, SGDW; not of biases and normalisation), `label_smoothing`, how images are changed (`augment`, as the option
    has it: "flip,shift", or "flip,shift/flip,erase" for two ensemble members), whether the model averages its logits
    for an image and its mirror image (`flip_tta`, where `augment` has "flip"), over how many networks, built and
    trained side by side, it averages them (`ensemble_size`), the share of the training images held out
    (`validation_split`), and after how many epochs without a lower validation loss early stopping ends it (`patience`),
    0 never. `xla` lets XLA compile the steps, which makes dense networks faster and convolutions, on a processor, many
    times slower.
    """

    build: Callable[[tuple[int, int, int], int], Any]
    epochs: int
    batch_size: int
    description: str
    optimizer: Optimizer = "adam"
    learning_rate: float = 0.001
    learning_rate_schedule: Schedule = "constant"
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    augment: str = "none"
    flip_tta: bool = False
    ensemble_size: int = 1
    validation_split: float = 0.0
    patience: int = 0
    xla: bool = False


def mlp(input_shape: tuple[int, int, int], classes: int) -> Any:
    """Build the tutorial's network: scale to 0-1, flatten, 128 hidden units, one logit a class."""
    import keras

    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(input_shape, dtype="uint8", name="image"),
            layers.Rescaling(1 / 255, name="scale"),
            layers.Flatten(name="flatten"),
            layers.Dense(128, activation="relu", name="hidden"),
            layers.Dense(classes, name="logits"),
        ],
        name="mlp",
    )


def cnn(input_shape: tuple[int, int, int], classes: int) -> Any:
    """Build a small convolutional network, which halves the image until 8 pixels are left of its shorter side."""
    return _convolutional(input_shape, classes, (32, 64, 128), 8, "cnn")


def cnn_large(input_shape: tuple[int, int, int], classes: int) -> Any:
    """Build a network like `cnn` with half as many channels again, which halves the image until 4 pixels are left."""
    return _convolutional(input_shape, classes, (32, 96, 192), 4, "cnn_large")


def _convolutional(
    input_shape: tuple[int, int, int], classes: int, channels: tuple[int, int, int], pixels: int, name: str
) -> Any:
    """Build convolutions of so many channels, the last as often as needed, that halve the image until `pixels` are
    left, one more, and a hidden layer.
    """
    import keras

    layers = keras.layers
    first, second, most = channels
    image = keras.Input(input_shape, dtype="uint8", name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="scale")(image)
    x = _halved(x, first)
    while min(x.shape[1:3]) > pixels:
        x, second = _halved(x, second), most
    x = layers.Dropout(0.3)(_normalised(_filters(x, most)))
    x = layers.Dense(128, activation="relu", name="hidden")(layers.Flatten()(x))
    x = layers.Dropout(0.4)(x)
    return keras.Model(image, layers.Dense(classes, name="logits")(x), name=name)


def _halved(x: Any, channels: int) -> Any:
    """Pool before normalising: that is the same but for negative scales, and has a quarter of the pixels."""
    import keras

    return _normalised(keras.layers.MaxPooling2D()(_filters(x, channels)))


def _filters(x: Any, channels: int) -> Any:
    import keras

    return keras.layers.Conv2D(channels, 3, padding="same", use_bias=False, kernel_initializer="he_normal")(x)


def _normalised(x: Any) -> Any:
    import keras

    return keras.layers.Activation("relu")(keras.layers.BatchNormalization(momentum=0.9)(x))


RECIPES = {
    # Holds out no validation images: the tutorial trains on all, so nothing may be chosen (decision 118)
    "mlp": Recipe(mlp, epochs=10, batch_size=32, description="784-128-10 dense network of the tutorial", xla=True),
    "cnn": Recipe(
        cnn,
        epochs=13,
        batch_size=64,
        description="small convolutional network, minutes on 2 cores",
        learning_rate=0.003,
        learning_rate_schedule="cosine",
        weight_decay=0.05,
        augment="flip",
        flip_tta=True,
        validation_split=0.05,
    ),
    # Two networks whose images are changed differently: measured against larger and single ones (decision 123)
    "cnn-large": Recipe(
        cnn_large,
        epochs=25,
        batch_size=128,
        description="mean of two larger networks, most of an hour on 2 cores",
        optimizer="sgd",
        learning_rate=0.1,
        learning_rate_schedule="cosine",
        weight_decay=0.005,
        label_smoothing=0.1,
        augment="flip,erase/flip,shift",
        flip_tta=True,
        ensemble_size=2,
        validation_split=0.05,
    ),
}

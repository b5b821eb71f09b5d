"""Keras networks as bundles, made through the same door as a user's."""

import numpy as np

from batchclf.core.geometry import OWN
from batchclf.models.sources.import_model import import_model
from batchclf.models.sources.infer_preprocessing import ImportOptions

CLASSES = ("up", "down", "left", "right")


def bundle_of(model, folder, **options):
    """Import a Keras model whose own first layer scales the pixels."""
    model.save(folder / "network.keras")
    chosen = ImportOptions(class_names=CLASSES, scale="none", output="logits", geometry=lambda to: OWN, **options)
    return import_model(folder / "network.keras", chosen, folder / "bundle", say=lambda line: None)


def convolutional(shape):
    """Build a small convolutional network; its weights are drawn with a fixed seed."""
    import keras

    keras.utils.set_random_seed(5)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(shape, name="image"),
            layers.Rescaling(1 / 127.5, offset=-1),
            layers.Conv2D(24, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.SeparableConv2D(32, 3, strides=2, activation="relu"),
            layers.Flatten(),
            layers.Dense(48, activation="relu"),
            layers.Dense(len(CLASSES)),
        ]
    )


def spreading(factor, *, convolution):
    """Build a network that spreads 8x8 pixels over 64 x factor² float32 values, by a convolution over twice as many."""
    import keras

    keras.utils.set_random_seed(6)
    layers = keras.layers
    wider = [layers.Conv2D(2, 1)] if convolution else []
    return keras.Sequential(
        [
            keras.Input((8, 8, 1), name="image"),
            layers.Rescaling(1 / 255),
            layers.UpSampling2D(factor),
            *wider,
            layers.MaxPooling2D(factor),
            layers.Flatten(),
            layers.Dense(len(CLASSES)),
        ]
    )


def noise(count, shape):
    """Give (count, *shape) uint8 noise."""
    return np.random.default_rng(3).integers(0, 256, (count, *shape), np.uint8)

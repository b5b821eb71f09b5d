"""Trainings for the tests of models that average, over an ensemble or over mirror images."""

import numpy as np

from batchclf.core.types import Dataset, Split
from batchclf.training.train_bundle import TrainSettings, train


def trained(dataset, out, **settings):
    settings = TrainSettings(**{"recipe": "mlp", "epochs": 2, "seed": 3, **settings})
    return train(dataset, settings, out, say=lambda line: None, on_epoch=lambda number, metrics: None)


def keras_model(bundle):
    import keras

    return keras.models.load_model(bundle.original_path)


def logits(model, images):
    return np.asarray(model(images, training=False), np.float64)


def coloured_noise():
    """Images of noise, higher than wide."""
    random = np.random.default_rng(5)
    labels = np.arange(48) % 2
    images = random.integers(0, 256, (48, 16, 12, 3), np.uint8)
    splits = [Split(name, images, labels, tuple(f"{name}/{i}.png" for i in range(48))) for name in ("train", "test")]
    return Dataset("noise", ("a", "b"), *splits, "made in a test")

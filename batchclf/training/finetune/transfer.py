"""The network of a fine-tuning: what makes the data's images those of a base, its features, and new classes."""

from typing import Any

import numpy as np

from batchclf.models.preprocessing import SCALES, Preprocessing
from batchclf.training.finetune.backbone import copied, set_trainable
from batchclf.training.finetune.base import Base

LUMA = (0.299, 0.587, 0.114)
"""Gray of R, G and B, as Pillow and ITU-R BT.601 have it."""


def build_on(base: Base, input_shape: tuple[int, int, int], classes: int, *, dropout: float = 0.0) -> tuple[Any, Any]:
    """Build the uncompiled Keras model from uint8 images (n, *input_shape) to logits (n, classes) float32.

    Gives the model and its backbone, a frozen copy of the base's: a base may be built on again and again. `input_shape`
    is (height, width, channels) of the data, with 1 or 3 channels; where the base takes another size or number of
    channels, layers of the model make it that. `dropout` is the share of the features that a step of training leaves
    out, 0 to less than 1. Only layers of Keras are used, so that the file of the model loads in safe mode.
    """
    import keras

    layers = keras.layers
    backbone = copied(base.backbone)
    set_trainable(backbone, False)
    image = keras.Input(input_shape, dtype="uint8", name="image")
    values = _laid_out(_resized(_scaled(_colored(image, base.input_shape[2]), base), base), base.steps)
    features = backbone(values, training=False)
    if len(features.shape) == 4:
        features = layers.GlobalAveragePooling2D(name="pool")(features)
    if dropout:
        features = layers.Dropout(dropout, name="dropout")(features)
    logits = layers.Dense(classes, name="logits")(features)
    return keras.Model(image, logits, name="fine_tuned"), backbone


def _colored(image: Any, channels: int) -> Any:
    """Make grayscale three equal channels, or rgb one."""
    import keras

    if image.shape[3] == channels:
        return image
    if channels == 3:
        return keras.layers.Concatenate(name="gray_to_rgb")([image, image, image])
    weighed = keras.layers.Rescaling(list(LUMA), offset=[0.0] * 3, name="luma")(image)
    return keras.ops.sum(weighed, axis=-1, keepdims=True)


def _scaled(values: Any, base: Base) -> Any:
    """Scale pixels by one layer: x / divisor - offset, minus mean, by std, in the order R, G, B."""
    import keras

    steps = base.steps
    divisor, offset = SCALES[steps.scale]
    channels = steps.input_shape[2]
    mean = np.array(steps.mean or [0.0] * channels, np.float64)
    std = np.array(steps.std or [1.0] * channels, np.float64)
    scale, shift = 1 / (divisor * std), -(offset + mean) / std
    same_size = tuple(values.shape[1:3]) == base.input_shape[:2]
    if same_size and (scale == 1).all() and (shift == 0).all():
        return values
    # Before resizing: of bytes the layer Resizing makes bytes again.
    return keras.layers.Rescaling(scale.tolist(), offset=shift.tolist(), name="scale")(values)


def _resized(values: Any, base: Base) -> Any:
    """Make the images as large as the base's; bilinear, after averaging whole blocks of much larger ones."""
    import keras

    height, width, _ = base.input_shape
    blocks = (max(1, values.shape[1] // height), max(1, values.shape[2] // width))
    if blocks != (1, 1):
        values = keras.layers.AveragePooling2D(blocks, name="shrink")(values)
    if tuple(values.shape[1:3]) == (height, width):
        return values
    return keras.layers.Resizing(height, width, name="resize")(values)


def _laid_out(values: Any, steps: Preprocessing) -> Any:
    """Put channels and axes into the order that the base takes."""
    import keras

    if steps.channel_order == "bgr":
        values = keras.ops.take(values, [2, 1, 0], axis=-1)
    if steps.layout == "channels-first":
        return keras.layers.Permute((3, 1, 2), name="channels_first")(values)
    if steps.layout == "channels-last":
        return values
    return keras.layers.Reshape(steps.model_shape, name="layout")(values)

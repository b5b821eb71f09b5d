"""The training loop of recipes: many steps in one call of TensorFlow, compiled by XLA where that pays.

Keras' `fit` returns to Python after every step, which for a small network takes longer than the step itself.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from batchclf.core.types import Dataset, Say, Split
from batchclf.errors import ModelError
from batchclf.models.tensorflow_model import tensorflow_or_error

OnEpoch = Callable[[int, dict[str, float]], None]

XLA_STEPS = 2000
"""Steps from which on XLA saves more time than it takes to compile (about a second)."""

CALL_SECONDS = 0.25
"""How long TensorFlow runs, about, before Python sees a signal or a loss that is not a number."""

_FIRST_CALL = 8  # steps, until it is known how long one takes
_MEASURED_AT_ONCE = 1024
_MEASURED_PIXELS = 1 << 22


@dataclass(frozen=True)
class Plan:
    """How a model is trained: epochs, images a step, the seed of their order, and whether XLA may compile the step."""

    epochs: int
    batch_size: int
    seed: int
    xla: bool


def fit(model: Any, dataset: Dataset, plan: Plan, *, say: Say, on_epoch: OnEpoch) -> dict[str, list[float]]:
    """Train a compiled Keras model of uint8 images (n, height, width, channels) to logits, as its `fit` would.

    Each epoch has all training images once, in an order drawn anew, the last smaller batch included; then the test
    images are measured. Gives `loss`, `accuracy`, `val_loss` and `val_accuracy`, a value an epoch, as means over
    images; `on_epoch` gets them as they come, with the number of the epoch from 1. The same seed gives the same
    weights on the same machine. Raises ModelError where a loss is not a number or the memory does not suffice.
    """
    tf = tensorflow_or_error()
    train = dataset.train
    xla = plan.xla and plan.epochs * (len(train.images) // plan.batch_size) >= XLA_STEPS
    orders = np.random.default_rng(plan.seed)
    history: dict[str, list[float]] = {name: [] for name in ("loss", "accuracy", "val_loss", "val_accuracy")}
    try:
        training = _Training(model, train, plan.batch_size, xla=xla, say=say)
        test = _Measurement(model, dataset.test)
        for epoch in range(1, plan.epochs + 1):
            loss, accuracy = training.run(orders.permutation(len(train.images)), epoch)
            val_loss, val_accuracy = test.run()
            _check_finite(val_loss, epoch)
            metrics = {"loss": loss, "accuracy": accuracy, "val_loss": val_loss, "val_accuracy": val_accuracy}
            for name, value in metrics.items():
                history[name].append(value)
            on_epoch(epoch, metrics)
    except tf.errors.ResourceExhaustedError as error:
        raise ModelError(
            f"the memory does not suffice to train with {plan.batch_size} images a step",
            hint="use a smaller --batch-size or smaller images; no bundle was written",
        ) from error
    return history


class _Sums:
    """What has been added up over images: loss and right answers. Kept in TensorFlow, whatever a call's length."""

    def __init__(self) -> None:
        tf = tensorflow_or_error()
        self._loss = tf.Variable(0.0, dtype=tf.float64, trainable=False)
        self._right = tf.Variable(0, dtype=tf.int64, trainable=False)

    def clear(self) -> None:
        self._loss.assign(0.0)
        self._right.assign(0)

    def add(self, loss: Any, logits: Any, labels: Any) -> None:
        """Add a batch: its mean loss, (n, classes) logits and (n,) labels."""
        tf = tensorflow_or_error()
        right = tf.equal(tf.argmax(logits, axis=1, output_type=labels.dtype), labels)
        self._loss.assign_add(tf.cast(loss, tf.float64) * tf.cast(tf.shape(labels)[0], tf.float64))
        self._right.assign_add(tf.reduce_sum(tf.cast(right, tf.int64)))

    def loss(self) -> float:
        return float(self._loss.numpy())

    def means(self, images: int) -> tuple[float, float]:
        return self.loss() / images, int(self._right.numpy()) / images


class _Training:
    """Epochs over a split's images, which stay uint8 in memory; each batch is gathered as its step begins."""

    def __init__(self, model: Any, split: Split, batch_size: int, *, xla: bool, say: Say) -> None:
        tf = tensorflow_or_error()
        self._model, self._batch_size = model, batch_size
        self._images = tf.identity(split.images)  # tf.constant would keep a second copy
        self._labels = tf.identity(split.labels.astype(np.int32))
        self._sums = _Sums()
        self._rest = len(split.images) % batch_size
        self._whole = len(split.images) - self._rest
        model.optimizer.build(model.trainable_variables)  # variables cannot be made inside a graph
        self._steps: Any = self._compiled(say) if xla else None
        if self._steps is None and self._whole:
            self._steps = self._loop(batch_size)
        self._last_step: Any = self._loop(self._rest) if self._rest else None
        self._a_call = _FIRST_CALL

    def run(self, order: Any, epoch: int) -> tuple[float, float]:
        """Train on all images once, in this order of their indices; gives mean loss and accuracy."""
        tf = tensorflow_or_error()
        self._sums.clear()
        indices = tf.constant(order.astype(np.int32))
        done = 0
        while done < self._whole:
            end = min(done + self._a_call * self._batch_size, self._whole)
            began = time.perf_counter()
            self._steps(indices, tf.constant(done), tf.constant(end))
            _check_finite(self._sums.loss(), epoch)
            self._a_call = _steps_a_call((end - done) // self._batch_size, time.perf_counter() - began)
            done = end
        if self._rest:
            self._last_step(indices, tf.constant(done), tf.constant(len(order)))
            _check_finite(self._sums.loss(), epoch)
        return self._sums.means(len(order))

    def _compiled(self, say: Say) -> Any:
        """Let XLA compile the steps; where it cannot, say so and give None."""
        tf = tensorflow_or_error()
        loop = self._loop(self._batch_size, jit_compile=True)
        try:
            loop(tf.range(len(self._labels)), tf.constant(0), tf.constant(0))  # no step, so no weight changes
        except tf.errors.OpError as error:
            reason = str(error.message).strip().partition("\n")[0]
            say(f"XLA cannot compile this recipe; it is trained without, which takes longer ({reason})")
            return None
        return loop

    def _loop(self, size: int, *, jit_compile: bool = False) -> Any:
        """Make the function that trains on batches of `size` from one place in the order to another."""
        tf = tensorflow_or_error()

        def loop(order: Any, start: Any, end: Any) -> None:
            def step(at: Any) -> tuple[Any]:
                chosen = tf.slice(order, [at], [size])
                self._step(tf.gather(self._images, chosen), tf.gather(self._labels, chosen))
                return (at + size,)

            tf.while_loop(lambda at: at < end, step, (start,), parallel_iterations=1)

        place = tf.TensorSpec((), tf.int32)
        function = tf.function(loop, jit_compile=jit_compile, autograph=False)
        return function.get_concrete_function(tf.TensorSpec(self._labels.shape, tf.int32), place, place)

    def _step(self, images: Any, labels: Any) -> None:
        tf = tensorflow_or_error()
        with tf.GradientTape() as tape:
            logits = self._model(images, training=True)
            loss = _loss(self._model, logits, labels)
        variables = self._model.trainable_variables
        self._model.optimizer.apply(tape.gradient(loss, variables), variables)
        self._sums.add(loss, logits, labels)


class _Measurement:
    """Loss and accuracy of the model on a split, which changes nothing."""

    def __init__(self, model: Any, split: Split) -> None:
        tf = tensorflow_or_error()
        self._model, self._split = model, split
        self._sums = _Sums()
        self._size = max(1, min(_MEASURED_AT_ONCE, _MEASURED_PIXELS // split.images[0].size))
        images = tf.TensorSpec((None, *split.images.shape[1:]), tf.uint8)
        labels = tf.TensorSpec((None,), tf.int64)
        self._measure = tf.function(self._batch, autograph=False).get_concrete_function(images, labels)

    def run(self) -> tuple[float, float]:
        tf = tensorflow_or_error()
        self._sums.clear()
        for start in range(0, len(self._split.images), self._size):
            batch = slice(start, start + self._size)
            self._measure(tf.constant(self._split.images[batch]), tf.constant(self._split.labels[batch]))
        return self._sums.means(len(self._split.images))

    def _batch(self, images: Any, labels: Any) -> None:
        logits = self._model(images, training=False)
        self._sums.add(_loss(self._model, logits, labels), logits, labels)


def _loss(model: Any, logits: Any, labels: Any) -> Any:
    """Give a batch's mean loss with what the layers add to it (weight decay), as Keras reports it."""
    return model.loss(labels, logits) + sum(model.losses)


def _steps_a_call(steps: int, seconds: float) -> int:
    """Choose how many steps the next call has, after one of so many took so long."""
    return max(1, min(steps * 4, int(steps * CALL_SECONDS / max(seconds, 1e-6))))


def _check_finite(loss: float, epoch: int) -> None:
    if not np.isfinite(loss):
        raise ModelError(
            f"training diverged in epoch {epoch}: the loss is not a number any more",
            hint="check the training images, or use fewer epochs or another seed; no bundle was written",
        )

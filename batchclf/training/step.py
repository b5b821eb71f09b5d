"""What TensorFlow runs in a training: the steps over a block of images, and the measuring of a split."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf.core.types import Say
from batchclf.models.sources.keras import tensorflow_or_error
from batchclf.training.augmentation import augment
from batchclf.training.plan import Plan

CALL_SECONDS = 0.25
"""How long TensorFlow runs, about, before Python sees a signal or a loss that is not a number."""

_FIRST_CALL = 8  # steps, until it is known how long one takes
_BLOCK_STEPS = 1024
_BLOCK_BYTES = 1 << 25
_MEASURED_AT_ONCE = 1024
_MEASURED_PIXELS = 1 << 22


@dataclass(frozen=True, eq=False)
class Samples:
    """Some images of a split: `images` (n, height, width, channels) uint8, in memory or mapped from disk, and (n,)
    int64 `labels` are those of the whole split; `chosen` are the (m,) indices of the ones that are meant.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    chosen: NDArray[np.int64]

    def __len__(self) -> int:
        """Count the images that are meant."""
        return len(self.chosen)

    def chosen_labels(self) -> NDArray[np.int64]:
        """Give the (m,) labels of the images that are meant."""
        return self.labels[self.chosen]


class Sums:
    """What has been added up over images: loss and right predictions. Kept in TensorFlow, whatever a call's length."""

    def __init__(self) -> None:
        tf = tensorflow_or_error()
        self._loss = tf.Variable(0.0, dtype=tf.float64, trainable=False)
        self._right = tf.Variable(0, dtype=tf.int64, trainable=False)

    def assign(self, loss: float, right: int) -> None:
        """Begin with these sums."""
        self._loss.assign(loss)
        self._right.assign(right)

    def add(self, loss: Any, logits: Any, labels: Any) -> None:
        """Add a batch: its mean loss, (n, classes) logits and (n,) labels."""
        tf = tensorflow_or_error()
        right = tf.equal(tf.argmax(logits, axis=1, output_type=labels.dtype), labels)
        self._loss.assign_add(tf.cast(loss, tf.float64) * tf.cast(tf.shape(labels)[0], tf.float64))
        self._right.assign_add(tf.reduce_sum(tf.cast(right, tf.int64)))

    @property
    def loss(self) -> float:
        """The sum of the images' losses."""
        return float(self._loss.numpy())

    @property
    def right(self) -> int:
        """The number of right predictions."""
        return int(self._right.numpy())


class Steps:
    """Training steps of a network's ensemble members, side by side.

    The images stay uint8; those of a block of steps are gathered before TensorFlow is called.
    """

    def __init__(
        self,
        members: tuple[Any, ...],
        optimizer: Any,
        samples: Samples,
        plan: Plan,
        class_weights: NDArray[np.float64] | None,
        *,
        xla: bool,
        say: Say,
    ) -> None:
        self._members, self._optimizer, self._samples, self._plan = members, optimizer, samples, plan
        self._variables = [variable for member in members for variable in member.trainable_variables]
        self._loss = training_loss(plan.label_smoothing, class_weights)
        self.sums = Sums()
        bytes_a_step = plan.batch_size * int(np.prod(samples.images.shape[1:]))
        self._most = max(1, min(_BLOCK_STEPS, _BLOCK_BYTES // bytes_a_step, len(samples) // plan.batch_size))
        self._rest = len(samples) % plan.batch_size
        self._whole = len(samples) - self._rest
        optimizer.build(self._variables)  # variables cannot be made inside a graph
        self._compiled = self._compile(say) if xla else None
        self._loop: Any = self._compiled or self._function(plan.batch_size)
        self._last: Any = self._function(self._rest) if self._rest else None
        self._a_call = _FIRST_CALL

    def run(self, order: NDArray[np.int64], done: int) -> int:
        """Train on some more images of an epoch, which has them in this order; `done` of them are behind.

        Returns how many are behind then.
        """
        if done >= self._whole:
            self._call(self._last, order[done:], self._rest)
            return len(order)
        # About a quarter of a second a call, so that Python sees signals and a loss that is not finite (decision 112)
        steps = min(self._a_call, self._most)
        end = min(done + steps * self._plan.batch_size, self._whole)
        began = time.perf_counter()
        self._call(self._loop, order[done:end], self._most * self._plan.batch_size if self._compiled else end - done)
        self._a_call = _steps_a_call((end - done) // self._plan.batch_size, time.perf_counter() - began)
        return end

    def _call(self, function: Any, indices: NDArray[np.int64], size: int) -> None:
        """Hand a block to TensorFlow. XLA compiles for one size: a smaller block has a rest that is not looked at."""
        tf = tensorflow_or_error()
        chosen = self._samples.chosen[indices]
        images = np.empty((size, *self._samples.images.shape[1:]), np.uint8)
        labels = np.zeros(size, np.int32)
        np.take(self._samples.images, chosen, axis=0, out=images[: len(chosen)], mode="clip")
        labels[: len(chosen)] = self._samples.labels[chosen]
        function(tf.identity(images), tf.identity(labels), tf.constant(len(chosen)))
        self.sums.loss  # noqa: B018 (waits until TensorFlow is through: it looks into the arrays of numpy)

    def _compile(self, say: Say) -> Any:
        """Let XLA compile the steps; where it cannot, say so and give None."""
        tf = tensorflow_or_error()
        size = self._most * self._plan.batch_size
        loop = self._function(self._plan.batch_size, block=size, jit_compile=True)
        nothing = tf.zeros((size, *self._samples.images.shape[1:]), tf.uint8), tf.zeros(size, tf.int32)
        try:
            loop(*nothing, tf.constant(0))  # no step, so no weight changes
        except tf.errors.OpError as error:
            reason = str(error.message).strip().partition("\n")[0]
            say(f"XLA cannot compile this recipe; it is trained without, which takes longer ({reason})")
            return None
        return loop

    def _function(self, size: int, *, block: int | None = None, jit_compile: bool = False) -> Any:
        """Make the function that trains on the first images of a block, in batches of `size`."""
        tf = tensorflow_or_error()
        shape = self._samples.images.shape[1:]

        def loop(images: Any, labels: Any, end: Any) -> None:
            def step(at: Any) -> tuple[Any]:
                batch = tf.slice(images, [at, 0, 0, 0], [size, *shape])
                self._step(batch, tf.slice(labels, [at], [size]))
                return (at + size,)

            # Many steps in one call: Keras' fit spends 1.4 to 2.1 ms on a step of 0.2 ms (decision 112)
            tf.while_loop(lambda at: at < end, step, (tf.constant(0),), parallel_iterations=1)

        function = tf.function(loop, jit_compile=jit_compile, autograph=False)
        return function.get_concrete_function(
            tf.TensorSpec((block, *shape), tf.uint8),
            tf.TensorSpec((block,), tf.int32),
            tf.TensorSpec((), tf.int32),
        )

    def _step(self, images: Any, labels: Any) -> None:
        tf = tensorflow_or_error()
        plan, number = self._plan, self._optimizer.iterations.value
        changed = [augment(images, plan.augmentation, plan.seed, number, each) for each in range(len(self._members))]
        with tf.GradientTape() as tape:
            logits = [member(each, training=True) for member, each in zip(self._members, changed, strict=True)]
            # With what the layers add to it (weight decay of theirs), as Keras reports it. A sum, so that each member
            # learns as it would alone: from the loss of their mean they would learn to lean on each other.
            loss = sum(self._loss(labels, each) for each in logits) + sum(sum(each.losses) for each in self._members)
        self._optimizer.apply(tape.gradient(loss, self._variables), self._variables)
        self.sums.add(loss / len(logits), sum(logits) / len(logits), labels)


class Measurement:
    """Measures a model of so many ensemble members on images of (height, width, channels), which changes nothing.

    TensorFlow traces it once.
    """

    def __init__(self, model: Any, shape: tuple[int, ...], members: int) -> None:
        tf = tensorflow_or_error()
        self._model, self._members = model, members
        self._loss = training_loss(0.0, None)
        self._sums = Sums()
        self._size = max(1, min(_MEASURED_AT_ONCE, _MEASURED_PIXELS // int(np.prod(shape))))
        images, labels = tf.TensorSpec((None, *shape), tf.uint8), tf.TensorSpec((None,), tf.int64)
        self._measure = tf.function(self._batch, autograph=False).get_concrete_function(images, labels)

    def run(self, samples: Samples) -> tuple[float, int]:
        """Give the mean loss and the number of right predictions."""
        for _ in self._logits(samples):
            pass
        return self._sums.loss / len(samples), self._sums.right

    def logits(self, samples: Samples) -> NDArray[np.float32]:
        """Give the (m, classes) float32 logits, in the order of `chosen`."""
        return np.concatenate([each.numpy() for each in self._logits(samples)])

    def _logits(self, samples: Samples) -> Iterator[Any]:
        tf = tensorflow_or_error()
        self._sums.assign(0.0, 0)
        for start in range(0, len(samples), self._size):
            batch = samples.chosen[start : start + self._size]
            yield self._measure(tf.constant(samples.images[batch]), tf.constant(samples.labels[batch]))

    def _batch(self, images: Any, labels: Any) -> Any:
        logits = self._model(images, training=False)
        self._sums.add(self._loss(labels, logits) + sum(self._model.losses) / self._members, logits, labels)
        return logits


def training_loss(smoothing: float, class_weights: NDArray[np.float64] | None) -> Any:
    """Make the loss of (n,) labels and (n, classes) logits: cross-entropy, a mean over the batch's images.

    With `smoothing` a share of each label is spread over all classes (Szegedy 2016); `class_weights`, (classes,), count
    images of some classes more than those of others.
    """
    tf = tensorflow_or_error()
    import keras

    exact = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    smooth = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)
    weights = None if class_weights is None else tf.constant(class_weights, tf.float32)

    def loss(labels: Any, logits: Any) -> Any:
        of_images = None if weights is None else tf.gather(weights, labels)
        if smoothing:
            return smooth(tf.one_hot(labels, logits.shape[1]), logits, sample_weight=of_images)
        return exact(labels, logits, sample_weight=of_images)

    return loss


def _steps_a_call(steps: int, seconds: float) -> int:
    """Choose how many steps the next call has, after one of so many took so long."""
    return max(1, min(steps * 4, int(steps * CALL_SECONDS / max(seconds, 1e-6))))

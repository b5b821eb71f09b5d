"""The training loop: epochs, their measurement, early stopping and checkpoints.

Keras' `fit` returns to Python after every step, which for a small network takes longer than the step itself; here
TensorFlow runs many steps in one call (`training_step`).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf.core.text import counted
from batchclf.core.types import Say
from batchclf.errors import DeadlineError, ModelError
from batchclf.training.checkpoint import Arrays, Checkpoint, Course
from batchclf.training.network import Network
from batchclf.training.plan import Plan
from batchclf.training.step import Measurement, Samples, Steps

XLA_STEPS = 2000
"""Steps from which on XLA saves more time than it takes to compile (about a second)."""


@dataclass(frozen=True)
class Watch:
    """Who follows a training. `say` takes a line. `on_epoch` gets the number of an epoch, from 1, and its metrics.

    `on_images` gets how many images more have been trained on, and how many are left; a DeadlineError that it raises
    ends the training, which can be gone on with later.
    """

    say: Say
    on_epoch: Callable[[int, dict[str, float]], None]
    on_images: Callable[[int, int], None]


@dataclass(frozen=True)
class Phase:
    """Epochs up to `end` that are trained alike: `prepare` is called before them, and may freeze layers."""

    end: int
    learning_rate: float
    prepare: Callable[[], None] | None = None


@dataclass(frozen=True, eq=False)
class Trained:
    """What came of it: `history` has a value an epoch; the model has the weights after `kept_epoch`, and `measurement`
    measures it.
    """

    history: dict[str, list[float]]
    epochs: int
    kept_epoch: int
    seconds: float
    measurement: Measurement


def fit(
    network: Network,
    train: Samples,
    held: Samples,
    plan: Plan,
    phases: tuple[Phase, ...],
    checkpoint: Checkpoint,
    watch: Watch,
) -> Trained:
    """Train a network of uint8 images (n, height, width, channels) to logits.

    Each epoch has all training images once, in an order drawn anew, the last smaller batch included; then the `held`
    images are measured: with early stopping the weights with the least loss on them are kept. History: `loss`,
    `accuracy` (over the images as they were trained on), `val_loss` and `val_accuracy`, means over images. The same
    seed gives the same weights on the same machine, also where a training was ended and is gone on with from the
    checkpoint. Raises ModelError where a loss is not a number, and what `watch` and TensorFlow raise.
    """
    return _Fit(network, train, held, plan, checkpoint, watch).run(phases)


class _Fit:
    def __init__(
        self, network: Network, train: Samples, held: Samples, plan: Plan, checkpoint: Checkpoint, watch: Watch
    ) -> None:
        self._members, self._model, self._train, self._plan = network.members, network.model, train, plan
        self._checkpoint, self._watch = checkpoint, watch
        shape = train.images.shape[1:]
        self._held, self._measurement = held, Measurement(network.model, shape, len(network.members))
        self._weights = class_weights(train.chosen_labels()) if plan.class_weights == "balanced" else None
        self._course, self._state = checkpoint.load(watch.say) or (Course(), [])
        self._began = time.monotonic() - self._course.seconds

    def run(self, phases: tuple[Phase, ...]) -> Trained:
        course = self._course
        if self._state:
            self._watch.say(_gone_on(course, len(self._train)))
            done = course.epoch * len(self._train) + course.images
            self._watch.on_images(done, self._left())
        first = 1
        for phase in phases:
            if phase.prepare is not None:
                phase.prepare()
            if course.epoch < phase.end and not course.finished:
                self._phase(phase, first)
            first = phase.end + 1
        if self._state:  # nothing was left to train
            self._restore(self._state, None)
        elif self._checkpoint.keeps_end:
            self._save(None)
        kept = course.best_epoch if self._plan.patience else course.epoch
        if kept != course.epoch:
            for variable, value in zip(self._model.variables, course.best, strict=True):
                variable.assign(value)
        return Trained(course.history, course.epoch, kept, self._seconds(), self._measurement)

    def _phase(self, phase: Phase, first: int) -> None:
        course, plan = self._course, self._plan
        steps_an_epoch = -(-len(self._train) // plan.batch_size)
        planned = phase.end - first + 1
        optimizer = make_optimizer(plan, phase.learning_rate, planned * steps_an_epoch)
        enough = planned * (len(self._train) // plan.batch_size) >= XLA_STEPS
        # Compiling pays only for long trainings without convolutions or dropout (decision 113) (decision 122)
        xla = plan.xla and enough and not _draws(self._model)
        steps = Steps(self._members, optimizer, self._train, plan, self._weights, xla=xla, say=self._watch.say)
        if self._state:
            self._restore(self._state, optimizer)
            steps.sums.assign(course.loss, course.right)
            self._state = []
        # Not by Keras, whose seeded shuffling repeats the same batches every epoch (decision 025)
        orders = np.random.default_rng(plan.seed)
        for _ in range(course.epoch):
            orders.permutation(len(self._train))
        while course.epoch < phase.end and not course.finished:
            self._epoch(steps, optimizer, orders.permutation(len(self._train)))

    def _epoch(self, steps: Steps, optimizer: Any, order: NDArray[np.int64]) -> None:
        course, images = self._course, len(self._train)
        number = course.epoch + 1
        while course.images < images:
            done = steps.run(order, course.images)
            more, course.images = done - course.images, done
            course.loss, course.right = steps.sums.loss, steps.sums.right
            _check_finite(course.loss, number)
            if self._checkpoint.due:
                self._save(optimizer)
            try:
                self._watch.on_images(more, self._left())
            except DeadlineError:
                self._save(optimizer)
                raise
        val_loss, val_right = self._measurement.run(self._held)
        _check_finite(val_loss, number)
        metrics = {
            "loss": course.loss / images,
            "accuracy": course.right / images,
            "val_loss": val_loss,
            "val_accuracy": val_right / len(self._held),
        }
        for name, value in metrics.items():
            course.history.setdefault(name, []).append(value)
        course.epoch, course.images, course.loss, course.right = number, 0, 0.0, 0
        steps.sums.assign(0.0, 0)
        self._judge(val_loss)
        self._watch.on_epoch(number, metrics)
        if self._checkpoint.due:
            self._save(optimizer)

    def _judge(self, val_loss: float) -> None:
        """Keep the weights where early stopping may want them back, and end where it is time."""
        course, patience = self._course, self._plan.patience
        if not patience:
            return
        losses = course.history["val_loss"]
        if val_loss == min(losses) and losses.index(val_loss) == len(losses) - 1:
            course.best_epoch = course.epoch
            course.best = _values(self._model.variables)
        course.finished = course.epoch - course.best_epoch >= patience

    def _save(self, optimizer: Any) -> None:
        self._course.seconds = self._seconds()
        variables = [*self._model.variables, *(optimizer.variables if optimizer else ())]
        self._checkpoint.save(self._course, _values(variables))

    def _restore(self, state: Arrays, optimizer: Any) -> None:
        variables = [*self._model.variables, *(optimizer.variables if optimizer else ())]
        for variable, value in zip(variables, state, strict=optimizer is not None):
            variable.assign(value)

    def _left(self) -> int:
        return (self._plan.epochs - self._course.epoch) * len(self._train) - self._course.images

    def _seconds(self) -> float:
        return time.monotonic() - self._began


def make_optimizer(plan: Plan, learning_rate: float, steps: int) -> Any:
    """Make the plan's optimizer, with its weight decay, and its schedule over so many steps."""
    import keras

    rate: Any = learning_rate
    if plan.learning_rate_schedule == "cosine":
        warm_up = steps // 5
        rate = keras.optimizers.schedules.CosineDecay(
            learning_rate / 25, max(1, steps - warm_up), warmup_target=learning_rate, warmup_steps=warm_up
        )
    decay = plan.weight_decay or None
    if plan.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=decay)
    else:
        optimizer = keras.optimizers.Adam(rate, weight_decay=decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def class_weights(labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give weights by which each class counts alike, (classes,): images / (classes * images of the class).

    That is scikit-learn's "balanced" (King and Zeng 2001). `labels` are (n,) indices; a class without images gets 0.
    """
    counts = np.bincount(labels)
    return np.where(counts > 0, len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1)), 0.0)


def _draws(model: Any) -> bool:
    """Whether layers draw random numbers, as dropout does: XLA takes many times as long for them on a processor."""
    return any("seed_generator" in variable.path for variable in model.variables)


def _values(variables: Sequence[Any]) -> Arrays:
    return [np.array(variable.value.numpy()) for variable in variables]


def _gone_on(course: Course, images: int) -> str:
    part = f" and {course.images:,} of {counted(images, 'image')} of the next" if course.images else ""
    epochs = counted(course.epoch, "epoch")
    return f"going on with the training that was ended after {epochs}{part} (its checkpoint was found)"


def _check_finite(loss: float, epoch: int) -> None:
    if not np.isfinite(loss):
        raise ModelError(
            f"training diverged in epoch {epoch}: the loss is not a number any more",
            hint="check the training images, or use a lower --learning-rate, fewer epochs or another seed; no bundle "
            "was written",
        )

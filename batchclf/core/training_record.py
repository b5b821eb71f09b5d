"""How a training went, as a bundle keeps it and a report shows it."""

from dataclasses import dataclass, field
from typing import Literal

Held = Literal["validation", "test"]


@dataclass(frozen=True, slots=True)
class Right:
    """How many of so many images got their true class."""

    correct: int
    images: int

    @property
    def accuracy(self) -> float:
        """The share of right ones, 0 to 1; 0 without images."""
        return self.correct / self.images if self.images else 0.0


@dataclass(frozen=True, slots=True)
class TemperatureRecord:
    """The temperature that logits are divided by before the softmax, and what it did to the validation images.

    It is the one with the least log loss on them (Guo 2017). `log_loss` and `ece` (expected calibration error, over 20
    bins of confidence, 0 to 1) are each (without it, with it).
    """

    temperature: float
    images: int
    log_loss: tuple[float, float]
    ece: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Variant:
    """One training of `train --compare-regularisation`: what was changed, and how good the model became.

    `options` are those of `batchclf train` that make the same again, empty for the recipe as it is. `epochs` were run;
    the weights kept are those after `kept_epoch`. The training images are measured as they are, without dropout and
    augmentation.
    """

    name: str
    options: str
    epochs: int
    kept_epoch: int
    train: Right
    validation: Right
    test: Right
    seconds: float


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """How the training went that a bundle came out of.

    `val_*` of the history were measured on `measured_on`: the `validation_images` that were split from train, or the
    test split where there are none; only validation images choose anything (early stopping, temperature). `epochs` of
    `planned_epochs` were run, fewer where it stopped early; the weights are those after `kept_epoch`. `seconds` were
    spent in training, those before an interruption included. `final` is how the model at its end does on "train" (as
    the images are, of many images only some), "validation" and "test".
    """

    train_images: int
    validation_images: int
    measured_on: Held
    planned_epochs: int
    epochs: int
    kept_epoch: int
    seconds: float
    final: dict[str, Right] = field(default_factory=dict)
    temperature: TemperatureRecord | None = None
    variants: tuple[Variant, ...] = ()


def temperature_of(training: TrainingRecord | None) -> float:
    """Tell the temperature in a model's graph, 1 where there is none."""
    return 1.0 if training is None or training.temperature is None else training.temperature.temperature

"""What is asked of a training, and what comes of that and the recipe: the plan that the training follows."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from batchclf.errors import UsageError
from batchclf.training.augmentation import Augmentation, parse_augmentation
from batchclf.training.recipes.builtin import FINE_TUNE, Optimizer, Recipe, Schedule

if TYPE_CHECKING:
    from batchclf.training.finetune.base import Base  # which needs numpy

ClassWeights = Literal["none", "balanced"]
CHECKPOINT_SECONDS = 60.0
DEFAULT_RECIPE = "mlp"


@dataclass(frozen=True)
class TrainSettings:
    """What a recipe is run with; None takes the recipe's own value. The names are the options of `batchclf train`.

    `recipe` is a name of `RECIPES` or `module:function`, which is looked for in `recipe_folder` first.
    `validation_split` is the share of the training images that are held out, 0 to below 1. `patience` is after how many
    epochs without a lower validation loss it ends, 0 never. `class_weights` "balanced" lets each class count alike.
    With `flip_tta` the model averages its logits for each image and its mirror image; a recipe's own True needs
    "flip" in `augment`. It also averages those of `ensemble_size` networks that the recipe builds. With
    `compare_regularisation` the plan is also trained with each remedy against overfitting. A checkpoint is written when
    `checkpoint_every` seconds have passed since the last one.

    With a `base` that is fine-tuned there is no recipe: it is frozen for `frozen_epochs`, half of all unless given.
    """

    recipe: str = DEFAULT_RECIPE
    epochs: int | None = None
    batch_size: int | None = None
    seed: int = 0
    validation_split: float | None = None
    learning_rate: float | None = None
    learning_rate_schedule: Schedule | None = None
    patience: int | None = None
    dropout: float | None = None
    weight_decay: float | None = None
    label_smoothing: float | None = None
    flip_tta: bool | None = None
    ensemble_size: int | None = None
    augment: str | None = None
    class_weights: ClassWeights = "none"
    recipe_folder: Path | None = None
    compare_regularisation: bool = False
    checkpoint_every: float = CHECKPOINT_SECONDS
    base: "Base | None" = None
    frozen_epochs: int | None = None


@dataclass(frozen=True)
class BaseFacts:
    """The `base` that is fine-tuned, by name and SHA-256, and for how many epochs it is frozen."""

    base: str
    base_sha256: str
    frozen_epochs: int


@dataclass(frozen=True)
class Plan:
    """How a model is trained, with nothing left open; see `TrainSettings` and `Recipe` for what the values mean."""

    recipe: str
    epochs: int
    batch_size: int
    seed: int
    validation_split: float
    optimizer: Optimizer
    learning_rate: float
    learning_rate_schedule: Schedule
    patience: int
    dropout: float
    weight_decay: float
    label_smoothing: float
    augmentation: Augmentation
    flip_tta: bool
    ensemble_size: int
    class_weights: ClassWeights
    xla: bool
    base: BaseFacts | None = None

    def as_settings(self) -> dict[str, int | float | str | bool]:
        """Give what the bundle keeps of it, by the names of `batchclf train`'s options."""
        of_base = {} if self.base is None else asdict(self.base)
        return {
            **of_base,
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "seed": self.seed,
            "validation_split": self.validation_split,
            "optimizer": self.optimizer,
            "learning_rate": self.learning_rate,
            "learning_rate_schedule": self.learning_rate_schedule,
            "patience": self.patience,
            "dropout": self.dropout,
            "weight_decay": self.weight_decay,
            "label_smoothing": self.label_smoothing,
            "augment": str(self.augmentation),
            "flip_tta": self.flip_tta,
            "ensemble_size": self.ensemble_size,
            "class_weights": self.class_weights,
        }


def make_plan(recipe: Recipe, settings: TrainSettings) -> Plan:
    """Fill in the recipe's own values. Raises UsageError for values that no training can have."""
    augment = settings.augment
    ensemble_size = int(_chosen(settings.ensemble_size, recipe.ensemble_size))
    augmentation = parse_augmentation(recipe.augment if augment is None else augment)
    if augment is None:  # a recipe's own, for as many ensemble members as are wanted
        augmentation = Augmentation(augmentation.of_members[:ensemble_size])
    epochs = settings.epochs or recipe.epochs
    plan = Plan(
        recipe=FINE_TUNE if settings.base else settings.recipe,
        epochs=epochs,
        batch_size=settings.batch_size or recipe.batch_size,
        seed=settings.seed,
        validation_split=_chosen(settings.validation_split, recipe.validation_split),
        optimizer=recipe.optimizer,
        learning_rate=_chosen(settings.learning_rate, recipe.learning_rate),
        learning_rate_schedule=settings.learning_rate_schedule or recipe.learning_rate_schedule,
        patience=int(_chosen(settings.patience, recipe.patience)),
        dropout=_chosen(settings.dropout, 0.0),
        weight_decay=_chosen(settings.weight_decay, recipe.weight_decay),
        label_smoothing=_chosen(settings.label_smoothing, recipe.label_smoothing),
        augmentation=augmentation,
        flip_tta=_averaged(recipe, settings, augmentation),
        ensemble_size=ensemble_size,
        class_weights=settings.class_weights,
        xla=recipe.xla,
        base=_base_facts(settings, epochs),
    )
    _check(plan)
    return plan


def _base_facts(settings: TrainSettings, epochs: int) -> BaseFacts | None:
    if settings.base is None:
        return None
    frozen = epochs - epochs // 2 if settings.frozen_epochs is None else settings.frozen_epochs
    return BaseFacts(settings.base.name, settings.base.digest, min(frozen, epochs))


def _averaged(recipe: Recipe, settings: TrainSettings, augmentation: Augmentation) -> bool:
    """A recipe's own average needs mirrored training images: who leaves those out may have letters or digits."""
    asked = settings.flip_tta
    return recipe.flip_tta and augmentation.all_have("flip") if asked is None else asked


def _chosen(asked: float | None, own: float) -> float:
    return own if asked is None else asked


def _check(plan: Plan) -> None:
    below_one = {
        "validation_split": plan.validation_split,
        "dropout": plan.dropout,
        "label_smoothing": plan.label_smoothing,
    }
    for name, value in below_one.items():
        if not 0 <= value < 1:
            raise UsageError(f"{name} is {value}", hint="give a number from 0 to below 1")
    if not 0 < plan.learning_rate < float("inf"):
        raise UsageError(f"learning_rate is {plan.learning_rate}", hint="give a number above 0, such as 0.001")
    if not 0 <= plan.weight_decay < float("inf"):
        raise UsageError(f"weight_decay is {plan.weight_decay}", hint="give a number from 0 on, such as 0.01")
    if plan.ensemble_size < 1:
        raise UsageError(f"ensemble_size is {plan.ensemble_size}", hint="give a whole number from 1 on")
    if plan.ensemble_size > 1 and plan.base is not None:
        raise UsageError(
            "ensemble members are the networks that a recipe builds; a base that is fine-tuned has one",
            hint="leave ensemble_size (--ensemble-size) away, or the base",
        )
    different = len(plan.augmentation.of_members)
    if different > plan.ensemble_size:
        there = "a base has one" if plan.base is not None else f"ensemble_size is {plan.ensemble_size}"
        more = "" if plan.base is not None else f"give ensemble_size = {different} (--ensemble-size {different}), or "
        raise UsageError(
            f"augment '{plan.augmentation}' is for {different} ensemble members; {there}",
            hint=f"{more}give fewer kinds with slashes between them",
        )
    if plan.patience and not plan.validation_split:
        raise UsageError(
            "early stopping needs validation images, which are split from train; the test images choose nothing",
            hint="give validation_split = 0.1 (--validation-split 0.1), or patience = 0",
        )

"""What is asked of a training, and what comes of that and the recipe: the plan that the training follows."""

from dataclasses import asdict, dataclass

from batchclf.core.choices import ClassWeights, Schedule
from batchclf.core.options import expected, fits, options_of
from batchclf.errors import UsageError
from batchclf.training.augmentation import Augmentation, parse_augmentation
from batchclf.training.options import TrainingOptions, TrainSettings
from batchclf.training.recipes.builtin import DEFAULT_RECIPE, FINE_TUNE, Optimizer, Recipe


@dataclass(frozen=True)
class BaseFacts:
    """The `base` that is fine-tuned, by name and SHA-256, and for how many epochs it is frozen."""

    base: str
    base_sha256: str
    frozen_epochs: int


@dataclass(frozen=True)
class Plan:
    """How a model is trained, with nothing left open; see `TrainingOptions` and `Recipe` for what the values mean."""

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
        values = {**asdict(self), "augmentation": str(self.augmentation)}
        kept = {
            _KEPT_AS.get(name, name): value for name, value in values.items() if name not in ("recipe", "xla", "base")
        }
        return {**(values["base"] or {}), **kept}


_KEPT_AS = {"augmentation": "augment"}


def make_plan(recipe: Recipe, settings: TrainSettings) -> Plan:
    """Fill in the recipe's own values. Raises UsageError for values that no training can have."""
    augment = settings.augment
    ensemble_size = int(_chosen(settings.ensemble_size, recipe.ensemble_size))
    augmentation = parse_augmentation(recipe.augment if augment is None else augment)
    if augment is None:  # a recipe's own, for as many ensemble members as are wanted
        augmentation = Augmentation(augmentation.of_members[: max(1, ensemble_size)])
    epochs = settings.epochs or recipe.epochs
    plan = Plan(
        recipe=FINE_TUNE if settings.opened_base else settings.recipe or DEFAULT_RECIPE,
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
    base = settings.opened_base
    if base is None:
        return None
    frozen = epochs - epochs // 2 if settings.frozen_epochs is None else settings.frozen_epochs
    return BaseFacts(base.name, base.digest, min(frozen, epochs))


def _averaged(recipe: Recipe, settings: TrainSettings, augmentation: Augmentation) -> bool:
    """A recipe's own average needs mirrored training images: who leaves those out may have letters or digits."""
    asked = settings.flip_tta
    return recipe.flip_tta and augmentation.all_have("flip") if asked is None else asked


def _chosen(asked: float | None, own: float) -> float:
    return own if asked is None else asked


def _check(plan: Plan) -> None:
    options = options_of(TrainingOptions)
    for name, value in plan.as_settings().items():
        if name in options and not fits(value, options[name].kind):
            raise UsageError(f"{name} is {value}", hint=f"give {expected(options[name].kind)}")
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

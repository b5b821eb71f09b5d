"""`train --compare-regularisation`: the recipe as it is and with each remedy against overfitting."""

from dataclasses import dataclass, replace

from batchclf.training.augmentation import Augmentation
from batchclf.training.plan import Plan

AS_IT_IS = "as it is"
VALIDATION = 0.1
"""Share of the training images held out where the recipe holds out none: all are compared on the same images."""

_DROPOUT = 0.3
_WEIGHT_DECAY = {"adam": 0.1, "sgd": 0.005}  # the learning rates of SGD are larger
_PATIENCE = 3


@dataclass(frozen=True)
class Remedy:
    """A plan to compare, and the options of `batchclf train` that make it of the recipe."""

    name: str
    plan: Plan
    options: str


def remedies(plan: Plan) -> tuple[Remedy, ...]:
    """List the plans to compare, the one as it is first, all with the same validation images.

    A remedy that the plan has already is left out.
    """
    as_it_is = replace(plan, validation_split=plan.validation_split or VALIDATION)
    augmentation = Augmentation((("flip", "shift"),))
    held_out = "" if plan.validation_split else f" --validation-split {as_it_is.validation_split:g}"
    changes: dict[str, tuple[Plan, str]] = {}
    if not plan.dropout:
        changes["dropout"] = replace(as_it_is, dropout=_DROPOUT), f"--dropout {_DROPOUT}"
    if not plan.weight_decay:
        decay = _WEIGHT_DECAY[plan.optimizer]
        changes["weight decay"] = replace(as_it_is, weight_decay=decay), f"--weight-decay {decay}"
    if not plan.patience:
        changes["early stopping"] = replace(as_it_is, patience=_PATIENCE), f"--patience {_PATIENCE}"
    if plan.augmentation == Augmentation():
        changes["augmentation"] = replace(as_it_is, augmentation=augmentation), f"--augment {augmentation}"
    return (
        Remedy(AS_IT_IS, as_it_is, ""),
        *(Remedy(name, changed, options + held_out) for name, (changed, options) in changes.items()),
    )

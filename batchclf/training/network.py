"""The network that is trained, by its recipe or on a base, and the averages that the finished model gives."""

from dataclasses import dataclass
from typing import Any

from batchclf.errors import ModelError
from batchclf.training.finetune.base import Base
from batchclf.training.finetune.transfer import build_on
from batchclf.training.plan import Plan
from batchclf.training.recipes.builtin import Recipe
from batchclf.training.recipes.custom import build_checked


@dataclass(frozen=True, eq=False)
class Network:
    """A Keras model that gives the mean of its ensemble members' logits, these members, and the part of a base."""

    model: Any
    members: tuple[Any, ...]
    backbone: Any | None = None


def fine_tuning(base: Base) -> Recipe:
    """Make the recipe of a base that is fine-tuned; `build_network` builds it."""

    def build(input_shape: tuple[int, int, int], classes: int) -> Any:
        return build_on(base, input_shape, classes)[0]

    return Recipe(build, epochs=10, batch_size=32, description=f"fine-tune {base.name}", validation_split=0.1)


def build_network(
    recipe: Recipe, base: Base | None, plan: Plan, input_shape: tuple[int, int, int], classes: int
) -> Network:
    """Build the plan's network for images of (height, width, channels); its weights follow from the plan's seed.

    Seeds all random generators and lets TensorFlow compute deterministically from here on. Raises ModelError where the
    recipe makes something else than a classifier of such images.
    """
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(plan.seed)
    # For the whole process, so that an interrupted training comes to the same weights (decision 119)
    tf.config.experimental.enable_op_determinism()
    if base is not None:
        model, backbone = build_on(base, input_shape, classes, dropout=plan.dropout)
        return Network(model, (model,), backbone)
    built = [build_checked(recipe, input_shape, classes, plan.recipe) for _ in range(plan.ensemble_size)]
    if len({id(model) for model in built}) < plan.ensemble_size:
        raise ModelError(
            f"the recipe {plan.recipe} gives the same model again; each of the {plan.ensemble_size} ensemble members "
            "needs its own",
            hint="build the model anew in each call, or set ensemble_size = 1 (--ensemble-size 1)",
        )
    members = [with_dropout(model, plan.dropout) for model in built] if plan.dropout else built
    return Network(members[0] if plan.ensemble_size == 1 else average_members(members, input_shape), tuple(members))


def average_members(members: list[Any], input_shape: tuple[int, int, int]) -> Any:
    """Give a Keras model of (n, *input_shape) uint8 images whose logits are the mean of those of the members.

    It shares their layers, and they get numbers behind their names. Networks that begin with other weights make other
    mistakes (Lakshminarayanan 2017, "deep ensembles", averages probabilities).
    """
    import keras

    image = keras.Input(input_shape, dtype="uint8", name="image")
    for number, member in enumerate(members, 1):
        member.name = f"{member.name}_{number}"
    logits = keras.layers.Average(name="logits")([member(image) for member in members])
    return keras.Model(image, logits, name="mean_of_members")


def flip_tta(model: Any, input_shape: tuple[int, int, int]) -> Any:
    """Give a Keras model whose logits are the mean of those that `model` gives for an image and for its mirror image.

    It takes (n, *input_shape) uint8 images, shares its layers with `model`, and takes twice as long. A network that was
    trained on mirrored images makes fewer mistakes so (Krizhevsky 2012, section 4.1, averages over crops as well).
    """
    import keras

    image = keras.Input(input_shape, dtype="uint8", name="image")
    logits = keras.layers.Average(name="logits")([model(image), model(image[:, :, ::-1])])
    return keras.Model(image, logits, name=f"{model.name}_mirrored")


def with_dropout(model: Any, rate: float) -> Any:
    """Put dropout (Srivastava 2014) before the last layer of a Keras model, which shares its layers with the new one.

    Raises ModelError where the model does not end in a dense layer that has one input.
    """
    import keras

    last = model.layers[-1] if isinstance(model, keras.Sequential | keras.Model) and model.layers else None
    if not isinstance(last, keras.layers.Dense) or not getattr(model, "inputs", None) or len(model.outputs) != 1:
        raise ModelError(
            "dropout cannot be put before the last layer: the model does not end in a keras.layers.Dense",
            hint="leave dropout at 0 and put it into the recipe itself",
        )
    features = keras.layers.Dropout(rate, name="dropout_before_logits")(last.input)
    return keras.Model(model.inputs, last(features), name=model.name)

"""The options of a training."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec

from batchclf.core.choices import ChannelOrder, ClassWeights, Scale, Schedule
from batchclf.core.options import (
    AboveZero,
    ChannelNumbers,
    NotNegative,
    PathText,
    Positive,
    Seed,
    ShareBelowOne,
    Text,
    WholeNumber,
    option,
    values_of,
)
from batchclf.data.size_text import parse_size
from batchclf.training.augmentation import KINDS
from batchclf.training.recipes.builtin import DEFAULT_RECIPE, RECIPES

if TYPE_CHECKING:
    from batchclf.training.finetune.base import Base, BaseOptions  # which need numpy

CHECKPOINT_SECONDS = 60.0
SCALING = ("scale", "mean", "std", "channel_order")
OF_BASE = ("application", "frozen_epochs", *SCALING)
"""The options that go with `base`."""

_OWN = "the recipe's own"
_EPOCHS = ", ".join(f"{recipe.epochs} for `{name}`" for name, recipe in RECIPES.items())
_BATCHES = ", ".join(f"{recipe.batch_size} for `{name}`" for name, recipe in RECIPES.items())


class TrainingOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a model is trained, as a job file and the command line have it; None takes the recipe's own value.

    `scale`, `mean`, `std` and `channel_order` mean the same as for `model import`, and are for a base that does not
    say.
    """

    recipe: Annotated[
        Text | None,
        option(
            f"what is trained: {', '.join(RECIPES)}, or your own as MODULE:FUNCTION",
            example=DEFAULT_RECIPE,
            unset=f"{DEFAULT_RECIPE}, or none with base",
            metavar="NAME",
            more="see [recipes](models.md#recipes) and [custom recipes](models.md#custom-recipes)",
        ),
    ] = None
    epochs: Annotated[
        Positive | None,
        option("passes over the training images", example=10, unset=_OWN, metavar="N", more=_EPOCHS),
    ] = None
    batch_size: Annotated[
        Positive | None, option("images a training step", example=32, unset=_OWN, metavar="N", more=_BATCHES)
    ] = None
    seed: Annotated[Seed, option("of all randomness", metavar="N")] = 0
    validation_split: Annotated[
        ShareBelowOne | None,
        option(
            "share of the training images held out, in each class; only they choose anything; 0 is none",
            example=0.1,
            unset=_OWN,
            metavar="SHARE",
            more="see [Validation split](models.md#validation-split)",
        ),
    ] = None
    learning_rate: Annotated[
        AboveZero | None,
        option(
            "learning rate of the recipe's optimizer",
            example=0.001,
            unset=_OWN,
            metavar="RATE",
            more="see [Optimizer](models.md#optimizer)",
        ),
    ] = None
    learning_rate_schedule: Annotated[
        Schedule | None,
        option(
            "the learning rate over the steps; cosine: up over a fifth of them, then down to 0",
            example="cosine",
            unset=_OWN,
        ),
    ] = None
    patience: Annotated[
        WholeNumber | None,
        option(
            "end after N epochs without a lower validation loss, keep the best weights; 0 is never",
            example=5,
            unset=_OWN,
            metavar="N",
        ),
    ] = None
    class_weights: Annotated[ClassWeights, option("balanced: each class counts alike, however many images it has")] = (
        "none"
    )
    dropout: Annotated[
        ShareBelowOne | None,
        option(
            "leave out this share of the last layer's inputs at random, against overfitting",
            example=0.3,
            unset="0",
            metavar="RATE",
        ),
    ] = None
    weight_decay: Annotated[
        NotNegative | None,
        option(
            "pull weights towards 0, not biases and normalisation, against overfitting",
            example=0.1,
            unset=_OWN,
            metavar="RATE",
        ),
    ] = None
    label_smoothing: Annotated[
        ShareBelowOne | None,
        option("spread this share of each label over all classes", example=0.05, unset=_OWN, metavar="SHARE"),
    ] = None
    augment: Annotated[
        Text | None,
        option(
            f"change training images at random: {', '.join(KINDS)}, or none; slashes between ensemble members",
            example="flip,shift",
            unset=_OWN,
            metavar="KIND,…",
            more="`flip,shift/flip,erase` is for two [ensemble members](models.md#ensembles)",
        ),
    ] = None
    flip_tta: Annotated[
        bool | None,
        option(
            "let the model average its logits for an image and its mirror image",
            example=False,
            unset=_OWN,
            more="see [flip TTA](models.md#flip-tta)",
        ),
    ] = None
    ensemble_size: Annotated[
        Positive | None,
        option(
            "train N networks of the recipe side by side, and let the model average their logits",
            example=2,
            unset=_OWN,
            metavar="N",
            more="see [Ensembles](models.md#ensembles)",
        ),
    ] = None
    compare_regularisation: Annotated[
        bool,
        option(
            "also train with each remedy against overfitting, and keep in the bundle what each does",
            more="see [Against overfitting](models.md#against-overfitting)",
        ),
    ] = False
    checkpoint_every: Annotated[
        NotNegative,
        option(
            "seconds between checkpoints; a killed training goes on from the last one",
            metavar="SECONDS",
            more="see [Checkpoints](models.md#checkpoints)",
        ),
    ] = CHECKPOINT_SECONDS
    base: Annotated[
        PathText | None,
        option(
            "instead of recipe: a .keras or .h5 file or a model bundle that is fine-tuned",
            example="../models/shoes",
            metavar="PATH",
            more="see [Fine-tuning](models.md#fine-tuning)",
        ),
    ] = None
    application: Annotated[
        Text | None,
        option(
            "the network of keras.applications that base holds the weights of",
            example="MobileNetV2",
            metavar="NAME",
        ),
    ] = None
    frozen_epochs: Annotated[
        WholeNumber | None,
        option("train only the new last layer in the first N epochs", example=5, unset="half of all", metavar="N"),
    ] = None
    scale: Annotated[
        Scale | None,
        option(
            "how the model wants pixels; none: 0 to 255 as they are; 0..1: / 255; minus1..1: / 127.5 - 1",
            example="0..1",
            unset="what the model says, or 0..1 with mean or std",
        ),
    ] = None
    mean: Annotated[
        ChannelNumbers | None,
        option(
            "subtracted after scaling, in units of 0 to 1 unless scale says otherwise; one number for grayscale",
            example=[0.485, 0.456, 0.406],
            unset="nothing",
            metavar="R,G,B",
        ),
    ] = None
    std: Annotated[
        ChannelNumbers | None,
        option(
            "what is divided by after that, in the same units",
            example=[0.229, 0.224, 0.225],
            unset="no division",
            metavar="R,G,B",
        ),
    ] = None
    channel_order: Annotated[
        ChannelOrder | None, option("order of the channels that the model takes", example="rgb", unset="rgb")
    ] = None


class TrainSettings(TrainingOptions, frozen=True):
    """What a training is run with: the options, and what they name, opened.

    A custom recipe is looked for in `recipe_folder` first. With an `opened_base`, which is fine-tuned, there is no
    recipe.
    """

    recipe_folder: Path | None = None
    opened_base: "Base | None" = None


def train_settings(options: TrainingOptions, recipe_folder: Path, opened_base: "Base | None") -> TrainSettings:
    """Add to the options of a training what they name."""
    shared = values_of(options, TrainingOptions)
    return TrainSettings(**shared, recipe_folder=recipe_folder, opened_base=opened_base)


def base_options(options: TrainingOptions, path: Path, input_size: str | None) -> "BaseOptions":
    """Give what the options of a training say about a base; `input_size` is a text such as 224x224.

    Raises UsageError if it is another text.
    """
    from batchclf.training.finetune.base import BaseOptions

    size = None if input_size is None else parse_size(input_size)
    mean = None if options.mean is None else tuple(options.mean)
    std = None if options.std is None else tuple(options.std)
    return BaseOptions(path, options.application, size, options.scale, mean, std, options.channel_order)

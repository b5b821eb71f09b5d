"""The options of `batchclf train` that say how it trains."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from batchclf.cli.options import add_scaling, positive, seed
from batchclf.errors import UsageError
from batchclf.training.augmentation import KINDS
from batchclf.training.plan import CHECKPOINT_SECONDS, DEFAULT_RECIPE, TrainSettings

if TYPE_CHECKING:
    from batchclf.training.finetune.base import Base, BaseOptions

_SCALING = ("scale", "mean", "std", "channel_order")


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Add them; what is left out comes from the recipe."""
    group = parser.add_argument_group("training", "what is left out is the recipe's own")
    group.add_argument("--epochs", type=positive, metavar="N", help="passes over the training images")
    group.add_argument("--batch-size", type=positive, metavar="N", help="images a step")
    group.add_argument("--seed", type=seed, default=0, metavar="N", help="of all randomness (default: 0)")
    group.add_argument(
        "--validation-split",
        type=_number(0, 1),
        metavar="SHARE",
        help="share of the training images held out, in each class; only they choose anything (0: none)",
    )
    group.add_argument("--learning-rate", type=_number(0), metavar="RATE", help="learning rate of the optimizer")
    group.add_argument(
        "--learning-rate-schedule",
        choices=("constant", "cosine"),
        help="the learning rate over the steps; cosine: up over a fifth of them, then down to 0",
    )
    group.add_argument(
        "--patience",
        type=_whole,
        metavar="N",
        help="end after N epochs without a lower validation loss, keep the weights of the best (0: never)",
    )
    group.add_argument(
        "--class-weights",
        choices=("none", "balanced"),
        default="none",
        help="balanced: each class counts alike, however many images it has (default: none)",
    )
    group.add_argument(
        "--checkpoint-every",
        type=_number(0),
        default=CHECKPOINT_SECONDS,
        metavar="SECONDS",
        help="how often to write down how far it is; the same command goes on from there (default: 60)",
    )
    against = parser.add_argument_group("against overfitting")
    against.add_argument(
        "--dropout",
        type=_number(0, 1),
        metavar="RATE",
        help="leave out this share of the last layer's inputs at random",
    )
    against.add_argument("--weight-decay", type=_number(0), metavar="RATE", help="pull weights towards 0")
    against.add_argument(
        "--label-smoothing",
        type=_number(0, 1),
        metavar="SHARE",
        help="spread this share of each label over all classes",
    )
    kinds = "; ".join(f"{kind}: {meaning}" for kind, meaning in KINDS.items())
    against.add_argument(
        "--augment",
        metavar="KIND,…",
        help=f"change training images at random ({kinds}; or none; slashes between those of several ensemble members)",
    )
    against.add_argument(
        "--flip-tta",
        action=argparse.BooleanOptionalAction,
        help="let the model average its logits for an image and its mirror image, which takes twice as long",
    )
    against.add_argument(
        "--ensemble-size",
        type=positive,
        metavar="N",
        help="train N networks of the recipe side by side, and let the model average their logits",
    )
    against.add_argument(
        "--compare-regularisation",
        action="store_true",
        help="also train with dropout, weight decay, early stopping and augmentation, and keep in the bundle what each "
        "does to accuracy and gap",
    )


def add_base_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what is fine-tuned."""
    group = parser.add_argument_group("fine-tuning", "in place of --recipe")
    group.add_argument(
        "--base", type=Path, metavar="PATH", help="begin with this .keras or .h5 file or model bundle: new last layer"
    )
    group.add_argument(
        "--application", metavar="NAME", help="the network of keras.applications that PATH holds the weights of"
    )
    group.add_argument(
        "--frozen-epochs", type=_whole, metavar="N", help="train only the new layer in the first N epochs (half of all)"
    )
    add_scaling(group)


def base_options(args: argparse.Namespace) -> "BaseOptions | None":
    """Give the base that is asked for; raises UsageError if options do not go together or one is missing."""
    given = [name for name in ("application", "frozen_epochs", *_SCALING) if getattr(args, name) is not None]
    if args.base is None and given:
        option = f"--{given[0].replace('_', '-')}"
        raise UsageError(f"{option} goes with --base only", hint="leave it out, or name the base")
    if (args.base is None) == (args.recipe is None):
        what = "neither --recipe nor --base is given" if args.base is None else "--recipe and --base do not go together"
        raise UsageError(what, hint="give exactly one: what is trained anew, or what is fine-tuned")
    if args.base is None:
        return None
    from batchclf.training.finetune.base import BaseOptions

    scaling = {name: getattr(args, name) for name in _SCALING}
    return BaseOptions(args.base, args.application, args.input_size, **scaling)


def train_settings(args: argparse.Namespace, base: "Base | None") -> TrainSettings:
    """Give the settings that the options ask for."""
    return TrainSettings(
        recipe=args.recipe or DEFAULT_RECIPE,
        recipe_folder=Path.cwd(),
        epochs=args.epochs,
        batch_size=args.batch_size,
        seed=args.seed,
        validation_split=args.validation_split,
        learning_rate=args.learning_rate,
        learning_rate_schedule=args.learning_rate_schedule,
        patience=args.patience,
        dropout=args.dropout,
        weight_decay=args.weight_decay,
        label_smoothing=args.label_smoothing,
        augment=args.augment,
        flip_tta=args.flip_tta,
        ensemble_size=args.ensemble_size,
        class_weights=args.class_weights,
        compare_regularisation=args.compare_regularisation,
        checkpoint_every=args.checkpoint_every,
        base=base,
        frozen_epochs=args.frozen_epochs,
    )


def _number(least: float, below: float = float("inf")) -> Callable[[str], float]:
    """Make a type that reads a number from `least` to below `below`."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value < below:
            upper = f"to below {below:g}" if below < float("inf") else "on"
            raise argparse.ArgumentTypeError(f"'{text}' is not a number from {least:g} {upper}")
        return value

    return read


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 0 on")
    return int(text)

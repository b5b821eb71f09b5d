"""`batchclf train`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from batchclf.cli.options import add_option, add_options, folder_path, given, options_from
from batchclf.cli.train_data import add_data_options, load_training_data
from batchclf.errors import UsageError
from batchclf.training.options import OF_BASE, TrainingOptions, base_options, train_settings

if TYPE_CHECKING:
    from batchclf.cli.console import Console
    from batchclf.training.finetune.base import Base

EXAMPLES = """\
examples:
  batchclf train --dataset fashion-mnist --recipe mlp --out models/fashion
  batchclf train --dataset fashion-mnist --recipe mlp --compare-regularisation --out models/fashion
  batchclf train --data photos/ --recipe cnn --group-by '(patient[0-9]+)_' --out models/photos
"""
_AGAINST_OVERFITTING = (
    *("dropout", "weight_decay", "label_smoothing", "augment", "flip_tta", "ensemble_size"),
    "compare_regularisation",
)


def add(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verb's parser."""
    parser = verbs.add_parser(
        "train",
        parents=[common],
        help="train a recipe and write a model bundle",
        description="Train a recipe on a data set or on class folders, and write the model bundle.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data_options(parser)
    add_option(parser, TrainingOptions, "recipe", unset="this or --base is required")
    parser.add_argument(
        "-o", "--out", type=folder_path, required=True, metavar="BUNDLE", help="folder of the model bundle"
    )
    against, of_base = set(_AGAINST_OVERFITTING), {"base", *OF_BASE}
    others = [name for name in TrainingOptions.__struct_fields__ if name not in {"recipe", *against, *of_base}]
    add_options(parser.add_argument_group("training"), TrainingOptions, *others)
    add_options(parser.add_argument_group("against overfitting"), TrainingOptions, *_AGAINST_OVERFITTING)
    group = parser.add_argument_group("fine-tuning", "in place of --recipe")
    add_option(group, TrainingOptions, "base", unset="this or --recipe is required")
    add_options(group, TrainingOptions, *OF_BASE)
    parser.set_defaults(handle=handle)


def handle(args: argparse.Namespace, console: "Console") -> int:
    """Train."""
    from batchclf.jobs.run.train_model import train_with_progress
    from batchclf.training.train_bundle import recipe_and_plan

    options = options_from(args, TrainingOptions)
    base = _open_base(options, args.input_size, console)
    settings = train_settings(options, Path.cwd(), base)
    recipe_and_plan(settings)  # what cannot be is reported before the data are read
    dataset = load_training_data(args, options.seed, console, base)
    console.say(f"data: {dataset.origin}")
    bundle = train_with_progress(dataset, settings, args.out, console)
    info = bundle.info
    return console.result(
        {
            "bundle": str(bundle.path),
            "digest": bundle.digest,
            "recipe": info.recipe,
            "settings": info.settings,
            "history": info.history,
            "training": msgspec.to_builtins(info.training),
        }
    )


def _open_base(options: TrainingOptions, input_size: str | None, console: "Console") -> "Base | None":
    """Open the base that is asked for; raises UsageError if options do not go together or one is missing."""
    if options.base is None and (wrong := given(options, OF_BASE)):
        raise UsageError(f"{wrong[0]} goes with --base only", hint="leave it out, or name the base")
    if (options.base is None) == (options.recipe is None):
        neither = options.base is None
        what = "neither --recipe nor --base is given" if neither else "--recipe and --base do not go together"
        raise UsageError(what, hint="give exactly one: what is trained anew, or what is fine-tuned")
    if options.base is None:
        return None
    from batchclf.training.finetune.base import open_base

    return open_base(base_options(options, Path(options.base), input_size), say=console.say)

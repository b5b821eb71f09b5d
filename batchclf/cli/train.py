"""`batchclf train`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from batchclf.cli.train_data import add_data_options, load_training_data
from batchclf.cli.train_options import add_base_options, add_training_options, base_options, train_settings
from batchclf.training.recipes.builtin import RECIPES

if TYPE_CHECKING:
    from batchclf.cli.console import Console

EXAMPLES = """\
examples:
  batchclf train --dataset fashion-mnist --recipe mlp --out models/fashion
  batchclf train --dataset fashion-mnist --recipe mlp --compare-regularisation --out models/fashion
  batchclf train --data photos/ --recipe cnn --group-by '(patient[0-9]+)_' --out models/photos
"""


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
    parser.add_argument(
        "--recipe", metavar="NAME", help=f"what is trained: {', '.join(RECIPES)}, or your own as MODULE:FUNCTION"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="BUNDLE", help="folder of the model bundle")
    add_training_options(parser)
    add_base_options(parser)
    parser.set_defaults(handle=handle)


def handle(args: argparse.Namespace, console: "Console") -> int:
    """Train."""
    from batchclf.jobs.run.train_model import train_with_progress
    from batchclf.training.finetune.base import open_base
    from batchclf.training.train_bundle import recipe_and_plan

    options = base_options(args)
    base = None if options is None else open_base(options, say=console.say)
    settings = train_settings(args, base)
    recipe_and_plan(settings)  # what cannot be is reported before the data are read
    dataset = load_training_data(args, console, base)
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

"""`batchclf train`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchclf.cli.options import add_data_dir, positive, seed
from batchclf.data.catalog import DATASET_NAMES
from batchclf.models.recipes import RECIPES

if TYPE_CHECKING:
    from batchclf.cli.console import Console

EXAMPLES = """\
examples:
  batchclf train --dataset fashion-mnist --recipe mlp --out models/fashion
  batchclf train --data photos/ --recipe mlp --epochs 20 --out models/photos
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
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--dataset", choices=DATASET_NAMES, help="a data set by name")
    source.add_argument(
        "--data", type=Path, metavar="DIR", help="class folders: DIR/CLASS/*, or DIR/train/CLASS/* and DIR/test/CLASS/*"
    )
    parser.add_argument("--recipe", choices=list(RECIPES), required=True, help="what is trained")
    parser.add_argument("--out", type=Path, required=True, metavar="BUNDLE", help="folder of the model bundle")
    parser.add_argument("--epochs", type=positive, metavar="N", help="passes over the training images (recipe's own)")
    parser.add_argument("--batch-size", type=positive, metavar="N", help="images a step (recipe's own: 32)")
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="of all randomness (default: 0)")
    add_data_dir(parser)
    parser.set_defaults(handle=handle)


def handle(args: argparse.Namespace, console: "Console") -> int:
    """Train."""
    from batchclf.data.catalog import load_dataset
    from batchclf.data.folders import load_class_folders
    from batchclf.jobs.runner import train_with_progress
    from batchclf.models.train import TrainSettings

    if args.data is not None:
        dataset = load_class_folders(args.data, say=console.say, seed=args.seed)
    else:
        dataset = load_dataset(args.dataset, data_dir=args.data_dir, say=console.say)
    console.say(f"data: {dataset.origin}")
    settings = TrainSettings(args.recipe, args.epochs, args.batch_size, args.seed)
    bundle = train_with_progress(dataset, settings, args.out, console)
    info = bundle.info
    console.result(
        {
            "bundle": str(bundle.path),
            "digest": bundle.digest,
            "recipe": info.recipe,
            "settings": info.settings,
            "history": info.history,
            "exit_code": 0,
        }
    )
    return 0

"""What `batchclf train` trains on: a data set by name, or class folders and how they are split."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from batchclf.cli.options import add_data_dir, size
from batchclf.data.catalog import DATASET_NAMES
from batchclf.errors import UsageError

if TYPE_CHECKING:
    from batchclf.cli.console import Console
    from batchclf.core.types import Dataset
    from batchclf.training.finetune.base import Base

_OF_FOLDERS = ("test_size", "group_by", "input_size", "color", "store")


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name the data."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--dataset", choices=DATASET_NAMES, help="a data set by name")
    source.add_argument(
        "--data", type=Path, metavar="DIR", help="class folders: DIR/CLASS/*, or DIR/train/CLASS/* and DIR/test/CLASS/*"
    )
    add_data_dir(parser)
    folders = parser.add_argument_group("class folders", "how the folders of --data become a data set")
    folders.add_argument(
        "--test-size",
        type=_share,
        metavar="SHARE",
        help="part of each class that is test, chosen by --seed (0.2; not used if there are train/ and test/)",
    )
    folders.add_argument(
        "--group-by",
        metavar="REGEX",
        help="regular expression, searched in paths below DIR: images of the same text in its parentheses (in the "
        "whole match without any) are all train or all test, e.g. '(patient[0-9]+)_'",
    )
    folders.add_argument(
        "--input-size",
        type=size,
        metavar="HxW",
        help="height and width in pixels that the model takes (the first image's, at most 96 on the longer side)",
    )
    folders.add_argument(
        "--color", choices=("grayscale", "rgb"), help="what the model takes (rgb if one of the images has colour)"
    )
    folders.add_argument(
        "--store",
        choices=("auto", "memory", "disk"),
        help="where the pixels stand; auto: on disk if they would take more than half of the memory (auto)",
    )


def load_training_data(args: argparse.Namespace, console: "Console", base: "Base | None" = None) -> "Dataset":
    """Load what the options name, class folders as large as a base wants them.

    Raises UsageError if the options do not go together, and what loading raises.
    """
    if args.data is None:
        given = [f"--{name.replace('_', '-')}" for name in _OF_FOLDERS if getattr(args, name) is not None]
        if given:
            raise UsageError(
                f"{', '.join(given)}: for class folders only, not with --dataset",
                hint=f"leave {'it' if len(given) == 1 else 'them'} out, or train on class folders with --data DIR",
            )
        from batchclf.data.catalog import load_dataset

        return load_dataset(args.dataset, data_dir=args.data_dir, say=console.say)
    if args.data_dir is not None:
        raise UsageError(
            "--data-dir: for a data set by name only, not with --data", hint="leave it out, or give --dataset NAME"
        )
    from batchclf.data.folders import load_class_folders

    return load_class_folders(
        args.data,
        say=console.say,
        progress=console.progress,
        test_size=args.test_size,
        group=args.group_by,
        seed=args.seed,
        size=args.input_size or (base.input_shape[:2] if base else None),
        color_mode=args.color or (base.steps.color_mode if base else None),
        store=args.store or "auto",
    )


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0 and below 1, such as 0.2")
    return share

"""What `batchclf train` trains on: a data set by name, or class folders and how they are split."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from batchclf.cli.options import add_option, add_options, as_path, given, options_from
from batchclf.errors import UsageError
from batchclf.jobs.config.options import OF_FOLDERS, OF_IMAGES, DataSpec, ScoringOptions

if TYPE_CHECKING:
    from batchclf.cli.console import Console
    from batchclf.core.types import Dataset
    from batchclf.training.finetune.base import Base


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name the data."""
    source = parser.add_mutually_exclusive_group(required=True)
    add_option(source, DataSpec, "dataset", unset="this or --data is required")
    add_option(source, DataSpec, "directory", flag="--data", unset="this or --dataset is required")
    add_options(parser, DataSpec, "data_dir")
    folders = parser.add_argument_group("class folders", "how the folders of --data become a data set")
    add_options(folders, DataSpec, *OF_FOLDERS)
    add_options(folders, ScoringOptions, *OF_IMAGES)


def load_training_data(
    args: argparse.Namespace, seed: int, console: "Console", base: "Base | None" = None
) -> "Dataset":
    """Load what the options name, class folders as large as a base wants them; `seed` draws the test images.

    Raises UsageError if the options do not go together, and what loading raises.
    """
    data, reading = options_from(args, DataSpec), options_from(args, ScoringOptions)
    if data.directory is None:
        if wrong := given(data, OF_FOLDERS) + given(reading, OF_IMAGES):
            raise UsageError(
                f"{', '.join(wrong)}: for class folders only, not with --dataset",
                hint=f"leave {'it' if len(wrong) == 1 else 'them'} out, or train on class folders with --data DIR",
            )
        from batchclf.data.catalog import load_dataset

        return load_dataset(args.dataset, data_dir=as_path(data.data_dir), say=console.say)
    if data.data_dir is not None:
        raise UsageError(
            "--data-dir: for a data set by name only, not with --data", hint="leave it out, or give --dataset NAME"
        )
    from batchclf.data.folders import load_class_folders
    from batchclf.jobs.config.data_options import input_options, split_of, split_options

    return load_class_folders(
        Path(data.directory),
        say=console.say,
        progress=console.progress,
        store=data.store,
        limits=reading.limits,
        **input_options(data, base),
        **split_options(split_of(data, seed, as_path(data.label_map))),
    )

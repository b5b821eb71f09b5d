"""`batchclf data describe|export|fetch`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from batchclf.cli.options import add_options, as_path, describe, file_path, folder_path, keep_output_free, shown
from batchclf.core.choices import SplitName
from batchclf.data.catalog import DATASET_NAMES
from batchclf.jobs.config.options import DataSpec

if TYPE_CHECKING:
    from batchclf.cli.console import Console

EXAMPLES = """\
examples:
  batchclf data describe fashion-mnist --grid first-25.png
  batchclf data export fashion-mnist photos/ --split test
  batchclf data fetch fashion-mnist
"""
GRID_IMAGES = 25
SPLITS: tuple[SplitName, ...] = get_args(SplitName)


def add(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verb's parsers."""
    parser = verbs.add_parser(
        "data",
        help="look at a data set, export it as images, fetch it",
        description="Look at a data set, export it as class folders of PNGs, or fetch it into the cache.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    described = actions.add_parser(
        "describe", parents=[common], help="shapes, value range and class counts, and a picture of the first images"
    )
    describe(
        described.add_argument("--grid", type=file_path, metavar="FILE", help="PNG of the first 25 training images"),
        unset="NAME-first-25.png",
    )
    described.set_defaults(handle=describe_data)
    export = actions.add_parser("export", parents=[common], help="write a split as class folders of PNGs")
    export.set_defaults(handle=export_data)
    fetch = actions.add_parser("fetch", parents=[common], help="make sure the files are here, and say where")
    fetch.set_defaults(handle=fetch_data)
    for action in (described, export, fetch):
        action.add_argument("dataset", choices=DATASET_NAMES, help="a data set by name")
        add_options(action, DataSpec, "data_dir")
    export.add_argument("directory", type=folder_path, metavar="DIR", help="folder to write; new or empty")
    describe(export.add_argument("--split", choices=SPLITS, default="test", help="which split"))


def describe_data(args: argparse.Namespace, console: "Console") -> int:
    """Print the facts and write the grid."""
    from batchclf import atomic
    from batchclf.data.catalog import load_dataset
    from batchclf.data.describe import as_dict, as_lines
    from batchclf.data.describe import describe as facts_of
    from batchclf.report.charts.image_grid import grid_png

    grid = args.grid or Path(f"{args.dataset}-first-{GRID_IMAGES}.png")
    keep_output_free([grid], console)
    dataset = load_dataset(args.dataset, data_dir=as_path(args.data_dir), say=console.say)
    facts = facts_of(dataset)
    for line in as_lines(facts):
        console.say(line)
    names = [dataset.class_names[label] for label in dataset.train.labels[:GRID_IMAGES]]
    atomic.write_bytes(grid, grid_png(dataset.train.images[:GRID_IMAGES], names))
    console.say(f"grid of the first {len(names)} training images: {shown(grid)}")
    return console.result({**as_dict(facts), "grid": str(grid)})


def export_data(args: argparse.Namespace, console: "Console") -> int:
    """Write the class folders."""
    from batchclf.data.catalog import load_dataset
    from batchclf.data.export import export_split

    dataset = load_dataset(args.dataset, data_dir=as_path(args.data_dir), say=console.say)
    split = dataset.splits[args.split]
    count = export_split(split, dataset.class_names, args.directory, say=console.say)
    console.say(f"wrote {count:,} PNGs in {len(dataset.class_names)} class folders to {args.directory}")
    return console.result({"directory": str(args.directory), "split": args.split, "images": count})


def fetch_data(args: argparse.Namespace, console: "Console") -> int:
    """Load the data set, which fetches what is missing."""
    from batchclf.data.catalog import load_dataset

    origin = load_dataset(args.dataset, data_dir=as_path(args.data_dir), say=console.say).origin
    console.say(origin)
    return console.result({"dataset": args.dataset, "origin": origin})

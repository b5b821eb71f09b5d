"""`batchclf pack`."""

import argparse
from typing import TYPE_CHECKING, Any, get_args

from batchclf.cli.options import add_option, describe, folder_path, location
from batchclf.cli.selection import add_selection
from batchclf.core.choices import ShardFormat
from batchclf.errors import ExitCode
from batchclf.jobs.config.options import DirectoryOptions

if TYPE_CHECKING:
    from batchclf.cli.console import Console

EXAMPLES = """\
examples:
  batchclf pack photos/ shards/                           tars of 256 MB in WebDataset layout
  batchclf pack photos/ shards/ --format parquet --labels folders
  batchclf score shards/                                  scores them as it does photos/
"""


def add(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verb's parser."""
    parser = verbs.add_parser(
        "pack",
        parents=[common],
        help="pack a folder of images into shards (tar or Parquet)",
        description="Pack the images under DIR, as their files are, into shards: large files that hold many of them.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "directory",
        type=location,
        metavar="DIR",
        help="folder tree of images, or shards to pack again; or s3://BUCKET/PREFIX",
    )
    parser.add_argument("out", type=folder_path, metavar="OUT", help="folder to write; must not exist")
    describe(
        parser.add_argument("--format", choices=get_args(ShardFormat), default="tar", help="what the shards are"),
        more="`tar` is the layout of WebDataset, `parquet` needs the extra `parquet`.",
    )
    describe(
        parser.add_argument(
            "--shard-size",
            default="256MB",
            metavar="SIZE",
            help="begin the next shard before one is larger than this; one image is never parted",
        )
    )
    add_option(
        parser,
        DirectoryOptions,
        "labels",
        about="labels to put into the shards: auto (none but those that shards have), folders (the first folder of "
        "each path), none, or a CSV with the columns path and label",
    )
    add_option(parser, DirectoryOptions, "label_map")
    add_selection(parser)
    add_option(
        parser,
        DirectoryOptions,
        "max_skipped",
        about=f"exit code {ExitCode.PARTIAL} if more images cannot be read, N or P%",
    )
    parser.set_defaults(handle=handle)


def handle(args: argparse.Namespace, console: "Console") -> int:
    """Pack."""
    from batchclf.cli.selection import directory_subset
    from batchclf.core.text import counted, size
    from batchclf.jobs.config.limits import parse_budget, parse_bytes
    from batchclf.jobs.pack.pack import pack

    budget = None if args.max_skipped is None else parse_budget(args.max_skipped)
    subset = directory_subset(args)
    manifest = pack(subset, args.out, args.format, parse_bytes(args.shard_size), console)
    images = manifest.packed + manifest.skipped
    code = ExitCode.OK if budget is None or not budget.exceeded(manifest.skipped, images) else ExitCode.PARTIAL
    if code:
        console.warn(f"more images were skipped than --max-skipped {args.max_skipped} allows")
    for sentence in subset.source.missing():
        console.warn(sentence)
        code = ExitCode.PARTIAL
    packed, into = counted(manifest.packed, "image"), counted(len(manifest.shards), "shard")
    of_all = size(sum(entry.bytes for entry in manifest.shards))
    console.say(f"packed {packed} into {into} ({of_all}): {args.out}")
    counts = {"found": manifest.found, "packed": manifest.packed, "skipped": manifest.skipped}
    excluded = sum(manifest.excluded.values())
    shards = [entry.name for entry in manifest.shards]
    return console.result({"directory": str(args.out), **counts, "excluded": excluded, "shards": shards}, code)

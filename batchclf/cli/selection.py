"""The options of `score` that choose files and labels."""

import argparse
import difflib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from batchclf.cli.options import add_option, add_options, as_location, describe, positive, reader
from batchclf.core.options import Seed
from batchclf.jobs.config.options import DirectoryOptions

if TYPE_CHECKING:
    from batchclf.data.labels import LabelMode
    from batchclf.data.selection import Selection
    from batchclf.data.sources.addresses import Location
    from batchclf.data.sources.interface import ImageSource
    from batchclf.jobs.config.settings import DirectorySubset


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose files of a folder."""
    group = parser.add_argument_group("choosing files of DIR (a file .batchclfignore in DIR leaves out what it lists)")
    group.add_argument(
        "--files-from",
        metavar="FILE",
        help="score only the files listed in FILE, one path a line (or NUL-separated), relative to DIR; "
        "- is standard input",
    )
    about = "only files that match, as in a gitignore file: '*.jpg', 'photos/2026-*/**'; may be given again"
    add_option(group, DirectoryOptions, "glob", about=about)
    group.add_argument("--sample", type=positive, metavar="N", help="score N images, drawn at random by --seed")
    seed = group.add_argument("--seed", type=reader(Seed), metavar="S", help="random seed of --sample")
    describe(seed, unset="0")
    group.add_argument(
        "--shard", type=_shard, metavar="I/N", help="score the I-th of N parts, so that N machines can share the work"
    )
    add_options(group, DirectoryOptions, "follow_symlinks")


def directory_subset(args: argparse.Namespace) -> "DirectorySubset":
    """Make the subset of `args.directory`; reads the list of files.

    Raises UsageError for options that do not go together, a glob that is none, a list that leads out of the folder
    and --labels that are neither a mode nor a file, DataError for a folder or a list that cannot be read.
    """
    from batchclf.data.sources.registry import source_of
    from batchclf.jobs.config.settings import DirectorySubset

    source = source_of(args.directory).opened()
    return DirectorySubset(source, labels_from(args.labels), _selection(args, source), as_location(args.label_map))


def refuse_with_split(args: argparse.Namespace) -> None:
    """Raise UsageError if an option about the files of a folder is given with --split."""
    from batchclf.errors import UsageError

    given = {
        "--labels": args.labels != "auto",
        "--label-map": args.label_map is not None,
        "--files-from": args.files_from is not None,
        "--glob": bool(args.glob),
        "--sample": args.sample is not None,
        "--seed": args.seed is not None,
        "--shard": args.shard is not None,
        "--follow-symlinks": args.follow_symlinks,
        "--resume": args.resume,
    }
    for option, is_given in given.items():
        if is_given:
            raise UsageError(
                f"{option} is about the files of a folder; a split is scored whole, with its own labels",
                hint="leave it out, or export the split (batchclf data export) and score the folder",
            )


def _selection(args: argparse.Namespace, source: "ImageSource") -> "Selection":
    from batchclf.data.patterns import glob_paths
    from batchclf.data.selection import Selection
    from batchclf.errors import UsageError

    if args.seed is not None and args.sample is None:
        raise UsageError("--seed draws a sample, and none is asked for", hint="give --sample N with it")
    globs = tuple(args.glob)
    if globs:
        glob_paths(globs)  # reported before anything is done
    return Selection(
        files=None if args.files_from is None else _listed(args.files_from, source),
        globs=globs,
        sample=args.sample,
        seed=args.seed or 0,
        shard=args.shard,
        follow_symlinks=args.follow_symlinks,
    )


def labels_from(text: str) -> "LabelMode | Location":
    """Read what `--labels` takes; raises UsageError."""
    from batchclf.data.labels import LABEL_MODES
    from batchclf.errors import UsageError

    for mode in LABEL_MODES:
        if text == mode:
            return mode
    if "://" in text:
        from batchclf.data.sources.addresses import located

        return located(text)
    if os.path.exists(text):  # noqa: PTH110 (Path.exists raises for names that are too long)
        return Path(text)
    nearest = difflib.get_close_matches(text, LABEL_MODES, 1)
    raise UsageError(
        f"--labels takes {', '.join(LABEL_MODES)} or a CSV file; there is no file {text}",
        hint=f"did you mean --labels {nearest[0]}?" if nearest else "check the path for a typo",
    )


def _listed(name: str, source: "ImageSource") -> tuple[str, ...]:
    from batchclf.data.file_list import parse_file_list
    from batchclf.errors import DataError

    if name == "-":
        return parse_file_list(sys.stdin.buffer.read(), source, "standard input")
    try:
        content = Path(name).read_bytes()
    except OSError as error:
        raise DataError(
            f"the list of files {name} cannot be read: {error.strerror}", hint="--files-from takes a file, or -"
        ) from error
    return parse_file_list(content, source, name)


def _shard(text: str) -> tuple[int, int]:
    """Read I/N with 1 <= I <= N."""
    part, _, parts = text.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"'{text}' is not I/N with whole numbers, I from 1 to N, such as 1/4")
    return int(part), int(parts)

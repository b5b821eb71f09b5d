"""`batchclf score`."""

import argparse
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from batchclf.cli.options import (
    add_option,
    add_options,
    add_reports,
    as_location,
    as_path,
    describe,
    folder_path,
    location,
    options_from,
)
from batchclf.cli.selection import add_selection
from batchclf.core.choices import SplitName
from batchclf.jobs.config.options import (
    DataSpec,
    DeadlineOptions,
    DirectoryOptions,
    ReportOptions,
    ScoringOptions,
    SliceOptions,
    ThresholdOptions,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchclf.cli.console import Console
    from batchclf.core.records.run import RunRecord
    from batchclf.data.sources.addresses import Location
    from batchclf.jobs.evaluate.studies import Plan
    from batchclf.jobs.run.folder_run import SplitOf
    from batchclf.models.bundle import Bundle
    from batchclf.scoring.processes import WorkerProcesses

EXAMPLES = """\
examples:
  batchclf score photos/                                  with the newest published model
  batchclf score photos/ --model models/fashion --out runs/photos --max-skipped 1%
  batchclf score photos/ --labels labels.csv --glob '2026-*/**' --sample 500
  batchclf score --split test --dataset fashion-mnist --probabilities
"""
SKIPPED_SHOWN = 5
"""Skipped images that are named on the terminal; skipped.csv has all of them."""


def add(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verb's parser."""
    parser = verbs.add_parser(
        "score",
        parents=[common],
        help="score a folder of images or a split of a data set",
        description="Score every image under DIR, or a split of a data set, and write a run directory.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "directory",
        nargs="?",
        type=location,
        metavar="DIR",
        help="folder tree of images, shards, or s3://BUCKET/PREFIX",
    )
    parser.add_argument("--split", choices=get_args(SplitName), help="score this split of a data set instead of DIR")
    add_option(parser, DataSpec, "dataset", about="the data set of --split", unset="what the model was trained on")
    model = parser.add_argument("--model", type=location, metavar="BUNDLE", help="model bundle")
    describe(model, unset="the newest that a job has published")
    out = parser.add_argument(
        "-o", "--out", type=folder_path, metavar="RUN_DIR", help="run directory to write; must not exist"
    )
    describe(out, unset="REPORTS/score/TIME")
    add_options(parser, DirectoryOptions, "labels", "label_map")
    add_selection(parser)
    add_options(parser, ScoringOptions)
    parser.add_argument("--explain-time", action="store_true", help="say where the time went")
    parser.add_argument(
        "--resume", action="store_true", help="resume a run of the same folder that was killed or interrupted"
    )
    add_options(parser, DeadlineOptions)
    add_options(parser, DirectoryOptions, "max_skipped")
    add_option(parser, ReportOptions, "pictures", unset="on")
    group = parser.add_argument_group("what is shown of labelled images, besides all of them together")
    add_options(group, SliceOptions)
    add_options(group, ThresholdOptions)
    add_reports(parser)
    add_options(parser, DataSpec, "data_dir")
    parser.set_defaults(handle=handle)


def handle(args: argparse.Namespace, console: "Console") -> int:
    """Score."""
    from batchclf.errors import UsageError
    from batchclf.scoring.processes import WorkerProcesses, holds_many_files

    if (args.directory is None) == (args.split is None):
        raise UsageError(
            "score takes either a folder or --split, and exactly one of them",
            hint="for example: batchclf score photos/ (or: batchclf score --split test)",
        )
    with WorkerProcesses() as processes:
        # They load their libraries while this process loads its own.
        if isinstance(args.directory, Path) and args.engine == "local" and holds_many_files(args.directory):
            processes.start(options_from(args, ScoringOptions).worker_count)
        return _score(args, console, processes)


def _score(args: argparse.Namespace, console: "Console", processes: "WorkerProcesses") -> int:
    from batchclf.cli.selection import directory_subset, refuse_with_split
    from batchclf.errors import noted_as_published, published_note
    from batchclf.jobs.config.limits import Deadline, parse_budget, parse_duration
    from batchclf.jobs.config.settings import score_settings
    from batchclf.jobs.run.folder_run import at_free_name, choose_bundle, score_directory_run, score_split_run
    from batchclf.storage.run.published import CACHE

    deadline = Deadline(None if args.deadline is None else parse_duration(args.deadline))
    budget = None if args.max_skipped is None else parse_budget(args.max_skipped)
    directory = None if args.directory is None else directory_subset(args)
    if directory is None:
        refuse_with_split(args)
    bundle = choose_bundle(args.model, args.reports, say=console.say)
    plan = plan_of(args, bundle.info.class_names, args.directory)
    settings = score_settings(options_from(args, ScoringOptions), args.reports / CACHE)

    def write(run: Path) -> "RunRecord":
        how: dict[str, Any] = {"pictures": args.pictures, "deadline": deadline, "plan": plan}
        if directory is None:
            return score_split_run(_split(args, bundle, console), bundle, settings, run, console, args.command, **how)
        how |= {"resume": args.resume, "processes": processes}
        return score_directory_run(directory, bundle, settings, budget, run, console, args.command, **how)

    out, record = at_free_name(args.out, args.reports, write)
    console.made = published_note(out)
    with noted_as_published(out):
        code = say_published(args, out, record, console)
        if args.explain_time:
            from batchclf.cli.explain_time import explain_time

            for line in explain_time(record):
                console.say(line)
        return code


def plan_of(args: argparse.Namespace, class_names: "Sequence[str]", root: "Location | None") -> "Plan | None":
    """Check what is asked for of slices and thresholds; None for the defaults, which load nothing."""
    slices, thresholds = options_from(args, SliceOptions), options_from(args, ThresholdOptions)
    if slices == SliceOptions() and thresholds == ThresholdOptions():
        return None
    from batchclf.jobs.evaluate.studies import plan_studies

    metadata = as_location(slices.metadata)
    return plan_studies(slices, thresholds, class_names, metadata=metadata, roots={} if root is None else {None: root})


def say_published(args: argparse.Namespace, out: Path, record: "RunRecord", console: "Console") -> int:
    """Do what comes after the run; what goes wrong with that makes a good one end as an error."""
    from batchclf.errors import ExitCode, RunError
    from batchclf.jobs.run.folder_run import publish_among
    from batchclf.storage.predictions.write import predictions_in
    from batchclf.storage.run.directory import SKIPPED_FILE

    code = ExitCode.of(record.status)
    if args.out is None:
        try:
            publish_among(out, args.reports, warn=console.warn)
        except RunError as error:
            console.trouble(error)
            code = code or ExitCode.ERROR
    skipped = sum(each.skipped for each in record.subsets)
    if skipped and not args.verbose:  # which has named each of them
        _say_skipped(out / SKIPPED_FILE, skipped, console)
    console.say(f"predictions: {predictions_in(out)}")
    console.say(f"report: {out / 'report.html'}")
    if record.status == "ok" and not console.as_json:
        return console.result({}, code)
    from batchclf.cli.summary import run_summary, say_trouble

    say_trouble(record, out, console)
    return console.result(run_summary(record, out) if console.as_json else {}, code)


def _say_skipped(path: Path, count: int, console: "Console") -> None:
    from batchclf.storage.run.skipped import read_skipped

    with closing(read_skipped(path)) as rows:
        for row in islice(rows, SKIPPED_SHOWN):
            console.say(f"skipped {row.ref.path}: {row.reason}")
    if count > SKIPPED_SHOWN:
        console.say(f"and {count - SKIPPED_SHOWN:,} more: see {path}")


def _split(args: argparse.Namespace, bundle: "Bundle", console: "Console") -> "SplitOf":
    from batchclf.data.catalog import DATASET_NAMES, load_dataset
    from batchclf.errors import UsageError
    from batchclf.jobs.run.folder_run import SplitOf

    data = bundle.info.training_data
    name = args.dataset or ("" if data is None else data.name)
    if name not in DATASET_NAMES:
        trained_on = f"was trained on '{name}', which is no data set by name" if data else "was trained elsewhere"
        raise UsageError(
            f"--split needs --dataset: the model {bundle.path} {trained_on}",
            hint=f"give --dataset ({', '.join(DATASET_NAMES)}), or score the folder itself",
        )
    return SplitOf(load_dataset(name, data_dir=as_path(args.data_dir), say=console.say), args.split)

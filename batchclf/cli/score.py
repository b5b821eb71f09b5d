"""`batchclf score`."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchclf.cli.options import add_data_dir, add_reports, positive
from batchclf.data.catalog import DATASET_NAMES

if TYPE_CHECKING:
    from batchclf.cli.console import Console
    from batchclf.jobs.score_run import SplitOf
    from batchclf.models.bundle import Bundle

EXAMPLES = """\
examples:
  batchclf score photos/                                  with the newest published model
  batchclf score photos/ --model models/fashion --out runs/photos --max-skipped 1%
  batchclf score --split test --dataset fashion-mnist --probabilities
"""
JOB = "score"


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
    parser.add_argument("directory", nargs="?", type=Path, metavar="DIR", help="folder tree of images")
    parser.add_argument("--split", choices=("test", "train"), help="score this split of a data set instead of DIR")
    parser.add_argument("--dataset", choices=DATASET_NAMES, help="of --split (default: what the model was trained on)")
    parser.add_argument("--model", type=Path, metavar="BUNDLE", help="model bundle (default: the newest published)")
    parser.add_argument(
        "--out", type=Path, metavar="RUN_DIR", help="run directory to write (default: REPORTS/score/TIME)"
    )
    parser.add_argument(
        "--labels",
        choices=("auto", "folders", "none"),
        default="auto",
        help="auto: folder names where all are classes of the model; folders: insist on it; none (default: auto)",
    )
    parser.add_argument("--batch-size", type=positive, default=256, metavar="N", help="images a batch (default: 256)")
    parser.add_argument(
        "--workers", type=positive, default=os.cpu_count() or 1, metavar="N", help="decoding threads (default: cores)"
    )
    parser.add_argument("--topk", type=positive, default=3, metavar="K", help="classes a row, best first (default: 3)")
    parser.add_argument("--probabilities", action="store_true", help="write a column for each class's probability")
    parser.add_argument(
        "--runtime", choices=("onnx", "tensorflow"), default="onnx", help="what runs the model (default: onnx)"
    )
    parser.add_argument(
        "--max-skipped",
        metavar="LIMIT",
        help="end with exit code 4 where more images, N or P%%, cannot be read (default: any)",
    )
    add_reports(parser)
    add_data_dir(parser)
    parser.set_defaults(handle=handle)


def handle(args: argparse.Namespace, console: "Console") -> int:
    """Score."""
    from batchclf.cli.summary import run_exit_code, run_summary, tell_trouble
    from batchclf.errors import UsageError
    from batchclf.jobs.budget import parse_budget
    from batchclf.jobs.score_run import choose_bundle, score_run
    from batchclf.jobs.targets import DirectoryTarget, ScoreSettings
    from batchclf.storage.published import new_run_id, publish_latest

    if (args.directory is None) == (args.split is None):
        raise UsageError(
            "score takes either a folder or --split, and exactly one of them",
            hint="for example: batchclf score photos/ (or: batchclf score --split test)",
        )
    budget = None if args.max_skipped is None else parse_budget(args.max_skipped)
    if args.directory is not None:
        from batchclf.data.discovery import check_folder

        check_folder(args.directory)
    bundle = choose_bundle(args.model, args.reports, say=console.say)
    what = DirectoryTarget(args.directory, args.labels) if args.directory else _split(args, bundle, console)
    settings = ScoreSettings(args.runtime, args.batch_size, args.workers, args.topk, args.probabilities)
    out = args.out or args.reports / JOB / new_run_id(args.reports / JOB)
    record = score_run(what, bundle, settings, budget, out, console, args.command)
    if args.out is None:
        publish_latest(out)
    console.say(f"predictions: {out / 'predictions.csv'}")
    console.say(f"report: {out / 'report.html'}")
    tell_trouble(record, out, console)
    console.result(run_summary(record, out))
    return run_exit_code(record)


def _split(args: argparse.Namespace, bundle: "Bundle", console: "Console") -> "SplitOf":
    from batchclf.data.catalog import load_dataset
    from batchclf.errors import UsageError
    from batchclf.jobs.score_run import SplitOf

    name = args.dataset or bundle.info.training_data.name
    if name not in DATASET_NAMES:
        raise UsageError(
            f"--split needs --dataset: the model {bundle.path} was trained on '{name}', which is no data set by name",
            hint=f"give --dataset ({', '.join(DATASET_NAMES)}), or score the folder itself",
        )
    return SplitOf(load_dataset(name, data_dir=args.data_dir, say=console.say), args.split)

"""`batchclf evaluate`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchclf.cli.options import (
    add_option,
    add_options,
    add_reports,
    as_path,
    describe,
    folder_path,
    followed_path,
    options_from,
)
from batchclf.jobs.config.options import ReportOptions, SliceOptions, ThresholdOptions
from batchclf.jobs.config.tables import TableOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchclf.cli.console import Console
    from batchclf.core.records.run import RunRecord

EXAMPLES = """\
examples:
  batchclf evaluate predictions.csv                       of any tool: report, metrics and a run directory
  batchclf evaluate results.parquet --images photos/ --classes classes.txt
  batchclf evaluate scores.csv --label-column truth --probability-prefix p_
  batchclf evaluate reports/fashion-mnist/latest/predictions.csv --out evaluation/
  batchclf evaluate reports/fashion-mnist/latest --labels labels.csv    reviewed in its report
"""
JOB = "evaluate"


def add(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verb's parser."""
    parser = verbs.add_parser(
        "evaluate",
        parents=[common],
        help="evaluate predictions that any tool has written",
        description="Evaluate a table of predictions and write a run directory with a report; of a run, or its "
        "predictions.csv, compute metrics.json, per_class.csv, confusion.csv and slices.csv again.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "predictions",
        type=followed_path,
        metavar="FILE",
        help="CSV, TSV, JSON lines, JSON, Parquet or .npz of predictions, or a run directory",
    )
    out = parser.add_argument(
        "-o",
        "--out",
        type=folder_path,
        metavar="DIR",
        help="run directory to write; must not exist, unless FILE is of a run",
    )
    describe(out, unset="REPORTS/evaluate/TIME; beside the file of a run")
    add_options(parser, TableOptions)
    add_option(parser, ReportOptions, "pictures", unset="on")
    add_reports(parser)
    group = parser.add_argument_group("what is shown of labelled images, as the run was asked for unless given here")
    add_options(group, SliceOptions)
    add_options(group, ThresholdOptions)
    parser.set_defaults(handle=handle)


def handle(args: argparse.Namespace, console: "Console") -> int:
    """Evaluate."""
    from batchclf.errors import UsageError
    from batchclf.storage.predictions.write import predictions_in
    from batchclf.storage.run.directory import RECORD_FILE, is_of_run

    if args.out is not None and args.out.exists() and not args.out.is_dir():
        raise UsageError(f"--out {args.out} is no folder", hint="name a folder")
    if _is_beside_predictions(args.predictions):
        args.predictions = args.predictions.parent
    if (args.predictions / RECORD_FILE).is_file():
        args.predictions = predictions_in(args.predictions)
    if is_of_run(args.predictions):
        return _evaluate_again(args, console) if args.labels == "auto" else _evaluate_reviewed(args, console)
    return _evaluate_table(args, console)


def _is_beside_predictions(path: Path) -> bool:
    """Whether a path is another file that a run has written, such as its report.html."""
    from batchclf.report.formats.run_readme import FILES
    from batchclf.storage.run.directory import RECORD_FILE

    return path.name in FILES and not path.name.startswith("predictions") and path.with_name(RECORD_FILE).is_file()


def _evaluate_table(args: argparse.Namespace, console: "Console") -> int:
    from batchclf.cli.score import plan_of
    from batchclf.jobs.config.tables import table_settings
    from batchclf.jobs.run.table_run import table_run

    options = table_settings(options_from(args, TableOptions), Path())

    def write(run: Path) -> "RunRecord":
        return table_run(
            [args.predictions],
            options,
            run,
            console,
            args.command,
            plan_for=lambda class_names: plan_of(args, class_names, options.images),
            pictures=args.pictures,
        )

    return _published(args, console, write)


def _evaluate_reviewed(args: argparse.Namespace, console: "Console") -> int:
    """Evaluate a run's predictions with other labels, as a run of its own: the run stays as it was published."""
    from batchclf.cli.score import plan_of
    from batchclf.errors import UsageError
    from batchclf.jobs.run.reviewed_run import reviewed_run

    _refuse_table_options(args, ("labels", "label_map"))
    labels = Path(args.labels)
    if not labels.is_file():
        raise UsageError(
            f"of a run --labels takes a CSV file; there is no file {labels}", hint="save labels.csv from its report"
        )

    def write(run: Path) -> "RunRecord":
        return reviewed_run(
            args.predictions,
            labels,
            run,
            console,
            args.command,
            label_map=as_path(args.label_map),
            plan_for=lambda class_names: plan_of(args, class_names, None),
            pictures=args.pictures,
        )

    return _published(args, console, write)


def _published(args: argparse.Namespace, console: "Console", write: "Callable[[Path], RunRecord]") -> int:
    """Have a run directory written under a free name, and say what is in it."""
    from batchclf.cli.score import say_published
    from batchclf.errors import noted_as_published, published_note
    from batchclf.jobs.run.folder_run import at_free_name

    out, record = at_free_name(args.out, args.reports, write, job=JOB)
    console.made = published_note(out)
    with noted_as_published(out):
        return say_published(args, out, record, console)


def _refuse_table_options(args: argparse.Namespace, kept: tuple[str, ...]) -> None:
    from batchclf.core.options import given_of
    from batchclf.errors import UsageError

    others = [name for name in TableOptions.__struct_fields__ if name not in kept]
    if given := given_of(options_from(args, TableOptions), others):
        raise UsageError(
            f"--{given[0].replace('_', '-')} is about tables of other tools, and {args.predictions} is of a run",
            hint="leave it away, or copy the file to where no run.json is",
        )


def _evaluate_again(args: argparse.Namespace, console: "Console") -> int:
    """Compute the metrics of a run's predictions again."""
    from batchclf.core.class_names import look_alike_warning
    from batchclf.core.compare.fitted_order import fitted_order, fitted_order_sentence
    from batchclf.core.text import counted, decimal, percent, percent_interval
    from batchclf.jobs.evaluate.predictions import Studying, evaluate_predictions
    from batchclf.jobs.evaluate.studies import plan_again
    from batchclf.storage.images.facts import IMAGES_FILE
    from batchclf.storage.predictions.read import known_class_names, read_header
    from batchclf.storage.run.metrics import FILES, SLICES_FILE, metrics_dict, refuse_to_replace_others, write_metrics
    from batchclf.storage.run.written import check_written

    _refuse_table_options(args, ("label_map", "renormalize"))
    out = args.out or args.predictions.parent
    refuse_to_replace_others(out)
    check_written(args.predictions.parent, [args.predictions.name], warn=console.warn)
    names = known_class_names(args.predictions, read_header(args.predictions))
    asked = options_from(args, SliceOptions), options_from(args, ThresholdOptions)
    studying = Studying(
        args.predictions.with_name(IMAGES_FILE), plan_again(args.predictions.parent, *asked, class_names=names)
    )
    evaluations, gap = evaluate_predictions(
        args.predictions,
        renormalize=args.renormalize,
        label_map=as_path(args.label_map),
        take=studying.take,
        warn=console.warn,
    )
    studies = studying.studies(console.warn)
    if warning := look_alike_warning(evaluations[0].class_names):
        console.warn(warning)
    out.mkdir(parents=True, exist_ok=True)
    write_metrics(out, evaluations, gap, studies)
    for evaluation in evaluations:
        name = evaluation.split or "all rows"
        labelled = evaluation.labelled
        if labelled is None:
            console.say(f"{name}: {counted(evaluation.total, 'image')} without labels; accuracy unknown")
            continue
        order = fitted_order(evaluation.class_names, labelled.confusion.counts)
        if order is not None:
            console.warn(f"{name}: {fitted_order_sentence(order)}")
        accuracy, f1 = labelled.accuracy, labelled.metric("macro_f1")
        console.say(
            f"{name}: accuracy {percent(accuracy.value)} (95% interval {percent_interval(accuracy)}) on "
            f"{counted(labelled.total, 'labelled image')}" + (f", macro F1 {decimal(f1.value)}" if f1 else "")
        )
    if gap is not None:
        console.say(gap.sentence)
    files = [*FILES, *([SLICES_FILE] if studies else [])]
    console.say(f"wrote {', '.join(files)} to {out}")
    return console.result({**metrics_dict(evaluations, gap, studies), "files": [str(out / name) for name in files]})

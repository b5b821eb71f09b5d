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
    options_from,
    run_path,
)
from batchclf.jobs.config.options import ReportOptions
from batchclf.jobs.config.tables import TableOptions

if TYPE_CHECKING:
    from batchclf.cli.console import Console

EXAMPLES = """\
examples:
  batchclf evaluate predictions.csv                       of any tool: report, metrics and a run directory
  batchclf evaluate results.parquet --images photos/ --classes classes.txt
  batchclf evaluate scores.csv --label-column truth --probability-prefix p_
  batchclf evaluate reports/fashion-mnist/latest/predictions.csv --out evaluation/
"""
JOB = "evaluate"


def add(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verb's parser."""
    parser = verbs.add_parser(
        "evaluate",
        parents=[common],
        help="evaluate predictions that any tool has written",
        description="Evaluate a table of predictions and write a run directory with a report; of the predictions.csv "
        "of a run compute metrics.json, per_class.csv and confusion.csv again.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "predictions", type=run_path, metavar="FILE", help="CSV, TSV, JSON lines, JSON, Parquet or .npz of predictions"
    )
    out = parser.add_argument(
        "--out", type=folder_path, metavar="DIR", help="run directory to write; must not be there, but for a run's file"
    )
    describe(out, unset="REPORTS/evaluate/TIME; beside the file of a run")
    add_options(parser, TableOptions)
    add_option(parser, ReportOptions, "pictures", unset="on")
    add_reports(parser)
    parser.set_defaults(handle=handle)


def handle(args: argparse.Namespace, console: "Console") -> int:
    """Evaluate."""
    from batchclf.errors import UsageError
    from batchclf.storage.run.directory import is_of_run

    if args.out is not None and args.out.exists() and not args.out.is_dir():
        raise UsageError(f"--out {args.out} is no folder", hint="name a folder")
    if is_of_run(args.predictions):
        return _evaluate_again(args, console)
    return _evaluate_table(args, console)


def _evaluate_table(args: argparse.Namespace, console: "Console") -> int:
    from batchclf.cli.score import say_published
    from batchclf.errors import TargetTakenError, noted_as_published, published_note
    from batchclf.jobs.config.tables import table_settings
    from batchclf.jobs.run.table_run import table_run
    from batchclf.storage.run.published import new_run_id

    options = table_settings(options_from(args, TableOptions), Path())
    while True:
        out = args.out or args.reports / JOB / new_run_id(args.reports / JOB)
        try:
            record = table_run([args.predictions], options, out, console, args.command, pictures=args.pictures)
            break
        except TargetTakenError:
            if args.out:
                raise
            # Another run began in the same moment: the next name is free.
    console.made = published_note(out)
    with noted_as_published(out):
        return say_published(args, out, record, console)


def _evaluate_again(args: argparse.Namespace, console: "Console") -> int:
    """Compute the metrics of a run's predictions again."""
    from batchclf.core.class_names import look_alike_warning
    from batchclf.core.compare.fitted_order import fitted_order, fitted_order_sentence
    from batchclf.core.options import given_of
    from batchclf.core.text import counted, decimal, percent, percent_interval
    from batchclf.errors import UsageError
    from batchclf.jobs.evaluate.predictions import evaluate_predictions
    from batchclf.storage.run.metrics import FILES, metrics_dict, refuse_to_replace_others, write_metrics
    from batchclf.storage.run.written import check_written

    others = [name for name in TableOptions.__struct_fields__ if name not in ("label_map", "renormalize")]
    if given := given_of(options_from(args, TableOptions), others):
        raise UsageError(
            f"--{given[0].replace('_', '-')} is about tables of other tools, and {args.predictions} is of a run",
            hint="leave it away, or copy the file to where no run.json is",
        )
    out = args.out or args.predictions.parent
    refuse_to_replace_others(out)
    check_written(args.predictions.parent, [args.predictions.name], warn=console.warn)
    evaluations, gap = evaluate_predictions(
        args.predictions,
        renormalize=args.renormalize,
        label_map=as_path(args.label_map),
        warn=console.warn,
    )
    if warning := look_alike_warning(evaluations[0].class_names):
        console.warn(warning)
    out.mkdir(parents=True, exist_ok=True)
    write_metrics(out, evaluations, gap)
    for evaluation in evaluations:
        name = evaluation.split or "all rows"
        labelled = evaluation.labelled
        if labelled is None:
            console.say(f"{name}: {counted(evaluation.total, 'image')} without labels; accuracy cannot be known")
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
    console.say(f"wrote {', '.join(FILES)} to {out}")
    return console.result({**metrics_dict(evaluations, gap), "files": [str(out / name) for name in FILES]})

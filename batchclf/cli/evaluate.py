"""`batchclf evaluate`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchclf.cli.options import add_options, describe, folder_path, options_from, run_path
from batchclf.jobs.config.options import DirectoryOptions, SliceOptions, ThresholdOptions

if TYPE_CHECKING:
    from batchclf.cli.console import Console

EXAMPLES = """\
examples:
  batchclf evaluate reports/fashion-mnist/latest/predictions.csv
  batchclf evaluate predictions.csv --out evaluation/
"""


def add(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verb's parser."""
    parser = verbs.add_parser(
        "evaluate",
        parents=[common],
        help="evaluate a predictions CSV",
        description="Compute metrics.json, per_class.csv, confusion.csv and slices.csv from a predictions CSV.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("predictions", type=run_path, metavar="PREDICTIONS.csv", help="what `run` or `score` wrote")
    out = parser.add_argument("--out", type=folder_path, metavar="DIR", help="where to write metrics.json and the CSVs")
    describe(out, unset="beside the CSV")
    parser.add_argument(
        "--renormalize",
        action="store_true",
        help="divide the probabilities of each row by their sum, which need not be 1",
    )
    add_options(parser, DirectoryOptions, "label_map")
    group = parser.add_argument_group("what is shown of labelled images, as the run was asked for unless given here")
    add_options(group, SliceOptions)
    add_options(group, ThresholdOptions)
    parser.set_defaults(handle=handle)


def handle(args: argparse.Namespace, console: "Console") -> int:
    """Evaluate."""
    from batchclf.core.class_names import look_alike_warning
    from batchclf.core.compare.fitted_order import fitted_order, fitted_order_sentence
    from batchclf.core.text import counted, decimal, percent, percent_interval
    from batchclf.errors import UsageError
    from batchclf.jobs.evaluate.predictions import Studying, evaluate_predictions
    from batchclf.jobs.evaluate.studies import plan_again
    from batchclf.storage.images.facts import IMAGES_FILE
    from batchclf.storage.predictions.read import known_class_names, read_header
    from batchclf.storage.run.metrics import FILES, SLICES_FILE, metrics_dict, refuse_to_replace_others, write_metrics
    from batchclf.storage.run.written import check_written

    out = args.out or args.predictions.parent
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is no folder", hint=f"give a folder, which then holds {', '.join(FILES)}")
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
        label_map=None if args.label_map is None else Path(args.label_map),
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
    files = [*FILES, *([SLICES_FILE] if studies else [])]
    console.say(f"wrote {', '.join(files)} to {out}")
    return console.result({**metrics_dict(evaluations, gap, studies), "files": [str(out / name) for name in files]})

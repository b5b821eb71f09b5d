"""`batchclf report`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchclf.cli.options import (
    add_option,
    add_options,
    as_path,
    describe,
    file_or_folder,
    keep_output_free,
    names_folder,
    run_path,
    shown,
)
from batchclf.core.choices import REPORT_ENDINGS
from batchclf.jobs.config.options import ReportOptions

if TYPE_CHECKING:
    from batchclf.cli.console import Console
    from batchclf.jobs.report.write import Outs

_OF_ONE_RUN = ("model-index", "dvc")
EXAMPLES = """\
examples:
  batchclf report reports/fashion-mnist/latest
  batchclf report reports/score/latest --out /srv/www/latest.html
  batchclf report reports/score/latest --format html,json,md --out latest/
  batchclf report reports/score/20261124T041227Z reports/score/latest
  batchclf report reports/score/latest --templates our-templates/
"""


def add(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verb's parser."""
    parser = verbs.add_parser(
        "report",
        parents=[common],
        help="render a run's report again, or compare two runs",
        description="Render the report of a run directory from its run.json and CSVs, or compare two runs, the earlier "
        "one first, on the images that both have scored.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=run_path, nargs="?", metavar="RUN_DIR", help="what `run` or `score` wrote")
    parser.add_argument(
        "other", type=run_path, nargs="?", metavar="OTHER_RUN_DIR", help="a later run to compare it with"
    )
    out = parser.add_argument(
        "-o",
        "--out",
        metavar="FILE",
        help="file to write, a folder for report.html and so on, or - for standard output",
    )
    describe(out, unset="RUN_DIR; of a comparison OTHER_RUN_DIR")
    add_options(parser, ReportOptions, "format", "templates")
    add_option(parser, ReportOptions, "pictures", unset="as the run")
    parser.set_defaults(pictures=None)
    parser.add_argument("--list-blocks", action="store_true", help="list the templates and their blocks, and end")
    parser.set_defaults(handle=handle)


def handle(args: argparse.Namespace, console: "Console") -> int:
    """Render, compare, or list the blocks."""
    from batchclf.errors import RunError, UsageError

    if args.list_blocks:
        return _list_blocks(console)
    if args.run is None:
        raise UsageError("report needs a RUN_DIR", hint="give a folder that `batchclf run` or `batchclf score` made")
    if args.templates and "html" not in args.format:
        raise UsageError("--templates is for HTML, which --format leaves out", hint="add html to --format")
    if args.other is not None and (alone := [each for each in args.format if each in _OF_ONE_RUN]):
        raise UsageError(
            f"--format {alone[0]} has the metrics of one run, and two are compared",
            hint=f"give one RUN_DIR, or leave {alone[0]} out",
        )
    for folder in filter(None, (args.run, args.other)):
        if not folder.is_dir():
            raise RunError(
                f"there is no run directory {folder}", hint="give a folder that `batchclf run` or `batchclf score` made"
            )
    outs = _outs(args)
    keep_output_free(outs.values(), console)
    for out in outs.values():
        out.parent.mkdir(parents=True, exist_ok=True)
    options = {"templates": as_path(args.templates), "pictures": args.pictures}
    options |= {"say": console.say, "warn": console.warn}
    if args.other is None:
        from batchclf.jobs.report.rewrite import report_again

        report_again(args.run, outs, **options)
        what, summary = "report", {}
    else:
        import msgspec

        from batchclf.jobs.report.rewrite import report_comparison

        comparison = report_comparison(args.run, args.other, outs, **options)
        console.say(comparison.sentence)
        what = "comparison"
        summary = {"sentence": comparison.sentence, "p_value": comparison.p_value, "changed": comparison.changed}
        summary["metrics"] = msgspec.to_builtins(comparison.metrics)
    from batchclf.core.text import size

    sizes = [out.stat().st_size if out.is_file() else None for out in outs.values()]
    for out, written in zip(outs.values(), sizes, strict=True):
        console.say(f"{what}: {shown(out)}" + ("" if written is None else f" ({size(written)})"))
    files = {kind: str(out) for kind, out in outs.items()}
    return console.result({what: next(iter(files.values())), "bytes": sizes[0], **summary, "files": files})


def _outs(args: argparse.Namespace) -> "Outs":
    """Choose the file of each format; raises UsageError if one file is named for several formats."""
    from batchclf.errors import UsageError

    stem = "report" if args.other is None else "comparison"
    out, several = args.out and file_or_folder(args.out), len(args.format) > 1
    folder = out is None or names_folder(args.out)
    if several and out is not None and not folder and _is_one_file(out):
        names = ", ".join(f"{stem}{REPORT_ENDINGS[each]}" for each in args.format)
        raise UsageError(
            f"--out {out} is one file, and --format asks for {len(args.format)}",
            hint=f"give a folder, which then holds {names}",
        )
    if out is None:
        out = args.other or args.run
    if several or folder:
        return {name: out / f"{stem}{REPORT_ENDINGS[name]}" for name in args.format}
    return {args.format[0]: out}


def _is_one_file(out: Path) -> bool:
    from batchclf import atomic

    return out == atomic.STDOUT or out.exists() or out.suffix.lower() in {*REPORT_ENDINGS.values(), ".htm"}


def _list_blocks(console: "Console") -> int:
    from batchclf.report.html.render import list_blocks

    blocks = [(block.template, block.name, block.about) for block in list_blocks()]
    names = ("template", "block", "what it is")
    widths = [max(map(len, column)) for column in zip(names, *blocks, strict=True)]
    for template, block, about in (names, *blocks):
        console.say(f"{template:{widths[0]}}  {block:{widths[1]}}  {about}")
    rows = [{"template": template, "block": block, "about": about} for template, block, about in blocks]
    return console.result({"blocks": rows})

"""`batchclf report`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from batchclf.cli.console import Console

EXAMPLES = """\
examples:
  batchclf report reports/fashion-mnist/latest
  batchclf report reports/score/latest --out /srv/www/tonight.html
"""


def add(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verb's parser."""
    parser = verbs.add_parser(
        "report",
        parents=[common],
        help="render a run's HTML report again",
        description="Render the HTML report of a run directory from its run.json and CSVs.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, metavar="RUN_DIR", help="what `run` or `score` wrote")
    parser.add_argument("--out", type=Path, metavar="FILE", help="HTML file to write (default: RUN_DIR/report.html)")
    parser.set_defaults(handle=handle)


def handle(args: argparse.Namespace, console: "Console") -> int:
    """Render."""
    from batchclf.jobs.report import report_again
    from batchclf.storage.run_directory import REPORT_FILE

    out = args.out or args.run / REPORT_FILE
    out.parent.mkdir(parents=True, exist_ok=True)
    report_again(args.run, out, say=console.say)
    console.say(f"report: {out} ({out.stat().st_size / 1000:,.0f} kB)")
    console.result({"report": str(out), "bytes": out.stat().st_size, "exit_code": 0})
    return 0

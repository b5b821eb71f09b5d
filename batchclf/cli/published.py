"""What comes after a run by hand: the link to it, the page of all runs, and what is said of it."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchclf.cli.console import Console
    from batchclf.core.records.run import RunRecord


def say_published(args: argparse.Namespace, out: Path, record: "RunRecord", console: "Console") -> int:
    """Do what comes after the run; what goes wrong with that makes a good one end as an error."""
    from batchclf.errors import ExitCode, RunError
    from batchclf.jobs.report.index import renew_index
    from batchclf.storage.run.published import publish_latest

    code = ExitCode.of(record.status)
    if args.out is None:
        try:
            publish_latest(out)
        except RunError as error:
            console.trouble(error)
            code = code or ExitCode.ERROR
        renew_index(args.reports, warn=console.warn)
    console.say(f"predictions: {out / 'predictions.csv'}")
    console.say(f"report: {out / 'report.html'}")
    if record.status == "ok" and not console.as_json:
        return console.result({}, code)
    from batchclf.cli.summary import run_summary, say_trouble

    say_trouble(record, out, console)
    return console.result(run_summary(record, out) if console.as_json else {}, code)

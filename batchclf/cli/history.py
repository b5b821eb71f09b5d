"""`batchclf history list|show|diff|check|export|prune|rebuild`."""

import argparse
from typing import TYPE_CHECKING, Any

from batchclf.cli import options
from batchclf.cli.options import file_path, keep_output_free, run_path, shown
from batchclf.errors import ExitCode
from batchclf.jobs.config.options import RetentionSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchclf.cli.console import Console
    from batchclf.core.records.history import RunSummary

FORMATS = ("csv", "json", "parquet")
EXAMPLES = """\
examples:
  batchclf history list
  batchclf history list fashion-mnist
  batchclf history show fashion-mnist last-good
  batchclf history diff fashion-mnist 20261124 latest
  batchclf history check fashion-mnist --max-age 26h
  batchclf history export fashion-mnist --out runs.csv
  batchclf history prune jobs/fashion-mnist.toml --keep-runs 30 --keep-days 90 --dry-run
  batchclf history rebuild
"""
MAX_AGE = "26h"
"""A day, the hour by which one is longer in autumn, and an hour for the run."""
_RUN = "id of a run, a unique beginning of it, latest or last-good"


def add(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verb's parsers."""
    parser = verbs.add_parser(
        "history",
        help="list, show, compare and export the runs of all jobs; remove old ones",
        description="Look into the history of all runs, REPORTS/history.sqlite, which also knows those whose folders "
        "were removed.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    def action(name: str, handle: "Callable[..., int]", about: str) -> argparse.ArgumentParser:
        added: argparse.ArgumentParser = actions.add_parser(
            name, parents=[common], help=about, description=f"{about[0].upper()}{about[1:]}."
        )
        options.add_reports(added)
        added.set_defaults(handle=handle)
        return added

    listed = action("list", list_runs, "list the jobs, or the runs of one job")
    listed.add_argument("job", nargs="?", metavar="JOB", help="name of a job, or score")
    shown = action("show", show_run, "show all that is kept of a run")
    shown.add_argument("job", metavar="JOB", help="name of a job, or score")
    options.describe(shown.add_argument("run", nargs="?", default="latest", metavar="RUN", help=_RUN))
    compared = action("diff", diff_runs, "show the numbers of two runs side by side")
    compared.add_argument("job", metavar="JOB", help="name of a job, or score")
    compared.add_argument("first", metavar="RUN", help=_RUN)
    compared.add_argument("second", metavar="OTHER_RUN", help="a later run, likewise")
    checked = action("check", check_job, "check that the last good run of a job is recent")
    checked.description = (
        "Check that the last good run of a job is recent. Nothing is printed if it is. Exit code "
        f"{ExitCode.GATE_FAILED} if it ended longer ago than --max-age, or if there is none."
    )
    checked.add_argument("job", metavar="JOB", help="name of a job, or score")
    options.describe(
        checked.add_argument(
            "--max-age",
            default=MAX_AGE,
            metavar="TIME",
            help="how long ago the last good run may have ended, such as 26h or 1d12h",
        )
    )
    exported = action("export", export_runs, "write the runs of one job, or of all, into a file")
    exported.add_argument("job", nargs="?", metavar="JOB", help="name of a job, or score")
    exported.add_argument(
        "-o", "--out", type=file_path, required=True, metavar="FILE", help="file to write, or - for standard output"
    )
    form = exported.add_argument(
        "--format",
        choices=FORMATS,
        default="csv",
        help="csv and parquet: a row for each subset of a run; json: all that is kept",
    )
    options.describe(form)
    pruned = action("prune", prune_runs, "remove the old runs of a job; their numbers stay in the history")
    pruned.add_argument("job", metavar="JOB", help="name of a job, or its job file, whose baselines stay then")
    for name in ("keep_runs", "keep_days"):
        options.add_option(pruned, RetentionSpec, name, unset="the job file's")
    pruned.add_argument("--keep", action="append", metavar="RUN", help="a run that stays; may be given again")
    pruned.add_argument("--dry-run", action="store_true", help="say what would be removed")
    rebuilt = action("rebuild", rebuild, "write run directories into the history again, and check all of it")
    rebuilt.add_argument(
        "runs",
        nargs="*",
        type=run_path,
        metavar="RUN_DIR",
        help="run directories (default: all under the reports folder)",
    )


def list_runs(args: argparse.Namespace, console: "Console") -> int:
    """List jobs or runs."""
    import msgspec

    from batchclf.cli.history_tables import say_jobs, say_runs
    from batchclf.jobs.history.lookup import check_history, find_job
    from batchclf.jobs.history.runs import all_histories

    check_history(args.reports)
    if args.job is not None:
        job = find_job(args.reports, args.job)
        say_runs(console.say, job)
        return console.result({**msgspec.to_builtins(job), "runs": [_summary(run) for run in job.runs]})
    jobs = list(all_histories(args.reports))
    say_jobs(console.say, jobs) if jobs else console.say(f"there is no run in {args.reports} yet")
    rows = [
        {
            "job": job.name,
            "runs": len(job.runs),
            "removed": sum(run.pruned for run in job.runs),
            "failed": len(job.failed),
            "unread": len(job.unread),
            "newest": _summary(job.runs[-1]) if job.runs else None,
        }
        for job in jobs
    ]
    return console.result({"jobs": rows})


def show_run(args: argparse.Namespace, console: "Console") -> int:
    """Show a run."""
    import msgspec

    from batchclf.cli.history_tables import say_failed, say_run
    from batchclf.core.records.history import FailedRun
    from batchclf.jobs.history.lookup import check_history, details_of, find_job, find_run, recorded_digests

    check_history(args.reports)
    job = find_job(args.reports, args.job)
    run = find_run(args.reports, job, args.run)
    if isinstance(run, FailedRun):
        say_failed(console.say, job.name, run)
        return console.result({"job": job.name, "failed": msgspec.to_builtins(run)})
    details = details_of(args.reports, job.name, run)
    place = "" if run.pruned else str(args.reports / job.name / run.folder)
    say_run(console.say, job.name, details, place)
    digests = msgspec.to_builtins(recorded_digests(args.reports, job.name, run))
    shown = {**msgspec.to_builtins(details), "summary": _summary(run)}
    return console.result({"job": job.name, "folder": place or None, **shown, "digests": digests})


def diff_runs(args: argparse.Namespace, console: "Console") -> int:
    """Compare two runs by their numbers."""
    import shlex

    import msgspec

    from batchclf.cli.history_tables import say_difference
    from batchclf.core.records.history_diff import run_difference
    from batchclf.jobs.history.lookup import check_history, details_of, find_finished, find_job

    check_history(args.reports)
    job = find_job(args.reports, args.job)
    runs = [find_finished(args.reports, job, text) for text in (args.first, args.second)]
    found = run_difference(*(details_of(args.reports, job.name, run) for run in runs))
    say_difference(console.say, found)
    console.say("")
    if any(run.pruned for run in runs):
        console.say("image by image only runs can be compared whose folders are there")
    else:
        folders = " ".join(shlex.quote(str(args.reports / job.name / run.folder)) for run in runs)
        console.say(f"image by image: batchclf report {folders}")
    pairs = {
        name: [{**msgspec.to_builtins(pair), "difference": pair.difference} for pair in getattr(found, name)]
        for name in ("metrics", "gates")
    }
    classes = [
        {
            **msgspec.to_builtins(pair),
            "recall_difference": pair.recall_difference,
            "f1_difference": pair.f1_difference,
        }
        for pair in found.classes
    ]
    first, second = map(_summary, runs)
    return console.result({"job": job.name, "first": first, "second": second, **pairs, "classes": classes})


def check_job(args: argparse.Namespace, console: "Console") -> int:
    """Check the age of the last good run."""
    from datetime import UTC, datetime, timedelta

    import msgspec

    from batchclf.core.records.history import JobHistory
    from batchclf.errors import BatchclfError, RunError
    from batchclf.jobs.config.limits import parse_duration
    from batchclf.jobs.history.freshness import freshness
    from batchclf.jobs.history.lookup import check_history, find_job

    max_age = timedelta(seconds=parse_duration(args.max_age))
    check_history(args.reports)
    missing = None
    try:
        job = find_job(args.reports, args.job)
    except RunError as error:
        missing, job = error, JobHistory(args.job, (), (), ())
    found = freshness(job, max_age, datetime.now(UTC))
    if found.fresh:
        console.detail(found.sentence)
    else:
        first = "see this machine's clock" if found.of_future else f"at most {args.max_age} ago is allowed"
        hint = f"{first}; see: batchclf history list {job.name}"
        console.trouble(missing or BatchclfError(found.sentence, hint=hint))
    result = {
        "job": job.name,
        "fresh": found.fresh,
        "max_age_seconds": max_age.total_seconds(),
        "last_good": None if found.last_good is None else _summary(found.last_good),
        "ended": None if found.ended is None else found.ended.isoformat(),
        "age_seconds": None if found.age is None else found.age.total_seconds(),
        "later": msgspec.to_builtins(found.later),
    }
    return console.result(result, ExitCode.OK if found.fresh else ExitCode.GATE_FAILED)


def export_runs(args: argparse.Namespace, console: "Console") -> int:
    """Write runs into a file."""
    from batchclf.jobs.history.export import export_history
    from batchclf.jobs.history.lookup import check_history, find_job
    from batchclf.jobs.history.runs import all_histories

    keep_output_free([args.out], console)
    check_history(args.reports)
    jobs = list(all_histories(args.reports)) if args.job is None else [find_job(args.reports, args.job)]
    number = export_history(args.reports, jobs, args.format, args.out)
    console.say(f"wrote {number:,} {'run' if number == 1 else 'runs'} to {shown(args.out)}")
    return console.result({"runs": number, "file": str(args.out), "format": args.format})


def prune_runs(args: argparse.Namespace, console: "Console") -> int:
    """Remove old runs."""
    from batchclf.errors import HistoryError, UsageError
    from batchclf.jobs.history.lookup import check_history
    from batchclf.jobs.history.prune import plan_prune, prune
    from batchclf.jobs.report.index import renew_index

    plan = plan_prune(args.reports, args.job, args.keep_runs, args.keep_days, args.keep)
    if plan.keep_runs is None and plan.keep_days is None:
        raise UsageError("prune needs --keep-runs or --keep-days", hint="or a job file that has them in [retention]")
    check_history(plan.folder.parent)
    names = prune(plan, dry_run=args.dry_run, warn=console.warn)
    word = "would be removed" if args.dry_run else "removed"
    for name in names.gone:
        console.say(f"{word}: {plan.folder / name}")
    if not names.gone:
        console.say("there is nothing to remove")
    if names.gone and not args.dry_run:
        renew_index(plan.folder.parent, warn=console.warn)
    if names.left:
        raise HistoryError(
            f"{len(names.left)} of {len(names.left) + len(names.gone)} old runs could not be removed: {names.left[0]}",
            hint="the lines above say why; see what may be written in the reports folder",
        )
    key = "would_remove" if args.dry_run else "removed"
    return console.result({"job": plan.folder.name, key: list(names.gone)})


def rebuild(args: argparse.Namespace, console: "Console") -> int:
    """Record run directories again."""
    from batchclf.errors import RunError
    from batchclf.jobs.history.lookup import check_history
    from batchclf.jobs.history.rebuild import rebuild_history
    from batchclf.jobs.report.index import renew_index

    check_history(args.reports, full=True)
    done = rebuild_history(args.reports, args.runs, warn=console.warn)
    check_history(args.reports, full=True)
    renew_index(args.reports, warn=console.warn)
    console.say(f"recorded {done.runs:,} {'run' if done.runs == 1 else 'runs'} in {done.path}")
    console.say("the file is whole: checked by SQLite's integrity_check")
    if done.unread:
        lines = "; ".join(f"{each.folder}: {each.reason}" for each in done.unread[:3])
        raise RunError(f"{len(done.unread)} could not be read: {lines}", hint="all others were recorded")
    return console.result({"runs": done.runs, "file": str(done.path)})


def _summary(run: "RunSummary") -> dict[str, Any]:
    import msgspec

    from batchclf.core.records.run import run_state

    found: dict[str, Any] = msgspec.to_builtins(run)
    return {**found, "state": run_state(run.status, run.gates), "removed": run.pruned}

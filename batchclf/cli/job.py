"""`batchclf job check|new|install`."""

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchclf.cli.options import JOB_HELP, describe, file_path, job_path, keep_output_free, shown
from batchclf.cli.run import add_date
from batchclf.core.text import counted
from batchclf.data.catalog import DATASET_NAMES
from batchclf.errors import ExitCode

if TYPE_CHECKING:
    from batchclf.cli.console import Console

EXAMPLES = """\
examples:
  batchclf job new jobs/nightly.toml --dataset digits
  batchclf job check jobs/nightly.toml
  batchclf job install jobs/nightly.toml --systemd --at 03:30 --dry-run
"""
DEFAULT_TIME = "03:30"


def add(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verb's parsers."""
    parser = verbs.add_parser(
        "job",
        help="check a job file, write a commented one, have a job run every night",
        description="Check a job file, write a commented one, have a job run every night.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _add_check(actions, common)
    _add_new(actions, common)
    _add_install(actions, common)


def _add_check(actions: Any, common: argparse.ArgumentParser) -> None:
    check = actions.add_parser(
        "check",
        parents=[common],
        help="report everything that is wrong with a job file and what it names",
        description="Check a job file, and the model, data, folders, baselines and programs that it names, without "
        f"running it. Exit code {ExitCode.ERROR} if something is wrong; warnings do not count.",
    )
    check.add_argument("job", type=job_path, metavar="JOB.toml", help=JOB_HELP)
    add_date(check)
    check.set_defaults(handle=_check)


def _add_new(actions: Any, common: argparse.ArgumentParser) -> None:
    new = actions.add_parser(
        "new",
        parents=[common],
        help="write a job file in which every key is explained",
        description="Write a job file in which every key is explained and commented out with its default. Nothing is "
        "overwritten.",
    )
    new.add_argument("job", type=file_path, metavar="FILE.toml", help="file to write, or - for standard output")
    source = new.add_mutually_exclusive_group()
    dataset = source.add_argument("--dataset", choices=DATASET_NAMES, help="train on a data set by name")
    describe(dataset, unset="fashion-mnist, unless --data or --score is given")
    source.add_argument("--data", metavar="DIR", help="train on class folders")
    new.add_argument("--score", metavar="DIR", help="score this folder, too; may hold {date:%%Y-%%m-%%d} and ${ENV}")
    model = new.add_argument("--model", metavar="BUNDLE", help="where the model is, or is to be kept")
    describe(model, unset="a folder beside the job's runs")
    new.set_defaults(handle=_new)


def _add_install(actions: Any, common: argparse.ArgumentParser) -> None:
    install = actions.add_parser(
        "install",
        parents=[common],
        help="have a job run every night: by cron, systemd or GitHub Actions",
        description="Have a job run every night, with this Python and absolute paths.",
    )
    install.add_argument("job", type=job_path, metavar="JOB.toml", help=JOB_HELP)
    by = install.add_mutually_exclusive_group(required=True)
    by.add_argument("--cron", action="store_true", help="an entry in this user's crontab")
    by.add_argument("--systemd", action="store_true", help="a service and a timer of this user's systemd")
    by.add_argument("--github", action="store_true", help="a workflow in the Git repository that the job file lies in")
    describe(install.add_argument("--at", default=DEFAULT_TIME, metavar="HH:MM", help="time of day; GitHub's is UTC"))
    install.add_argument("--dry-run", action="store_true", help="print what would be installed, and install nothing")
    install.set_defaults(handle=_install)


def _check(args: argparse.Namespace, console: "Console") -> int:
    from batchclf.errors import BatchclfError
    from batchclf.jobs.setup.check import check_job

    job, checks = check_job(args.job, args.date)
    for check in checks:
        if console.quiet and check.state == "error":
            console.trouble(BatchclfError(check.message, hint=check.hint))
        elif console.quiet and check.state == "warning":
            console.warn(f"{check.message}; {check.hint}" if check.hint else check.message)
        console.say(f"{check.state:8} {check.topic}: {check.message}")
        if check.hint and check.state != "ok":
            console.say(f"         hint: {check.hint}")
    count = {state: sum(check.state == state for check in checks) for state in ("error", "warning")}
    console.say(
        ", ".join(counted(count[kind], kind) if count[kind] else f"no {kind}s" for kind in ("error", "warning"))
    )
    return console.result(
        {
            "job": None if job is None else job.name,
            "run_date": None if job is None else job.run_date.isoformat(),
            "checks": [dataclasses.asdict(check) for check in checks],
            "errors": count["error"],
            "warnings": count["warning"],
        },
        ExitCode.ERROR if count["error"] else ExitCode.OK,
    )


def _new(args: argparse.Namespace, console: "Console") -> int:
    from batchclf.jobs.config.starter import new_job

    keep_output_free([args.job], console)
    new_job(args.job, dataset=args.dataset, data=args.data, score=args.score, model=args.model)
    further = "" if args.job == Path("-") else f"; next: batchclf job check {args.job}"
    console.say(f"wrote {shown(args.job)}{further}")
    return console.result({"file": str(args.job)})


def _install(args: argparse.Namespace, console: "Console") -> int:
    from batchclf.jobs.setup.clock import Scheduler, forecast
    from batchclf.jobs.setup.install import install_cron, install_github, install_systemd, plan

    entry = plan(args.job, args.at)
    by: Scheduler = "cron" if args.cron else "systemd" if args.systemd else "github"
    install = {"cron": install_cron, "systemd": install_systemd, "github": install_github}[by]
    files = install(entry, dry_run=args.dry_run, say=console.say)
    ahead = forecast(entry, by)
    for line in ahead.notes:
        console.say(f"# {line}")
    for line in ahead.warnings:
        console.warn(line)
    changes = [
        {
            "zone": each.zone,
            "skipped": [day.isoformat() for day in each.changes.skipped],
            "twice": [day.isoformat() for day in each.changes.twice],
        }
        for each in ahead.zones
    ]
    return console.result({"job": entry.name, "files": files, "installed": not args.dry_run, "clock_changes": changes})

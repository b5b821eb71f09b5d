"""`batchclf run`."""

import argparse
from datetime import date
from typing import TYPE_CHECKING, Any

from batchclf.cli.options import JOB_HELP, add_option, describe, job_path
from batchclf.core.text import counted, duration
from batchclf.jobs.config.spec import JobSpec

if TYPE_CHECKING:
    from batchclf.cli.console import Console
    from batchclf.jobs.config.load import Job
    from batchclf.jobs.notify.summary import RunOutcome

EXAMPLES = """\
examples:
  batchclf run jobs/nightly.toml                     `batchclf job new jobs/nightly.toml` writes the file
  batchclf run nightly                               the same by its name
  batchclf run nightly --dry-run
  batchclf run nightly --quiet                       for cron: mails only trouble
  batchclf run nightly --date 2026-11-24             a missed run, made up for
"""


def add(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verb's parser."""
    parser = verbs.add_parser(
        "run",
        parents=[common],
        help="run a job: train or load, score, evaluate, report, publish",
        description="Run a job file from data to published report.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("job", type=job_path, metavar="JOB.toml", help=JOB_HELP)
    parser.add_argument("--dry-run", action="store_true", help="check the job file and say what would be done")
    add_option(parser, JobSpec, "deadline", unset="the job's")
    add_date(parser)
    parser.set_defaults(handle=handle)


def add_date(parser: argparse.ArgumentParser) -> None:
    """Add `--date`."""
    action = parser.add_argument(
        "--date",
        type=_day,
        metavar="YYYY-MM-DD",
        help="the run date that date placeholders of the job file stand for",
    )
    describe(action, unset="today")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}' is no date; write for example 2026-11-24") from error


def handle(args: argparse.Namespace, console: "Console") -> int:
    """Run."""
    from batchclf.errors import UsageError
    from batchclf.jobs.config.limits import Deadline, parse_duration
    from batchclf.jobs.config.load import load_job

    limit = None if args.deadline is None else parse_duration(args.deadline)
    job = load_job(args.job, args.date)
    if limit is not None and job.spec.predictions is not None:
        raise UsageError(
            f"--deadline does not go with [predictions]: {args.job} scores nothing", hint="leave out --deadline"
        )
    if args.dry_run:
        return _dry_run(job, console)
    from batchclf.cli.summary import say_trouble
    from batchclf.errors import published_note
    from batchclf.jobs.notify.summary import outcome_summary
    from batchclf.jobs.run.scheduled import run_scheduled
    from batchclf.storage.run.directory import find_report
    from batchclf.storage.run.published import INDEX_FILE, LATEST

    def failed(outcome: "RunOutcome") -> None:
        console.summary = outcome_summary(outcome)

    run = run_scheduled(job, console, args.command, Deadline(limit or job.deadline), on_failure=failed)
    record, folder = run.outcome.record, run.outcome.folder
    assert record is not None
    assert folder is not None
    console.made = published_note(folder)
    console.say(f"{record.status} after {duration(record.seconds)}")
    if report := find_report(folder):
        linked = job.folder / LATEST / report.name
        console.say(f"report: {report}" + (f" (also {linked})" if linked.exists() else ""))
    console.say(f"all runs: {job.reports / INDEX_FILE}")
    say_trouble(record, folder, console)
    for trouble in run.troubles:
        console.trouble(trouble)
    return console.result(outcome_summary(run.outcome), run.exit_code)


def _dry_run(job: "Job", console: "Console") -> int:
    from batchclf.jobs.config.data_options import will_train
    from batchclf.jobs.config.settings import open_bundle
    from batchclf.models.runtime.registry import default_runtime

    spec = job.spec
    trains = will_train(job)
    why = "retrain = true" if spec.model.retrain else "there is no bundle yet"
    bundle = None if trains else open_bundle(job.bundle)
    runtime = spec.scoring.runtime or ("onnx" if bundle is None else default_runtime(bundle))
    rules = len(job.gate.rules)
    bounds = [f"{key} {value}" for key, value in _bounds(job).items()]
    bounds += [counted(rules, "rule")] if rules else []
    subsets = [f"the {name} split" for name in job.splits] + [f"{n} ({t.source})" for n, t in job.directories.items()]
    plan = {
        "job": f"{job.name}, run date {job.run_date}",
        "data": (spec.data.dataset or str(job.directory)) if spec.data else "none",
        "model": f"{_training(job)} into {job.bundle} ({why})" if trains else f"load {job.bundle}",
        "score": " and ".join(subsets) + f" with {runtime}",
        "gate": ", ".join(bounds) or "none",
        "publish": f"{job.folder}",
    }
    for key, value in plan.items():
        console.say(f"{key + ':':9} {value}")
    if bundle is not None:
        console.say(f"the model is of {bundle.info.created}, digest {bundle.digest[:12]}")
    console.say("dry run: nothing was trained, scored or written")
    return console.result({**plan, "trains": trains})


def _training(job: "Job") -> str:
    from batchclf.training.recipes.builtin import DEFAULT_RECIPE

    if job.base is not None:
        return f"fine-tune {job.base}"
    return f"train {job.spec.model.recipe or DEFAULT_RECIPE}"


def _bounds(job: "Job") -> dict[str, float]:
    bounds = {"min_test_accuracy": job.gate.min_test_accuracy, "max_gap": job.gate.max_gap}
    return {name: value for name, value in bounds.items() if value is not None}

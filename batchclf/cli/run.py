"""`batchclf run`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from batchclf.cli.console import Console
    from batchclf.jobs.spec import Job

EXAMPLES = """\
examples:
  batchclf run jobs/fashion-mnist.toml
  batchclf run jobs/fashion-mnist.toml --dry-run
  batchclf run jobs/fashion-mnist.toml --quiet            for cron: mails only trouble
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
    parser.add_argument("job", type=Path, metavar="JOB.toml", help="job file; paths in it are relative to itself")
    parser.add_argument("--dry-run", action="store_true", help="check the job file and say what would be done")
    parser.set_defaults(handle=handle)


def handle(args: argparse.Namespace, console: "Console") -> int:
    """Run."""
    from batchclf.jobs.spec import load_job

    job = load_job(args.job)
    if args.dry_run:
        return _dry_run(job, console)
    from batchclf.cli.summary import run_exit_code, run_summary, tell_trouble
    from batchclf.jobs.runner import run_job
    from batchclf.storage.published import INDEX_FILE, LATEST
    from batchclf.storage.run_directory import REPORT_FILE

    record, folder = run_job(job, console, args.command)
    console.say(f"{record.status} after {record.seconds:.1f} s")
    console.say(f"report: {folder / REPORT_FILE} (also {job.folder / LATEST / REPORT_FILE})")
    console.say(f"all runs: {job.folder.parent / INDEX_FILE}")
    tell_trouble(record, folder, console)
    console.result(run_summary(record, folder))
    return run_exit_code(record)


def _dry_run(job: "Job", console: "Console") -> int:
    from batchclf.jobs.runner import will_train
    from batchclf.models.bundle import load_bundle

    spec = job.spec
    trains = will_train(job)
    why = "retrain = true" if spec.model.retrain else "there is no bundle yet"
    bundle = None if trains else load_bundle(job.bundle)
    plan = {
        "job": job.name,
        "data": spec.data.dataset or str(job.directory),
        "model": f"train {spec.model.recipe} into {job.bundle} ({why})" if trains else f"load {job.bundle}",
        "score": " and ".join(sorted(spec.scoring.splits)) + f" with {spec.scoring.runtime}",
        "gate": ", ".join(f"{key} {value}" for key, value in _bounds(job).items()) or "none",
        "publish": f"{job.folder}",
    }
    for key, value in plan.items():
        console.say(f"{key + ':':9} {value}")
    if bundle is not None:
        console.say(f"the model is of {bundle.info.created}, digest {bundle.digest[:12]}")
    console.say("dry run: nothing was trained, scored or written")
    console.result({**plan, "trains": trains, "exit_code": 0})
    return 0


def _bounds(job: "Job") -> dict[str, float]:
    bounds = {"min_test_accuracy": job.gate.min_test_accuracy, "max_gap": job.gate.max_gap}
    return {name: value for name, value in bounds.items() if value is not None}

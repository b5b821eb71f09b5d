"""Notify whoever is to be notified of a run: files, commands, the webhook."""

import json
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from batchclf.core.types import Say
from batchclf.errors import BatchclfError, NotifyError
from batchclf.jobs.config.spec import NotifySpec
from batchclf.jobs.notify.commands import Command, run_command
from batchclf.jobs.notify.prometheus import write_run_gauges
from batchclf.jobs.notify.summary import RunOutcome, outcome_summary
from batchclf.jobs.notify.webhook import REAL, Pace, post
from batchclf.storage.exports.junit import write_junit, write_junit_error


def notify(
    spec: NotifySpec,
    outcome: RunOutcome,
    *,
    prometheus: Path | None,
    junit: Path | None,
    folder: Path,
    say: Say,
    last_good: Path | None = None,
    pace: Pace = REAL,
) -> list[BatchclfError]:
    """Notify all that `spec` names of a run; returns what went wrong with that, and notifies the others all the same.

    `prometheus` and `junit` are the files to write, `folder` is the job file's, in which commands run. `last_good` is
    the run directory of the last good run, for the time of the last success if no file has it. `outcome.good`
    says whether the run is a success.
    """
    good = outcome.good
    command, which = (spec.on_success, "on_success") if good else (spec.on_failure, "on_failure")
    wanted = (prometheus, junit, command, spec.webhook)
    if all(each is None for each in wanted):
        return []
    summary = outcome_summary(outcome)
    content = json.dumps(summary, ensure_ascii=False, allow_nan=False).encode()
    errors: list[BatchclfError] = []

    def attempt(what: str, how: Callable[[], None]) -> None:
        try:
            how()
        except BatchclfError as error:
            errors.append(error)
        except OSError as error:
            hint = "check the disk's free space and the permissions"
            errors.append(NotifyError(f"{what} cannot be written: {error.strerror or error}", hint=hint))
        except Exception as error:  # the others are to be notified, whatever it is
            hint = "this is a fault in batchclf: please report it"
            errors.append(NotifyError(f"{what}: unexpected {type(error).__name__}: {error}", hint=hint))

    # The surest first, the slowest last (decision 090)
    if prometheus is not None:
        attempt(f"notify.prometheus: {prometheus}", lambda: write_run_gauges(prometheus, outcome, summary, last_good))
    if junit is not None:
        attempt(f"notify.junit: {junit}", lambda: _write_junit(junit, outcome, summary))
    if command is not None:
        of = Command(which, command, folder, _variables(outcome, summary), spec.timeout)
        attempt(f"notify.{which}", lambda: run_command(of, content + b"\n", say))
    if spec.webhook is not None and (spec.webhook_on == "always" or not good):
        address = spec.webhook
        attempt(
            "notify.webhook",
            lambda: say(f"notified {post(address, content, key=_key(outcome), timeout=spec.timeout, pace=pace)}"),
        )
    return errors


def _write_junit(path: Path, outcome: RunOutcome, summary: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if outcome.record is not None:
        write_junit(path, outcome.record, report=summary["report"] or "")
        return
    write_junit_error(
        path,
        job=outcome.job,
        run_date=outcome.run_date,
        started=outcome.started,
        seconds=outcome.seconds,
        message=f"{summary['status']}: {outcome.message}",
        hint=outcome.hint,
    )


def _variables(outcome: RunOutcome, summary: Mapping[str, Any]) -> dict[str, str]:
    """Give commands what shell scripts need most; what there is none of is empty."""
    run = outcome.folder
    return {
        "BATCHCLF_JOB": outcome.job,
        "BATCHCLF_RUN_DATE": outcome.run_date,
        "BATCHCLF_STATUS": summary["status"],
        "BATCHCLF_EXIT_CODE": str(outcome.exit_code),
        "BATCHCLF_RUN": "" if run is None else str(run),
        "BATCHCLF_REPORT": summary["report"] or "",
    }


def _key(outcome: RunOutcome) -> str:
    """The same for the same run: a receiver knows a repeat by it."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"batchclf:{outcome.job}:{outcome.started.isoformat()}"))

"""A run in one JSON object, and its trouble on standard error."""

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchclf.core.records.run import RunRecord

if TYPE_CHECKING:
    from batchclf.cli.console import Console


def say_trouble(record: RunRecord, folder: Path, console: "Console") -> None:
    """Say on standard error, `--quiet` or not, why a finished run is not ok; nothing after a good one.

    Rules that passed only because there was nothing to compare with are shown, too. A hint that is the same for
    several lines stands below the last of them.
    """
    if record.status == "ok" and not record.gates:
        return
    from batchclf.jobs.notify.problems import troubles, without_reference

    for line in without_reference(record.gates):
        console.warn(line)
    found = troubles(record, folder)
    for error, following in pairwise(found):
        if error.hint == following.hint:
            error.hint = ""
    for error in found:
        console.trouble(error)


def run_summary(record: RunRecord, folder: Path) -> dict[str, Any]:
    """Give what `--json` prints after `run` and `score`."""
    from batchclf.jobs.notify.summary import outcome_summary, published_outcome

    return outcome_summary(published_outcome(record, folder))

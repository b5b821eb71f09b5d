"""The reports folder: REPORTS/JOB/RUN_ID, links to the latest and the last good run, the job's model, REPORTS/cache."""

from datetime import UTC, datetime
from pathlib import Path

from batchclf import atomic
from batchclf.core.records.run import LAST_GOOD
from batchclf.errors import RunError, published_note

LATEST, MODEL, CACHE = "latest", "model", "cache"
INDEX_FILE, HISTORY_FILE = "index.html", "history.sqlite"
RUN_ID = "[0-9]{8}T[0-9]{6}Z(-[0-9]+)?"
"""What `new_run_id` gives, as a regular expression."""


def new_run_id(job_folder: Path) -> str:
    """Name a run after the time in UTC, so that names sort by age; a number keeps two of a second apart."""
    stem = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    number, run_id = 1, stem
    while (job_folder / run_id).exists() or any(job_folder.glob(f".{run_id}.*")):
        number += 1
        run_id = f"{stem}-{number:02}"
    return run_id


def publish_latest(run: Path, *, good: bool = False) -> None:
    """Point `latest` beside a whole run directory to it, and `last-good` if it is; in one step each.

    Raises RunError, if one cannot be turned after the other was.
    """
    refused = []
    for name in (LATEST, LAST_GOOD) if good else (LATEST,):
        try:
            atomic.point_link(run.with_name(name), run.name)
        except OSError as error:
            refused.append(f"{run.with_name(name)} does not lead to {run.name}: {error.strerror or error}")
    if refused:
        hint = "see what is there in the place of a link, the disk's free space and the permissions"
        raise RunError("; ".join(refused), hint=f"{published_note(run)}; {hint}")


def published_models(reports: Path) -> list[Path]:
    """List the model bundles that jobs have published under a reports folder, in name order."""
    return sorted(path for path in reports.glob(f"*/{MODEL}") if path.is_dir())

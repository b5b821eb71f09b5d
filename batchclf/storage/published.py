"""The reports folder: REPORTS/JOB/RUN_ID, REPORTS/JOB/latest, the job's model bundle, and REPORTS/cache."""

from datetime import UTC, datetime
from pathlib import Path

from batchclf import atomic

LATEST, MODEL, CACHE = "latest", "model", "cache"
INDEX_FILE = "index.html"


def new_run_id(job_folder: Path) -> str:
    """Name a run after the time in UTC, so that names sort by age; a number keeps two of a second apart."""
    stem = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    number, run_id = 1, stem
    while (job_folder / run_id).exists() or any(job_folder.glob(f".{run_id}.*")):
        number += 1
        run_id = f"{stem}-{number:02}"
    return run_id


def publish_latest(run: Path) -> Path:
    """Point `latest` beside a whole run directory to it, in one step; returns the link. Raises OSError."""
    link = run.with_name(LATEST)
    atomic.point_link(link, run.name)
    return link


def published_models(reports: Path) -> list[Path]:
    """List the model bundles that jobs have published under a reports folder, in name order."""
    return sorted(path for path in reports.glob(f"*/{MODEL}") if path.is_dir())

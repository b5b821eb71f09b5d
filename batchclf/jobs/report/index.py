"""The page of all runs under a reports folder."""

from datetime import UTC, datetime
from pathlib import Path

from batchclf import atomic
from batchclf.core.types import Say
from batchclf.jobs.history.runs import all_histories
from batchclf.storage.run.published import INDEX_FILE


def write_index(reports: Path) -> Path:
    """Write REPORTS/index.html anew from what the run directories say, in one step; returns its path.

    A run that cannot be read is listed as such. Two that write at once each write a whole page. Raises OSError if
    the page cannot be written.
    """
    from batchclf.report.pages.index import index_view
    from batchclf.report.pages.render import render_index

    out = reports / INDEX_FILE
    view = index_view(all_histories(reports), generated=datetime.now(UTC))
    atomic.write_text(out, render_index(view))
    return out


def renew_index(reports: Path, *, warn: Say) -> None:
    """Write the page anew after a run; whatever goes wrong with it is a warning and costs the run nothing."""
    try:
        write_index(reports)
    except Exception as error:
        warn(f"{reports / INDEX_FILE} could not be written ({type(error).__name__}: {error})")

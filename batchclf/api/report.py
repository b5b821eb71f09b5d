"""The report of an evaluation in memory: that of a run, for which it is written as one."""

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory

from batchclf import atomic
from batchclf.api.failures import warn_caller
from batchclf.api.rows import Rows
from batchclf.api.slices import plan_of
from batchclf.core.choices import REPORT_ENDINGS, ReportFormat
from batchclf.core.records.run import RunRecord
from batchclf.errors import UsageError
from batchclf.jobs.report.rewrite import report_again
from batchclf.jobs.run.inputs import Publication
from batchclf.jobs.run.predictions_run import PredictionSource, predictions_run
from batchclf.log import LogWatcher

_ALIKE = {".htm": ".html", ".markdown": ".md"}


def format_of(path: Path) -> ReportFormat:
    """Tell the form of a report by how the name of its file ends; raises UsageError for another ending."""
    name = path.name.lower().removesuffix(path.suffix.lower()) + _ALIKE.get(path.suffix.lower(), path.suffix.lower())
    fitting = [kind for kind, ending in REPORT_ENDINGS.items() if name.endswith(ending)]
    if fitting:
        # Of .md and .github.md the longer one says more
        return max(fitting, key=lambda kind: len(REPORT_ENDINGS[kind]))
    raise UsageError(
        f"a report cannot be written to {path}: its suffix says no form",
        hint=f"give a file that ends in {', '.join(REPORT_ENDINGS.values())}",
    )


def write_report(rows: Rows, path: Path, *, templates: Path | None, pictures: bool) -> None:
    """Write the report of rows to a file, in the form of its suffix.

    Raises UsageError for another suffix, and what `predictions_run` raises.
    """
    kind = format_of(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="batchclf-") as folder:
        run = Path(folder) / (path.stem or "report")
        write_run(
            rows, run, Publication(Path(folder), formats=(kind,), templates=templates, pictures=pictures, kept=False)
        )
        atomic.write_bytes(path, (run / f"report{REPORT_ENDINGS[kind]}").read_bytes())


def rewrite_report(run: Path, path: Path, *, templates: Path | None, pictures: bool | None) -> None:
    """Write the report of a run directory again, to a file in the form of its suffix.

    Raises UsageError for another suffix, and what `report_again` raises.
    """
    kind, say = format_of(path), LogWatcher().say
    path.parent.mkdir(parents=True, exist_ok=True)
    report_again(run, {kind: path}, templates=templates, pictures=pictures, say=say, warn=warn_caller)


def write_run(rows: Rows, out: Path, to: Publication) -> RunRecord:
    """Write rows as a run directory, which must not be there yet; raises what `predictions_run` raises."""
    source = PredictionSource("predictions from Python", _digest(rows), labels="as given")
    images = Path() if rows.named else None
    command = ["batchclf.evaluate()"]
    return predictions_run(
        rows.pieces(), rows.classes.names, source, out, LogWatcher(), command, images=images, plan=plan_of(rows), to=to
    )


def _digest(rows: Rows) -> str:
    """The SHA-256 of what was predicted, 64 hex digits: it stands for the model."""
    digest = hashlib.sha256("\0".join(rows.classes.names).encode("utf-8", "surrogateescape"))
    for piece in rows.pieces():
        digest.update("\0".join(piece.paths).encode("utf-8", "surrogateescape"))
        digest.update(piece.predictions.tobytes())
        digest.update(piece.confidence.tobytes())
    return digest.hexdigest()

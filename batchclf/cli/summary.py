"""A run in one JSON object, and the exit code that its status means."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchclf.core.run_record import RunRecord
from batchclf.errors import GateFailedError, PartialError
from batchclf.storage.metrics import FILES
from batchclf.storage.run_directory import PREDICTIONS_FILE, REPORT_FILE, SKIPPED_FILE

if TYPE_CHECKING:
    from batchclf.cli.console import Console

EXIT_CODES = {"ok": 0, "gate failed": GateFailedError.exit_code, "partial": PartialError.exit_code}


def run_exit_code(record: RunRecord) -> int:
    """Turn the status of a run into the exit code."""
    return EXIT_CODES[record.status]


def tell_trouble(record: RunRecord, folder: Path, console: "Console") -> None:
    """Say on standard error, `--quiet` or not, why a finished run is not ok; nothing where it is."""
    report = folder / REPORT_FILE
    failed = [gate.sentence for gate in record.gates if not gate.passed]
    if failed:
        console.trouble(GateFailedError(f"gate failed: {'; '.join(failed)}", hint=f"read {report}"))
    elif record.status == "partial":
        skipped, images = (sum(getattr(t, n) for t in record.targets) for n in ("skipped", "scored"))
        console.trouble(
            PartialError(
                f"partial: {skipped:,} of {skipped + images:,} images were skipped, more than the budget allows",
                hint=f"see why in {folder / SKIPPED_FILE}",
            )
        )


def run_summary(record: RunRecord, folder: Path) -> dict[str, Any]:
    """Tell what `--json` prints after `run` and `score`."""
    import json

    return {
        "run": str(folder),
        "status": record.status,
        "exit_code": run_exit_code(record),
        "trained": record.model.trained_in_this_run,
        "seconds": record.seconds,
        "targets": {
            target.split or target.source: {
                name: getattr(target, name) for name in ("found", "scored", "skipped", "excluded")
            }
            for target in record.targets
        },
        "metrics": json.loads((folder / FILES[0]).read_text(encoding="utf-8")),
        "gates": [{"name": gate.name, "passed": gate.passed, "sentence": gate.sentence} for gate in record.gates],
        "files": {name: str(folder / name) for name in (PREDICTIONS_FILE, SKIPPED_FILE, REPORT_FILE, *FILES)},
    }

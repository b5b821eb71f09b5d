"""The run directory: written beside its target, then renamed into place; run.json says how it came about."""

import json
import re
import shutil
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from batchclf import atomic
from batchclf.core.choices import REPORT_ENDINGS
from batchclf.core.records.run import RunRecord
from batchclf.errors import BatchclfError, RunError, noted_as_published
from batchclf.storage.csv_files.cells import utf8_values
from batchclf.storage.predictions.write import PARTS_FOLDER
from batchclf.storage.run.journal import JOURNAL_FILE
from batchclf.storage.run.published import RUN_ID
from batchclf.storage.run.run_json import decode_run

RECORD_FILE, PREDICTIONS_FILE, SKIPPED_FILE = "run.json", "predictions.csv", "skipped.csv"
REPORT_FILE, LOG_FILE = "report.html", "log.jsonl"
REPORT_FILES = tuple(f"report{ending}" for ending in REPORT_ENDINGS.values())
"""The report in its forms, the best to read first."""

FAILED_PREFIX, FAILED_SUFFIX = "failed-", ".log.jsonl"


class RunLog:
    """log.jsonl: one JSON object a line with the time, a level and what was said; flushed as it comes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = path.open("a", encoding="utf-8", errors="backslashreplace")

    def write(self, message: str, *, level: str = "info") -> None:
        """Append one line."""
        entry = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level, "message": message}
        self._handle.write(json.dumps(entry, ensure_ascii=False) + "\n")
        self._handle.flush()

    def failure(self, error: BaseException) -> None:
        """Append what ended the run; with its traceback where it is not an error of ours."""
        expected = isinstance(error, BatchclfError | KeyboardInterrupt)
        text = f"{type(error).__name__}: {error}" if expected else "".join(traceback.format_exception(error))
        self.write(text, level="error")

    def close(self) -> None:
        """Close the file."""
        self._handle.close()


@contextmanager
def new_run_directory(target: Path) -> Iterator[Path]:
    """Give a hidden folder beside `target` to fill; it is renamed to `target` when all went well.

    Otherwise it is removed, but for its log, which goes to `failed-NAME.log.jsonl` beside the target. Raises
    RunError where something stands at `target` already.
    """
    check_free(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = atomic.beside(target)
    partial.mkdir()
    try:
        yield partial
        atomic.publish_folder(partial, target)
    except BaseException:
        give_up(partial, target)
        raise
    with noted_as_published(target):
        atomic.flush_path(target.parent)
    _remove_killed(target)


def _remove_killed(target: Path) -> None:
    """Remove what killed runs have left beside a published one: of its own name, or of one made of the time.

    What can be gone on with stays.
    """
    names = rf"\.({re.escape(target.name)}|{RUN_ID})\.{atomic.OWNER}\.partial"
    atomic.remove_abandoned(target.parent, names, keep=lambda partial: (partial / JOURNAL_FILE).exists())


def check_free(target: Path) -> None:
    """Raise RunError where something stands at `target` already."""
    if target.exists() or target.is_symlink():
        raise RunError(f"{target} is there already", hint="give another run directory, or remove it first")


def give_up(partial: Path, target: Path) -> None:
    """Remove the hidden folder of a run that failed, but for its log, which goes to `failed-NAME.log.jsonl`."""
    put_log_aside(partial, target)
    shutil.rmtree(partial, ignore_errors=True)


def put_log_aside(partial: Path, target: Path) -> None:
    """Rename the log of a run that failed to `failed-NAME.log.jsonl`, if it is there."""
    log = partial / LOG_FILE
    if log.exists():
        log.replace(failed_log(target))


def failed_log(target: Path) -> Path:
    """Name the file that keeps the log of a run that failed."""
    return target.with_name(f"{FAILED_PREFIX}{target.name}{FAILED_SUFFIX}")


def find_report(folder: Path) -> Path | None:
    """Give the report of a run directory in the form that is best to read; None if there is none."""
    return next((folder / name for name in REPORT_FILES if (folder / name).is_file()), None)


def write_record(folder: Path, record: RunRecord) -> None:
    """Write run.json in one step. Raises OSError."""
    content = msgspec.json.encode(utf8_values(msgspec.to_builtins(record)))
    atomic.write_bytes(folder / RECORD_FILE, msgspec.json.format(content, indent=2) + b"\n")


def is_of_run(predictions: Path) -> bool:
    """Whether a path is the predictions.csv of a run directory, or its parts, with its run.json beside it."""
    if predictions.name not in (PREDICTIONS_FILE, PARTS_FOLDER) or not predictions.with_name(RECORD_FILE).is_file():
        return False
    try:
        content = msgspec.json.decode(predictions.with_name(RECORD_FILE).read_bytes())
    except (OSError, msgspec.MsgspecError):
        return True  # a damaged one, of which the rest can still be read
    return isinstance(content, dict) and {"run_id", "model"} <= content.keys()


def read_record(folder: Path) -> RunRecord:
    """Read a run directory's run.json; raises RunError where it is missing, damaged or of another format."""
    path = folder / RECORD_FILE
    if not folder.is_dir():
        raise RunError(f"there is no run directory {folder}", hint="give a folder that `batchclf run` or `score` made")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RunError(
            f"{folder} is not a run directory: {RECORD_FILE} cannot be read ({error.strerror})",
            hint="give a folder that `batchclf run` or `batchclf score` made",
        ) from error
    try:
        return decode_run(content, path, RunRecord)
    except msgspec.MsgspecError as error:
        raise RunError(f"{path} is damaged: {error}", hint="score again") from error

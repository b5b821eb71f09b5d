"""Run directories in a few numbers each: only what is needed of run.json and metrics.json is decoded."""

import json
from pathlib import Path

import msgspec

from batchclf.core.estimate import Estimate, Interval
from batchclf.core.records.history import FailedRun, RunSummary
from batchclf.core.records.run import GateResult, main_of
from batchclf.errors import RunError, Status
from batchclf.storage.run.directory import FAILED_PREFIX, FAILED_SUFFIX, RECORD_FILE
from batchclf.storage.run.metrics import FILES
from batchclf.storage.run.run_json import decode_run

_TAIL = 65_536
"""Bytes of a log's end in which its last error is looked for."""


class _Subset(msgspec.Struct):
    split: str
    source: str
    scored: int
    skipped: int


class _Model(msgspec.Struct):
    digest: str


class _Run(msgspec.Struct):
    run_id: str
    started: str
    seconds: float
    status: Status
    model: _Model
    subsets: list[_Subset]
    gates: list[GateResult] = []
    job: str | None = None
    main_subset: str = ""
    run_date: str = ""


class _Value(msgspec.Struct):
    value: float
    low: float | None = None
    high: float | None = None


class _Split(msgspec.Struct):
    images: int = 0
    labelled: int = 0
    accuracy: _Value | None = None
    macro_f1: _Value | float | None = None
    ece: float | None = None


class _Gap(msgspec.Struct):
    gap: _Value
    overfitting: str


class _Metrics(msgspec.Struct):
    splits: dict[str, _Split] = {}
    gap: _Gap | None = None


def read_summary(folder: Path) -> RunSummary:
    """Sum up a run directory; one whose metrics.json is missing or damaged has no numbers.

    Raises RunError where run.json is missing, damaged or of another format.
    """
    path = folder / RECORD_FILE
    try:
        run = decode_run(path.read_bytes(), path, _Run)
    except (OSError, msgspec.MsgspecError) as error:
        raise RunError(f"{path} cannot be read: {_reason(error)}", hint="score again") from error
    try:
        metrics = msgspec.json.decode((folder / FILES[0]).read_bytes(), type=_Metrics)
    except (OSError, msgspec.MsgspecError):
        metrics = _Metrics()
    return _summary(folder, run, metrics)


def read_failed(log: Path) -> FailedRun:
    """Sum up the log that a failed run has left: its first time and its last error. Raises OSError."""
    name = log.name.removeprefix(FAILED_PREFIX).removesuffix(FAILED_SUFFIX)
    with log.open("rb") as handle:
        first = _entry(handle.readline())
        handle.seek(max(0, log.stat().st_size - _TAIL))
        last = handle.read().splitlines()
    errors = (entry for line in reversed(last) if (entry := _entry(line)).get("level") == "error")
    # A traceback is of several lines; its last one names the error.
    message = next(errors, {}).get("message", "").strip().rsplit("\n", 1)[-1]
    return FailedRun(name, log.name, first.get("time", ""), message)


def _summary(folder: Path, run: _Run, metrics: _Metrics) -> RunSummary:
    splits = [subset.split for subset in run.subsets] or [""]
    split = main_of(run.main_subset, splits)
    main, train = metrics.splits.get(split, _Split()), metrics.splits.get("train", _Split())
    gap, f1 = metrics.gap, main.macro_f1
    return RunSummary(
        run_id=run.run_id,
        folder=folder.name,
        started=run.started,
        seconds=run.seconds,
        status=run.status,
        split=split,
        images=sum(subset.scored for subset in run.subsets if subset.split == split),
        skipped=sum(subset.skipped for subset in run.subsets),
        accuracy=_estimate(main.accuracy, main.labelled),
        train_accuracy=_estimate(train.accuracy, train.labelled),
        gap=_estimate(gap.gap, min(main.labelled, train.labelled)) if gap else None,
        overfitting=gap.overfitting if gap else None,
        macro_f1=f1.value if isinstance(f1, _Value) else f1,
        ece=main.ece,
        model_digest=run.model.digest,
        gates=tuple(run.gates),
        sources=tuple(dict.fromkeys(subset.source for subset in run.subsets)),
        files=tuple(sorted(each.name for each in folder.iterdir())),
        job=run.job,
        run_date=run.run_date,
    )


def _estimate(value: _Value | None, n: int) -> Estimate | None:
    if value is None or value.low is None or value.high is None:
        return None
    return Estimate(value.value, Interval(value.low, value.high), n)


def _entry(line: bytes) -> dict[str, str]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return {key: value for key, value in entry.items() if isinstance(value, str)} if isinstance(entry, dict) else {}


def _reason(error: Exception) -> str:
    return str(error.strerror) if isinstance(error, OSError) else str(error)

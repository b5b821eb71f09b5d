"""Run directories in a few numbers each: only what is needed of run.json and metrics.json is decoded."""

import json
from pathlib import Path
from typing import TypeVar

import msgspec

from batchclf.core.estimate import Estimate, Interval
from batchclf.core.records.history import FailedRun, RunSummary
from batchclf.core.records.run import RUN_FORMAT, GateResult, Status, main_of
from batchclf.errors import RunError
from batchclf.storage.run.directory import FAILED_PREFIX, FAILED_SUFFIX, RECORD_FILE
from batchclf.storage.run.metrics import FILES

_TAIL = 65_536
"""Bytes of a log's end in which its last error is looked for."""

_Decoded = TypeVar("_Decoded")


class _Target(msgspec.Struct):
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
    targets: list[_Target]
    gates: list[GateResult] = []
    job: str | None = None
    main_target: str = ""
    night: str = ""
    format: int = 0


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
        run = _decoded(path, _Run)
    except (OSError, msgspec.MsgspecError) as error:
        raise RunError(f"{path} cannot be read: {_reason(error)}", hint="score again") from error
    if run.format != RUN_FORMAT:
        raise RunError(f"{path} has format {run.format}, not {RUN_FORMAT}", hint="score again with this batchclf")
    try:
        metrics = _decoded(folder / FILES[0], _Metrics)
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
    splits = [target.split for target in run.targets] or [""]
    split = main_of(run.main_target, splits)
    main, train = metrics.splits.get(split, _Split()), metrics.splits.get("train", _Split())
    gap, f1 = metrics.gap, main.macro_f1
    return RunSummary(
        run_id=run.run_id,
        folder=folder.name,
        started=run.started,
        seconds=run.seconds,
        status=run.status,
        split=split,
        images=sum(target.scored for target in run.targets if target.split == split),
        skipped=sum(target.skipped for target in run.targets),
        accuracy=_estimate(main.accuracy, main.labelled),
        train_accuracy=_estimate(train.accuracy, train.labelled),
        gap=_estimate(gap.gap, min(main.labelled, train.labelled)) if gap else None,
        overfitting=gap.overfitting if gap else None,
        macro_f1=f1.value if isinstance(f1, _Value) else f1,
        ece=main.ece,
        model_digest=run.model.digest,
        gates=tuple(run.gates),
        sources=tuple(dict.fromkeys(target.source for target in run.targets)),
        files=tuple(sorted(each.name for each in folder.iterdir())),
        job=run.job,
        night=run.night,
    )


def _estimate(value: _Value | None, n: int) -> Estimate | None:
    if value is None or value.low is None or value.high is None:
        return None
    return Estimate(value.value, Interval(value.low, value.high), n)


def _decoded(path: Path, kind: type[_Decoded]) -> _Decoded:
    return msgspec.json.decode(path.read_bytes(), type=kind)


def _entry(line: bytes) -> dict[str, str]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return {key: value for key, value in entry.items() if isinstance(value, str)} if isinstance(entry, dict) else {}


def _reason(error: Exception) -> str:
    return str(error.strerror) if isinstance(error, OSError) else str(error)

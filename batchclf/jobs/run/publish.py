"""The end of every run, of a job or a single `score`: evaluate, gate, run.json, report."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from batchclf.core.gate.gate import Gate
from batchclf.core.metrics.evaluation import Evaluation
from batchclf.core.metrics.gap import Gap
from batchclf.core.metrics.temperature import temperature_of
from batchclf.core.progress import Advance, Watcher
from batchclf.core.records.run import DatasetRecord, GateResult, RunRecord, Status, TargetRecord
from batchclf.core.types import Say, Split
from batchclf.jobs.config.settings import ScoreSettings
from batchclf.jobs.evaluate.evaluate import evaluate_predictions
from batchclf.jobs.evaluate.findings import gather, runs_to_compare
from batchclf.jobs.evaluate.flips import write_flips
from batchclf.jobs.evaluate.image_checks import image_findings, look_at_images
from batchclf.jobs.gate.gate import Tonight, hold_gate
from batchclf.jobs.report.thumbnails import load_pictures
from batchclf.jobs.report.write import Format, Outs, write_formats
from batchclf.jobs.run.hand_over import write_hand_over
from batchclf.jobs.run.provenance import model_record, versions
from batchclf.models.bundle import Bundle
from batchclf.storage.exports.junit import JUNIT_FILE, write_junit
from batchclf.storage.run.directory import LOG_FILE, PREDICTIONS_FILE, RunLog, write_record
from batchclf.storage.run.metrics import write_metrics


@dataclass
class Steps:
    """Times the steps of a run, in order."""

    timings: dict[str, float] = field(default_factory=dict)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    _clock: float = field(default_factory=time.perf_counter)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add the seconds that the block takes under `name`."""
        before = time.perf_counter()
        try:
            yield
        finally:
            self.timings[name] = round(time.perf_counter() - before, 3)

    @property
    def seconds(self) -> float:
        """Seconds since the run began."""
        return round(time.perf_counter() - self._clock, 3)


@dataclass(frozen=True, eq=False)
class Logged:
    """A watcher whose lines also go to the run's log."""

    watcher: Watcher
    log: RunLog

    def say(self, line: str) -> None:
        """Tell one line and log it."""
        self.log.write(line)
        self.watcher.say(line)

    def detail(self, line: str) -> None:
        """Log one line as a warning; tell it to those who asked for more."""
        self.log.write(line, level="warning")
        self.watcher.detail(line)

    def progress(self, what: str, total: int | None) -> AbstractContextManager[Advance]:
        """Show progress; it is not logged."""
        return self.watcher.progress(what, total)


@contextmanager
def logging_to(folder: Path, target: Path, watcher: Watcher) -> Iterator[Logged]:
    """Let all that is said go to the log in `folder`, which is to become `target`, too; so does what ends the block.

    An OSError that names no file, as that of a full disk, gets the target's name.
    """
    log = RunLog(folder / LOG_FILE)
    try:
        yield Logged(watcher, log)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(target)
        log.failure(error)
        raise
    finally:
        log.close()


@dataclass(frozen=True, eq=False)
class RunHead:
    """What is known of a run before it is evaluated."""

    run_id: str
    job: str | None
    command: list[str]
    bundle: Bundle
    trained: bool
    settings: ScoreSettings
    dataset: DatasetRecord | None
    night: str = ""
    main_target: str = ""


@dataclass(frozen=True, eq=False)
class Publication:
    """Where a run goes and what it is held against.

    `beside` is the folder that it will be published in, where its earlier runs are. `baselines` are run ids or paths by
    name.
    """

    beside: Path
    gate: Gate = field(default_factory=Gate)
    baselines: Mapping[str, str | Path] = field(default_factory=dict)
    formats: tuple[Format, ...] = ("html",)
    templates: Path | None = None


def finish(
    folder: Path,
    head: RunHead,
    scored: list[TargetRecord],
    steps: Steps,
    say: Say,
    splits: Mapping[str, Split],
    to: Publication,
) -> RunRecord:
    """Evaluate what was scored, hold it against the gate, and write metrics, run.json and the report.

    `splits` has the images of the data set.
    """
    with steps.step("evaluate"):
        model, temperature = head.bundle.info, temperature_of(head.bundle.info.training)
        evaluations, gap = evaluate_predictions(folder / PREDICTIONS_FILE, model.class_names, temperature)
    with steps.step("images"):
        look = look_at_images(folder, scored, lambda: splits, head.main_target)
        images = image_findings(folder, look, model.reference, evaluations, gap, head.main_target)
    write_metrics(folder, evaluations, gap)
    scored = [replace(target, content=look.contents.get(target.split, "")) for target in scored]
    record = _record(head, scored, steps)
    history = runs_to_compare(to.beside, record)
    with steps.step("compare"):
        flips = write_flips(folder, to.beside, record, history, say=say)
        tonight = Tonight(folder, to.beside, record, evaluations, gap, images, history, to.baselines, flips)
        gates = hold_gate(to.gate, tonight)
    status, timings = _status(gates, scored), dict(steps.timings)
    record = replace(record, gates=gates, status=status, seconds=steps.seconds, timings=timings)
    write_junit(folder / JUNIT_FILE, record)
    with steps.step("report"):
        findings = gather(folder, record, evaluations, gap, images, history, flips)
        report: Outs = {each: folder / f"report.{each}" for each in to.formats}
        pictures = partial(load_pictures, targets=scored, splits=lambda: splits)
        published = to.beside / head.run_id
        write_formats(report, folder, findings, pictures, templates=to.templates, published=published)
    record = replace(record, timings=dict(steps.timings))
    write_record(folder, record)
    write_hand_over(folder, record)
    _tell(record, evaluations, gap, say)
    return record


def _record(head: RunHead, scored: list[TargetRecord], steps: Steps) -> RunRecord:
    """Put down the run as far as it is known before its gate is held."""
    settings = head.settings
    return RunRecord(
        run_id=head.run_id,
        job=head.job,
        command=head.command,
        status="ok",
        started=steps.started.isoformat(timespec="seconds"),
        seconds=steps.seconds,
        runtime=settings.runtime,
        precision=settings.precision,
        resize=settings.resize,
        formats=list(settings.formats),
        batch_size=settings.images_a_batch(head.bundle),
        topk=min(settings.topk, len(head.bundle.info.class_names)),
        probabilities=settings.probabilities,
        model=model_record(head.bundle, trained=head.trained),
        targets=scored,
        dataset=head.dataset,
        timings=dict(steps.timings),
        versions=versions(settings),
        night=head.night,
        main_target=head.main_target,
    )


def _status(gates: Sequence[GateResult], scored: Sequence[TargetRecord]) -> Status:
    """Judge the run; what the deadline cut short is partial, whatever the gate says of that part."""
    if not all(target.complete for target in scored):
        return "partial"
    if not all(result.passed for result in gates):
        return "gate failed"
    return "partial" if any(target.over_budget for target in scored) else "ok"


def _tell(record: RunRecord, evaluations: Sequence[Evaluation], gap: Gap | None, say: Say) -> None:
    for evaluation in evaluations:
        if evaluation.labelled is not None:
            accuracy = evaluation.labelled.accuracy
            say(
                f"{evaluation.split or 'directory'} accuracy {accuracy.value:.4f} "
                f"(95% interval {accuracy.interval.low:.4f} to {accuracy.interval.high:.4f})"
            )
    if gap is not None:
        say(gap.sentence)
    for result in record.gates:
        if result.kind != "alarm" or not result.passed:
            word = "alarm" if result.kind == "alarm" else "gate"
            outcome = "FAILED" if not result.passed else "not held" if result.missing else "passed"
            say(f"{word} {outcome}: {result.sentence}")
    silent = sum(result.kind == "alarm" and result.passed for result in record.gates)
    if silent:
        say(f"{silent} alarms were silent")

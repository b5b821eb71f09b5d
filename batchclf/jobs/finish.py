"""The end of every run, of a job or a single `score`: evaluate, gate, run.json, report."""

import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from batchclf import __version__
from batchclf.core.gate import Gate, check_gate
from batchclf.core.run_record import DatasetRecord, GateResult, ModelRecord, RunRecord, Status, TargetRecord
from batchclf.core.types import Say, Split
from batchclf.jobs.evaluate import evaluate_predictions
from batchclf.jobs.findings import gather
from batchclf.jobs.image_findings import image_findings, look_at_images
from batchclf.jobs.pictures import load_pictures
from batchclf.jobs.report_formats import Outs, write_formats
from batchclf.jobs.targets import ScoreSettings
from batchclf.jobs.watcher import Advance, Watcher
from batchclf.models.bundle import Bundle
from batchclf.storage.metrics import write_metrics
from batchclf.storage.run_directory import PREDICTIONS_FILE, REPORT_FILE, RunLog, write_record


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


def finish(
    folder: Path,
    head: RunHead,
    scored: list[TargetRecord],
    steps: Steps,
    say: Say,
    splits: Mapping[str, Split],
    *,
    beside: Path,
    gate: Gate,
    partial: bool = False,
) -> RunRecord:
    """Evaluate what was scored, hold it against the gate, and write metrics, run.json and the report.

    `beside` is the folder that the run will be published in, where its earlier runs are. `splits` has the images of the
    data set.
    """
    with steps.step("evaluate"):
        evaluations, gap = evaluate_predictions(folder / PREDICTIONS_FILE, head.bundle.info.class_names)
    with steps.step("images"):
        statistics = look_at_images(folder, scored, lambda: splits)
        images = image_findings(folder, statistics, head.bundle.info.reference, evaluations, gap)
    write_metrics(folder, evaluations, gap)
    gates: list[GateResult] = []
    test = next((each.labelled for each in evaluations if each.split == "test"), None)
    if test is not None:
        gates = check_gate(gate, test, gap)
    status: Status = "partial" if partial else "ok"
    if not all(result.passed for result in gates):
        status = "gate failed"
    record = RunRecord(
        run_id=head.run_id,
        job=head.job,
        command=head.command,
        status=status,
        started=steps.started.isoformat(timespec="seconds"),
        seconds=steps.seconds,
        runtime=head.settings.runtime,
        precision=head.settings.precision,
        resize=head.settings.resize,
        formats=list(head.settings.formats),
        batch_size=head.settings.images_a_batch(head.bundle),
        topk=min(head.settings.topk, len(head.bundle.info.class_names)),
        probabilities=head.settings.probabilities,
        model=model_record(head.bundle, trained=head.trained),
        targets=scored,
        dataset=head.dataset,
        gates=gates,
        timings=dict(steps.timings),
        versions=_versions(head.settings),
    )
    with steps.step("report"):
        findings = gather(folder, beside, record, evaluations, gap, images)
        report: Outs = {"html": folder / REPORT_FILE}
        write_formats(report, folder, findings, lambda shown: load_pictures(shown, scored, lambda: splits))
    record = replace(record, timings=dict(steps.timings))
    write_record(folder, record)
    for evaluation in evaluations:
        if evaluation.labelled is not None:
            accuracy = evaluation.labelled.accuracy
            say(
                f"{evaluation.split or 'directory'} accuracy {accuracy.value:.4f} "
                f"(95% interval {accuracy.interval.low:.4f} to {accuracy.interval.high:.4f})"
            )
    if gap is not None:
        say(gap.sentence)
    for result in gates:
        say(f"gate {'passed' if result.passed else 'FAILED'}: {result.sentence}")
    return record


def model_record(bundle: Bundle, *, trained: bool) -> ModelRecord:
    """Tell run.json about a bundle."""
    info, data = bundle.info, bundle.info.training_data
    # A recipe prepares images inside the model; for an imported model it is part of what was chosen.
    settings = info.settings if data else {**info.settings, "preprocessing": info.preprocessing.sentence}
    return ModelRecord(
        path=str(bundle.path.resolve()),
        digest=bundle.digest,
        recipe=info.recipe,
        settings=settings,
        class_names=list(info.class_names),
        input_shape=info.input_shape,
        color_mode=info.color_mode,
        parameters=info.parameters,
        trained_on=f"{data.name}, {data.images:,} images" if data else "not known",
        created=info.created,
        history=info.history,
        reference=info.reference,
        trained_in_this_run=trained,
    )


def _versions(settings: ScoreSettings) -> dict[str, str]:
    versions = {"batchclf": __version__, "python": platform.python_version()}
    openvino = ["openvino"] if settings.precision == "bf16" else []
    for name in ("numpy", "onnxruntime", *openvino, "opencv-python-headless", "tensorflow"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions

"""The run of `batchclf score`: one directory or one split, with a model that is there already."""

from dataclasses import dataclass
from pathlib import Path

from batchclf.core.gate import Gate
from batchclf.core.run_record import DatasetRecord, RunRecord
from batchclf.core.types import Dataset, Say
from batchclf.errors import ModelError
from batchclf.jobs.budget import Budget
from batchclf.jobs.finish import Logged, RunHead, Steps, finish
from batchclf.jobs.report import Splits
from batchclf.jobs.score import score_targets
from batchclf.jobs.targets import DirectoryTarget, ScoreSettings, SplitTarget, Target
from batchclf.jobs.watcher import Watcher
from batchclf.models.bundle import Bundle, load_bundle
from batchclf.storage.published import published_models
from batchclf.storage.run_directory import LOG_FILE, RunLog, new_run_directory


@dataclass(frozen=True, eq=False)
class SplitOf:
    """A split of a loaded data set."""

    dataset: Dataset
    name: str


def score_run(
    what: DirectoryTarget | SplitOf,
    bundle: Bundle,
    settings: ScoreSettings,
    budget: Budget | None,
    out: Path,
    watcher: Watcher,
    command: list[str],
) -> RunRecord:
    """Score, evaluate and report into the run directory `out`, which must not be there yet.

    The record's status is "partial" where more images were skipped than the budget allows. Raises what
    `score_targets` raises, and RunError where `out` is there; then nothing is left behind but the log.
    """
    steps = Steps()
    with new_run_directory(out) as folder:
        log = RunLog(folder / LOG_FILE)
        logged = Logged(watcher, log)
        say = logged.say
        try:
            target, dataset_record, splits = _target(what)
            say(f"model: {bundle.path} ({bundle.info.recipe}, trained on {bundle.info.training_data.name})")
            with steps.step("score"):
                scored = score_targets([target], bundle, settings, folder, logged)
            images = scored[0].scored + scored[0].skipped
            partial = budget is not None and budget.exceeded(scored[0].skipped, images)
            head = RunHead(out.name, None, command, bundle, False, settings, dataset_record)
            return finish(folder, head, scored, steps, say, splits, gate=Gate(), partial=partial)
        except BaseException as error:
            log.failure(error)
            raise
        finally:
            log.close()


def choose_bundle(model: Path | None, reports: Path, *, say: Say) -> Bundle:
    """Open the named bundle, or the newest one that the jobs have published under `reports`, and say which.

    Raises ModelError where there is none, and says how to make one.
    """
    if model is not None:
        return load_bundle(model)
    candidates = published_models(reports)
    if not candidates:
        raise ModelError(
            f"no --model was given and no job has published a model under {reports}",
            hint="make one with: batchclf run jobs/fashion-mnist.toml (or give --model BUNDLE)",
        )
    newest = max((load_bundle(path) for path in candidates), key=lambda bundle: bundle.info.created)
    say(f"using the newest published model, {newest.path} of {newest.info.created}")
    return newest


def _target(what: DirectoryTarget | SplitOf) -> tuple[Target, DatasetRecord | None, Splits]:
    if isinstance(what, DirectoryTarget):
        return what, None, {}
    dataset = what.dataset
    split = dataset.splits[what.name]
    record = DatasetRecord(dataset.name, dataset.origin, len(dataset.train.images), len(dataset.test.images))
    return SplitTarget(dataset.name, dataset.class_names, split), record, {what.name: split}

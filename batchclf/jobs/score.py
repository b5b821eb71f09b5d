"""Score splits and directories into one predictions.csv and skipped.csv, and account for every file."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from batchclf.core.run_record import TargetRecord
from batchclf.core.types import BatchScores, SkippedImage, Split
from batchclf.data.discovery import Found, LabelMode, check_folder, discover, label_rule
from batchclf.errors import ModelError, NothingToScoreError, RunError
from batchclf.jobs.watcher import Watcher
from batchclf.models.bundle import Bundle
from batchclf.models.runtimes import Runtime, RuntimeName, open_runtime
from batchclf.scoring.stream import Outcome, score_files, score_split
from batchclf.storage.predictions import PredictionWriter
from batchclf.storage.run_directory import PREDICTIONS_FILE, SKIPPED_FILE
from batchclf.storage.skipped import SkippedWriter


@dataclass(frozen=True, slots=True)
class ScoreSettings:
    """How to score; `workers` threads decode, `topk` is cut to the number of classes."""

    runtime: RuntimeName
    batch_size: int
    workers: int
    topk: int
    probabilities: bool


@dataclass(frozen=True, eq=False)
class SplitTarget:
    """A split of a data set in memory."""

    dataset: str
    class_names: tuple[str, ...]
    split: Split


@dataclass(frozen=True, slots=True)
class DirectoryTarget:
    """A folder tree of images."""

    root: Path
    labels: LabelMode


Target = SplitTarget | DirectoryTarget


@dataclass
class _Counts:
    found: int = 0
    excluded: int = 0


def score_targets(
    targets: Sequence[Target], bundle: Bundle, settings: ScoreSettings, folder: Path, watcher: Watcher
) -> list[TargetRecord]:
    """Score each target in turn and write the two CSVs into `folder`; targets must come in order of split name.

    Raises ModelError where a target's classes are not the model's, NothingToScoreError where a directory holds
    no image that can be read, RunError where found = scored + skipped + excluded does not hold.
    """
    info = bundle.info
    for target in targets:
        _check_target(target, bundle)
    runtime = open_runtime(bundle, settings.runtime)
    topk = min(settings.topk, len(info.class_names))
    records = []
    with ExitStack() as stack:
        writer = stack.enter_context(
            PredictionWriter(
                folder / PREDICTIONS_FILE, info.class_names, topk=topk, probabilities=settings.probabilities
            )
        )
        skips = stack.enter_context(SkippedWriter(folder / SKIPPED_FILE))
        for target in targets:
            records.append(_score_target(target, bundle, runtime, settings, writer, skips, watcher))
    return records


def _check_target(target: Target, bundle: Bundle) -> None:
    names, shape = bundle.info.class_names, bundle.info.input_shape
    if isinstance(target, DirectoryTarget):
        check_folder(target.root)
        return
    if target.class_names != names:
        raise ModelError(
            f"the model {bundle.path} has the classes {', '.join(names)}; "
            f"{target.dataset} has {', '.join(target.class_names)}",
            hint="give a model that was trained on this data set, or train one",
        )
    if target.split.images.shape[1:] != shape:
        raise ModelError(
            f"the model {bundle.path} takes images of {shape}; those of {target.dataset} are "
            f"{target.split.images.shape[1:]} (height, width, channels)",
            hint="give a model that was trained on this data set, or train one",
        )


def _score_target(
    target: Target,
    bundle: Bundle,
    runtime: Runtime,
    settings: ScoreSettings,
    writer: PredictionWriter,
    skips: SkippedWriter,
    watcher: Watcher,
) -> TargetRecord:
    started, written, skipped_before = time.perf_counter(), writer.rows, skips.rows
    counts = _Counts()
    split, source, labels, total, outcomes = _open(target, bundle, runtime, settings, counts)
    name = f"the {split} split" if split else source
    watcher.say(f"scoring {name}: {labels}")
    reasons: Counter[str] = Counter()
    first_skip = ""
    with watcher.progress(f"scoring {name}", total) as advance:
        for outcome in outcomes:
            if isinstance(outcome, BatchScores):
                writer.write(outcome, split)
                advance(len(outcome.refs))
            elif isinstance(outcome, SkippedImage):
                skips.write(outcome, split)
                line = f"skipped {outcome.ref.path}: {outcome.reason}"
                first_skip = first_skip or line
                watcher.detail(line)
            else:
                counts.excluded += 1
                reasons[outcome.reason] += 1
    record = TargetRecord(
        split=split,
        kind="split" if isinstance(target, SplitTarget) else "directory",
        source=source,
        labels=labels,
        found=counts.found,
        scored=writer.rows - written,
        skipped=skips.rows - skipped_before,
        excluded=counts.excluded,
        seconds=round(time.perf_counter() - started, 3),
    )
    _account(record, name, reasons, first_skip, watcher)
    return record


def _open(
    target: Target, bundle: Bundle, runtime: Runtime, settings: ScoreSettings, counts: _Counts
) -> tuple[str, str, str, int | None, Iterator[Outcome]]:
    info = bundle.info
    if isinstance(target, SplitTarget):
        counts.found = len(target.split.images)
        outcomes = score_split(target.split, runtime, info.class_names, settings.batch_size)
        return target.split.name, target.dataset, "labels of the data set", counts.found, outcomes
    rule = label_rule(target.root, target.labels, info.class_names)

    def counted() -> Iterator[Found]:
        for item in discover(target.root, rule):
            counts.found += 1
            yield item

    outcomes = score_files(
        target.root,
        counted(),
        runtime,
        input_shape=info.input_shape,
        color_mode=info.color_mode,
        batch_size=settings.batch_size,
        workers=settings.workers,
    )
    return "", str(target.root.resolve()), rule.sentence, None, outcomes


def _account(record: TargetRecord, name: str, reasons: Counter[str], first_skip: str, watcher: Watcher) -> None:
    excluded = "; ".join(f"{count:,} {reason}" for reason, count in sorted(reasons.items()))
    line = (
        f"{name}: found {record.found:,} = scored {record.scored:,} + skipped {record.skipped:,} "
        f"+ excluded {record.excluded:,}" + (f" ({excluded})" if excluded else "")
    )
    if record.found != record.scored + record.skipped + record.excluded:
        raise RunError(f"the files do not add up: {line}", hint="this is a fault in batchclf; report it with the log")
    watcher.say(line)
    if not record.scored:
        why = f"; the first: {first_skip}" if first_skip else ""
        raise NothingToScoreError(
            f"there is no image to score in {name}: found {record.found:,} files, {record.skipped:,} images could "
            f"not be read, {record.excluded:,} files are excluded" + (f" ({excluded})" if excluded else "") + why,
            hint="images are files that end in .png, .jpg, .jpeg, .bmp, .gif, .webp, .tif or .tiff",
        )

"""Score splits and directories into one predictions.csv and skipped.csv, and account for every file."""

import time
from collections import Counter
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from pathlib import Path

from batchclf.core.run_record import TargetRecord
from batchclf.data.discovery import LabelRule, check_folder, discover, label_rule
from batchclf.errors import ModelError, NothingToScoreError, RunError
from batchclf.jobs.cache import open_cache
from batchclf.jobs.targets import DirectoryTarget, ScoreSettings, SplitTarget, Target
from batchclf.jobs.watcher import Watcher
from batchclf.models.bundle import Bundle
from batchclf.models.runtimes import open_runtime
from batchclf.scoring.cache import ScoreCache
from batchclf.scoring.decoder import DecodeSetup
from batchclf.scoring.model_run import ModelRun
from batchclf.scoring.pool import DecodePool, folder_prefix
from batchclf.scoring.stream import Block, StreamTimes, blocks_of, score_blocks, score_split
from batchclf.storage.predictions import PredictionWriter
from batchclf.storage.run_directory import PREDICTIONS_FILE, SKIPPED_FILE
from batchclf.storage.skipped import SkippedWriter


@dataclass
class _Counts:
    found: int = 0
    excluded: Counter[str] = field(default_factory=Counter)
    first_skip: str = ""


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
    with ExitStack() as stack:
        # Loading the runtime's library takes as long as decoding the first thousand images; they go side by side.
        opening = stack.enter_context(ThreadPoolExecutor(1, "open-runtime")).submit(
            open_runtime, bundle, settings.runtime
        )
        cache = open_cache(bundle, settings, say=watcher.say)
        if cache is not None:
            stack.callback(cache.close)
        writer = stack.enter_context(
            PredictionWriter(
                folder / PREDICTIONS_FILE,
                info.class_names,
                topk=min(settings.topk, len(info.class_names)),
                probabilities=settings.probabilities,
            )
        )
        skips = stack.enter_context(SkippedWriter(folder / SKIPPED_FILE))
        model = ModelRun(opening.result, say=watcher.say)
        return [_score_target(target, bundle, model, settings, cache, writer, skips, watcher) for target in targets]


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
    model: ModelRun,
    settings: ScoreSettings,
    cache: ScoreCache | None,
    writer: PredictionWriter,
    skips: SkippedWriter,
    watcher: Watcher,
) -> TargetRecord:
    started, written, skipped_before, model_before = time.perf_counter(), writer.rows, skips.rows, model.seconds
    counts, times = _Counts(), StreamTimes()
    split, source, labels, total = _describe(target, bundle)
    name = f"the {split} split" if split else source
    watcher.say(f"scoring {name}: {labels.sentence}")
    with (
        closing(_blocks(target, labels, bundle, model, settings, cache, times)) as blocks,
        watcher.progress(f"scoring {name}", total) as advance,
    ):
        for block in blocks:
            before = time.perf_counter()
            _write(block, split, counts, writer, skips, watcher)
            times.write += time.perf_counter() - before
            advance(block.found)
    times.model = model.seconds - model_before
    record = TargetRecord(
        split=split,
        kind="split" if isinstance(target, SplitTarget) else "directory",
        source=source,
        labels=labels.sentence,
        found=counts.found,
        scored=writer.rows - written,
        skipped=skips.rows - skipped_before,
        excluded=counts.excluded.total(),
        seconds=round(time.perf_counter() - started, 3),
        cached=times.cached,
        timings={key: round(value, 3) for key, value in asdict(times).items() if key != "cached"},
    )
    _account(record, name, counts, watcher)
    return record


def _describe(target: Target, bundle: Bundle) -> tuple[str, str, LabelRule, int | None]:
    """Give the target's split name, its source, its labels and, where it is known, its number of images."""
    if isinstance(target, SplitTarget):
        return target.split.name, target.dataset, LabelRule(None, "labels of the data set"), len(target.split.images)
    rule = label_rule(target.root, target.labels, bundle.info.class_names)
    return "", str(target.root.resolve()), rule, None


def _blocks(
    target: Target,
    labels: LabelRule,
    bundle: Bundle,
    model: ModelRun,
    settings: ScoreSettings,
    cache: ScoreCache | None,
    times: StreamTimes,
) -> Generator[Block, None, None]:
    info = bundle.info
    if isinstance(target, SplitTarget):
        yield from score_split(target.split, model, info.class_names, settings.batch_size, cache=cache, times=times)
        return
    setup = DecodeSetup(folder_prefix(target.root), info.input_shape, info.color_mode, settings.resize)
    with DecodePool(setup, settings.workers, cache) as pool:
        found = blocks_of(discover(target.root, labels), settings.batch_size, times)
        yield from score_blocks(found, pool, model, cache=cache, times=times)


def _write(
    block: Block, split: str, counts: _Counts, writer: PredictionWriter, skips: SkippedWriter, watcher: Watcher
) -> None:
    counts.found += block.found
    for skipped in block.skipped:
        skips.write(skipped, split)
        line = f"skipped {skipped.ref.path}: {skipped.reason}"
        counts.first_skip = counts.first_skip or line
        watcher.detail(line)
    counts.excluded.update(file.reason for file in block.excluded)
    if block.scores is not None:
        writer.write(block.scores, split)


def _account(record: TargetRecord, name: str, counts: _Counts, watcher: Watcher) -> None:
    excluded = "; ".join(f"{count:,} {reason}" for reason, count in sorted(counts.excluded.items()))
    line = (
        f"{name}: found {record.found:,} = scored {record.scored:,} + skipped {record.skipped:,} "
        f"+ excluded {record.excluded:,}" + (f" ({excluded})" if excluded else "")
    )
    if record.found != record.scored + record.skipped + record.excluded:
        raise RunError(f"the files do not add up: {line}", hint="this is a fault in batchclf; report it with the log")
    watcher.say(line)
    if record.cached:
        watcher.say(f"{record.cached:,} of them were scored in an earlier run with this model, and were not again")
    if not record.scored:
        why = f"; the first: {counts.first_skip}" if counts.first_skip else ""
        raise NothingToScoreError(
            f"there is no image to score in {name}: found {record.found:,} files, {record.skipped:,} images could "
            f"not be read, {record.excluded:,} files are excluded" + (f" ({excluded})" if excluded else "") + why,
            hint="images are files that end in .png, .jpg, .jpeg, .bmp, .gif, .webp, .tif or .tiff",
        )

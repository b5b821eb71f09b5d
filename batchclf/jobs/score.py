"""Score splits or a directory into the files of a run directory, and account for every image."""

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from batchclf.core.run_record import PrecisionRecord, TargetRecord
from batchclf.data.discovery import Found
from batchclf.data.labels import LabelRule
from batchclf.data.selection import select
from batchclf.errors import ModelError, NothingToScoreError, RunError
from batchclf.jobs.cache import open_cache
from batchclf.jobs.results import Counts, Results
from batchclf.jobs.targets import DirectoryTarget, ScoreSettings, SplitTarget
from batchclf.jobs.watcher import Watcher
from batchclf.models.bundle import Bundle
from batchclf.models.precision import PrecisionCheck
from batchclf.models.runtimes import Runtime, open_runtime
from batchclf.scoring.batches import files_per_block
from batchclf.scoring.cache import ScoreCache
from batchclf.scoring.decoder import DecodeSetup
from batchclf.scoring.model_run import ComparedRuntime, ModelRun
from batchclf.scoring.pool import DecodePool, folder_prefix
from batchclf.scoring.processes import WorkerProcesses
from batchclf.scoring.stream import Block, StreamTimes, blocks_of, count_unchanged, score_blocks, score_split
from batchclf.storage.journal import JournalEntry, JournalHead

COMPARED_IMAGES = 250
"""Images of a directory that are also scored with float32 where less precision was asked for; of a split all are."""


@dataclass(frozen=True, eq=False)
class _Scorer:
    """What every target of a run is scored with; `check` compares with float32 where less precision was asked for."""

    model: ModelRun
    cache: ScoreCache | None
    watcher: Watcher
    check: PrecisionCheck | None


def score_splits(
    targets: Sequence[SplitTarget], bundle: Bundle, settings: ScoreSettings, folder: Path, watcher: Watcher
) -> list[TargetRecord]:
    """Score splits in turn and write their rows into `folder`; they must come in order of their names.

    Raises ModelError where a split's classes or shape are not the model's.
    """
    for target in targets:
        _check_split(target, bundle)
    names = bundle.info.class_names
    records = []
    with ExitStack() as stack:
        scorer = _open(stack, bundle, settings, watcher, compared=sum(len(each.split.images) for each in targets))
        results = stack.enter_context(Results(folder, names, settings, watcher))
        for target in targets:
            results.next_target()
            run = _TargetRun(scorer, results, target.split.name, f"the {target.split.name} split")
            watcher.say(f"scoring {run.name}: labels of the data set")
            block = files_per_block(scorer.model.batch_size, bundle.info.input_shape)
            blocks = score_split(target.split, scorer.model, names, block, cache=scorer.cache, times=run.times)
            run.write(blocks, len(target.split.images))
            records.append(run.record("split", target.dataset, "labels of the data set"))
        results.finish()
    return records


def score_directory(
    target: DirectoryTarget,
    rule: LabelRule,
    bundle: Bundle,
    settings: ScoreSettings,
    folder: Path,
    watcher: Watcher,
    *,
    head: JournalHead,
    kept: Sequence[JournalEntry] = (),
    processes: WorkerProcesses | None = None,
) -> TargetRecord:
    """Score the images under a folder and write their rows into `folder`, with a journal so that it can be resumed.

    `kept` is what a killed run has written there: what has not changed since stays, all after that is scored.
    `processes` may have been started before. Raises NothingToScoreError where there is no image that can be read,
    RunError where found = scored + skipped + excluded does not hold.
    """
    info, source = bundle.info, str(target.root.resolve())
    setup = DecodeSetup(folder_prefix(target.root), info.input_shape, info.color_mode, settings.resize)
    watcher.say(f"scoring {source}: {rule.sentence}")
    with ExitStack() as stack:
        scorer = _open(stack, bundle, settings, watcher, compared=COMPARED_IMAGES)
        pool = stack.enter_context(
            DecodePool(setup, settings.workers, cache=scorer.cache, processes=processes, say=watcher.say)
        )
        times = StreamTimes()
        block = files_per_block(scorer.model.batch_size, info.input_shape)
        files = blocks_of(select(target.root, rule, target.selection), block, times)
        kept, files = _still_kept(kept, files, pool, watcher)
        results = stack.enter_context(Results(folder, info.class_names, settings, watcher, head=head, kept=kept))
        run = _TargetRun(scorer, results, "", source, times)
        run.write(score_blocks(files, pool, scorer.model, cache=scorer.cache, times=times), None)
        if unmatched := rule.unmatched():
            watcher.say(unmatched)
        record = run.record("directory", source, rule.sentence)
        results.finish()
    return record


def _open(stack: ExitStack, bundle: Bundle, settings: ScoreSettings, watcher: Watcher, *, compared: int) -> _Scorer:
    check = PrecisionCheck() if settings.precision != "f32" else None

    def runtime() -> Runtime:
        if check is None:
            return open_runtime(bundle, settings.runtime)
        reduced = open_runtime(bundle, settings.runtime, precision=settings.precision)
        return ComparedRuntime(reduced, lambda: open_runtime(bundle, settings.runtime), check, compared)

    # Loading the runtime's library takes as long as decoding a thousand images; they go side by side.
    opening = stack.enter_context(ThreadPoolExecutor(1, "open-runtime")).submit(runtime)
    cache = open_cache(bundle, settings, say=watcher.say)
    if cache is not None:
        stack.callback(cache.close)
    model = ModelRun(opening.result, settings.images_a_batch(bundle), say=watcher.say)
    return _Scorer(model, cache, watcher, check)


def _check_split(target: SplitTarget, bundle: Bundle) -> None:
    names, shape = bundle.info.class_names, bundle.info.input_shape
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


def _still_kept(
    kept: Sequence[JournalEntry], files: Iterator[list[Found]], pool: DecodePool, watcher: Watcher
) -> tuple[Sequence[JournalEntry], Iterator[list[Found]]]:
    """Find out which of the blocks that a killed run has written still hold, and the blocks to score after them."""
    if not kept:
        return kept, files
    watcher.say(f"reading the {kept[-1].found:,} files again that were through, to see whether any has changed")
    same, files = count_unchanged(files, [bytes.fromhex(entry.digest) for entry in kept], pool)
    if same < len(kept):
        through = kept[same - 1].found if same else 0
        watcher.say(f"an image, or the list of files, has changed; scoring again from file {through + 1:,} on")
    return kept[:same], files


class _TargetRun:
    """The scoring of one target: writes its blocks, and says what came of them."""

    def __init__(
        self, scorer: _Scorer, results: Results, split: str, name: str, times: StreamTimes | None = None
    ) -> None:
        self.times = times or StreamTimes()
        self.name = name
        self._scorer = scorer
        self._results = results
        self._split = split
        self._started = time.perf_counter()
        self._model_before = scorer.model.seconds
        if scorer.check is not None:
            scorer.check.clear()

    def write(self, blocks: Iterable[Block], total: int | None) -> None:
        """Take block after block from the stream and write it; `total` is the number of files, None if unknown."""
        with self._scorer.watcher.progress(f"scoring {self.name}", total) as advance:
            advance(self._results.counts.found)
            for block in blocks:
                before = time.perf_counter()
                self._results.write(block, self._split)
                self.times.write += time.perf_counter() - before
                advance(block.found)

    def record(self, kind: Literal["split", "directory"], source: str, labels: str) -> TargetRecord:
        """Account for every file; raises RunError or NothingToScoreError."""
        counts, times, check = self._results.counts, self.times, self._scorer.check
        times.model = self._scorer.model.seconds - self._model_before
        record = TargetRecord(
            split=self._split,
            kind=kind,
            source=source,
            labels=labels,
            found=counts.found,
            scored=counts.scored,
            skipped=counts.skipped,
            excluded=counts.excluded.total(),
            seconds=round(time.perf_counter() - self._started, 3),
            cached=times.cached,
            precision=None if check is None else PrecisionRecord(check.images, check.changed, check.largest),
            timings={name: round(value, 3) for name, value in asdict(times).items() if name != "cached"},
        )
        _account(record, self.name, counts, self._scorer.watcher)
        if check is not None and check.images:
            self._scorer.watcher.say(f"precision: {check.sentence}")
        return record


def _account(record: TargetRecord, name: str, counts: Counts, watcher: Watcher) -> None:
    excluded = "; ".join(f"{count:,} {reason}" for reason, count in sorted(counts.excluded.items()))
    line = (
        f"{name}: found {record.found:,} = scored {record.scored:,} + skipped {record.skipped:,} "
        f"+ excluded {record.excluded:,}" + (f" ({excluded})" if excluded else "")
    )
    if record.found != record.scored + record.skipped + record.excluded:
        raise RunError(f"the files do not add up: {line}", hint="this is a fault in batchclf; report it with the log")
    watcher.say(line + (f"; {record.cached:,} scores come from the cache" if record.cached else ""))
    if not record.scored:
        why = f"; the first: {counts.first_skip}" if counts.first_skip else ""
        raise NothingToScoreError(
            f"there is no image to score in {name}: found {record.found:,} files, {record.skipped:,} images could "
            f"not be read, {record.excluded:,} files are excluded" + (f" ({excluded})" if excluded else "") + why,
            hint="images are files that end in .png, .jpg, .jpeg, .bmp, .gif, .webp, .tif or .tiff",
        )

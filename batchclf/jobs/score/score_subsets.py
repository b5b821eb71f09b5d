"""Score splits or a directory into the files of a run directory, and account for every image."""

from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchclf.core.records.run import SubsetRecord, WrittenFile
from batchclf.core.text import counted
from batchclf.core.training_record import temperature_of
from batchclf.data.labels import LabelRule
from batchclf.data.selection import count_files, select
from batchclf.data.sources.found import Found
from batchclf.errors import DataError, DeadlineError, ModelError, NothingToScoreError
from batchclf.jobs.config.limits import NO_DEADLINE, Deadline
from batchclf.jobs.config.settings import DirectorySubset, ScoreSettings, SplitSubset
from batchclf.jobs.score.run_files import Results, RowTally, columns_of
from batchclf.jobs.score.score_cache import open_cache
from batchclf.jobs.score.subset_run import Scorer, SubsetRun, hint_to_score
from batchclf.models.bundle import ONE_IMAGE, Bundle
from batchclf.models.runtime.registry import open_runtime
from batchclf.scoring.batches import files_per_block
from batchclf.scoring.decoder import DecodeSetup
from batchclf.scoring.engines.local import DecodePool, LocalEngine
from batchclf.scoring.model_run import ComparedRuntime, ModelRun, OpeningRuntime
from batchclf.scoring.processes import WorkerProcesses
from batchclf.scoring.stream import (
    Block,
    StreamTimes,
    blocks_of,
    count_unchanged,
    count_unchanged_in_split,
    parts_of,
    score_blocks,
    score_parts,
    score_split,
)
from batchclf.storage.run.journal import JournalEntry, JournalHead

if TYPE_CHECKING:
    from batchclf.core.progress import Watcher
    from batchclf.models.runtime.interface import Runtime
    from batchclf.scoring.engines.interface import Engine

COMPARED_IMAGES, COMPARED_EVERY = 250, 20
"""Images of a directory that are also scored with float32 if less precision was asked for: so many at most, one in
twenty; of a split all are.
"""


def score_subsets(
    subsets: Mapping[str, SplitSubset | DirectorySubset],
    bundle: Bundle,
    settings: ScoreSettings,
    folder: Path,
    watcher: "Watcher",
    *,
    head: JournalHead | None = None,
    kept: Sequence[JournalEntry] = (),
    deadline: Deadline = NO_DEADLINE,
    tally: RowTally | None = None,
) -> tuple[list[SubsetRecord], dict[str, WrittenFile]]:
    """Score splits and directories by their names, in the order of these, and write their rows into `folder`.

    Returns what came of each, and the files by their names. With `head` there is a journal, so that it can be resumed;
    `kept` is what a killed run has written there: what has not changed since stays, all after that is scored. `tally`
    is that of `Results`.

    A directory that is not there or holds no image has a record with nothing scored. Once the deadline has passed the
    subset under way and those after it are left incomplete. Raises ModelError if a split's classes or shape are not
    the model's, NothingToScoreError if no subset has an image that can be read, and DeadlineError if the deadline
    has passed before the first.
    """
    splits = [subset for subset in subsets.values() if isinstance(subset, SplitSubset)]
    for split in splits:
        _check_split(split, bundle)
    records = []
    excluded: Counter[str] = Counter()
    with ExitStack() as stack:
        # Of a directory it is not known beforehand how many images it holds.
        in_splits = sum(len(each.split.images) for each in splits)
        compared, every = (in_splits, 1) if in_splits else (COMPARED_IMAGES, COMPARED_EVERY)
        folders = len(splits) < len(subsets)
        compared -= _compared(kept)
        scorer = _open(stack, bundle, settings, watcher, compared=compared, every=every, folders=folders)
        results = stack.enter_context(_results(folder, bundle, settings, watcher, head=head, kept=kept, tally=tally))
        scoring = _Scoring(scorer, results, bundle, settings, deadline)
        for name, each in sorted(subsets.items()):
            if isinstance(each, SplitSubset):
                records.append(_split_record(name, each, scoring))
            else:
                records.append(_directory_record(name, each, scoring))
            excluded.update(results.counts.excluded)
        files = results.finish()
    if not any(record.scored for record in records):
        if not all(record.complete for record in records):
            raise _too_late()
        found = "; ".join(_nothing(record) for record in records)
        suffixes = sum((Counter(record.excluded_suffixes) for record in records), Counter[str]())
        hint = hint_to_score(sum(record.skipped for record in records), excluded, suffixes)
        raise NothingToScoreError(f"there is no image to score: {found}", hint=hint)
    return records, files


def _too_late() -> DeadlineError:
    return DeadlineError(
        "the deadline passed before the first image was scored",
        hint="give a later --deadline; it counts from the start of the run, a training included",
    )


def _nothing(record: SubsetRecord) -> str:
    if not record.found:
        return (
            f"{record.split}: {record.source} has no files" if record.labels.startswith("no labels") else record.labels
        )
    of = f"of {counted(record.found, 'file')} in {record.source} {counted(record.skipped, 'image')}"
    return f"{record.split}: {of} could not be read"


@dataclass(frozen=True, eq=False)
class _Scoring:
    """What it takes to score one of several subsets."""

    scorer: Scorer
    results: Results
    bundle: Bundle
    settings: ScoreSettings
    deadline: Deadline

    @property
    def whole(self) -> int:
        """How many blocks the journal has at a time."""
        return _blocks_a_part(self.bundle, self.settings) or 1


def _split_record(name: str, subset: SplitSubset, of: _Scoring) -> SubsetRecord:
    scorer, classes, size = of.scorer, of.bundle.info.class_names, _block_size(of.bundle, of.settings)
    shown, split = f"the {name} split", subset.split
    scorer.watcher.say(f"scoring {shown}: labels of the data set")
    same = 0
    if written := of.results.entries_of(name):
        _say_read(shown, written, of)
        same = count_unchanged_in_split(split, classes, size, _digests(written), whole=of.whole)
    through = sum(map(len, _digests(written[:same])))
    _begin_after(name, shown, same, of, goes_on=through * size < len(split.images))
    run = SubsetRun(scorer, of.results, name, shown, deadline=of.deadline)
    blocks = score_split(split, scorer.model, classes, size, skip=through, cache=scorer.cache, times=run.times)
    run.write(blocks, len(split.images))
    return run.record("split", subset.dataset, "labels of the data set", may_be_empty=not run.complete)


def _directory_record(name: str, subset: DirectorySubset, of: _Scoring) -> SubsetRecord:
    """Score a directory of a job."""
    scorer, info, source = of.scorer, of.bundle.info, str(subset.source)
    shown = f"{name} ({source})"
    try:
        subset = replace(subset, source=subset.source.opened())
    except DataError as error:
        scorer.watcher.say(f"{shown}: nothing to score: {error.message}")
        _begin_after(name, shown, 0, of, goes_on=False)
        run = SubsetRun(scorer, of.results, name, shown, deadline=of.deadline)
        return run.record("directory", source, error.message, may_be_empty=True)
    rule = subset.rule(info.class_names)
    scorer.watcher.say(f"scoring {shown}: {rule.sentence}")
    with _engine(subset, of.bundle, of.settings, scorer) as engine:
        run = _score_files(name, shown, subset, rule, engine, of)
    return run.record("directory", source, rule.sentence, may_be_empty=True)


def _engine(
    subset: DirectorySubset,
    bundle: Bundle,
    settings: ScoreSettings,
    scorer: Scorer,
    processes: WorkerProcesses | None = None,
) -> "Engine":
    """Open what scores the images of a directory."""
    info = bundle.info
    setup = DecodeSetup(
        subset.source,
        info.input_shape,
        info.color_mode,
        settings.resize_for(bundle),
        settings.limits,
        info.geometry,
    )
    if scorer.workers is not None:
        from batchclf.scoring.engines.ray import RayEngine

        return RayEngine(scorer.workers, setup)
    say = scorer.watcher.say
    pool = DecodePool(
        setup, settings.worker_count, cache=scorer.cache, missed=scorer.begin_to_open, processes=processes, say=say
    )
    return LocalEngine(pool, scorer.model)


def _block_size(bundle: Bundle, settings: ScoreSettings) -> int:
    return files_per_block(settings.images_a_batch(bundle), bundle.info.input_shape)


def _results(folder: Path, bundle: Bundle, settings: ScoreSettings, watcher: "Watcher", **journal: Any) -> Results:
    """Open what the rows are written into; `journal` is for `Results`."""
    return Results(folder, bundle.info.class_names, settings, watcher, part=_blocks_a_part(bundle, settings), **journal)


def _blocks_a_part(bundle: Bundle, settings: ScoreSettings) -> int:
    """Choose how many blocks make up a part of the predictions; 0 if they are not written in parts."""
    if not settings.partitioned:
        return 0
    from batchclf.storage.predictions.parts import blocks_a_part

    classes = len(bundle.info.class_names)
    topk, probabilities = columns_of(settings, classes)
    return blocks_a_part(_block_size(bundle, settings), classes, topk=topk, probabilities=probabilities)


def _scored(
    subset: str, engine: "Engine", files: Iterator[list[Found]], of: _Scoring, times: StreamTimes, *, every: bool
) -> Generator[Block, None, None]:
    """Score blocks of files; workers of Ray write parts themselves, unless `every` score is wanted here."""
    scorer = of.scorer
    if not of.settings.partitioned or scorer.workers is None or scorer.cache is not None or every:
        return score_blocks(engine.columns(files), cache=scorer.cache, times=times)
    from batchclf.jobs.score.part_writer import PartWriter
    from batchclf.scoring.engines.ray import RayEngine

    assert isinstance(engine, RayEngine)
    info = of.bundle.info
    topk, probabilities = columns_of(of.settings, len(info.class_names))
    names, temperature = info.class_names, temperature_of(info.training)
    writer = PartWriter(of.results.parts.for_workers(), names, topk, probabilities, subset, temperature)
    size = _block_size(of.bundle, of.settings)
    return score_parts(engine.parts(parts_of(files, of.whole), size, writer), times=times)


def _score_files(
    name: str, shown: str, subset: DirectorySubset, rule: LabelRule, engine: "Engine", of: _Scoring
) -> SubsetRun:
    """Score the files of a directory and write their rows; say which labels have found no file."""
    scorer, times, watcher = of.scorer, StreamTimes(), of.scorer.watcher
    files = blocks_of(select(subset.source, rule, subset.selection), _block_size(of.bundle, of.settings), times)
    files, total = _begin(name, shown, files, engine, of)
    run = SubsetRun(scorer, of.results, name, shown, times, of.deadline, labelled=rule.classes())
    if rule.warning:
        run.warn(rule.warning)
    if rule.rows is not None and rule.rows.repeats:
        run.warn(rule.rows.repeats)
    count = partial(count_files, subset.source, subset.selection)
    run.write(_scored(name, engine, files, of, times, every=run.counts_among_labelled), total, count)
    for warning in engine.warnings:
        run.warn(warning)
    run.warn_of_missing(subset.source.missing())
    if rule.rows is None:
        return run
    if difference := rule.rows.difference():
        run.warn(difference)
    if not run.complete:
        return run
    if warning := rule.rows.warning(listed=subset.selection.files is not None):
        run.warn(warning)
    elif unmatched := rule.rows.unmatched():
        watcher.say(unmatched)
    return run


def score_directory(
    subset: DirectorySubset,
    rule: LabelRule,
    bundle: Bundle,
    settings: ScoreSettings,
    folder: Path,
    watcher: "Watcher",
    *,
    head: JournalHead,
    kept: Sequence[JournalEntry] = (),
    processes: WorkerProcesses | None = None,
    deadline: Deadline = NO_DEADLINE,
    tally: RowTally | None = None,
) -> tuple[SubsetRecord, dict[str, WrittenFile]]:
    """Score the images under a folder and write their rows into `folder`, with a journal so that it can be resumed.

    Returns what came of it, and the files by their names.

    `kept` is what a killed run has written there: what has not changed since stays, all after that is scored.
    `processes` may have been started before, `tally` is that of `Results`. Once the deadline has passed nothing more is
    scored. Raises NothingToScoreError if there is no image that can be read, DeadlineError if none was scored before
    the deadline, RunError if found = scored + skipped + excluded does not hold.
    """
    source = subset.source.address
    watcher.say(f"scoring {source}: {rule.sentence}")
    with ExitStack() as stack:
        scorer = _open(stack, bundle, settings, watcher, compared=COMPARED_IMAGES - _compared(kept))
        engine = stack.enter_context(_engine(subset, bundle, settings, scorer, processes))
        results = stack.enter_context(_results(folder, bundle, settings, watcher, head=head, kept=kept, tally=tally))
        run = _score_files("", source, subset, rule, engine, _Scoring(scorer, results, bundle, settings, deadline))
        record = run.record("directory", source, rule.sentence, may_be_empty=not run.complete)
        if not record.scored and not record.complete:
            raise _too_late()
        return record, results.finish()


def _open(
    stack: ExitStack,
    bundle: Bundle,
    settings: ScoreSettings,
    watcher: "Watcher",
    *,
    compared: int,
    every: int = COMPARED_EVERY,
    folders: bool = True,
) -> Scorer:
    check = None
    if settings.precision != "f32":
        from batchclf.models.runtime.precision import PrecisionCheck

        check = PrecisionCheck()

    def runtime() -> "Runtime":
        open_with = partial(open_runtime, bundle, settings.runtime_for(bundle), device=settings.device)
        if check is None:
            return open_with()
        return ComparedRuntime(open_with(precision=settings.precision), open_with, check, compared, every)

    workers = None
    on_ray = settings.engine == "ray" and folders  # splits are in the memory of this process (decision 181)
    opening = stack.enter_context(OpeningRuntime(runtime))
    cache = open_cache(bundle, settings, say=watcher.say)
    if cache is not None:
        stack.callback(cache.close)
    elif not on_ray:
        opening.begin()  # with a cache at the first image that is not in it: most nights there is none
    if on_ray:
        from batchclf.jobs.score.ray_workers import open_workers

        workers = open_workers(stack, bundle, settings, cache, watcher)
    if (alone := bundle.info.batch_size) is not None:
        why = bundle.info.settings.get(ONE_IMAGE, "its bundle says so")
        watcher.say(f"the model is given {counted(alone, 'image')} at a time, whatever the batch size: {why}")
    model = ModelRun(opening.wait, settings.images_a_batch(bundle), say=watcher.say)
    return Scorer(model, cache, watcher, check, opening.begin, workers)


def _check_split(subset: SplitSubset, bundle: Bundle) -> None:
    names, shape = bundle.info.class_names, bundle.info.input_shape
    if subset.class_names != names:
        raise ModelError(
            f"the model {bundle.path} has the classes {', '.join(names)}; "
            f"{subset.dataset} has {', '.join(subset.class_names)}",
            hint="give a model that was trained on this data set, or train one",
        )
    if subset.split.images.shape[1:] != shape:
        raise ModelError(
            f"the model {bundle.path} takes images of {shape}; those of {subset.dataset} are "
            f"{subset.split.images.shape[1:]} (height, width, channels)",
            hint="give a model that was trained on this data set, or train one",
        )


def _compared(kept: Sequence[JournalEntry]) -> int:
    """Count the images that a killed run has compared with float32."""
    precision = {each.subset: each.counts.precision for each in kept}
    return sum(each.images for each in precision.values() if each is not None)


def _digests(entries: Sequence[JournalEntry]) -> list[list[bytes]]:
    return [entry.digests for entry in entries]


def _begin(
    name: str, shown: str, files: Iterator[list[Found]], engine: "Engine", of: _Scoring
) -> tuple[Iterator[list[Found]], int | None]:
    """Begin a directory with the blocks of a killed run that still hold.

    Gives the blocks to score after them, and the number of all files if there are no more to score.
    """
    results, written, same = of.results, of.results.entries_of(name), 0
    if written:
        _say_read(shown, written, of)
        same, files = count_unchanged(files, _digests(written), engine.digests, whole=of.whole)
    first = next(files, None) if results.resuming else []
    _begin_after(name, shown, same, of, goes_on=first is not None)
    if first is None:
        return iter(()), results.counts.found
    return chain([first] if first else [], files), None


def _say_read(shown: str, written: Sequence[JournalEntry], of: _Scoring) -> None:
    through = counted(written[-1].counts.found, "file")
    of.scorer.watcher.say(f"{shown}: reading {through} again that were through, to see whether any has changed")


def _begin_after(name: str, shown: str, same: int, of: _Scoring, *, goes_on: bool) -> None:
    """Begin a subset after the first blocks of a killed run; say so if more of it must be scored again."""
    written = of.results.entries_of(name)
    if same < len(written) or (goes_on and of.results.resumes_after(name)):
        through = written[same - 1].counts.found if same else 0
        of.scorer.watcher.say(
            f"{shown}: an image took too long, or an image, a label or the list of files has changed; scoring again "
            f"from file {through + 1:,} on"
        )
    of.results.begin(name, same, goes_on=goes_on)

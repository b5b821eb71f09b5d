"""Score one subset into the files of a run directory, and account for every image."""

import time
from collections.abc import Callable, Collection, Generator, Iterable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from batchclf.core.records.run import SubsetRecord
from batchclf.core.suffixes import left_out_words
from batchclf.core.text import counted, exact
from batchclf.core.types import BatchScores
from batchclf.data.decoding.suffixes import IMAGE_HINT
from batchclf.data.sources.found import excluded_words, hint_without_image, links_left_out
from batchclf.errors import ModelError, NothingToScoreError, RunError
from batchclf.jobs.config.limits import NO_DEADLINE, Deadline
from batchclf.jobs.score.run_files import Results
from batchclf.scoring.model_run import ModelRun
from batchclf.scoring.stream import Block, StreamTimes
from batchclf.storage.run.journal import Counts

if TYPE_CHECKING:
    from batchclf.core.progress import Watcher
    from batchclf.models.runtime.precision import PrecisionCheck
    from batchclf.scoring.cache import ScoreCache
    from batchclf.scoring.engines.ray import RayWorkers

MOST_FOLDERS = 10_000
"""With more folders than that nobody means classes by them; they are not counted then."""


@dataclass(frozen=True, eq=False)
class Scorer:
    """What every subset of a run is scored with; `check` compares with float32 if less precision was asked for.

    `begin_to_open` opens the model before it is needed. `workers` are those of Ray, if folders are scored there.
    """

    model: ModelRun
    cache: "ScoreCache | None"
    watcher: "Watcher"
    check: "PrecisionCheck | None"
    begin_to_open: Callable[[], None]
    workers: "RayWorkers | None" = None


class SubsetRun:
    """The scoring of the subset that `results` has begun: writes its blocks, and says what came of them.

    `labelled` are the classes that labels name; if these are some of the model's, accuracy is counted among them, too.
    """

    def __init__(
        self,
        scorer: Scorer,
        results: Results,
        split: str,
        name: str,
        times: StreamTimes | None = None,
        deadline: Deadline = NO_DEADLINE,
        labelled: Collection[str] = (),
    ) -> None:
        self.complete = True
        self.warnings: list[str] = []
        self.images_missing = False
        self._among = None
        if 1 < len(labelled) < len(results.class_names):
            from batchclf.core.metrics.among_labelled import AmongLabelledCounter

            self._among = AmongLabelledCounter(results.class_names, labelled)
        self._deadline = deadline
        self.times = times or StreamTimes()
        self.times.cached = results.counts.cached
        self.name = name
        self._scorer = scorer
        self._results = results
        self._split = split
        self._started = time.perf_counter()
        if scorer.check is not None:
            scorer.check.restart(results.counts.precision)

    @property
    def counts_among_labelled(self) -> bool:
        """Whether all scores are needed, to count who is right among the labelled classes."""
        return self._among is not None

    def write(
        self, blocks: Generator[Block, None, None], total: int | None, count: Callable[[], int | None] | None = None
    ) -> None:
        """Take block after block from the stream and write it, until the deadline; `total` is the number of files, if
        it is known, `count` finds it out if somebody looks on. Raises ModelError if what the model gives is no
        probabilities.
        """
        with self._scorer.watcher.progress(f"scoring {self.name}", total or count) as advance, closing(blocks):
            advance(self._results.counts.found)
            while self._goes_on(total):
                block = next(blocks, None)
                if block is None:
                    break
                before = time.perf_counter()
                if block.scores is not None:
                    check_probabilities(block.scores)
                self._count(block)
                self._results.write(block)
                self.times.write += time.perf_counter() - before
                advance(block.found)

    def _count(self, block: Block) -> None:
        """Count what only the scores show, and no file of the run; the journal keeps it with the block."""
        counts, check = self._results.counts, self._scorer.check
        counts.cached = self.times.cached
        counts.precision = None if check is None else check.record()
        if self._among is not None and block.scores is not None:
            labelled, correct = self._among.count(block.scores)
            counts.labelled += labelled
            counts.correct += correct

    def warn(self, line: str) -> None:
        """Say what may make the numbers mean less than they seem to, and keep it with the run."""
        self.warnings.append(line)
        self._scorer.watcher.warn(f"{self.name}: {line}")

    def warn_of_missing(self, sentences: Iterable[str]) -> None:
        """Warn that an unknown number of images is missing, if there are such sentences."""
        for sentence in sentences:
            self.images_missing = True
            self.warn(sentence)

    def _goes_on(self, total: int | None) -> bool:
        # Between blocks, so that what was scored is whole (decision 097)
        self.complete = not self._deadline.passed or self._results.counts.found == total
        return self.complete

    def record(
        self, kind: Literal["split", "directory"], source: str, labels: str, *, may_be_empty: bool = False
    ) -> SubsetRecord:
        """Account for every file; raises RunError, and NothingToScoreError unless it may be empty."""
        counts, times, check = self._results.counts, self.times, self._scorer.check
        record = SubsetRecord(
            split=self._split,
            kind=kind,
            source=source,
            labels=labels,
            found=counts.found,
            scored=counts.scored,
            skipped=counts.skipped,
            excluded=sum(counts.excluded.values()),
            seconds=round(time.perf_counter() - self._started, 3),
            cached=times.cached,
            precision=None if check is None else check.record(),
            timings=self._timings(),
            complete=self.complete,
            folders=_by_folder(self._results.folders) if kind == "directory" else {},
            excluded_suffixes=dict(sorted(counts.suffixes.items(), key=lambda of: (-of[1], of[0]))),
            warnings=self.warnings,
            images_missing=self.images_missing,
            among_labelled=None if self._among is None else self._among.result(counts.labelled, counts.correct),
            resumed=self._results.resumed,
        )
        _account(record, self.name, counts, self._scorer.watcher, may_be_empty=may_be_empty)
        if check is not None and check.images:
            self._scorer.watcher.say(f"precision: {check.sentence}")
            if check.slower:
                self._scorer.watcher.say(f"precision: {check.slower}")
        if record.among_labelled is not None:
            from batchclf.core.metrics.among_labelled import among_labelled_sentence

            sentence = among_labelled_sentence(record.among_labelled, len(self._results.class_names))
            self._scorer.watcher.say(f"{self.name}: {sentence}")
        return record

    def _timings(self) -> dict[str, float]:
        steps = {name: value for name, value in asdict(self.times).items() if name != "cached"}
        if (workers := self._scorer.workers) is not None:
            steps = {"start": workers.take_start_seconds(), **steps}
        return {name: round(value, 3) for name, value in steps.items()}


def hint_to_score(skipped: int, excluded: Mapping[str, int], suffixes: Mapping[str, int]) -> str:
    """Say what to do where nothing was scored: so many images could not be read, the others were excluded."""
    unreadable = "put images there that can be read"
    if skipped and not excluded:
        return unreadable
    hint = hint_without_image(excluded, suffixes) or f"put images there; {IMAGE_HINT}"
    return f"{unreadable}; {hint}" if skipped else hint


def check_probabilities(scores: BatchScores) -> None:
    """Raise ModelError for what `evaluate` would refuse in the predictions: nothing of it is written."""
    row = scores.first_improper()
    if row is None:
        return
    of_image = scores.probabilities[row].astype(float)
    image = f"the model's outputs for {scores.refs[row].path} are no probabilities"
    if not np.isfinite(of_image).all():
        raise ModelError(
            f"{image}: they are not all finite numbers",
            hint="check the model with the program it was trained with; was it imported with its own --scale, --mean "
            "and --std?",
        )
    least, most, total = (exact(round(float(each), 6)) for each in (of_image.min(), of_image.max(), of_image.sum()))
    raise ModelError(
        f"{image}: they lie between {least} and {most} and sum to {total}, not to 1",
        hint="if they are logits, import the model again with --output logits; if they are probabilities that need not "
        "add up to 1, with --output probabilities --renormalize"
        if total != "0"
        else "no class has a probability; check the model with the program it was trained with",
    )


def _by_folder(folders: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(folders.items())) if len(folders) <= MOST_FOLDERS else {}


def _account(record: SubsetRecord, name: str, counts: Counts, watcher: "Watcher", *, may_be_empty: bool) -> None:
    excluded = excluded_words(counts.excluded)
    line = (
        f"{name}: found {record.found:,} = scored {record.scored:,} + skipped {record.skipped:,} "
        f"+ excluded {record.excluded:,}" + (f" ({excluded})" if excluded else "")
    )
    # Skips are values that can be counted, so a file that is missing shows here (decision 006)
    if record.found != record.scored + record.skipped + record.excluded:
        raise RunError(f"the files do not add up: {line}", hint="this is a fault in batchclf; report it with the log")
    watcher.say(line + (f"; {record.cached:,} scores come from the cache" if record.cached else ""))
    if left_out := left_out_words(record.excluded_suffixes):
        watcher.say(f"{name}: left out by suffix: {left_out}")
    if links := links_left_out(counts.excluded):
        watcher.say(f"{name}: {links}")
    if not record.complete:
        watcher.say(f"{name}: the deadline passed, so it is not complete")
    if not record.scored and not may_be_empty:
        why = f"; the first: {counts.first_skip}" if counts.first_skip else ""
        raise NothingToScoreError(
            f"there is no image to score in {name}: found {counted(record.found, 'file')}, "
            f"{counted(record.skipped, 'image')} could not be read, {counted(record.excluded, 'file')} excluded"
            + (f" ({excluded})" if excluded else "")
            + why,
            hint=hint_to_score(record.skipped, counts.excluded, record.excluded_suffixes),
        )

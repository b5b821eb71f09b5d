"""Raise the alarms of a job's directories: compare what the current run has found with the last one."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from batchclf.core.gate.alarms import (
    ALARMS,
    Alarm,
    DirectoryRun,
    NoLastRunError,
    PredictedCounts,
    cannot_tell,
)
from batchclf.core.gate.rules import AlarmName, Alarms
from batchclf.core.images.statistics import ContentDigest
from batchclf.core.records.run import GateResult, RunRecord, SubsetRecord
from batchclf.core.text import utf8_text
from batchclf.core.types import Say, unheard
from batchclf.data.labels import are_from_folders
from batchclf.errors import BatchclfError, RunError
from batchclf.jobs.gate.current_run import CurrentRun
from batchclf.storage.images.facts import IMAGES_FILE, Digests, read_image_rows
from batchclf.storage.run.directory import read_record
from batchclf.storage.run.metrics import read_metrics
from batchclf.storage.run.written import check_written


def content_of(folder: Path, *, warn: Say = unheard) -> dict[str, str]:
    """Digest the content of the images of each subset in a run directory, as `SubsetRecord.content` has it.

    The digest depends neither on their order nor on their names. Empty if the run has no images.csv; `warn` gets a line
    if that was edited since. Raises RunError if it is damaged or has other rows than the run wrote.
    """
    check_written(folder, [IMAGES_FILE], warn=warn)
    if not (folder / IMAGES_FILE).is_file():
        return {}
    found: dict[str, ContentDigest] = {}
    for rows in read_image_rows(folder / IMAGES_FILE):
        found.setdefault(rows.split, ContentDigest()).update(rows.digest)
    return {split: digest.text for split, digest in found.items()}


def raise_alarms(alarms: Alarms, current: CurrentRun) -> list[GateResult]:
    """Check each alarm that is not off for each directory of the job; those that pass are among the results.

    Splits of a data set are the same in every run and have no alarms. A directory that the deadline has cut off has
    none either: the run is partial and says so. If nothing was scored there is no further one. The last run is that of
    the latest run date before the current one on which the directory was complete and had images, the newest of that
    date that is still there. The number of images, the class folders and the predictions are compared with the last
    good run if there is one, so that a fault that lasts is reported in every run and its end is not taken for another;
    in the first run the alarms against it have no result. What cannot be read is an alarm, since silence would say that
    all is well; nothing is raised.
    """
    earlier = _EarlierRuns(current)
    results: list[GateResult] = []
    for subset in current.record.subsets:
        if subset.kind == "directory" and subset.complete:
            results += _Watch(alarms, current, _directory_run(subset, current.record), earlier).results()
    return results


@dataclass(frozen=True, eq=False)
class _Last:
    """The last run of a directory, and what that says of it."""

    folder: Path
    run: DirectoryRun


@dataclass(eq=False)
class _EarlierRuns:
    """The earlier runs of the job, read as far back as is needed."""

    current: CurrentRun
    _records: dict[str, RunRecord] = field(default_factory=dict)

    def last(self, name: str, *, good: bool) -> _Last | None:
        """Find the last run of a directory, or the last good one if there is one; None if there is none.

        Raises RunError if a run cannot be read.
        """
        return (self._newest(name, good=True) if good else None) or self._newest(name, good=False)

    def _newest(self, name: str, *, good: bool) -> _Last | None:
        earlier = [run for run in self.current.history if "" < run.run_date < self.current.record.run_date]
        # Of the runs of one run date the last one counts, which comes last in the history; `sorted` keeps the order.
        for run in reversed(sorted(earlier, key=lambda each: each.run_date)):
            folder = self.current.beside / run.folder
            if (good and not run.good) or not folder.is_dir():
                continue
            if run.folder not in self._records:
                self._records[run.folder] = read_record(folder)
            record = self._records[run.folder]
            subset = next((each for each in record.subsets if each.split == name), None)
            if subset is not None and subset.kind == "directory" and subset.complete and subset.scored:
                return _Last(folder, _directory_run(subset, record))
        return None


@dataclass(eq=False)
class _Watch:
    """Checks the alarms of one directory, and reads the `Facts` that they ask for."""

    alarms: Alarms
    current: CurrentRun
    now: DirectoryRun
    earlier: _EarlierRuns
    _last: _Last | None = None

    def results(self) -> Iterator[GateResult]:
        gone_off: set[AlarmName] = set()
        fixed = self.now.name in self.alarms.fixed
        for alarm in ALARMS:
            if alarm.name in self.alarms.off or alarm.unless in gone_off or (fixed and alarm.against == "last"):
                continue
            if alarm.against and not self.now.scored:
                continue
            result = self._checked(alarm)
            if result is not None:
                if result.outcome == "failed":
                    gone_off.add(alarm.name)
                yield result

    def _checked(self, alarm: Alarm) -> GateResult | None:
        self._last = None
        try:
            if alarm.against:
                # What is wrong in one run must not be the measure of the next one.
                self._last = self.earlier.last(self.now.name, good=alarm.against == "good")
            return alarm.check(self)
        except NoLastRunError:
            return None
        except (BatchclfError, OSError) as error:
            why = error.message if isinstance(error, BatchclfError) else str(error)
            return cannot_tell(alarm.name, self.now, why, self._last.run if self._last else None)

    def _found_last(self) -> _Last:
        if self._last is None:
            raise NoLastRunError
        return self._last

    @property
    def last(self) -> DirectoryRun:
        return self._found_last().run

    def with_content(self) -> tuple[DirectoryRun, DirectoryRun]:
        last, warn = self._found_last(), self.current.warn
        return _content_known(self.now, self.current.folder, warn), _content_known(last.run, last.folder, warn)

    def new_images(self) -> int:
        return _count_new(self.now.name, self.current.folder, self._found_last().folder, self.current.warn)

    def predicted(self) -> dict[str, int]:
        found = next((each for each in self.current.evaluations if each.split == self.now.name), None)
        return dict(zip(found.class_names, found.predicted_counts.tolist(), strict=True)) if found else {}

    def predicted_before(self) -> PredictedCounts:
        return _predicted_counts(self._last) if self._last else _reference(self.current.record)


def _directory_run(subset: SubsetRecord, record: RunRecord) -> DirectoryRun:
    return DirectoryRun(
        subset.split,
        record.run_id,
        record.run_date,
        subset.scored,
        subset.skipped,
        # As they stand in run.json, so that those of two runs can be compared.
        {utf8_text(name): images for name, images in subset.folders.items()},
        utf8_text(subset.labels),
        are_from_folders(subset.labels),
        subset.content,
        utf8_text(subset.source),
    )


def _content_known(run: DirectoryRun, folder: Path, warn: Say) -> DirectoryRun:
    if run.content:
        return run
    contents = content_of(folder, warn=warn)
    if run.name not in contents:
        raise _no_content(folder)
    return replace(run, content=contents[run.name])


def _no_content(folder: Path) -> RunError:
    return RunError(f"{folder} says nothing of the content of the images: {IMAGES_FILE} lacks them")


def _count_new(name: str, folder: Path, of_last: Path, warn: Say) -> int:
    """Count the images of a subset whose content is not in the same subset of another run directory."""
    check_written(of_last, [IMAGES_FILE], warn=warn)
    known = np.sort(np.concatenate([np.empty(0, np.uint64), *_digests(of_last, name)]))
    new = 0
    for digests in _digests(folder, name):
        places = np.minimum(np.searchsorted(known, digests), len(known) - 1)
        new += int((known[places] != digests).sum())
    return new


def _digests(folder: Path, name: str) -> Iterator[Digests]:
    """Give the digests of a subset; raises RunError if images.csv is damaged or has none of it."""
    found = False
    for rows in read_image_rows(folder / IMAGES_FILE):
        if rows.split == name:
            found = True
            yield rows.digest
    if not found:
        raise _no_content(folder)


def _predicted_counts(last: _Last) -> PredictedCounts:
    """Read how often each class was predicted; raises RunError if metrics.json does not say."""
    split = read_metrics(last.folder)["splits"].get(last.run.name, {})
    counts = split.get("predicted")
    if not isinstance(counts, dict) or not all(isinstance(count, int) for count in counts.values()):
        raise RunError(f"the metrics.json of {last.folder} says nothing of the predictions for {last.run.name}")
    return PredictedCounts(counts, f"on {last.run.run_date}", last.run.run_id)


def _reference(record: RunRecord) -> PredictedCounts:
    known = record.model.reference
    if known is None:
        return PredictedCounts({}, "")
    counts = dict(zip(record.model.class_names, known.predicted, strict=True))
    return PredictedCounts(counts, f"for the {known.held_out:,} test images when the model was trained")

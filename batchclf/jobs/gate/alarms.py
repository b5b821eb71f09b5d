"""Raise the alarms of a job's directories: compare what the current run has found with the last one."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from batchclf.core.gate.alarms import (
    AGAINST_LAST_RUN,
    CLASS_FOLDERS,
    FEWER_IMAGES,
    NO_IMAGES,
    NO_NEW_IMAGES,
    ONE_CLASS,
    SAME_IMAGES,
    DirectoryRun,
    PredictedCounts,
    cannot_tell,
    class_folders,
    fewer_images,
    no_images,
    no_new_images,
    one_class,
    same_images,
)
from batchclf.core.gate.rules import Alarms
from batchclf.core.images.content_digest import ContentDigest
from batchclf.core.records.run import GateResult, RunRecord, SubsetRecord
from batchclf.data.labels import are_from_folders
from batchclf.errors import BatchclfError, RunError
from batchclf.jobs.gate.current_run import CurrentRun
from batchclf.storage.csv_files.cells import utf8_text
from batchclf.storage.images.facts import IMAGES_FILE, Digests, read_image_rows
from batchclf.storage.run.directory import read_record
from batchclf.storage.run.metrics import read_metrics


def content_of(folder: Path) -> dict[str, str]:
    """Digest the content of the images of each subset in a run directory, as `SubsetRecord.content` has it.

    The digest depends neither on their order nor on their names. Empty if the run has no images.csv; raises RunError
    if that is damaged.
    """
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
            results += _Watch(alarms, current, subset, earlier).results()
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


@dataclass(frozen=True, eq=False)
class _Watch:
    """Checks the alarms of one directory."""

    alarms: Alarms
    current: CurrentRun
    subset: SubsetRecord
    earlier: _EarlierRuns

    def results(self) -> Iterator[GateResult]:
        now = _directory_run(self.subset, self.current.record)
        if NO_IMAGES not in self.alarms.off:
            yield no_images(now)
        if not now.scored:
            return
        wanted = [alarm for alarm in (*AGAINST_LAST_RUN, ONE_CLASS) if alarm not in self.alarms.off]
        if now.name in self.alarms.fixed:
            wanted = [alarm for alarm in wanted if alarm not in (SAME_IMAGES, NO_NEW_IMAGES)]
        same = False
        for alarm in wanted:
            if alarm == NO_NEW_IMAGES and same:
                continue  # it would say the same again
            last = None
            try:
                # What is wrong in one run must not be the measure of the next one.
                last = self.earlier.last(now.name, good=alarm not in (SAME_IMAGES, NO_NEW_IMAGES))
                result = self._checked(alarm, now, last)
            except (BatchclfError, OSError) as error:
                why = error.message if isinstance(error, BatchclfError) else str(error)
                result = cannot_tell(alarm, now, why, last.run if last else None)
            if result is not None:
                same = same or (alarm == SAME_IMAGES and result.outcome == "failed")
                yield result

    def _checked(self, alarm: str, now: DirectoryRun, last: _Last | None) -> GateResult | None:
        if alarm == ONE_CLASS:
            return self._one_class(now, last)
        if last is None:
            return None
        if alarm == SAME_IMAGES:
            return same_images(_content_known(now, self.current.folder), _content_known(last.run, last.folder))
        if alarm == NO_NEW_IMAGES:
            return no_new_images(now, last.run, _count_new(now.name, self.current.folder, last.folder))
        if alarm == FEWER_IMAGES:
            return fewer_images(now, last.run, self.alarms.count_fell_by)
        assert alarm == CLASS_FOLDERS, alarm
        return class_folders(now, last.run)

    def _one_class(self, now: DirectoryRun, last: _Last | None) -> GateResult | None:
        of_current = next((each for each in self.current.evaluations if each.split == now.name), None)
        before = _predicted_counts(last) if last else _reference(self.current.record)
        if of_current is None or before is None:
            return None
        counts = dict(zip(of_current.class_names, of_current.predicted_counts.tolist(), strict=True))
        return one_class(now, counts, before, self.alarms.one_class, last.run if last else None)


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


def _content_known(run: DirectoryRun, folder: Path) -> DirectoryRun:
    if run.content:
        return run
    contents = content_of(folder)
    if run.name not in contents:
        raise _no_content(folder)
    return replace(run, content=contents[run.name])


def _no_content(folder: Path) -> RunError:
    return RunError(f"{folder} says nothing of the content of the images: {IMAGES_FILE} lacks them")


def _count_new(name: str, folder: Path, of_last: Path) -> int:
    """Count the images of a subset whose content is not in the same subset of another run directory."""
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
    return PredictedCounts(counts, f"on {last.run.run_date} (run {last.run.run_id})")


def _reference(record: RunRecord) -> PredictedCounts | None:
    known = record.model.reference
    if known is None:
        return None
    counts = dict(zip(record.model.class_names, known.predicted, strict=True))
    return PredictedCounts(counts, f"for the {known.held_out:,} test images when the model was trained")

"""A run of predictions that something else made: written as ours are, evaluated and published like any other run."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from batchclf.core.class_names import NO_CLASS
from batchclf.core.records.run import ModelRecord, RunRecord, SubsetRecord, WrittenFile
from batchclf.core.text import count, counted
from batchclf.core.types import PredictionRows
from batchclf.errors import PredictionsError
from batchclf.jobs.run.inputs import Publication, RunHead, Scoring
from batchclf.jobs.run.provenance import own_versions
from batchclf.jobs.run.publish import finish
from batchclf.jobs.run.run_log import Steps, logging_to
from batchclf.libraries import versions_of
from batchclf.storage.predictions.write import CSV_FILE, PredictionFiles
from batchclf.storage.run.directory import SKIPPED_FILE, new_run_directory
from batchclf.storage.run.skipped import SkippedWriter

if TYPE_CHECKING:
    from batchclf.core.progress import Watcher

TOP_K = 5
"""So many classes a row are written, if the predictions name so many."""


@dataclass(frozen=True)
class PredictionSource:
    """Where predictions are from.

    `name` is the absolute path of their file, or says in words what they are; `digest` is the SHA-256 of their content,
    64 hex digits. `columns` says which column was taken for what, `labels` in words where the labels are from.
    """

    name: str
    digest: str
    columns: Mapping[str, str] = field(default_factory=dict)
    labels: str = "as given"


def predictions_run(
    rows: Iterable[PredictionRows],
    class_names: tuple[str, ...],
    source: PredictionSource,
    out: Path,
    watcher: "Watcher",
    command: list[str],
    *,
    images: Path | None = None,
    pictures: bool = True,
    to: Publication | None = None,
    job: str | None = None,
    run_date: str = "",
    main_subset: str = "",
) -> RunRecord:
    """Write predictions, evaluate them and report into the run directory `out`, which must not be there yet.

    `rows` come in pieces of any size, each with the classes `class_names`; those of a split need not come together.
    What is not known of them is nan, or None. If an image has no prediction, or one that is no class, its prediction is
    the class NO_CLASS, the last of `class_names`; it counts as wrong, and a line says how many these are. `images` is
    the folder in which the paths of the rows may lead to images, for the report's pictures. `to` says what the run is
    compared with and where it goes; None is beside `out`, without a gate.

    Raises PredictionsError without a row, RunError if `out` is there, and what `finish` raises; then nothing is left
    behind but the log.
    """
    steps = Steps()
    with new_run_directory(out) as folder, logging_to(folder, out, watcher) as logged:
        with steps.step("read"):
            written = _Written(class_names)
            files = written.write(folder, rows)
        if not files[CSV_FILE].rows:
            raise PredictionsError(f"{source.name} has no rows", hint="give a table with at least one prediction")
        subsets = [_subset(split, seen, source, images) for split, seen in sorted(written.splits.items())]
        if not any(seen.labelled for seen in written.splits.values()):
            logged.say("no label is known, so accuracy is not; name them: --label-column NAME, or --labels FILE")
        for subset in subsets:
            for line in subset.warnings:
                logged.warn(f"{subset.split}: {line}" if subset.split else line)
        head = RunHead(
            out.name,
            job,
            command,
            _no_model(source, class_names),
            Scoring("", "", "", "", ["csv"], 0, written.topk, written.probabilities),
            {**own_versions(), **versions_of("numpy")},
            None,
            files,
            run_date,
            main_subset,
        )
        return finish(folder, head, subsets, steps, logged, {}, to or Publication(out.parent, pictures=pictures))


@dataclass
class _Seen:
    """What is counted of a split."""

    rows: int = 0
    labelled: int = 0
    without_class: int = 0
    without_confidence: int = 0

    def warnings(self) -> list[str]:
        """Say what may make the numbers mean less than they seem to."""
        found = []
        if self.without_class:
            found.append(
                f"{count(self.without_class)} of {counted(self.rows, 'image')} have no prediction, or one that is no "
                f"class; they are the class '{NO_CLASS}' and count as wrong"
            )
        if 0 < self.without_confidence < self.rows:
            found.append(
                f"{count(self.without_confidence)} of {counted(self.rows, 'image')} have no confidence; calibration "
                "and mean confidence are those of the others"
            )
        return found


class _Written:
    """Writes the rows, and counts them by split."""

    def __init__(self, class_names: tuple[str, ...]) -> None:
        self._names = class_names
        self._no_class = class_names.index(NO_CLASS) if NO_CLASS in class_names else -1
        self.splits: dict[str, _Seen] = {}
        self.topk, self.probabilities = 1, False

    def write(self, folder: Path, rows: Iterable[PredictionRows]) -> dict[str, WrittenFile]:
        """Write predictions.csv, and skipped.csv without a row; gives them by their names. Raises OSError."""
        with SkippedWriter(folder / SKIPPED_FILE) as skipped:
            files = {SKIPPED_FILE: skipped.written()}
        pieces = (piece for piece in rows if len(piece))
        first = next(pieces, None)
        if first is None:
            return {**files, CSV_FILE: WrittenFile(0, "")}
        self.topk = min(first.ranked.shape[1], TOP_K)
        self.probabilities = first.probabilities is not None
        with PredictionFiles(folder, self._names, topk=self.topk, probabilities=self.probabilities) as predictions:
            for piece in chain([first], pieces):
                for split, of_split in piece.by_split():
                    self._count(split, of_split)
                    predictions.write_rows(of_split, split)
            return {**predictions.finish(), **files}

    def _count(self, split: str, rows: PredictionRows) -> None:
        seen = self.splits.setdefault(split, _Seen())
        seen.rows += len(rows)
        seen.labelled += int((rows.labels >= 0).sum())
        seen.without_class += int((rows.predictions == self._no_class).sum())
        seen.without_confidence += int(np.isnan(rows.confidence).sum())


def _subset(split: str, seen: _Seen, source: PredictionSource, images: Path | None) -> SubsetRecord:
    return SubsetRecord(
        split=split,
        kind="predictions",
        source=source.name,
        labels=source.labels if seen.labelled else "none",
        found=seen.rows,
        scored=seen.rows,
        skipped=0,
        excluded=0,
        seconds=0.0,
        warnings=seen.warnings(),
        images="" if images is None else str(images.resolve()),
    )


def _no_model(source: PredictionSource, class_names: tuple[str, ...]) -> ModelRecord:
    """Say that no model is known, only predictions."""
    return ModelRecord(
        path=source.name,
        digest=source.digest,
        recipe="",
        settings=dict(source.columns),
        class_names=list(class_names),
        input_shape=(0, 0, 0),
        color_mode="rgb",
        parameters=0,
        trained_on="not known",
        created="",
        history={},
        source="predictions",
    )

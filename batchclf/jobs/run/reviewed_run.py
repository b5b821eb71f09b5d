"""A run evaluated again, as another run, with labels that somebody has reviewed."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from batchclf.core.class_names import NO_CLASS
from batchclf.core.records.run import RunRecord
from batchclf.core.text import counted
from batchclf.core.types import PredictionRows
from batchclf.data.label_review import LabelReview, Reviewed, read_review
from batchclf.errors import PredictionsError
from batchclf.jobs.run.predictions_run import PredictionSource, predictions_run
from batchclf.storage.predictions.read import RowReader, class_indices, read_prediction_rows
from batchclf.storage.run.directory import PREDICTIONS_FILE, read_record
from batchclf.storage.run.written import check_written

if TYPE_CHECKING:
    from batchclf.core.progress import Watcher
    from batchclf.jobs.evaluate.studies import Plan


def reviewed_run(
    predictions: Path,
    labels: Path,
    out: Path,
    watcher: "Watcher",
    command: list[str],
    *,
    label_map: Path | None = None,
    plan_for: "Callable[[Sequence[str]], Plan | None] | None" = None,
    **others: Any,
) -> RunRecord:
    """Evaluate the predictions of a run with other labels, and report into the run directory `out`.

    `labels` is a CSV: corrections, see `is_review`, or all labels. `label_map` maps its labels to classes. `plan_for`
    and `others` are as for `table_run`. Raises PredictionsError if the labels do not fit the run: no row names an image
    of it, one names images of several splits, a reviewed image has another label now, or an image would lose its label
    because the file does not name it; and what `read_review` and `predictions_run` raise. Then nothing is published.
    """
    folder = predictions.parent
    record = read_record(folder)
    check_written(folder, [PREDICTIONS_FILE], warn=watcher.warn)
    names = tuple(record.model.class_names)
    meanings: Mapping[str, str] = {}
    if label_map is not None:
        from batchclf.data.label_table import read_label_map

        meanings = read_label_map(label_map, names)
    review = read_review(labels, tuple(name for name in names if name != NO_CLASS), meanings)
    fitted = _Fitted(predictions, review, names, folder)
    watcher.say(fitted.sentence)
    if fitted.unmatched:
        watcher.warn(fitted.unmatched)
    source = PredictionSource(str(predictions.resolve()), _digest(record, labels), {}, fitted.sentence)
    rows = read_prediction_rows(predictions, names, warn=watcher.warn)
    return predictions_run(
        map(fitted.relabelled, rows), names, source, out, watcher, command, images=_images(record), **others
    )


class _Fitted:
    """Labels that have met the rows of a run; `sentence` says what they change, `unmatched` what fits no image."""

    def __init__(self, predictions: Path, review: LabelReview, names: tuple[str, ...], folder: Path) -> None:
        self._review, self._places = review, {name: place for place, name in enumerate(names)}
        self._met: dict[tuple[str | None, str], str] = {}
        self._labelled = self._corrected = self._confirmed = self._new = self._lost = 0
        for split, path, label in _labels(predictions, names):
            self._meet(split, path, names[label] if label >= 0 else None, folder)
        source = review.source
        if not self._met:
            first = next(path for _, path in review.by_image)
            raise PredictionsError(
                f"no row of {source} names an image of {folder}, the first: {first}",
                hint="give the labels.csv that was saved from the report of this run",
            )
        if self._lost:
            its, it = ("its label", "it") if self._lost == 1 else ("their labels", "them")
            raise PredictionsError(
                f"{counted(self._lost, 'image')} of {folder} would lose {its}: {source} has no row for {it}",
                hint="give a row for each image, with an empty label if none is known; or name the labels that the "
                "images have in a column given_label, then all others keep theirs",
            )
        unmet = [path for split, path in review.by_image if (split, path) not in self._met]
        self.unmatched = ""
        if unmet:
            from batchclf.data.label_table import unmatched_words

            self.unmatched = unmatched_words(source, unmet).replace("no file that was found", "no image of the run")
        self.sentence = self._sentence()

    def relabelled(self, rows: PredictionRows) -> PredictionRows:
        """Give rows their labels."""
        labels = rows.labels.copy()
        for row, (path, split) in enumerate(zip(rows.paths, rows.splits, strict=True)):
            if found := self._find(split, path):
                labels[row] = self._places.get(found.label, -1)
        return replace(rows, labels=labels)

    def _find(self, split: str, path: str) -> Reviewed | None:
        by_image = self._review.by_image
        return by_image.get((split, path)) or by_image.get((None, path))

    def _meet(self, split: str, path: str, label: str | None, folder: Path) -> None:
        found, source = self._find(split, path), self._review.source
        self._labelled += label is not None
        if found is None:
            self._lost += label is not None and not self._review.corrects
            return
        image = (split if (split, path) in self._review.by_image else None, path)
        if self._met.setdefault(image, split) != split:
            raise PredictionsError(
                f"line {found.line} of {source} names images of {self._met[image]} and {split}: {path}",
                hint="say which is meant in a column split",
            )
        if self._review.corrects and label not in (found.label, found.given):
            raise PredictionsError(
                f"line {found.line} of {source}: {path} had the label '{found.given}' when it was reviewed, and in "
                f"{folder} it has {'none' if label is None else repr(label)}",
                hint="give the run whose report was reviewed, or remove the line",
            )
        if label is None:
            self._new += bool(found.label)
        elif label == found.label:
            self._confirmed += 1
        else:
            self._corrected += 1

    def _sentence(self) -> str:
        changed = f"{self._corrected:,} of {counted(self._labelled, 'label')} changed by {self._review.source.name}"
        new = f", {self._new:,} new" if self._new else ""
        return f"{changed}, {self._confirmed:,} confirmed{new}"


def _labels(predictions: Path, names: tuple[str, ...]) -> Iterator[tuple[str, str, int]]:
    """Go through the rows of a run: split, path and label as a place in `names`, -1 without one."""
    reader = RowReader(predictions, names, probabilities=False)
    columns = ["path", "label", *(["split"] if "split" in reader.header else [])]
    for first, cells in reader.pieces(columns):
        paths, splits = reader.images(cells)
        labels = class_indices(reader.source, cells, "label", names, first)
        yield from zip(splits, paths, np.asarray(labels).tolist(), strict=True)


def _images(record: RunRecord) -> Path | None:
    """Give the folder of the run's images, if it is one and is still there; then the report can show them."""
    places = {each.images or each.source for each in record.subsets if each.kind != "predictions" or each.images}
    place = Path(next(iter(places))) if len(places) == 1 else None
    # A data set by name has none
    return place if place is not None and place.is_absolute() and place.is_dir() else None


def _digest(record: RunRecord, labels: Path) -> str:
    """Digest what the run has predicted and the labels."""
    written = record.files.get(PREDICTIONS_FILE)
    whole = hashlib.sha256((written.sha256 if written else record.run_id).encode())
    whole.update(labels.read_bytes())
    return whole.hexdigest()

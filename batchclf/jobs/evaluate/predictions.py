"""Evaluate predictions, of a CSV or as they are written: each split on its own, and the gap between train and test."""

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from batchclf.core.metrics.evaluation import Evaluation, Tally
from batchclf.core.records.run import RunRecord
from batchclf.core.text import first_of
from batchclf.core.training_record import temperature_of
from batchclf.core.types import PredictionRows, Say, unheard
from batchclf.errors import PredictionsError, RunError
from batchclf.models.bundle import BundleInfo
from batchclf.storage.predictions.write import predictions_in
from batchclf.storage.run.directory import PREDICTIONS_FILE, read_record

if TYPE_CHECKING:
    from batchclf.core.metrics.gap import Gap
    from batchclf.core.records.studies import Studies
    from batchclf.jobs.evaluate.label_issues import LabelledRows
    from batchclf.jobs.evaluate.labelled_images import Collector
    from batchclf.jobs.evaluate.studies import Plan


class Studying:
    """Takes all rows of a run's predictions in order, to slice those with labels and to set thresholds on them.

    `images` is the run's images.csv, which may be missing; None for rows that are of no run. `plan` says what is asked
    for, None for nothing in particular. Nothing is loaded or read before the first label, unless there is a plan.
    `labelled` has the labelled rows of the split `main` to look for label issues in, None without any.
    """

    def __init__(self, images: Path | None, plan: "Plan | None" = None, *, main: str | None = None) -> None:
        self.labelled: LabelledRows | None = None
        self._images, self._plan, self._main = images, plan, main
        self._before = 0
        self._names: tuple[str, ...] = ()
        self._collector: Collector | None = None

    def take(self, rows: PredictionRows, facts: NDArray[np.void] | None = None) -> None:
        """Add rows, and the FACTS of their images if these need not be read."""
        if self._collector is None and (self._plan is not None or (rows.labels >= 0).any()):
            from batchclf.jobs.evaluate.labelled_images import Collector

            metadata, pattern = (None, None) if self._plan is None else (self._plan.metadata, self._plan.pattern)
            self._collector = Collector(self._images, metadata, pattern, self._before)
            if self._main is not None:
                from batchclf.jobs.evaluate.label_issues import LabelledRows

                self.labelled = LabelledRows(self._main)
        if self._collector is None:
            self._before += len(rows)
        else:
            self._names = rows.class_names
            self._collector.take(rows, facts)
            if self.labelled is not None:
                self.labelled.take(rows)

    def needs(self, *, labelled: bool) -> bool:
        """Whether it needs the next rows, of which some may be `labelled`, or only their number."""
        return labelled or self._plan is not None or self._collector is not None

    def skip(self, rows: int) -> None:
        """Add rows that it does not need."""
        self._before += rows

    def studies(self, warn: Say) -> "Studies | None":
        """Study what was taken; None without labels. `warn` gets a line on what of the metadata fits no image."""
        if self._collector is None:
            return None
        from batchclf.jobs.evaluate.studies import study

        return study(self._collector, self._plan, self._names, warn=warn)


KEPT_VALUES = 2_000_000
"""So many values of 8 bytes are kept of a run while it is evaluated."""

_VALUES_AT_ONCE = 200_000
_VALUES_A_ROW = 10
"""What a row takes beside its probabilities."""


class RunTally:
    """Takes all rows of a run as they are written, and evaluates them as `evaluate_predictions` does the file.

    The numbers are the same to the bit: the rows are those that the file has (decision 198). `info` is that of the
    model, `main` the split that the run will be about.
    """

    def __init__(self, info: BundleInfo, plan: "Plan | None", main: str) -> None:
        self.studying = Studying(None, plan, main=main)
        self._tallies = _Tallies(info.class_names, temperature_of(info.training))
        self._values_a_row = _VALUES_A_ROW + len(info.class_names)
        self._waiting: list[tuple[PredictionRows, NDArray[np.void]]] = []
        self._kept: list[PredictionRows] | None = []
        self._rows = 0

    def take(self, rows: PredictionRows, facts: NDArray[np.void]) -> None:
        """Add rows, and the FACTS of their images."""
        self._waiting.append((rows, facts))
        # Blocks are small, and each call costs as much as hundreds of rows
        if sum(len(each) for each, _ in self._waiting) * self._values_a_row >= _VALUES_AT_ONCE:
            self._count()

    def take_part(self, tally: Tally, facts: NDArray[np.void], read: Callable[[], Iterable[PredictionRows]]) -> None:
        """Add rows that somebody else has counted, and the FACTS of their images; `read` gives the rows themselves."""
        self._count()
        self._kept = None  # they are compared from the file
        self._tallies.merge(tally)
        if not self.studying.needs(labelled=tally.labelled is not None):
            self.studying.skip(tally.total)
            return
        done = 0
        for rows in read():
            self.studying.take(rows, facts[done : done + len(rows)])
            done += len(rows)

    def evaluate(self) -> "tuple[list[Evaluation], Gap | None]":
        """Evaluate all rows, once; see `evaluate_rows`. The counts, which are large, are not kept."""
        self._count()
        tallies, self._tallies = self._tallies, _Tallies((), 1.0)
        return tallies.evaluate()

    def take_rows(self) -> Sequence[PredictionRows] | None:
        """Give all rows, once; None if they were too many to keep."""
        self._count()
        rows, self._kept = self._kept, None
        return rows

    def _count(self) -> None:
        if not self._waiting:
            return
        pieces, facts = zip(*self._waiting, strict=True)
        self._waiting.clear()
        rows = PredictionRows.joined(pieces)
        self._tallies.update(rows)
        self.studying.take(rows, np.concatenate(facts))
        self._rows += len(rows)
        if self._rows * self._values_a_row > KEPT_VALUES:
            self._kept = None
        if self._kept is not None:
            self._kept.append(rows)


_NAME_ALIKE = "name both in the same way, or map the labels to the predicted classes by --label-map FILE"


def evaluate_predictions(
    path: Path,
    class_names: tuple[str, ...] | None = None,
    temperature: float | None = None,
    *,
    renormalize: bool = False,
    label_map: Path | None = None,
    take: Callable[[PredictionRows], object] | None = None,
    warn: Say = unheard,
) -> "tuple[list[Evaluation], Gap | None]":
    """Read the CSV in pieces, and evaluate it; the gap is None unless both splits have labels.

    Without `class_names` the classes are found as `class_names_of` says. `temperature` is that of the model; without
    it the run.json beside the CSV has it, and if there is none that can be read the model is taken to have none.
    `renormalize` divides each row of probabilities by its sum; `label_map` is a CSV that maps labels to classes, and
    predictions as well if only the rows name the classes (see `read_label_map`). `take` gets all rows, piece by piece.
    `warn` gets a line if rows stand twice, which count once. Raises PredictionsError if the file cannot be used or has
    no rows, or if its rows name the classes and no label names one that is predicted, and what `read_label_map` raises.
    """
    # Not needed by a run that counts its rows as it writes them
    from batchclf.storage.predictions.read import known_class_names, named_by_rows, read_header, read_prediction_rows

    known = class_names or known_class_names(path, read_header(path))
    meanings: dict[str, str] = {}
    if label_map is not None:
        from batchclf.data.label_table import read_label_map

        meanings = read_label_map(label_map, known)
    names = known or named_by_rows(path, meanings)
    temperature = _temperature_beside(path) if temperature is None else temperature
    pieces = read_prediction_rows(
        path, names, renormalize=renormalize, meanings=meanings, map_predictions=known is None, warn=warn
    )
    if take is not None:
        pieces = _seen_by(take, pieces)
    evaluations, gap = evaluate_rows(pieces, names, temperature)
    if not evaluations:
        raise PredictionsError(f"{path} has no rows", hint="give a CSV with at least one prediction")
    if known is None:
        check_names_meet(path, *named_by(evaluations))
    return evaluations, gap


def _seen_by(take: Callable[[PredictionRows], object], pieces: Iterable[PredictionRows]) -> Iterator[PredictionRows]:
    for rows in pieces:
        take(rows)
        yield rows


def evaluate_run(folder: Path, record: RunRecord, *, warn: Say = unheard) -> "tuple[list[Evaluation], Gap | None]":
    """Evaluate a finished run again, from its predictions.

    Raises RunError if these have other rows than the run wrote, and PredictionsError as `evaluate_predictions` does.
    """
    from batchclf.storage.run.written import check_written

    check_written(folder, [PREDICTIONS_FILE], warn=warn)
    names, temperature = tuple(record.model.class_names), temperature_of(record.model.training)
    return evaluate_predictions(predictions_in(folder), names, temperature, warn=warn)


def evaluate_rows(
    pieces: Iterable[PredictionRows], class_names: tuple[str, ...], temperature: float = 1.0
) -> "tuple[list[Evaluation], Gap | None]":
    """Evaluate rows in pieces of any size, each split on its own; the gap is None unless train and test have labels."""
    tallies = _Tallies(class_names, temperature)
    for rows in pieces:
        tallies.update(rows)
    return tallies.evaluate()


class _Tallies:
    """A tally for each split that comes."""

    def __init__(self, class_names: tuple[str, ...], temperature: float) -> None:
        self._class_names, self._temperature = class_names, temperature
        self._of_split: dict[str, Tally] = {}

    def update(self, rows: PredictionRows) -> None:
        for split, part in rows.by_split():
            self._of(split).update(part)

    def merge(self, tally: Tally) -> None:
        self._of(tally.split).merge(tally)

    def _of(self, split: str) -> Tally:
        if split not in self._of_split:
            self._of_split[split] = Tally(split, self._class_names, self._temperature)
        return self._of_split[split]

    def evaluate(self) -> "tuple[list[Evaluation], Gap | None]":
        evaluations = {split: tally.evaluation() for split, tally in self._of_split.items()}
        train, test = (evaluations[s].labelled if s in evaluations else None for s in ("train", "test"))
        gap = None
        if train is not None and test is not None:
            from batchclf.core.metrics.gap import overfitting_gap

            gap = overfitting_gap(train, test)
        return list(evaluations.values()), gap


def named_by(evaluations: Sequence[Evaluation]) -> tuple[set[str], set[str]]:
    """Give the classes that labels name, and those that are predicted for images with a label."""
    confusions = [each.labelled.confusion for each in evaluations if each.labelled is not None]
    names = evaluations[0].class_names
    return _named(names, [of.support for of in confusions]), _named(names, [of.predicted for of in confusions])


def check_names_meet(source: Path | str, labels: Set[str], predictions: Set[str], *, hint: str = _NAME_ALIKE) -> None:
    """Raise PredictionsError if there are labels and none of them is ever predicted: they name classes otherwise.

    To be called if the classes are only what the rows of `source` name.
    """
    if labels and not labels & predictions:
        raise PredictionsError(
            f"no label in {source} is a class that is predicted; labels: {first_of(sorted(labels), 5)}; predictions: "
            f"{first_of(sorted(predictions), 5)}",
            hint=hint,
        )


def _named(names: tuple[str, ...], counts: Sequence[NDArray[np.int64]]) -> set[str]:
    return {name for each in counts for name, number in zip(names, each.tolist(), strict=True) if number}


def _temperature_beside(path: Path) -> float:
    try:
        return temperature_of(read_record(path.parent).model.training)
    except RunError:
        return 1.0

"""A run of the predictions in a table that something else wrote."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from batchclf.core.class_names import NO_CLASS, look_alike_warning
from batchclf.core.metrics.confusion import check_class_count
from batchclf.core.records.run import RunRecord
from batchclf.core.text import counted, first_of
from batchclf.core.types import ROUNDING, PredictionRows, Say
from batchclf.data.sources.folder import Folder
from batchclf.errors import PredictionsError, UsageError
from batchclf.jobs.config.tables import TableSettings
from batchclf.jobs.evaluate.predictions import check_names_meet
from batchclf.jobs.run.predictions_run import TOP_K, PredictionSource, predictions_run
from batchclf.storage.predictions.foreign.as_ours import LabelOf, OurTable, in_order, numbers_of
from batchclf.storage.predictions.foreign.interface import Table
from batchclf.storage.predictions.foreign.open_table import open_tables
from batchclf.storage.predictions.foreign.shapes import OPTIONS, Chosen, find_roles
from batchclf.storage.predictions.read import read_prediction_rows

if TYPE_CHECKING:
    from batchclf.core.progress import Watcher
    from batchclf.data.label_table import LabelTable
    from batchclf.jobs.evaluate.studies import Plan


def table_run(
    paths: Sequence[Path],
    options: TableSettings,
    out: Path,
    watcher: "Watcher",
    command: list[str],
    *,
    name: str = "",
    plan_for: "Callable[[Sequence[str]], Plan | None] | None" = None,
    **others: Any,
) -> RunRecord:
    """Read the predictions in one or several files, evaluate them and report into the run directory `out`.

    `name` is what the run's source is called, the path of a single file if it is empty; `plan_for` makes of the class
    names what is to be studied; `others` are those of `predictions_run`. Raises UsageError if it is not clear what a
    column stands for, PredictionsError if the table cannot be read, contradicts itself, or its labels and predictions
    never name the same class, and what `predictions_run` raises; then nothing is published.
    """
    table = open_tables(paths)
    read = _Reading(table, options, watcher)
    source = PredictionSource(
        name or str(paths[0].resolve()), _digest(paths), read.roles.settings(), read.labels_sentence
    )
    others["plan"] = None if plan_for is None else plan_for(read.names)
    return predictions_run(read.rows(), read.names, source, out, watcher, command, images=options.images, **others)


class _Reading:
    """What is settled of a table before its rows are read: its columns, its classes, its labels."""

    def __init__(self, table: Table, options: TableSettings, watcher: "Watcher") -> None:
        self.options, self._watcher = options, watcher
        given = table.class_names
        if options.classes is not None:
            from batchclf.models.sources.class_names import read_class_names

            given = read_class_names(options.classes, say=watcher.say)
        self.roles = find_roles(table, Chosen(options.columns, options.probability_prefix), given)
        watcher.say(f"{table.path} ({table.words}): {self.roles.sentence()}")
        numbered = numbers_of(given, options.classes or "the class names") if given else {}
        known = self._known(table.path, given, numbered)
        self._meanings: Mapping[str, str] = {}
        if options.label_map is not None:
            from batchclf.data.label_table import read_label_map

            self._meanings = read_label_map(options.label_map, known)
        self._table = OurTable(
            table,
            self.roles,
            numbered=numbered,
            meanings=self._meanings,
            map_predictions=known is None,
            label_of=self._labels(known),
            paths_below=options.images,
        )
        self.names = self._names(known)
        if warning := look_alike_warning(self.names):
            watcher.warn(warning)

    def rows(self) -> Iterator[PredictionRows]:
        """Read the rows, with further classes from the probabilities."""
        refuse = "confidence" in self.roles.columns and "confidence" not in self.roles.given
        classes = len(self.names) - (NO_CLASS in self.names)
        for rows in read_prediction_rows(
            self._table,
            self.names,
            renormalize=self.options.renormalize,
            warn=self._watcher.warn,
        ):
            if refuse and classes == 2 and (rows.confidence < 0.5 - ROUNDING).any():
                self._refuse_confidence(rows)
            yield rows if rows.probabilities is None else _ranked(rows)

    def _refuse_confidence(self, rows: PredictionRows) -> None:
        row = rows.row(int(np.argmax(rows.confidence < 0.5 - ROUNDING)))
        column = self.roles.columns["confidence"]
        raise PredictionsError(
            f"{self._table.path}: {column} is {row.confidence:g} for {row.path}, and of two classes the predicted one "
            "has a probability of at least 0.5; it may be that of one class for all rows",
            hint=f"{OPTIONS['confidence']} none leaves it out, {OPTIONS['confidence']} {column} takes it all the same",
        )

    def _known(self, path: Path, given: tuple[str, ...], numbered: Mapping[str, str]) -> tuple[str, ...] | None:
        """Give the classes as far as they are known before the rows: of the class file, else of the columns."""
        columns = self.roles.probabilities
        if not columns:
            return given or None
        if not given:
            return tuple(columns)
        named = {numbered.get(key, key) for key in columns}
        if named != set(given):
            missing = [name for name in given if name not in named]
            raise UsageError(
                f"{path} has columns of probabilities for {counted(len(columns), 'class', 'classes')}, and "
                f"{counted(len(given), 'class is', 'classes are')} named; without a column: "
                f"{first_of(missing, 5) or 'none'}",
                hint="name the classes of the columns, by --classes FILE",
            )
        return given

    def _labels(self, known: tuple[str, ...] | None) -> LabelOf | None:
        """Decide where labels come from, and say it."""
        labels = self.options.labels
        self.labels_sentence = f"labels from the column {self.roles.columns.get('label')}"
        self._label_table: LabelTable | None = None
        if labels == "auto":
            return None
        if labels == "none":
            self.labels_sentence = "no labels (asked for none)"
            return lambda path: None
        if "path" not in self.roles.columns:
            raise UsageError("--labels needs a column with paths", hint=f"name it: {OPTIONS['path']} NAME")
        if labels == "folders":
            self.labels_sentence = "labels from the first folder of each path"
            return lambda path: path.split("/", 1)[0] if "/" in path else None
        from batchclf.data.label_review import is_review
        from batchclf.data.label_table import open_labels, read_label_table

        opened = open_labels(labels)
        if is_review(opened):
            raise UsageError(
                f"{labels} corrects the labels of a run (it has the column given_label), and not those of a table",
                hint="give the run directory whose report was reviewed in place of the table",
            )
        table = read_label_table(labels, Folder(self.options.images or Path()), known, self._meanings, opened=opened)
        table.begin()
        self._label_table = table
        self.labels_sentence = f"labels of {counted(len(table.by_path), 'file')} from {labels.name}"
        return table.by_path.get

    def _names(self, known: tuple[str, ...] | None) -> tuple[str, ...]:
        """Name the classes after a first look at all rows; NO_CLASS is the last of them if a prediction is none."""
        survey = self._table.survey(meet=self._label_table)
        self._table.rows = survey.rows
        if not survey.rows:
            raise PredictionsError(f"{self._table.path} has no rows", hint="give a table with at least one prediction")
        if self._label_table is not None:
            _warn_of_labels(self._label_table, self._watcher.warn)
        labels, predictions = survey.labels - {""}, survey.predictions
        if known is None:
            check_names_meet(self._table.path, labels, predictions - {"", NO_CLASS})
        names = known or in_order((labels | predictions) - {"", NO_CLASS})
        if labels:
            check_class_count(names)
        strangers = {name for name in predictions if name not in names}
        if unknown := sorted(strangers - {"", NO_CLASS}):
            self._watcher.warn(f"{counted(len(unknown), 'prediction')} of no class: {first_of(unknown, 5)}")
        self._table.names = (*names, NO_CLASS) if strangers else tuple(names)
        return self._table.names


def _warn_of_labels(table: "LabelTable", warn: Say) -> None:
    for line in (table.repeats, table.warning(listed=True), table.unmatched()):
        if line:
            warn(line)


def _ranked(rows: PredictionRows) -> PredictionRows:
    """Add the classes that come next by their probabilities, up to TOP_K of them."""
    assert rows.probabilities is not None
    there = rows.ranked.shape[1]
    most = min(TOP_K, len(rows.class_names) - (NO_CLASS in rows.class_names))
    if there > 1 or most == 1:
        return rows
    rest, each = rows.probabilities.copy(), np.arange(len(rows))
    ranked = np.empty((len(rows), most), np.int64)
    ranked[:, :there] = rows.ranked
    for rank in range(most):
        if rank >= there:
            ranked[:, rank] = rest.argmax(axis=1)
        rest[each, ranked[:, rank]] = -np.inf
    return replace(rows, ranked=ranked, claimed=np.take_along_axis(rows.probabilities, ranked, axis=1))


def _digest(paths: Sequence[Path]) -> str:
    """Digest the files, in their order."""
    whole = hashlib.sha256()
    for path in paths:
        with path.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256")
        if len(paths) == 1:
            return digest.hexdigest()
        whole.update(digest.digest())
    return whole.hexdigest()

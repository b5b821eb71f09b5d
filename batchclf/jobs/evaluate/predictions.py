"""Evaluate a predictions CSV: each split on its own, and the gap between train and test."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from batchclf.core.metrics.evaluation import Evaluation, Tally
from batchclf.core.training_record import temperature_of
from batchclf.core.types import PredictionRows
from batchclf.errors import PredictionsError, RunError
from batchclf.storage.predictions.read import class_names_of, read_prediction_rows
from batchclf.storage.run.directory import read_record

if TYPE_CHECKING:
    from batchclf.core.metrics.gap import Gap


def evaluate_predictions(
    path: Path,
    class_names: tuple[str, ...] | None = None,
    temperature: float | None = None,
    *,
    renormalize: bool = False,
) -> "tuple[list[Evaluation], Gap | None]":
    """Read the CSV once, in pieces, and evaluate it; the gap is None unless both splits have labels.

    Without `class_names` the classes are found as `class_names_of` says. `temperature` is that of the model; without
    it the run.json beside the CSV has it, and if there is none that can be read the model is taken to have none.
    `renormalize` divides each row of probabilities by its sum.
    Raises PredictionsError if the file cannot be used or has no rows.
    """
    names = class_names or class_names_of(path)
    temperature = _temperature_beside(path) if temperature is None else temperature
    tallies: dict[str, Tally] = {}
    for rows in read_prediction_rows(path, names, renormalize=renormalize):
        for split, part in _by_split(rows):
            if split not in tallies:
                tallies[split] = Tally(split, names, temperature)
            tallies[split].update(part)
    if not tallies:
        raise PredictionsError(f"{path} has no rows", hint="give a CSV with at least one prediction")
    evaluations = {split: tally.evaluation() for split, tally in tallies.items()}
    labelled = [evaluations[s].labelled if s in evaluations else None for s in ("train", "test")]
    train, test = labelled
    gap = None
    if train is not None and test is not None:
        from batchclf.core.metrics.gap import overfitting_gap

        gap = overfitting_gap(train, test)
    return list(evaluations.values()), gap


def _temperature_beside(path: Path) -> float:
    try:
        return temperature_of(read_record(path.parent).model.training)
    except RunError:
        return 1.0


def _by_split(rows: PredictionRows) -> Iterator[tuple[str, PredictionRows]]:
    splits = list(dict.fromkeys(rows.splits))
    if len(splits) == 1:
        yield splits[0], rows
        return
    of_row = np.array(rows.splits)
    for split in splits:
        yield split, rows.only(of_row == split)

"""Evaluate labels and predictions that are in memory."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from batchclf.api.arrays import Column, check_rows, column, matrix
from batchclf.api.classes import read_labels, settle_classes
from batchclf.api.evaluation import Evaluation
from batchclf.api.failures import in_words, warn_caller
from batchclf.api.metadata import metadata_columns, metadata_table
from batchclf.api.rows import Rows, check_unique, read_paths, read_splits
from batchclf.api.subject import Subject
from batchclf.core.class_names import look_alike_warning
from batchclf.errors import UsageError
from batchclf.jobs.evaluate.predictions import check_names_meet, evaluate_rows, named_by

_PROBABILITIES = "probabilities, one column a class, go into probabilities="


@in_words
def evaluate(
    y_true: Any,
    y_pred: Any = None,
    *,
    probabilities: Any = None,
    classes: Any = None,
    images: Any = None,
    metadata: Any = None,
    split: Any = None,
) -> Evaluation:
    """Evaluate predictions that any model made, on any number of images.

    Each argument may be a list, a numpy array, a pandas or polars column or frame, or a torch or TensorFlow tensor, on
    a GPU or not, with or without a gradient.

    Args:
        y_true: The true class of each of n images, as a name or a number; None, nan or pandas' NA if it is unknown.
            None in place of a column if no image has a label.
        y_pred: The predicted class of each, likewise; needed unless there are `probabilities`, of which it must be a
            most probable class.
        probabilities: (n, classes), each 0 to 1 and each row with the sum 1; or (n,), that of the second of two
            classes. Log loss, Brier score, calibration and rankings need them.
        classes: The class names in the order of the columns; also {number: name} or {name: number}. Numbers in
            `y_true` and `y_pred` are places in this list, from 0, unless the classes are numbers themselves. Without
            it the columns of a frame name the classes, columns without names are 0, 1, 2, …, and without
            probabilities the classes are all that the rows name, sorted.
        images: The path of each image, for the report's pictures and to pair images in `compare`.
        metadata: What else is known of each image, to slice by: a data frame, or a dict of columns. Columns of numbers
            are cut into tenths. `slices`, the report and `to_dict` have the accuracy in each slice.
        split: The name of the rows, such as "test", or one for each row. Each split is evaluated on its own; the one
            given back is that of "test", else the first, and its `splits` has all.

    Returns:
        The evaluation, whose metrics are attributes: `evaluate(...).accuracy`.

    Raises:
        UsageError: Arguments have different lengths or indexes, or it cannot be known which classes are meant.
        PredictionsError: Probabilities are none, or contradict the predictions.

    Warns (UserWarning) if class names look alike or seem to be in the wrong order.
    """
    known = None if metadata is None else metadata_columns(metadata)
    rows = _rows(
        y_true, y_pred, probabilities=probabilities, classes=classes, images=images, split=split, known=known or {}
    )
    if known is not None:
        rows = replace(rows, metadata=metadata_table(known, rows.paths))
    evaluations, gap = evaluate_rows(rows.pieces(), rows.classes.names)
    if not rows.classes.given:
        hint = "name both in the same way; if one holds numbers, give classes="
        check_names_meet("y_true", *named_by(evaluations), hint=hint)
    evaluation = Evaluation(Subject(tuple(evaluations), gap, rows))
    for line in filter(None, [look_alike_warning(rows.classes.names, "give it one name"), *evaluation.warnings]):
        warn_caller(line)
    return evaluation


def _rows(
    y_true: Any,
    y_pred: Any,
    *,
    probabilities: Any,
    classes: Any,
    images: Any,
    split: Any,
    known: Mapping[str, Column],
) -> Rows:
    if y_pred is None and probabilities is None:
        raise UsageError("there is nothing to evaluate", hint="give y_pred, probabilities or both")
    shares = None if probabilities is None else matrix(probabilities, "probabilities")
    pred = None if y_pred is None else column(y_pred, "y_pred", hint=_PROBABILITIES)
    first = pred if pred is not None else shares
    assert first is not None
    true = None if y_true is None else column(y_true, "y_true", hint="for one-hot labels give y_true.argmax(axis=1)")
    paths = None if images is None else column(images, "images")
    splits = split if split is None or isinstance(split, str) else column(split, "split")
    named = [true, pred, shares, paths, splits if isinstance(splits, Column) else None, *known.values()]
    there = [each for each in named if each is not None]
    for each in there[1:]:
        check_rows(there[0], each)
    if not len(first):
        raise UsageError("there are no rows", hint="give at least one prediction")
    labels, given = (None if each is None else read_labels(each) for each in (true, pred))
    settled = settle_classes(classes, [each for each in (labels, given) if each is not None], shares)
    indices = None if given is None else settled.find(given)
    if indices is not None and (indices < 0).any():
        raise UsageError(
            f"y_pred[{int(np.argmin(indices))}] is missing",
            hint="leave the image out, or give such predictions a class of their own",
        )
    rows = Rows(
        settled,
        np.full(len(first), -1, np.int64) if labels is None else settled.find(labels),
        indices,
        None if shares is None else shares.values,
        read_paths(paths, len(first)),
        read_splits(splits, len(first)),
        named=paths is not None,
    )
    check_unique(rows.paths, rows.splits)
    return rows

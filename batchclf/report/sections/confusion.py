"""The confusion matrix: all of it where it can be read, else the classes and cells where the errors are."""

import json
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from batchclf.core.metrics.class_order import most_confused, similarity_order
from batchclf.core.metrics.confusion import ConfusionCounts
from batchclf.core.metrics.labelled import LabelledMetrics
from batchclf.core.text import NOTHING, class_name, count, exact, percent, visible
from batchclf.core.types import Prediction
from batchclf.report.parts.pictures import Picture, Pictures, exact_text, for_script, heat_map

HEAT_BOUNDS = (0.01, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90)
"""Where the matrix's colour steps to the next of its eight levels, as a share."""

ROOMY_CLASSES = 12
"""Up to so many classes a cell has room for count and share, and the classes keep the model's order."""

# Of more classes nobody reads a table of all (decision 071)
FULL_CLASSES = 40
"""Up to so many classes every cell is shown."""

PART_CLASSES = 30
SHOWN_CELLS = 50
"""Of more classes: the most confused classes as a matrix, and the largest cells off the diagonal as a table."""

OVERVIEW_PIXELS = 400
UPRIGHT_LENGTH = 14
EXAMPLE_BYTES = 250_000
"""What the list of the cells' images may take of the page, without their pictures."""

_ENTRY_BYTES = 32
"""Of one image in that list, beside its path."""

Shares = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: images, their share of the true and of the predicted class; empty where there is no image.

    `heat` are the colour classes: `r1` to `r8` (right) or `w1` to `w8` (wrong) by the share of the true class, then
    `q1` to `q8` or `k1` to `k8` by that of the predicted class.
    """

    count: str
    of_true: str
    of_predicted: str
    heat: str


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """One true class; `others` are its images predicted as a class that has no column."""

    name: str
    cells: tuple[Cell, ...]
    others: str
    total: str


@dataclass(frozen=True, slots=True)
class HeatStep:
    """One level of the legend; `text` is its range in percent."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class LargeCell:
    """One cell off the diagonal; `key` is what the list of images knows it by."""

    key: str
    label: str
    prediction: str
    count: str
    of_true: str
    of_predicted: str


@dataclass(frozen=True)
class Example:
    """One image of a cell; `path` and `exact` are those of a `Shot`."""

    path: str
    exact: list[str]
    confidence: str
    picture: Picture | None


@dataclass(frozen=True)
class MatrixView:
    """Rows are true classes, columns predicted ones, both in the order `classes` (indices).

    `part` says which classes are shown where it is not all, `ordered` whether similar classes stand together. Where it
    is a part there are `overview`, a picture as a data URI, and `cells`; `cells_note` says how many of how many those
    are. `examples` has the images of cells, by `TRUE-PREDICTED` as class indices.
    """

    classes: tuple[int, ...]
    names: tuple[str, ...]
    rows: tuple[MatrixRow, ...]
    predicted: tuple[str, ...]
    total: str
    part: str
    ordered: bool
    upright: bool
    dense: bool
    legend: tuple[HeatStep, ...]
    overview: str
    cells: tuple[LargeCell, ...]
    cells_note: str
    examples: dict[str, tuple[Example, ...]]


def matrix_view(labelled: LabelledMetrics, pictures: Pictures) -> MatrixView:
    """Show the confusion matrix, with the images of its cells as far as they are known."""
    confusion = labelled.confusion
    size = len(confusion.class_names)
    order = tuple(range(size)) if size <= ROOMY_CLASSES else tuple(similarity_order(confusion).tolist())
    chosen = _shown_classes(confusion)
    classes = tuple(i for i in order if i in chosen)
    names = tuple(class_name(confusion.class_names[i]) for i in classes)
    part = size > FULL_CLASSES
    return MatrixView(
        classes=classes,
        names=names,
        rows=_rows(confusion, classes, names),
        predicted=tuple(count(int(confusion.predicted[i])) for i in classes),
        total=count(int(confusion.counts.sum())),
        part=_part(confusion, classes) if part else "",
        ordered=size > ROOMY_CLASSES,
        upright=len(names) > ROOMY_CLASSES or max(map(len, names)) > UPRIGHT_LENGTH,
        dense=len(names) > ROOMY_CLASSES,
        legend=_legend(),
        overview=_overview(confusion, order) if part else "",
        cells=tuple(_large_cells(confusion)) if part else (),
        cells_note=_cells_note(confusion) if part else "",
        examples=_examples(labelled, pictures),
    )


@dataclass(frozen=True, slots=True)
class MatrixTable:
    """The classes that are shown, as `MatrixView` has them, without images and overview."""

    names: tuple[str, ...]
    rows: tuple[MatrixRow, ...]
    predicted: tuple[str, ...]
    total: str
    part: str


def matrix_table(confusion: ConfusionCounts) -> MatrixTable:
    """Show the confusion matrix in short; only what is shown is put in order, which of 1,000 classes takes 13 s."""
    size = len(confusion.class_names)
    classes = sorted(_shown_classes(confusion))
    if size > ROOMY_CLASSES:
        shown = ConfusionCounts(
            tuple(confusion.class_names[i] for i in classes), confusion.counts[np.ix_(classes, classes)]
        )
        classes = [classes[place] for place in similarity_order(shown).tolist()]
    names = tuple(class_name(confusion.class_names[i]) for i in classes)
    return MatrixTable(
        names=names,
        rows=_rows(confusion, tuple(classes), names),
        predicted=tuple(count(int(confusion.predicted[i])) for i in classes),
        total=count(int(confusion.counts.sum())),
        part=_part(confusion, classes) if size > FULL_CLASSES else "",
    )


def shown_examples(labelled: LabelledMetrics) -> tuple[Prediction, ...]:
    """Choose the images of the shown cells, the most important first: one a cell, wrong ones first, then the next."""
    return tuple(row for _, row in _ranked_examples(labelled))


def script_data(view: MatrixView) -> str:
    """Write what the page's script needs to show a cell's images, as JSON that can stand within `<script>`."""
    data = {
        "classes": view.classes,
        "cells": {key: [_listed(each) for each in examples] for key, examples in view.examples.items()},
    }
    return for_script(data)


def _listed(example: Example) -> list[str]:
    found = [example.path, example.confidence, example.picture.id if example.picture else ""]
    return [*found, *example.exact]


def _shown_classes(confusion: ConfusionCounts) -> frozenset[int]:
    size = len(confusion.class_names)
    return frozenset(range(size) if size <= FULL_CLASSES else most_confused(confusion, PART_CLASSES).tolist())


def _part(confusion: ConfusionCounts, classes: Sequence[int]) -> str:
    chosen = list(classes)
    within = int(confusion.counts[np.ix_(chosen, chosen)].sum() - confusion.correct[chosen].sum())
    total = int(confusion.support.sum() - confusion.correct.sum())
    held = f"; they hold {percent(within / total)} of all errors" if total else ""
    return f"Showing the {len(classes)} most confused of {count(len(confusion.class_names))} classes{held}."


def _rows(confusion: ConfusionCounts, classes: Sequence[int], names: Sequence[str]) -> tuple[MatrixRow, ...]:
    counts = confusion.counts[np.ix_(classes, classes)]
    of_true = _shares(counts, confusion.support[list(classes)][:, None])
    of_predicted = _shares(counts, confusion.predicted[list(classes)][None, :])
    supports = confusion.support[list(classes)]
    rows = []
    for i, name in enumerate(names):
        numbers = zip(counts[i].tolist(), of_true[i].tolist(), of_predicted[i].tolist(), strict=True)
        cells = tuple(_cell(*each, right=i == j) for j, each in enumerate(numbers))
        others = int(supports[i] - counts[i].sum())
        rows.append(MatrixRow(name, cells, count(others), count(int(supports[i]))))
    return tuple(rows)


def _cell(number: int, of_true: float, of_predicted: float, *, right: bool) -> Cell:
    if not number:
        return Cell("", "", "", "")
    by_true, by_predicted = ("r", "q") if right else ("w", "k")
    heat = f"{by_true}{_level(of_true)} {by_predicted}{_level(of_predicted)}"
    return Cell(count(number), percent(of_true), percent(of_predicted), heat)


def _level(share: float) -> int:
    return 1 + bisect_right(HEAT_BOUNDS, share)


def _shares(counts: NDArray[np.int64], of: NDArray[np.int64]) -> Shares:
    """Divide by what there may be none of: then there is no count either, and the share is 0."""
    return np.asarray(counts / np.maximum(of, 1))


def _overview(confusion: ConfusionCounts, order: Sequence[int]) -> str:
    """Draw all classes as a PNG in a data URI, a pixel a cell; of more than 400, a pixel for some by the strongest."""
    cells, size = confusion.cells(), len(order)
    levels = 1 + np.digitize(cells.counts / confusion.support[cells.labels], HEAT_BOUNDS)
    side = -(-size // OVERVIEW_PIXELS)
    pixel = np.empty(size, np.int64)
    pixel[list(order)] = np.arange(size) // side
    pixels = np.zeros((-(-size // side),) * 2, np.uint8)
    np.maximum.at(pixels, (pixel[cells.labels], pixel[cells.predictions]), levels.astype(np.uint8))
    return heat_map(pixels)


def _large_cells(confusion: ConfusionCounts) -> Iterator[LargeCell]:
    support, predicted = confusion.support, confusion.predicted
    for i, j, number in _largest(confusion, SHOWN_CELLS):
        yield LargeCell(
            key=f"{i}-{j}",
            label=class_name(confusion.class_names[i]),
            prediction=class_name(confusion.class_names[j]),
            count=count(number),
            of_true=percent(number / support[i]),
            of_predicted=percent(number / predicted[j]),
        )


def _largest(confusion: ConfusionCounts, most: int | None = None) -> Iterator[tuple[int, int, int]]:
    """Find the cells off the diagonal that have images, largest first, ties in class order."""
    wrong = confusion.wrong_cells()
    cells = wrong.labels[:most], wrong.predictions[:most], wrong.counts[:most]
    yield from zip(*(each.tolist() for each in cells), strict=True)


def _cells_note(confusion: ConfusionCounts) -> str:
    numbers = confusion.wrong_cells().counts
    there = len(numbers)
    shown = min(there, SHOWN_CELLS)
    held = percent(int(numbers[:shown].sum()) / int(numbers.sum())) if there else NOTHING
    return f"Showing {count(shown)} of {count(there)} cells with errors; they hold {held} of all errors."


def _examples(labelled: LabelledMetrics, pictures: Pictures) -> dict[str, tuple[Example, ...]]:
    found: dict[str, list[Example]] = {}
    for (i, j), row in _ranked_examples(labelled):
        picture = pictures.get((row.split, row.path))
        example = Example(visible(row.path), exact_text(row.path, visible(row.path)), percent(row.confidence), picture)
        found.setdefault(f"{i}-{j}", []).append(example)
    return {key: tuple(examples) for key, examples in found.items()}


def _ranked_examples(labelled: LabelledMetrics) -> Iterator[tuple[tuple[int, int], Prediction]]:
    """Go through the examples of the shown cells, as many as the page has room to list."""
    confusion = labelled.confusion
    inside = _shown_classes(confusion)
    listed = len(confusion.class_names) > FULL_CLASSES
    cells = [
        (i, j)
        for place, (i, j, _) in enumerate(_largest(confusion))
        if (listed and place < SHOWN_CELLS) or (i in inside and j in inside)
    ]
    cells += [(i, i) for i in sorted(inside)]
    room, rank, more = EXAMPLE_BYTES, 0, True
    while more:
        more = False
        for cell in cells:
            images = labelled.examples.get(cell, ())
            if rank >= len(images):
                continue
            more = True
            room -= _ENTRY_BYTES + len(json.dumps(images[rank].path))
            if room < 0:
                return
            yield cell, images[rank]
        rank += 1


def _legend() -> tuple[HeatStep, ...]:
    edges = [exact(100 * bound) for bound in HEAT_BOUNDS]
    between = [f"{low}–{high}" for low, high in pairwise(edges)]
    texts = [f"< {edges[0]}", *between, f"≥ {edges[-1]}"]
    return tuple(HeatStep(level, text) for level, text in enumerate(texts, 1))

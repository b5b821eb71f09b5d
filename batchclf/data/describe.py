"""What a data set holds: `batchclf data describe`."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from batchclf.core.types import Dataset, Split


@dataclass(frozen=True, slots=True)
class SplitFacts:
    """One split. `shape` is (images, height, width, channels); the values are None where it is empty.

    `per_class` counts the images of each class, in class order.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    lowest_value: int | None
    highest_value: int | None
    per_class: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """A data set and its splits, train first."""

    name: str
    origin: str
    class_names: tuple[str, ...]
    splits: tuple[SplitFacts, ...]


def describe(dataset: Dataset) -> DatasetFacts:
    """Count and measure both splits; an empty one has counts of 0 and no values."""
    classes = len(dataset.class_names)
    splits = tuple(_split_facts(split, classes) for split in (dataset.train, dataset.test))
    return DatasetFacts(dataset.name, dataset.origin, dataset.class_names, splits)


def _split_facts(split: Split, classes: int) -> SplitFacts:
    images = split.images
    return SplitFacts(
        split.name,
        tuple(map(int, images.shape)),
        str(images.dtype),
        int(images.min()) if images.size else None,
        int(images.max()) if images.size else None,
        tuple(int(count) for count in np.bincount(split.labels, minlength=classes)),
    )


def as_dict(facts: DatasetFacts) -> dict[str, Any]:
    """Turn the facts into plain JSON values: `splits` by split name, `per_class` by class name."""
    return {
        "name": facts.name,
        "origin": facts.origin,
        "classes": list(facts.class_names),
        "splits": {
            split.name: {
                "images": split.shape[0],
                "shape": list(split.shape),
                "dtype": split.dtype,
                "lowest_value": split.lowest_value,
                "highest_value": split.highest_value,
                "per_class": dict(zip(facts.class_names, split.per_class, strict=True)),
            }
            for split in facts.splits
        },
    }


def as_lines(facts: DatasetFacts) -> list[str]:
    """Lay the facts out as plain text: the origin, then a table with one column a split."""
    rows = [
        ["", *(split.name for split in facts.splits)],
        ["images", *(f"{split.shape[0]:,}" for split in facts.splits)],
        ["shape", *("x".join(map(str, split.shape[1:])) for split in facts.splits)],
        ["dtype", *(split.dtype for split in facts.splits)],
        ["values", *(_values(split) for split in facts.splits)],
    ]
    counts = zip(*(split.per_class for split in facts.splits), strict=True)
    for name, row in zip(facts.class_names, counts, strict=True):
        rows.append([f"class {name}", *(f"{count:,}" for count in row)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"{facts.name}: {facts.origin}", ""]
    for first, *others in rows:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return lines


def _values(split: SplitFacts) -> str:
    return "none" if split.lowest_value is None else f"{split.lowest_value} to {split.highest_value}"

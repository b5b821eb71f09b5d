"""A CSV of labels that somebody has reviewed, as the page of a report saves it: corrections, not all labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from batchclf.core.text import first_of, plain_text
from batchclf.data.label_table import COLUMNS, LabelTable, Opened, no_class_error, open_labels
from batchclf.data.sources.addresses import Location
from batchclf.errors import DataError

GIVEN, SPLIT = "given_label", "split"


@dataclass(frozen=True, slots=True)
class Reviewed:
    """One image's label as reviewed, the label that it had, and the line that says so; `given` is None if none does."""

    label: str
    given: str | None
    line: int


@dataclass(frozen=True)
class LabelReview:
    """Labels by split and path; the split is None if the file has no column for it.

    With `corrects` all other images keep their labels; else they have none.
    """

    source: Location
    by_image: Mapping[tuple[str | None, str], Reviewed]
    corrects: bool

    def as_table(self) -> LabelTable:
        """Give the labels by path alone. Raises DataError if they are of several splits."""
        splits = {split or "" for split, _ in self.by_image}
        if len(splits) > 1:
            raise DataError(
                f"{self.source} has labels of {first_of(sorted(splits), 5)}; a path of one may occur in another",
                hint="keep the rows of one of them",
            )
        by_path = {path: each.label for (_, path), each in self.by_image.items()}
        return LabelTable(self.source, by_path, given={path: each.given for (_, path), each in self.by_image.items()})


def is_review(opened: Opened) -> bool:
    """Whether a CSV of labels holds corrections: it has the column `given_label`."""
    return GIVEN in opened[0]


def read_review(
    source: Location,
    class_names: tuple[str, ...],
    meanings: Mapping[str, str] = MappingProxyType({}),
    *,
    opened: Opened | None = None,
) -> LabelReview:
    """Read a CSV with a header, `path` and `label` and perhaps `given_label` and `split`; `opened` if it is open.

    It is corrections if it has `given_label`. Raises DataError if it is no such CSV, has no row, lacks a cell, gives an
    image two labels or leaves a corrected label empty, ModelError if a label is none of `class_names`.
    """
    header, _, rows = opened or open_labels(source)
    for name in (GIVEN, SPLIT):
        if header.count(name) > 1:
            raise DataError(f"{source} has the column {name} {header.count(name)} times", hint="keep one of them")
    places = {name: header.index(name) for name in (*COLUMNS, GIVEN, SPLIT) if name in header}
    corrects, known = GIVEN in places, frozenset(class_names)
    by_image: dict[tuple[str | None, str], Reviewed] = {}
    for line, row in rows:
        if len(row) <= max(places.values()):
            raise DataError(f"line {line} of {source} has {len(row)} of the {len(header)} cells that the header names")
        cells = {name: plain_text(row[place]) for name, place in places.items()}
        label = meanings.get(cells["label"], cells["label"])
        if not cells["path"] or (corrects and not label):
            what = "label" if cells["path"] else "path"
            raise DataError(f"line {line} of {source} has no {what}", hint=f"give its {what}, or remove the line")
        if label and label not in known:
            raise no_class_error(label, line, source, class_names, "label", "correct it, or remove the line")
        given = meanings.get(cells[GIVEN], cells[GIVEN]) if corrects else None
        image = cells.get(SPLIT), cells["path"]
        before = by_image.setdefault(image, Reviewed(label, given, line))
        if before.label != label:
            raise DataError(
                f"{source} has two labels for {image[1]}: '{before.label}' in line {before.line} and '{label}' in line "
                f"{line}",
                hint="remove one of the two lines",
            )
    if not by_image:
        raise DataError(f"{source} has no row", hint="give a row for each image: path,label")
    return LabelReview(source, by_image, corrects)

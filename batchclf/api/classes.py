"""Which classes there are, and which of them each label and prediction is: by name or by number, never by a guess."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf.api.arrays import Column, Matrix, column, shown
from batchclf.core.text import first_of
from batchclf.errors import UsageError
from batchclf.storage.predictions.columns import PROBABILITY

_WHOLE = re.compile(r"\s*[+-]?\d+(\.0*)?\s*")
_LIKE_MISSING = ("nan", "None", "<NA>", "NaT")
"""What numpy and pandas write of a missing value if they make a text of it."""

Name = str | int


@dataclass(frozen=True, eq=False, slots=True)
class Labels:
    """The values of a column: `codes` is (n,) int64, which of the distinct `values` each row has, -1 if it has none."""

    name: str
    values: list[Name]
    codes: NDArray[np.int64]

    @property
    def of_texts(self) -> bool:
        """Whether they are texts; numbers otherwise, and if there is none."""
        return bool(self.values) and isinstance(self.values[0], str)

    def place(self, value: int) -> str:
        """Name the first row of a distinct value: `y_true[3]`."""
        return f"{self.name}[{int(np.argmax(self.codes == value))}]"

    def indices(self, of_value: Sequence[int]) -> NDArray[np.int64]:
        """Give the class of each row, (n,) int64, by that of each distinct value; -1 if the row has none."""
        return np.array([*of_value, -1], np.int64)[self.codes]


def read_labels(of: Column) -> Labels:
    """Find the distinct values of a column.

    None, nan, pandas' NA and the empty text are missing. Whole numbers may be floats, which pandas makes of integers
    beside missing ones. Raises UsageError for what is neither text nor a whole number, and for a mix of both.
    """
    array = of.values
    if array.dtype.kind in "iub":
        distinct, codes = np.unique(array, return_inverse=True)
        return Labels(of.name, [int(each) for each in distinct.tolist()], codes.astype(np.int64))
    if array.dtype.kind == "U":
        distinct, codes = np.unique(array, return_inverse=True)
        found: dict[Any, int] = {}
        places = np.array([_place(found, text) for text in distinct.tolist()] or [0], np.int64)
        return Labels(of.name, list(found), places[codes.astype(np.int64)])
    found = {}
    codes = np.fromiter((_place(found, _name(item, of.name, row)) for row, item in enumerate(array)), np.int64)
    kinds = {type(each): each for each in found}
    if len(kinds) > 1:
        text, number = repr(kinds[str]), kinds[int]
        raise UsageError(
            f"{of.name} mixes texts and numbers: it has {text} and {number}",
            hint="give class names in all rows, or class numbers in all",
        )
    return Labels(of.name, list(found), codes)


def _place(found: dict[Any, int], value: Name | None) -> int:
    return -1 if value is None or value == "" else found.setdefault(value, len(found))


def _name(item: Any, name: str, row: int) -> Name | None:
    if isinstance(item, str):
        return str(item)
    if isinstance(item, bytes):  # as TensorFlow gives texts
        return item.decode("utf-8", "surrogateescape")
    if item is None or type(item).__name__ in ("NAType", "NaTType"):
        return None
    try:
        number = float(item)
        if number != number:
            return None
        if number == int(number):
            return int(item)
    except (TypeError, ValueError, OverflowError):
        pass
    raise UsageError(
        f"{name}[{row}] is {shown(item)}, which is neither a class name nor a class number",
        hint="give class names or whole numbers; probabilities go into probabilities=",
    )


@dataclass(frozen=True, eq=False, slots=True)
class Classes:
    """The classes; `names` are texts, in the model's order. `of_numbers` if they were given, or found, as numbers.

    `given` is false if they are only what the labels and predictions name.
    """

    names: tuple[str, ...]
    of_numbers: bool
    given: bool

    def find(self, labels: Labels) -> NDArray[np.int64]:
        """Give the class index of each row: (n,) int64, -1 where the value is missing.

        Texts are class names. Numbers are, too, if the classes are numbers, else places in the list of the classes.
        Raises UsageError for a value that is no class, and for numbers if the names look like numbers themselves.
        """
        if labels.of_texts or self.of_numbers:
            index = {name: place for place, name in enumerate(self.names)}
            found = [index.get(str(value), -1) for value in labels.values]
            wrong = next((place for place, each in enumerate(found) if each < 0), None)
            if wrong is not None:
                raise self._unknown(labels, wrong)
            return labels.indices(found)
        self._check_numbers(labels)
        wrong = next((place for place, each in enumerate(labels.values) if not 0 <= int(each) < len(self.names)), None)
        if wrong is not None:
            raise UsageError(
                f"{labels.place(wrong)} is {labels.values[wrong]}; the {len(self.names)} classes have the numbers 0 to "
                f"{len(self.names) - 1}",
                hint="number the classes from 0, in the order of classes; give None for an unknown label",
            )
        return labels.indices([int(each) for each in labels.values])

    def _check_numbers(self, labels: Labels) -> None:
        if any(map(_WHOLE.fullmatch, self.names)) and self.names != tuple(map(str, range(len(self.names)))):
            like = next(name for name in self.names if _WHOLE.fullmatch(name))
            raise UsageError(
                f"{labels.name} holds numbers, and class names look like numbers, such as '{like}': whether "
                f"{labels.values[0]} is a name or a place in the list cannot be known",
                hint=f"give {labels.name} as texts if they are names; if they are places, give the names for them",
            )

    def _unknown(self, labels: Labels, wrong: int) -> UsageError:
        value = labels.values[wrong]
        near = difflib.get_close_matches(str(value), self.names, 1)
        hint = f"did you mean {near[0]!r}?" if near else "name it in classes, or correct it; None is an unknown label"
        if self.of_numbers and not labels.of_texts:
            hint = "classes that are given as numbers are names; give them as texts if labels are places in the list"
        return UsageError(
            f"{labels.place(wrong)} is {value!r}, which is not one of the classes {first_of(self.names, 10)}", hint=hint
        )


def settle_classes(classes: object, labels: Sequence[Labels], probabilities: Matrix | None) -> Classes:
    """Find the classes: those given, else the names of the columns of probabilities, else all that labels name.

    Their kind says what numbers mean, never the values that occur (decision 179). Columns without names are the classes
    0, 1, 2, …. Raises UsageError if `classes` are no list of different names, do not fit the columns, or cannot be
    known.
    """
    columns = None if probabilities is None else _columns(probabilities)
    if classes is not None:
        found = _given(classes)
        if columns is not None and columns != len(found.names):
            raise UsageError(
                f"probabilities has {columns} columns, and classes names {len(found.names)}",
                hint="give one column a class, in the order of classes",
            )
        if probabilities is not None and (names := _named(probabilities)) is not None and names != found.names:
            raise UsageError(
                f"the columns of probabilities are {first_of(names, 10)}, and classes are {first_of(found.names, 10)}",
                hint="leave out classes, or bring the columns into its order",
            )
        return found
    if probabilities is not None and columns is not None:
        names = _named(probabilities)
        texts = next((each.name for each in labels if each.of_texts), None)
        if names is None and texts is not None:
            raise UsageError(
                f"{texts} holds class names, and the columns of probabilities have none",
                hint="give classes=, the class names in the order of the columns",
            )
        if names is None:
            return Classes(tuple(map(str, range(columns))), of_numbers=True, given=True)
        return Classes(_checked(names, "probabilities"), of_numbers=False, given=True)
    return _named_by(labels)


def _named_by(labels: Sequence[Labels]) -> Classes:
    """Take all that the rows name, sorted."""
    full = [each for each in labels if each.values]
    if len({each.of_texts for each in full}) > 1:
        words = " and ".join(f"{each.name} {'names' if each.of_texts else 'numbers'}" for each in full)
        raise UsageError(
            f"labels and predictions are of two kinds: {words}",
            hint="give classes=, the class names in the order of the numbers",
        )
    values = sorted({value for each in full for value in each.values}, key=lambda value: (str(type(value)), value))
    if not values:
        raise UsageError("there is no class: every label and prediction is missing", hint="give the predictions")
    missing = next((value for value in values if value in _LIKE_MISSING), None)
    if missing is not None:
        of = next(each for each in full if missing in each.values)
        raise UsageError(
            f"{of.place(of.values.index(missing))} is the text '{missing}', which numpy makes of a missing value",
            hint="give None for an unknown label; if a class has that name, give classes= with it",
        )
    return Classes(tuple(map(str, values)), of_numbers=not full[0].of_texts, given=False)


def _given(classes: object) -> Classes:
    if isinstance(classes, Mapping):
        classes = _of_mapping(classes)
    found = read_labels(column(classes, "classes"))
    if (found.codes < 0).any():
        raise UsageError(f"classes[{int(np.argmin(found.codes))}] has no name", hint="give each class a name")
    if len(found.values) < len(found.codes):
        twice = int(np.argmax(np.bincount(found.codes) > 1))
        raise UsageError(f"classes names {found.values[twice]!r} twice", hint="class names must be unique")
    names = [found.values[code] for code in found.codes.tolist()]
    return Classes(tuple(map(str, names)), of_numbers=bool(names) and not found.of_texts, given=True)


def _of_mapping(classes: Mapping[Any, Any]) -> list[Any]:
    """Read {number: name}, as Hugging Face's id2label, or {name: number}, as Keras' class_indices."""
    if all(isinstance(value, str) for value in classes.values()):
        classes = {name: int(number) for number, name in classes.items()}
    if sorted(classes.values()) != list(range(len(classes))):
        raise UsageError(
            f"classes, a {type(classes).__name__}, does not number its names from 0 to {len(classes) - 1}, each once",
            hint="give a list of the class names in the order of the columns",
        )
    return sorted(classes, key=classes.__getitem__)


def _columns(probabilities: Matrix) -> int:
    """Count the classes; one column is the probability of the second of two."""
    values = probabilities.values
    return 2 if values.ndim == 1 or values.shape[1] == 1 else int(values.shape[1])


def _named(probabilities: Matrix) -> tuple[str, ...] | None:
    if probabilities.names is None or len(probabilities.names) < 2:
        return None
    return tuple(name.removeprefix(PROBABILITY) for name in probabilities.names)


def _checked(names: tuple[str, ...], what: str) -> tuple[str, ...]:
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise UsageError(f"{what} has the column '{twice}' twice", hint="class names must be unique")
    return names

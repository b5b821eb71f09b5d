"""Columns and matrices as numpy arrays, whatever library they come from: by what an object can do, not what it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf.core.text import count, first_of
from batchclf.errors import UsageError

_KINDS = "a list, a numpy array, a pandas or polars column, or a torch or TensorFlow tensor"

_LONGEST = 60


@dataclass(frozen=True, eq=False, slots=True)
class Column:
    """An argument with one value a row; `values` is (n,) of any dtype, `index` the index if it came from pandas."""

    name: str
    values: NDArray[Any]
    index: Any

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.values)


@dataclass(frozen=True, eq=False, slots=True)
class Matrix:
    """An argument with a row of numbers a row; `values` is (n, k), `names` are its columns if a data frame has them."""

    name: str
    values: NDArray[Any]
    names: tuple[str, ...] | None
    index: Any

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.values)


def column(values: object, name: str, *, hint: str = "") -> Column:
    """Read an argument with one value a row; a single column (n, 1) counts as one.

    Raises UsageError, with `hint`, for anything else.
    """
    array = as_numpy(values, name)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise UsageError(
            f"{name} has the shape {_shape(array)}; one value a row is expected, with the shape ({len(array)},)",
            hint=hint or f"give {_KINDS} with one value a row",
        )
    return Column(name, array, _index(values))


def matrix(values: object, name: str) -> Matrix:
    """Read an argument with numbers in rows, (n, k) or (n,); raises UsageError for anything else."""
    array = as_numpy(values, name)
    if array.ndim not in (1, 2):
        raise UsageError(
            f"{name} has the shape {_shape(array)}; (images, classes) is expected",
            hint="give one row an image, with the probability of each class",
        )
    if array.dtype.kind not in "fiub":
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{name} holds values that are no numbers", hint="give floats of 0 to 1") from error
    columns = getattr(values, "columns", None)
    names = None if columns is None else tuple(columns)
    texts = names is not None and all(isinstance(each, str) for each in names)
    return Matrix(name, array, names if texts else None, _index(values))


def check_rows(first: Column | Matrix, second: Column | Matrix | None) -> None:
    """Raise UsageError if two arguments do not have the same rows.

    They must be equally long. Rows go by their place; if both come from pandas, the same index in another order is
    refused, and so are different ones unless one is the plain 0, 1, 2, …, which says nothing of the rows.
    (decision 177)
    """
    if second is None:
        return
    if len(first) != len(second):
        raise UsageError(
            f"{first.name} has {count(len(first))} rows and {second.name} has {count(len(second))}",
            hint="give both for the same images, in the same order",
        )
    if first.index is None or second.index is None or first.index.equals(second.index):
        return
    one, other = first.index, second.index
    if set(one) == set(other):
        place = int(np.argmax(np.asarray(one) != np.asarray(other)))
        raise UsageError(
            f"{first.name} and {second.name} have the same index in another order: at place {place} stand "
            f"{shown(one[place])} and {shown(other[place])}",
            hint=f"bring them into one order ({second.name}.loc[{first.name}.index]), or give "
            f"{second.name}.to_numpy() if the rows are in one already",
        )
    if not (_is_plain(one) or _is_plain(other)):
        missing = [shown(each) for each in one[:1_000].difference(other)]
        raise UsageError(
            f"{first.name} and {second.name} have different indexes"
            + (f"; only {first.name} has {first_of(missing, 3)}" if missing else ""),
            hint=f"give the same rows of both, or .to_numpy() of {second.name} if they are the same rows in order",
        )


def as_numpy(values: object, name: str) -> NDArray[Any]:
    """Make a numpy array; raises UsageError for what is none, such as a single text or a ragged list."""
    if isinstance(values, str | bytes | Mapping) or not (hasattr(values, "__len__") or _is_array(values)):
        raise UsageError(
            f"{name} is of the type {type(values).__name__}, not a column of values", hint=f"give {_KINDS}"
        )
    try:
        array = _converted(values)
    except UsageError:
        raise
    except Exception as error:  # each library has its own
        raise UsageError(
            f"{name}, a {type(values).__name__}, cannot be read as an array: {error}", hint=f"give {_KINDS}"
        ) from error
    if not array.ndim:
        raise UsageError(f"{name} is a single value", hint=f"give {_KINDS}")
    return array


def _converted(values: Any) -> NDArray[Any]:
    if isinstance(values, np.ma.MaskedArray):
        array = values.data.astype(object)
        array[np.ma.getmaskarray(values)] = None
        return array
    if isinstance(values, np.ndarray):
        return values
    if callable(getattr(values, "detach", None)):  # torch: numpy takes no tensor with a gradient, or on a GPU
        values = values.detach().cpu()
        if "bfloat16" in str(values.dtype):  # which numpy does not have
            values = values.float()
    for way in ("to_numpy", "numpy"):
        if callable(getattr(values, way, None)):
            return np.asarray(getattr(values, way)())
    if hasattr(values, "__array__"):
        return np.asarray(values)
    if hasattr(values, "__dlpack__"):
        return np.from_dlpack(values)
    return _of_items([_plain(item) for item in values])


def _of_items(items: Sequence[Any]) -> NDArray[Any]:
    """Make an array of the items of a list; texts with None or nan among them stay what they are."""
    if items and all(_is_array(item) or (isinstance(item, Sequence) and not isinstance(item, str)) for item in items):
        return np.array([_converted(item) if _is_array(item) else item for item in items])
    if items and all(isinstance(item, int | float) for item in items):
        return np.array(items)
    # Not np.array(items), which makes the text 'nan' of a missing value among texts
    array = np.empty(len(items), object)
    array[:] = items
    return array


def _plain(item: Any) -> Any:
    """Take the number out of a tensor or array without axes, as `for batch in loader` collects them."""
    if isinstance(item, str | bytes | int | float) or item is None or getattr(item, "shape", None) != ():
        return item
    if callable(getattr(item, "numpy", None)):
        return _converted(item).item()
    return item.item() if callable(getattr(item, "item", None)) else item


def _is_array(item: object) -> bool:
    return hasattr(item, "__array__") or hasattr(item, "__dlpack__")


def shown(value: object) -> str:
    """Write a value for a message, a scalar of numpy as Python's, and what is long by its type."""
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= _LONGEST else f"of the type {type(value).__name__}"


def _index(values: Any) -> Any:
    index = getattr(values, "index", None)
    return index if hasattr(index, "equals") else None


def _is_plain(index: Any) -> bool:
    return type(index).__name__ == "RangeIndex" and index.start == 0 and index.step == 1


def _shape(array: NDArray[Any]) -> str:
    return str(tuple(map(int, array.shape)))

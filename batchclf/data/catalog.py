"""The data sets known by name, and the function that loads each."""

from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from batchclf.core.choices import DatasetName
from batchclf.errors import DataError

if TYPE_CHECKING:
    # The command line's parser imports DATASET_NAMES, and the types bring numpy along.
    from batchclf.core.types import Dataset, Say

DATASET_NAMES: tuple[DatasetName, ...] = get_args(DatasetName)

_LOADERS: dict[str, str] = {
    "fashion-mnist": "batchclf.data.fashion_mnist:load",
    "digits": "batchclf.data.digits:load",
}


def load_dataset(name: str, *, data_dir: Path | None, say: "Say", fetch: bool = True) -> "Dataset":
    """Load a data set into memory, fetching its files first where that is needed, unless `fetch` is false.

    `data_dir` is a folder the user named that holds the files, or None to look in the usual places. `say`
    gets one line for each place tried. Raises DataError where the name is unknown or the data cannot be had.
    """
    if name not in _LOADERS:
        nearest = get_close_matches(name, DATASET_NAMES, n=1, cutoff=0.4)
        meant = f"did you mean {nearest[0]}? " if nearest else ""
        raise DataError(
            f"there is no data set named {name!r}",
            hint=f"{meant}the known ones are {', '.join(DATASET_NAMES)}",
        )
    module, function = _LOADERS[name].split(":")
    load = getattr(import_module(module), function)
    return cast("Dataset", load(data_dir=data_dir, say=say, fetch=fetch))

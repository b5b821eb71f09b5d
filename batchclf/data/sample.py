"""A few real images of a folder, to check an imported model on."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batchclf.core.choices import ColorMode
from batchclf.core.types import ImageRef
from batchclf.data.decoding.decode import read_image
from batchclf.data.discovery import check_folder, discover
from batchclf.data.labels import label_rule
from batchclf.errors import DataError, UnreadableImageError

LOOKED_AT = 10_000
TAKEN = 64


def sample_reader(
    folder: Path, class_names: tuple[str, ...]
) -> Callable[[tuple[int, int, int], ColorMode], tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Give a function that reads up to 64 images, spread over the first 10,000 in path order.

    It takes (height, width, channels) and the colour mode, and gives (n, height, width, channels) uint8 and (n,)
    int64 class indices, -1 where the label is not known: folder names are labels where all are classes. Images
    that cannot be read are passed over. Raises DataError where the folder is missing; the function raises it where
    no image can be read.
    """
    check_folder(folder)
    rule = label_rule(folder, "auto", class_names)

    def read(shape: tuple[int, int, int], color_mode: ColorMode) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        refs = list(islice((each for each in discover(folder, rule) if isinstance(each, ImageRef)), LOOKED_AT))
        images, labels = [], []
        for ref in refs[:: -(-len(refs) // TAKEN) or 1]:
            try:
                images.append(read_image(folder / ref.path, shape, color_mode))
            except UnreadableImageError:
                continue
            labels.append(-1 if ref.label is None else class_names.index(ref.label))
        if not images:
            raise DataError(f"there is no image under {folder} that can be read", hint="give --sample another folder")
        return np.stack(images), np.array(labels, np.int64)

    return read

"""A few real images of a folder, to check an imported model on."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import islice, zip_longest
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
OF_A_CLASS, MOST_LABELLED = 20, 1_000
"""So many images of each class if they have labels, and so many in all: enough to see whether the names fit."""


def sample_reader(
    folder: Path, class_names: tuple[str, ...]
) -> Callable[[tuple[int, int, int], ColorMode], tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Give a function that reads up to 64 images, spread over the first 10,000 in path order; with labels up to 20 a
    class, 1,000 in all, the classes in turn.

    It takes (height, width, channels) and the colour mode, and gives (n, height, width, channels) uint8 and (n,)
    int64 class indices, -1 where the label is not known: folder names are labels where all are classes. Images
    that cannot be read are passed over. Raises DataError where the folder is missing; the function raises it where
    no image can be read.
    """
    check_folder(folder)
    rule = label_rule(folder, "auto", class_names)

    def read(shape: tuple[int, int, int], color_mode: ColorMode) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        found = (each for each in discover(folder, rule) if isinstance(each, ImageRef))
        refs = _labelled(found) if rule.classes() else list(islice(found, LOOKED_AT))
        images, labels = [], []
        for ref in refs if rule.classes() else refs[:: -(-len(refs) // TAKEN) or 1]:
            try:
                images.append(read_image(folder / ref.path, shape, color_mode))
            except UnreadableImageError:
                continue
            labels.append(-1 if ref.label is None else class_names.index(ref.label))
        if not images:
            raise DataError(f"there is no image under {folder} that can be read", hint="give --sample another folder")
        return np.stack(images), np.array(labels, np.int64)

    return read


def _labelled(found: Iterable[ImageRef]) -> list[ImageRef]:
    """Take the first images of each class, one of each class in turn."""
    of_class: dict[str, list[ImageRef]] = defaultdict(list)
    for ref in found:
        if ref.label is not None and len(of_class[ref.label]) < OF_A_CLASS:
            of_class[ref.label].append(ref)
    in_turn = (ref for refs in zip_longest(*of_class.values()) for ref in refs if ref is not None)
    return list(islice(in_turn, MOST_LABELLED))

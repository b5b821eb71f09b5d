"""A few real images of a folder, to check a model on."""

import heapq
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice, zip_longest
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from batchclf.core.choices import ColorMode
from batchclf.core.geometry import OWN, Geometry, resize_mode
from batchclf.core.types import ImageRef
from batchclf.data.decoding.decode import to_pixels
from batchclf.data.labels import LabelMode
from batchclf.data.selection import Selection, rule_for, select
from batchclf.data.sources.registry import source_of
from batchclf.errors import DataError, UnreadableImageError

if TYPE_CHECKING:
    from batchclf.data.sources.addresses import Location
    from batchclf.data.sources.interface import ImageSource

LOOKED_AT = 10_000
TAKEN = 64
MOST_LABELLED = 1_000
"""So many images in all if they have labels: enough to see whether the class names fit."""

_OF_A_CLASS = 20


@dataclass(frozen=True)
class Sample:
    """Images of a source. With labels each image has one, and the classes come in turn.

    `sentence` says where the labels come from, or why there are none.
    """

    source: "ImageSource"
    refs: tuple[ImageRef, ...]
    labelled: bool
    sentence: str

    def images(self, shape: tuple[int, int, int], color_mode: ColorMode) -> NDArray[np.uint8]:
        """Read the first 64 images that can be read, each at `shape`: (n, height, width, channels) uint8.

        Raises DataError if none can be read.
        """
        readable = (read for ref in self.refs if (read := self._read(ref, shape, color_mode)) is not None)
        images = list(islice(readable, TAKEN))
        if not images:
            raise DataError(f"there is no image under {self.source} that can be read", hint="give another folder")
        return np.stack(images)

    def image(
        self, ref: ImageRef, shape: tuple[int, int, int], color_mode: ColorMode, geometry: Geometry
    ) -> NDArray[np.uint8]:
        """Read one image as `score` does by a geometry; raises UnreadableImageError."""
        content = self.source.read(ref.at)
        return to_pixels(content, shape, color_mode, resize_mode(None, geometry), geometry=geometry)

    def _read(self, ref: ImageRef, shape: tuple[int, int, int], color_mode: ColorMode) -> NDArray[np.uint8] | None:
        try:
            return self.image(ref, shape, color_mode, OWN)
        except UnreadableImageError:
            return None


def sample_of(place: "Location", class_names: tuple[str, ...], labels: "LabelMode | Location" = "auto") -> Sample:
    """Choose images of a folder, of shards or at an address, obeying .batchclfignore and following links as `score
    --follow-symlinks` does.

    With labels up to 1,000, as many of each class as there are, drawn by a hash of their paths; without labels up to
    10,000 in path order are looked at, of which 64 are taken, spread over all. Raises DataError if the place is
    missing, StoreError if the store fails, and what `rule_for` raises.
    """
    source = source_of(place).opened()
    selection = Selection(follow_symlinks=True)
    rule = rule_for(source, labels, class_names, selection)
    found = (each for each in select(source, rule, selection) if isinstance(each, ImageRef))
    if rule.classes():
        refs = _labelled(found, len(class_names))
        return Sample(source, refs, bool(refs), rule.sentence)
    plain = list(islice(found, LOOKED_AT))
    step = -(-len(plain) // TAKEN) or 1
    return Sample(source, tuple(plain[::step]), False, rule.warning or rule.sentence)


def _labelled(found: Iterable[ImageRef], classes: int) -> tuple[ImageRef, ...]:
    """Draw images of each class, and give one of each class in turn."""
    most = max(_OF_A_CLASS, -(-MOST_LABELLED // classes))
    # Neighbours in path order are often pictures of one thing
    of_class: dict[str, list[tuple[bytes, ImageRef]]] = defaultdict(list)
    for ref in found:
        if ref.label is not None:
            drawn = of_class[ref.label]
            drawn.append((blake2b(ref.path.encode("utf-8", "surrogatepass"), digest_size=16).digest(), ref))
            if len(drawn) >= 2 * most:
                drawn[:] = _least(drawn, most)
    rows = [_least(of_class[label], most) for label in sorted(of_class)]
    in_turn = (each[1] for turn in zip_longest(*rows) for each in turn if each is not None)
    return tuple(islice(in_turn, MOST_LABELLED))


def _least(drawn: list[tuple[bytes, ImageRef]], most: int) -> list[tuple[bytes, ImageRef]]:
    return heapq.nsmallest(most, drawn, key=lambda each: each[0])

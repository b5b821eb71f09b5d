"""The few images that a report shows, as small PNGs."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batchclf.core.evaluation import Evaluation
from batchclf.core.run_record import TargetRecord
from batchclf.core.types import Prediction, Split
from batchclf.data.decoding import decode
from batchclf.data.export import encode_png
from batchclf.data.resize import fit
from batchclf.errors import UnreadableImageError

LONGEST_SIDE = 96
Pictures = dict[tuple[str, str], bytes]


def load_pictures(
    evaluations: Sequence[Evaluation],
    targets: Sequence[TargetRecord],
    splits: Callable[[], Mapping[str, Split]],
) -> Pictures:
    """Find the images that the evaluations name, by (split, path); those not there any more are left out.

    `splits` is called only where a picture of a split is wanted. Longest side at most 96 pixels.
    """
    wanted = {(row.split, row.path) for each in evaluations for row in _shown(each)}
    directories = {t.split: Path(t.source) for t in targets if t.kind == "directory"}
    of_splits = {key for key in wanted if key[0] not in directories}
    pictures: Pictures = {}
    for name, path in wanted - of_splits:
        try:
            pictures[name, path] = _png(decode((directories[name] / path).read_bytes(), "rgb"))
        except (OSError, UnreadableImageError, ValueError):
            continue
    if of_splits:
        for split in splits().values():
            chosen = {path for of_split, path in of_splits if of_split == split.name}
            for index, path in enumerate(split.paths):
                if path in chosen:
                    pictures[split.name, path] = _png(split.images[index])
    return pictures


def _shown(evaluation: Evaluation) -> tuple[Prediction, ...]:
    labelled = evaluation.labelled
    if labelled is None:
        return evaluation.least_confident
    some_without = labelled.total < evaluation.total
    return labelled.worst_errors + (evaluation.least_confident if some_without else ())


def _png(pixels: NDArray[np.uint8]) -> bytes:
    height, width, channels = pixels.shape
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    return encode_png(fit(pixels, (max(1, round(height * scale)), max(1, round(width * scale)), channels)))

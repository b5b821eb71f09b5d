"""What can be scored, and how."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from batchclf.core.types import ResizeMode, Split
from batchclf.data.labels import LabelMode
from batchclf.data.selection import EVERYTHING, Selection
from batchclf.models.bundle import Bundle
from batchclf.scoring.batches import default_batch_size
from batchclf.storage.predictions.write import Format

if TYPE_CHECKING:
    from batchclf.models.runtime.registry import Device, Precision, RuntimeName


@dataclass(frozen=True, slots=True)
class ScoreSettings:
    """How to score; `workers` decode side by side, `topk` is cut to the number of classes.

    `batch_size` None chooses it by the size of the images. `cache` is the folder where the scores of images are kept
    for the next run, None for no cache.
    """

    runtime: "RuntimeName"
    batch_size: int | None
    workers: int
    topk: int
    probabilities: bool
    precision: "Precision" = "f32"
    device: "Device" = "cpu"
    resize: ResizeMode = "fast"
    cache: Path | None = None
    formats: tuple[Format, ...] = ("csv",)

    def images_a_batch(self, bundle: Bundle) -> int:
        """Give the batch size, chosen for the bundle's images if none was asked for."""
        return self.batch_size or default_batch_size(bundle.info.input_shape)


@dataclass(frozen=True, eq=False)
class SplitSubset:
    """A split of a data set in memory."""

    dataset: str
    class_names: tuple[str, ...]
    split: Split


@dataclass(frozen=True, slots=True)
class DirectorySubset:
    """A folder tree of images; `labels` may be the path of a CSV, `selection` says which files are scored."""

    root: Path
    labels: LabelMode | Path
    selection: Selection = EVERYTHING

"""What a run's images show: their statistics, those that occur more than once, and whether they have drifted."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

import numpy as np

from batchclf.core.images.drift import Drift, Reference, drift_of_classes, drift_of_values
from batchclf.core.images.duplicates import Duplicates, summarise, with_all_exact
from batchclf.core.images.statistics import ContentDigest, Histogram, ImageStatistics, StatisticsTally
from batchclf.core.metrics.evaluation import Evaluation
from batchclf.core.records.run import SubsetRecord, WrittenFile, main_of
from batchclf.core.types import Split
from batchclf.jobs.evaluate.duplicates import LISTED_DUPLICATES, PrintsTally, find_duplicates
from batchclf.storage.images.duplicates import DUPLICATES_FILE, read_duplicates
from batchclf.storage.images.facts import IMAGES_FILE, read_image_rows

if TYPE_CHECKING:
    from batchclf.core.metrics.gap import Gap

NO_FACTS = "The run was made by a batchclf that kept no facts of the images."
NO_REFERENCE = (
    "Drift cannot be measured: what this model was trained on is not known. A model that batchclf trains keeps it; an "
    "imported one, or one of an earlier batchclf, does not."
)
ONLY_TRAIN = "Drift is not looked for: only the training images were scored."


@dataclass(frozen=True, eq=False)
class ImageFindings:
    """`statistics`, `duplicates` and `drift` as `Findings` has them; `drift_note` says why there is no drift, or ""."""

    statistics: tuple[ImageStatistics, ...] = ()
    duplicates: Duplicates | None = None
    drift: tuple[Drift, ...] = ()
    drift_note: str = NO_FACTS


@dataclass(frozen=True, eq=False)
class ImageLook:
    """What one pass over images.csv shows: the statistics of each subset, the content of each directory by its name;
    and the files that were written, by their names.
    """

    statistics: tuple[ImageStatistics, ...] = ()
    contents: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, WrittenFile] = field(default_factory=dict)


def look_at_images(
    folder: Path,
    subsets: Sequence[SubsetRecord],
    splits: Callable[[], Mapping[str, Split]] | None = None,
    main_subset: str = "",
) -> ImageLook:
    """Read images.csv of a run; it shows nothing if there is none. It may go on beside the evaluation of the run.

    With `splits`, which gives the images of the data set, a run that comes to its end searches for images that occur
    more than once and writes duplicates.csv; a later report reads that. Raises RunError or PredictionsError if a
    file is damaged, OSError if the disk refuses.
    """
    if not (folder / IMAGES_FILE).is_file():
        return ImageLook()
    tallies: dict[str, StatisticsTally] = {}
    contents = {subset.split: ContentDigest() for subset in subsets if subset.kind == "directory"}
    files: dict[str, WrittenFile] = {}
    with nullcontext() if splits is None else TemporaryFile(dir=folder) as file:
        prints = None if file is None else PrintsTally(file)
        for rows in read_image_rows(folder / IMAGES_FILE):
            tallies.setdefault(rows.split, StatisticsTally(rows.split)).update(rows)
            if rows.split in contents:
                contents[rows.split].update(rows.digest)
            if prints is not None:
                prints.update(rows)
        if prints is not None and splits is not None and tallies:
            files[DUPLICATES_FILE] = find_duplicates(folder, prints, subsets, splits, main_subset)
    known = {split: digest.text for split, digest in contents.items() if digest.images}
    return ImageLook(tuple(tally.statistics() for tally in tallies.values()), known, files)


def image_findings(
    folder: Path,
    look: ImageLook,
    reference: Reference | None,
    evaluations: Sequence[Evaluation],
    gap: "Gap | None",
    main_subset: str = "",
) -> ImageFindings:
    """Work out what the images of a run show; `look` is what `look_at_images` gave.

    Raises RunError if duplicates.csv is damaged.
    """
    if not look.statistics:
        return ImageFindings()
    main = main_of(main_subset, [each.split for each in evaluations])
    drift, note = _drift(look.statistics, evaluations, reference, main)
    return ImageFindings(look.statistics, _duplicates(folder, evaluations, gap, main), drift, note)


def _duplicates(folder: Path, evaluations: Sequence[Evaluation], gap: "Gap | None", main: str) -> Duplicates | None:
    if not (folder / DUPLICATES_FILE).is_file():
        return None
    of_split = {evaluation.split: evaluation for evaluation in evaluations}
    against_train = main == "test" and "train" in of_split
    subset = of_split[main]
    found = summarise(
        read_duplicates(folder / DUPLICATES_FILE),
        subset.split,
        subset.total,
        subset.labelled if against_train else None,
        gap,
    )
    if against_train or found.exact < LISTED_DUPLICATES:
        return found
    rows = read_image_rows(folder / IMAGES_FILE)
    digests = np.sort(np.concatenate([each.digest for each in rows if each.split == subset.split]))
    return with_all_exact(found, int((digests[1:] == digests[:-1]).sum()))


def _drift(
    statistics: Sequence[ImageStatistics], evaluations: Sequence[Evaluation], reference: Reference | None, name: str
) -> tuple[tuple[Drift, ...], str]:
    """Compare what was scored with what the model was trained on; say why if that cannot be."""
    images = {each.split: each for each in statistics}
    of_split = {each.split: each for each in evaluations}
    if name == "train":
        return (), ONLY_TRAIN
    known = _of_train(images["train"], of_split["train"]) if "train" in images else None
    if reference is not None:
        known = _of_reference(reference, known)
    if known is None:
        return (), NO_REFERENCE
    scored, of_scored = images[name], of_split[name]
    found = (
        drift_of_values("brightness", name, known.images, scored.brightness, known.brightness),
        drift_of_values("contrast", name, known.images, scored.contrast, known.contrast),
        drift_of_values("confidence", name, known.predictions, _confidence(of_scored), known.confidence),
        drift_of_classes(
            name, known.predictions, of_scored.predicted_counts.tolist(), known.predicted, of_scored.class_names
        ),
    )
    return tuple(drift for drift in found if drift is not None), ""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is compared with: `images` and `predictions` say in words what the two pairs of values are of."""

    images: str
    brightness: Histogram
    contrast: Histogram
    predictions: str
    confidence: Histogram
    predicted: Sequence[int]


def _of_train(images: ImageStatistics, evaluation: Evaluation) -> _Known:
    return _Known(
        "the train split of this run",
        images.brightness,
        images.contrast,
        "the train split of this run, of which the model is surer than of new images",
        _confidence(evaluation),
        evaluation.predicted_counts.tolist(),
    )


def _of_reference(reference: Reference, train: _Known | None) -> _Known:
    """Take the predictions of the reference, which are for images that the model was not trained on."""
    return _Known(
        train.images if train else f"the {reference.trained:,} training images",
        train.brightness if train else reference.brightness,
        train.contrast if train else reference.contrast,
        f"the predictions for the {reference.held_out:,} test images when the model was trained",
        reference.confidence,
        reference.predicted,
    )


def _confidence(evaluation: Evaluation) -> Histogram:
    return Histogram(0.0, 1.0, tuple(evaluation.confidence_counts.tolist()))

"""The images of a run's splits, loaded again for a report that is written later."""

from collections.abc import Collection, Mapping
from pathlib import Path

from batchclf.core.records.run import RunRecord, SplitRecord
from batchclf.core.types import Say, Split, unheard
from batchclf.data.catalog import DATASET_NAMES, load_dataset
from batchclf.data.folders import load_class_folders
from batchclf.data.sources.addresses import located
from batchclf.errors import BatchclfError
from batchclf.jobs.config.data_options import split_options
from batchclf.jobs.config.settings import open_bundle
from batchclf.models.bundle import is_bundle


def splits_again(record: RunRecord, say: Say) -> Mapping[str, Split]:
    """Load the data set or the class folders that a run's splits came from; says so and gives none if they are gone.

    Nothing is fetched: a report is written without the network. Raises StopIteration if the run has scored no split.
    """
    source = next(subset.source for subset in record.subsets if subset.kind == "split")
    try:
        if source in DATASET_NAMES:
            return load_dataset(source, data_dir=None, say=unheard, fetch=False).splits
        model = record.model
        recorded = None if record.dataset is None else record.dataset.split
        # An earlier batchclf did not record it; the model's seed was the split's if it was trained by the job.
        split = recorded or SplitRecord(None, None, int(model.settings.get("seed", 0)))
        return load_class_folders(
            Path(source),
            say=say,
            size=model.input_shape[:2],
            color_mode=model.color_mode,
            geometry=model.geometry,
            class_names=tuple(model.class_names),
            learnt=_learnt(record),
            **split_options(split),
        ).splits
    except BatchclfError as error:
        say(f"the report goes without pictures: {'; '.join(filter(None, (error.message, error.hint)))}")
        return {}


def _learnt(record: RunRecord) -> Collection[str] | None:
    """Give what the run's model was trained on, if its bundle is still where it was."""
    place = located(record.model.path)
    if isinstance(place, Path) and not is_bundle(place):
        return None
    bundle = open_bundle(place)
    return bundle.learnt() if bundle.digest == record.model.digest else None

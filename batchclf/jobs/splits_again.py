"""The images of a run's splits, loaded again for a report that is written later."""

from collections.abc import Mapping
from pathlib import Path

from batchclf.core.run_record import RunRecord
from batchclf.core.types import Say, Split
from batchclf.data.catalog import DATASET_NAMES, load_dataset
from batchclf.data.folders import load_class_folders
from batchclf.errors import BatchclfError


def splits_again(record: RunRecord, say: Say) -> Mapping[str, Split]:
    """Load the data set or the class folders that a run's splits came from; says so and gives none where they are gone.

    Raises StopIteration where the run has scored no split.
    """
    source = next(target.source for target in record.targets if target.kind == "split")
    try:
        if source in DATASET_NAMES:
            return load_dataset(source, data_dir=None, say=say).splits
        model = record.model
        return load_class_folders(
            Path(source),
            say=say,
            input_shape=model.input_shape,
            color_mode=model.color_mode,
            class_names=tuple(model.class_names),
            seed=int(model.settings.get("seed", 0)),
        ).splits
    except BatchclfError as error:
        say(f"the report goes without pictures: {error.message}")
        return {}

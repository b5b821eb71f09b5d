"""Check the tables that a job reads predictions from: that they are there, and what their columns are."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from batchclf.errors import BatchclfError, PredictionsError
from batchclf.jobs.config.load import Job
from batchclf.jobs.config.placeholders import is_dated
from batchclf.jobs.config.tables import PredictionsSpec, files_of, table_settings
from batchclf.jobs.setup.check_subsets import Found, of_error
from batchclf.storage.predictions.foreign.open_table import open_tables
from batchclf.storage.predictions.foreign.shapes import Chosen, find_roles


def check_predictions(job: Job, spec: PredictionsSpec, raw: dict[str, Any]) -> Iterator[Found]:
    """Look for the files, and settle the columns of what is there; `raw` is the job file with its placeholders."""
    topic, base = "predictions", job.path.resolve().parent
    files: list[Path] = []
    for number, pattern in enumerate(spec.files):
        try:
            files += files_of(pattern, base)
        except PredictionsError as error:
            if is_dated(raw["predictions"]["files"][number]):
                what = f"the files of this run date are not there yet: {error.message}"
                hint = "they must be there when the job runs; otherwise it fails"
                yield Found(topic, "warning", what, ("predictions", "files"), hint)
            else:
                yield of_error(topic, error, ("predictions", "files"))
    if not files:
        return
    try:
        settings, table = table_settings(spec, base), open_tables(list(dict.fromkeys(files)))
        given = table.class_names
        if settings.classes is not None:
            from batchclf.models.sources.class_names import read_class_names

            given = read_class_names(settings.classes)
        roles = find_roles(table, Chosen(settings.columns, settings.probability_prefix), given)
        for path in (settings.labels, settings.label_map):
            if isinstance(path, Path) and not path.is_file():
                raise PredictionsError(f"there is no file {path}", hint="correct the path")
    except BatchclfError as error:
        yield of_error(topic, error, ("predictions",))
    else:
        yield Found(topic, "ok", f"{table.path} ({table.words}): {roles.sentence()}")

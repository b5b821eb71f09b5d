"""A run directory as users of Python see it."""

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from batchclf.api.evaluation import Evaluation
from batchclf.api.failures import in_words, warn_caller
from batchclf.api.subject import Subject
from batchclf.core.records.run import GateResult, RunRecord, main_of
from batchclf.errors import Status
from batchclf.jobs.evaluate.predictions import evaluate_run
from batchclf.storage.run.directory import REPORT_FILE, read_record

if TYPE_CHECKING:
    import pandas as pd

    from batchclf.core.compare.result import Comparison


class Run:
    """What `batchclf run`, `score` or `evaluate` has written; it is read as it is asked for.

    `path` is the run directory, `record` the content of its run.json.
    """

    def __init__(self, path: Path, record: RunRecord) -> None:
        """Take a run directory and its record; `load_run` and `score` make runs."""
        self.path, self.record = path, record

    def __repr__(self) -> str:
        """Say what it is."""
        return f"<Run {self.run_id}: {self.status}, {self.path}>"

    @property
    def run_id(self) -> str:
        """The run's name."""
        return self.record.run_id

    @property
    def status(self) -> Status:
        """What came of it: "ok", "gate failed" or "partial"."""
        return self.record.status

    @property
    def gates(self) -> tuple[GateResult, ...]:
        """Each rule and alarm of the job, checked against the run; none for a run without a job."""
        return tuple(self.record.gates)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes, in the model's order."""
        return tuple(self.record.model.class_names)

    @cached_property
    def predictions(self) -> "pd.DataFrame":
        """All predictions, as `read_predictions` gives them. Raises what that raises."""
        return read_predictions(self.path)

    @cached_property
    @in_words
    def images(self) -> "pd.DataFrame":
        """What is known of each image, as in images.csv, in the order of `predictions`.

        `width` and `height` are Int64, missing if the file did not say; `brightness` and `contrast` are float64, 0 to
        255; `dhash` and `digest` are 32 hexadecimal digits. Raises RunError if it is missing or damaged.
        """
        from batchclf.storage.images.table import read_image_table

        return read_image_table(self.path)

    @cached_property
    def evaluation(self) -> Evaluation:
        """The evaluation of what the run is about: its main subset, "test" or its first. Raises PredictionsError."""
        subject = self._subject
        names = [each.split for each in subject.evaluations]
        return Evaluation(subject, main_of(self.record.main_subset, names))

    @property
    def evaluations(self) -> Mapping[str, Evaluation]:
        """The evaluation of each split and directory, by name. Raises PredictionsError."""
        return self.evaluation.splits

    @cached_property
    @in_words
    def _subject(self) -> Subject:
        evaluations, gap = evaluate_run(self.path, self.record, warn=warn_caller)
        return Subject(tuple(evaluations), gap, self.path)

    @in_words
    def report(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        templates: str | os.PathLike[str] | None = None,
        pictures: bool | None = None,
    ) -> Path:
        """Write the report again, as `batchclf report` does, and give the file.

        `path` ends in .html, .md or .json; by default it is report.html in the run directory. `templates` is a folder
        whose files replace built-in ones; `pictures` shows images or leaves them out, by default as the run did. Raises
        UsageError for another suffix, RunError or PredictionsError if the run cannot be read.
        """
        from batchclf.api.report import rewrite_report

        out = self.path / REPORT_FILE if path is None else Path(path)
        rewrite_report(self.path, out, templates=None if templates is None else Path(templates), pictures=pictures)
        return out

    @in_words
    def compare(self, other: "Run") -> "Comparison":
        """Compare with a later run, as `batchclf report A B` does.

        `print` shows the result in a sentence. Raises ComparisonError if the classes differ or no image is in both,
        RunError or PredictionsError if a run cannot be read.
        """
        from batchclf.jobs.evaluate.compare import compare_runs

        return compare_runs(self.path, other.path, warn=warn_caller)

    def _repr_html_(self) -> str:
        """Show what matters in a notebook: without script, style sheet or network."""
        from batchclf.report.html.notebook import render_run

        evaluation = self.evaluation
        return render_run(self.record, evaluation._core, evaluation.warnings)


@in_words
def load_run(path: str | os.PathLike[str]) -> Run:
    """Open a run directory, such as reports/JOB/latest.

    Raises RunError if it is none or its run.json is damaged or of another format.
    """
    folder = Path(path)
    return Run(folder, read_record(folder))


@in_words
def read_predictions(path: str | os.PathLike[str]) -> "pd.DataFrame":
    """Read predictions for analysis: those of a run directory, or a predictions.csv, .jsonl or .parquet.

    One row an image, in the file's order. Texts are exact, without the `'` that guards cells of a CSV. `label` and
    the predictions are categories with the classes in the model's order if it can be known (an unknown label is
    missing), `correct` is a nullable boolean, all numbers are float64: the model's exact float32 values from JSON lines
    and Parquet, 7 significant digits from a CSV. Raises BatchclfError if there is nothing to read, if it is damaged, if
    it has other rows than the run wrote, or if rows contradict themselves or each other; warns (UserWarning) if it was
    edited since and has as many rows, and if rows stand twice, which are given once.
    """
    from batchclf.storage.predictions.table import predictions_file, read_table
    from batchclf.storage.run.written import check_written

    file = predictions_file(Path(path))
    check_written(file.parent, [file.name], warn=warn_caller)
    return read_table(file, warn_caller)

"""Score a folder, as `batchclf score` does."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

from batchclf.api.failures import in_words
from batchclf.api.model import Model
from batchclf.api.options import ScoringKeywords, checked
from batchclf.api.run import Run, load_run
from batchclf.data.labels import LABEL_MODES
from batchclf.data.patterns import glob_paths
from batchclf.data.selection import Selection
from batchclf.data.sources.addresses import Location, located
from batchclf.data.sources.registry import source_of
from batchclf.errors import noted_as_published
from batchclf.jobs.config.limits import Deadline, parse_budget, parse_duration
from batchclf.jobs.config.options import ScoringOptions
from batchclf.jobs.config.settings import DirectorySubset, score_settings
from batchclf.jobs.run.folder_run import at_free_name, choose_bundle, publish_among, score_directory_run
from batchclf.log import LogWatcher
from batchclf.storage.run.published import CACHE

StrPath = str | os.PathLike[str]


@in_words
def score(
    folder: StrPath,
    model: StrPath | Model | None = None,
    out: StrPath | None = None,
    *,
    labels: StrPath = "auto",
    label_map: StrPath | None = None,
    glob: Sequence[str] = (),
    sample: int | None = None,
    seed: int = 0,
    follow_symlinks: bool = False,
    max_skipped: str | None = None,
    deadline: str | None = None,
    resume: bool = False,
    pictures: bool = True,
    reports: StrPath = "reports",
    **options: Unpack[ScoringKeywords],
) -> Run:
    """Score every image under a folder into a run directory with predictions, metrics and report.

    It does what `batchclf score FOLDER` does, with the same options of the same defaults; docs/commands.md describes
    them. What it says goes to the logger "batchclf".

    Args:
        folder: The folder of images, or an address s3://BUCKET/PREFIX; so are `model`, `labels` and `label_map`.
        model: A model bundle or what `load_model` gives; by default the newest that a job has published.
        out: The run directory to write, which must not be there; by default REPORTS/score/TIME, which becomes latest.
        labels: "auto", "folders", "none" or a CSV file.
        label_map: A CSV that maps other labels to classes.
        glob: Patterns of which a path must match one.
        sample: Score so many images, drawn by `seed`.
        seed: Draws the sample.
        follow_symlinks: Follow symbolic links to folders and out of the folder.
        max_skipped: The run is partial if more images cannot be read, N or P%.
        deadline: Score nothing more after this time, such as "2h", and publish a partial result.
        resume: Go on where a run of the same folder was killed.
        pictures: Show some of the images in the report.
        reports: The reports folder.
        **options: The options of a scoring: workers, topk, probabilities, runtime, …

    Raises:
        DataError: The folder is missing, or holds no image that can be read (NothingToScoreError).
        ModelError: The model is missing, damaged, or fails.
        RunError: `out` is there.
        UsageError: An option is none, or has a wrong value.
        DeadlineError: The deadline has passed before the first image.
    """
    watcher, root = LogWatcher(), located(os.fspath(folder))
    limit = Deadline(None if deadline is None else parse_duration(deadline))
    budget = None if max_skipped is None else parse_budget(max_skipped)
    given = checked(ScoringOptions, options)
    if glob:
        glob_paths(tuple(glob))  # reported before anything is done
    selection = Selection(globs=tuple(glob), sample=sample, seed=seed, follow_symlinks=follow_symlinks)
    mode = next((mode for mode in LABEL_MODES if mode == labels), None) or located(os.fspath(labels))
    subset = DirectorySubset(
        source_of(root), mode, selection, None if label_map is None else located(os.fspath(label_map))
    )
    if isinstance(model, Model):
        bundle = model.bundle
    else:
        bundle = choose_bundle(None if model is None else located(os.fspath(model)), Path(reports), say=watcher.say)
    settings = score_settings(given, Path(reports) / CACHE)
    target, _ = at_free_name(
        None if out is None else Path(out),
        Path(reports),
        lambda run: score_directory_run(
            subset,
            bundle,
            settings,
            budget,
            run,
            watcher,
            _command(root),
            resume=resume,
            pictures=pictures,
            deadline=limit,
        ),
    )
    with noted_as_published(target):
        if out is None:
            publish_among(target, Path(reports), warn=watcher.warn)
        return load_run(target)


def _command(folder: Location) -> list[str]:
    """Say in run.json what has made the run."""
    return [f"batchclf.score({str(folder)!r})"]

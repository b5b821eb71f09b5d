"""What was scored, in words: the names of subsets and runs, and why a run is only partial."""

from datetime import datetime

from batchclf.core.records.history import RunSummary
from batchclf.core.records.run import RunRecord, SubsetRecord
from batchclf.core.text import counted, listed, moment, visible

SHOWN_CUT = 5
"""So many subsets that the deadline cut are named."""


def subset_name(subset: SubsetRecord) -> str:
    """Name a subset for a reader: its split, the name that a job gives its directory, or the directory's path."""
    return f"{subset.split} split" if subset.kind == "split" else visible(subset.split or subset.source)


def subset_place(subset: SubsetRecord) -> str:
    """Give the path of a directory that has a name; empty for all else."""
    return visible(subset.source) if subset.kind == "directory" and subset.split else ""


def subset_names(record: RunRecord) -> dict[str, str]:
    """Name all subsets of a run, by split."""
    return {subset.split: subset_name(subset) for subset in record.subsets}


def has_several(record: RunRecord) -> bool:
    """Say whether a run has more subsets than the splits of a data set or a single directory."""
    return len(record.subsets) > 1 and any(subset.kind == "directory" for subset in record.subsets)


def named_run(run: RunSummary, record: RunRecord) -> str:
    """Name an earlier run: by its run date if that tells it from the run of `record`, else by when it started."""
    if run.run_date and record.run_date and run.run_date != record.run_date:
        return f"the run of {visible(run.run_date)}"
    return f"the run of {moment(datetime.fromisoformat(run.started))}"


def last_good_words(run: RunSummary) -> str:
    """Name the last good run, by its run date if it has one."""
    return f"the last good run{f' ({run.run_date})' if run.run_date else ''}"


def measured(split: str) -> str:
    """Name the accuracy of a split or directory."""
    known = {"": "Accuracy", "test": "Test accuracy", "train": "Train accuracy"}
    return known.get(split) or f"Accuracy on {visible(split)}"


def is_cut(record: RunRecord) -> bool:
    """Say whether the deadline ended the scoring."""
    return not all(subset.complete for subset in record.subsets)


def partial_words(record: RunRecord) -> str:
    """Say in a sentence or two why a run is only partial; empty for a whole one.

    The deadline cut some of its subsets, a shard is not whole, or more images were skipped than allowed. How many
    images a directory would have had is not known.
    """
    scored, unreadable = (sum(getattr(subset, name) for subset in record.subsets) for name in ("scored", "skipped"))
    if is_cut(record):
        unread = f" {counted(unreadable, 'image')} could not be read." if unreadable else ""
        return f"The deadline passed: {listed(_cut(record))}.{unread}"
    if missing := [subset_name(subset) for subset in record.subsets if subset.images_missing]:
        return f"An unknown number of images is missing from {listed(missing)}: a shard is incomplete."
    if record.status == "partial":
        of = counted(scored + unreadable, "image")
        return f"More images were skipped than allowed: {scored:,} of {of} were scored."
    return ""


def _cut(record: RunRecord) -> list[str]:
    cut = [subset for subset in record.subsets if not subset.complete]
    words = [_how_far(subset, record) for subset in cut[:SHOWN_CUT]]
    more = len(cut) - len(words)
    return [*words, f"{counted(more, 'more subset')} cut off"] if more else words


def _how_far(subset: SubsetRecord, record: RunRecord) -> str:
    name = f"the {subset_name(subset)}" if subset.kind == "split" else subset_name(subset)
    if not subset.found:
        return f"{name} was not started"
    if subset.kind == "split" and record.dataset is not None:
        of = record.dataset.test_images if subset.split == "test" else record.dataset.train_images
        return f"{subset.scored:,} of {counted(of, 'image')} of {name} were scored"
    return f"{name} was cut off after {counted(subset.scored, 'image')}"

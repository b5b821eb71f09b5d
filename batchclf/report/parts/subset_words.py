"""What was scored, in words: the names of targets, and why a run is only partial."""

from batchclf.core.records.run import RunRecord, TargetRecord
from batchclf.core.text import counted, listed, visible

SHOWN_CUT = 5
"""So many targets that the deadline cut are named."""


def target_name(target: TargetRecord) -> str:
    """Name a target for a reader: its split, the name that a job gives its directory, or the directory's path."""
    return f"{target.split} split" if target.kind == "split" else visible(target.split or target.source)


def target_place(target: TargetRecord) -> str:
    """Give the path of a directory that has a name; empty for all else."""
    return visible(target.source) if target.kind == "directory" and target.split else ""


def target_names(record: RunRecord) -> dict[str, str]:
    """Name all targets of a run, by split."""
    return {target.split: target_name(target) for target in record.targets}


def measured(split: str) -> str:
    """Name the accuracy of a split or directory."""
    known = {"": "Accuracy", "test": "Test accuracy", "train": "Train accuracy"}
    return known.get(split) or f"Accuracy on {visible(split)}"


def is_cut(record: RunRecord) -> bool:
    """Tell whether the deadline ended the scoring."""
    return not all(target.complete for target in record.targets)


def partial_words(record: RunRecord) -> str:
    """Say in a sentence or two why a run is only partial; empty for a whole one.

    The deadline cut some of its targets, or more images were skipped than allowed. How many images a directory would
    have had is not known.
    """
    scored, lost = (sum(getattr(target, name) for target in record.targets) for name in ("scored", "skipped"))
    if is_cut(record):
        unread = f" {counted(lost, 'image')} could not be read." if lost else ""
        return f"The deadline passed: {listed(_cut(record))}.{unread}"
    if record.status == "partial":
        of = counted(scored + lost, "image")
        return f"More images were skipped than allowed: only {scored:,} of {of} could be scored."
    return ""


def _cut(record: RunRecord) -> list[str]:
    cut = [target for target in record.targets if not target.complete]
    words = [_how_far(target, record) for target in cut[:SHOWN_CUT]]
    more = len(cut) - len(words)
    return [*words, f"{counted(more, 'further target')} cut, too"] if more else words


def _how_far(target: TargetRecord, record: RunRecord) -> str:
    name = f"the {target_name(target)}" if target.kind == "split" else target_name(target)
    if not target.found:
        return f"{name} was not begun"
    if target.kind == "split" and record.dataset is not None:
        of = record.dataset.test_images if target.split == "test" else record.dataset.train_images
        return f"{target.scored:,} of {counted(of, 'image')} of {name} were scored"
    return f"{name} was cut after {counted(target.scored, 'image')}"

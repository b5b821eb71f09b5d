"""The labels that go into shards: as they are, without a model that could say whether they are classes."""

from typing import TYPE_CHECKING

from batchclf.core.text import counted
from batchclf.data.class_folders import class_map_of
from batchclf.data.label_review import is_review
from batchclf.data.label_table import open_labels, read_label_map, read_label_table
from batchclf.data.labels import LabelRule
from batchclf.data.patterns import ignored_paths
from batchclf.data.selection import check_files_meet
from batchclf.errors import DataError, UsageError

if TYPE_CHECKING:
    from batchclf.jobs.config.settings import DirectorySubset


def pack_rule(subset: "DirectorySubset") -> LabelRule:
    """Decide which labels shards hold, and check that chosen files and labels meet, see `check_files_meet`.

    `auto`: those that the source itself has, as shards that are packed again; else none, since scoring finds class
    folders in the paths. `folders`: the first folder of each path, as classes.json maps it. A CSV: its labels. A label
    map maps both. Raises what reading these files raises, DataError if there are no folders, UsageError for a label map
    without labels.
    """
    rule = _rule(subset)
    check_files_meet(subset.source, rule, subset.labels, subset.selection)
    return rule


def _rule(subset: "DirectorySubset") -> LabelRule:
    source, labels = subset.source, subset.labels
    if subset.label_map is not None and labels in ("none", "auto"):
        raise UsageError(
            f"a label map is given, and --labels {labels} puts none of its labels into the shards",
            hint="give --labels folders or a CSV with it, or give the map to score",
        )
    meanings = {} if subset.label_map is None else read_label_map(subset.label_map, None)
    if not isinstance(labels, str):
        opened = open_labels(labels)
        if is_review(opened):
            raise UsageError(
                f"{labels} corrects labels (it has the column given_label), and shards need all of them",
                hint="the predictions.csv that `batchclf evaluate RUN --labels` writes has all labels",
            )
        table = read_label_table(labels, source, None, meanings, opened=opened)
        return LabelRule(None, f"labels of {counted(len(table.by_path), 'file')} from {labels.name}", table)
    if labels == "folders":
        folders, _ = source.class_folders(ignored_paths(source), follow_symlinks=subset.selection.follow_symlinks)
        if not folders:
            raise DataError(f"{source} has no folders to take labels from", hint="use --labels none, or make them")
        known = {**(class_map_of(source) or {}), **meanings}
        by_folder = {folder: name for folder in folders if (name := known.get(folder, folder))}
        return LabelRule(by_folder, f"labels from {counted(len(by_folder), 'folder')}")
    own = source.labels() if labels == "auto" else ()
    if own:
        mapping = {label: label for label in own}
        return LabelRule(None, f"{counted(len(mapping), 'label')} of the shards themselves", by_own=mapping)
    return LabelRule(
        None, "without labels" if labels == "none" else "without labels beside those in its folders' names"
    )

"""Which label an image has: by the folder it lies in, or by a CSV."""

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, cast

from batchclf.core.records.run import NO_LABELS_USED
from batchclf.core.text import counted, first_of
from batchclf.core.types import ImageRef
from batchclf.data.patterns import ignored_paths
from batchclf.data.sources.found import IGNORE_FILE, LINK_TO_FOLDER, Matches, links_left_out
from batchclf.errors import DataError, ModelError

if TYPE_CHECKING:
    from batchclf.data.label_table import LabelTable, Opened
    from batchclf.data.sources.addresses import Location
    from batchclf.data.sources.interface import ImageSource

LabelMode = Literal["auto", "folders", "none"]
LABEL_MODES: tuple[LabelMode, ...] = ("auto", "folders", "none")
_FROM_FOLDERS = "labels from the "


@dataclass(frozen=True)
class LabelRule:
    """How labels are told; `sentence` says it in words.

    `by_folder` maps first-level folders to class names, `table` holds labels by path, `by_own` maps the labels that
    the source itself gives; all are None where there are no labels. `review` corrects the labels of single images.
    `warning` says what must not go unseen, empty without it.
    """

    by_folder: Mapping[str, str] | None
    sentence: str
    table: "LabelTable | None" = None
    warning: str = ""
    by_own: Mapping[str, str] | None = None
    review: "LabelTable | None" = None

    @property
    def rows(self) -> "LabelTable | None":
        """The CSV that has labels or corrects them; None without one."""
        return self.review or self.table

    @property
    def by_path(self) -> Mapping[str, str] | None:
        """Class by path, of a CSV; None without one."""
        return None if self.table is None else self.table.by_path

    def label(self, path: str) -> str | None:
        """Give the class name of a relative path (a folder's ends in `/`); None where it is not known."""
        if self.by_path is not None:
            return self.by_path.get(path)
        if self.by_folder is None or "/" not in path:
            return None
        return self.by_folder.get(path.split("/", 1)[0])

    def classes(self) -> frozenset[str]:
        """The classes that labels name; none without labels."""
        mapping = next((each for each in (self.by_own, self.by_path) if each is not None), self.by_folder)
        return frozenset((mapping or {}).values()) | frozenset(self.review.by_path.values() if self.review else ())

    def fingerprint(self) -> str:
        """Digest (SHA-256, hexadecimal) what gives labels; with the same one a path has the same label."""
        digest = hashlib.sha256()
        others = (self.by_own, None if self.review is None else self.review.by_path)
        for mapping in (self.by_folder, self.by_path, *(each for each in others if each is not None)):
            digest.update(b"none" if mapping is None else b"some")
            for item in sorted((mapping or {}).items()):
                digest.update(json.dumps(item).encode())
        return digest.hexdigest()


def label_rule(
    source: "ImageSource",
    labels: "LabelMode | Location",
    class_names: tuple[str, ...],
    *,
    follow_symlinks: bool = False,
    meanings: Mapping[str, str] | None = None,
) -> LabelRule:
    """Decide where labels come from.

    `auto`: the labels that the source itself has, as shards may, see `own_labels`; without any the first folder level
    is the label when every folder name is a class of the model (a classes.json
    beside the folders may map them); otherwise there are no labels, and the sentence says why. `folders`: the
    same, but a folder that is no class raises ModelError. `none`: no labels. A path: a CSV, see `read_label_table`.
    `meanings` are those of labels that are no classes, from `read_label_map`; an ignored folder gives no label.
    Folders that .batchclfignore leaves out, system folders and folders without an image are not looked at.
    """
    if labels not in LABEL_MODES:
        from batchclf.data.label_review import is_review
        from batchclf.data.label_table import open_labels, read_label_table

        file = cast("Location", labels)
        opened = open_labels(file)
        if is_review(opened):
            base = label_rule(source, "auto", class_names, follow_symlinks=follow_symlinks, meanings=meanings)
            return _reviewed(base, file, opened, source, class_names, meanings or {})
        table = read_label_table(file, source, class_names, meanings or {}, opened=opened)
        return LabelRule(None, f"labels of {counted(len(table.by_path), 'file')} from {file.name}", table)
    if labels == "none":
        return LabelRule(None, "no labels (asked for none)")
    if labels == "auto" and (own := source.labels()):
        from batchclf.data.own_labels import own_labels

        by_own, sentence, warning = own_labels(own, class_names, meanings or {})
        return LabelRule(None, sentence, warning=warning, by_own=by_own)
    ignored = ignored_paths(source)
    folders, links = source.class_folders(ignored, follow_symlinks=follow_symlinks)
    if not folders:
        return _without_folders(source, labels, links)
    from batchclf.data.class_folders import class_map_of, folder_names

    known = {name: name for name in class_names}
    known |= {folder: name for name, folder in folder_names(class_names).items()}
    known |= class_map_of(source) or {}
    known |= meanings or {}
    by_folder = {folder: known.get(folder, folder) for folder in folders}
    strangers = [folder for folder in folders if by_folder[folder] not in ("", *class_names)]
    labelled = {folder: by_folder[folder] for folder in folders if by_folder[folder] in class_names}
    # Beside class folders one without an image does not count; if there are only others, the first of them is named.
    nobody = None if labelled else next(iter(strangers), None)
    stranger = next((folder for folder in strangers if _holds_image(source, folder, ignored, follow_symlinks)), nobody)
    if stranger is None:
        if not labelled:
            return _without_folders(source, labels, links)
        return LabelRule(labelled, _of_folders(labelled, by_folder, strangers))
    if labels == "folders":
        nearest = difflib.get_close_matches(stranger, known, 1)
        raise ModelError(
            f"the folder '{stranger}' in {source} is not a class of the model ({', '.join(class_names)})",
            hint=(f"did you mean '{nearest[0]}'? " if nearest else "")
            + f"rename it, or map it to a class in a CSV (--label-map FILE) or in {source.named('classes.json')}",
        )
    sentence = f"no labels (the folder '{stranger}' is not a class of the model)"
    if len(strangers) == len(folders):
        return LabelRule(None, sentence)  # folders by date, say: nobody means classes by them
    warning = (
        f"{NO_LABELS_USED}the folder '{stranger}' holds images and is not a class of the model, though "
        f"{counted(len(folders) - len(strangers), 'other folder is', 'other folders are')}; rename it, list it in "
        f"{IGNORE_FILE}, or map it by --label-map FILE"
    )
    return LabelRule(None, sentence, warning=warning)


def _reviewed(
    base: LabelRule,
    file: "Location",
    opened: "Opened",
    source: "ImageSource",
    class_names: tuple[str, ...],
    meanings: Mapping[str, str],
) -> LabelRule:
    """Correct the labels that a source has by those that somebody has reviewed (decision 216)."""
    from batchclf.data.label_review import read_review

    if not base.classes():
        raise DataError(
            f"{file} corrects labels (it has the column given_label), and there are none to correct in {source}: "
            f"{base.sentence}",
            hint="give all labels: the predictions.csv that `batchclf evaluate RUN --labels` writes has them",
        )
    review = read_review(file, class_names, meanings, opened=opened).as_table()
    sentence = f"{base.sentence}; {counted(len(review.by_path), 'label')} reviewed in {file.name}"
    return replace(base, sentence=sentence, review=review)


def _without_folders(source: "ImageSource", labels: object, links: list[str]) -> LabelRule:
    if labels == "folders":
        raise DataError(
            f"{source} has no class folders to take labels from",
            hint=links_left_out({LINK_TO_FOLDER: len(links)}) or "use --labels none, or make them",
        )
    return LabelRule(None, "no labels (there are no folders to take them from)")


def _of_folders(labelled: Mapping[str, str], by_folder: Mapping[str, str], empty: list[str]) -> str:
    """Say how many folders give labels, and which do not."""
    sentence = f"{_FROM_FOLDERS}{len(labelled)} class folders"
    if ignored := sum(not name for name in by_folder.values()):
        sentence += f", {counted(ignored, 'folder')} ignored by the label map"
    if empty:
        sentence += f", left out without an image: {first_of(empty, 3)}"
    return sentence


def _holds_image(source: "ImageSource", folder: str, ignored: Matches | None, follow_symlinks: bool) -> bool:
    """Whether a folder of a source has an image that is not left out; looks no further than the first one."""
    found = source.discover(LabelRule(None, ""), follow_symlinks=follow_symlinks, only=folder)
    return any(isinstance(each, ImageRef) and not (ignored and ignored(each.path)) for each in found)


def are_from_folders(sentence: str) -> bool:
    """Tell from a rule's sentence, as a run keeps it, whether labels came from class folders."""
    return sentence.startswith(_FROM_FOLDERS)

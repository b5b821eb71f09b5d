"""Find the images under a folder, in path order, and what their labels are."""

import difflib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from batchclf.core.types import ExcludedFile, ImageRef, SkippedImage
from batchclf.data.class_folders import folder_names, read_class_map
from batchclf.data.decoding import IMAGE_SUFFIXES
from batchclf.errors import DataError, ModelError

LabelMode = Literal["auto", "folders", "none"]
Found = ImageRef | SkippedImage | ExcludedFile


@dataclass(frozen=True)
class LabelRule:
    """How labels are told: `by_folder` maps first-level folders to class names, None where there are no labels."""

    by_folder: Mapping[str, str] | None
    sentence: str

    def label(self, path: str) -> str | None:
        """Give the class name of a relative path; None where it is not known."""
        if self.by_folder is None or "/" not in path:
            return None
        return self.by_folder.get(path.split("/", 1)[0])


def check_folder(root: Path) -> None:
    """Raise DataError where `root` is missing, not a folder or cannot be listed."""
    try:
        next(root.iterdir(), None)
    except FileNotFoundError as error:
        raise DataError(f"there is no folder {root}", hint="check the path for a typo") from error
    except NotADirectoryError as error:
        raise DataError(
            f"{root} is a file; a folder of images is expected", hint="give the folder it lies in"
        ) from error
    except OSError as error:
        raise DataError(f"the folder {root} cannot be listed: {error.strerror}") from error


def label_rule(root: Path, mode: LabelMode, class_names: tuple[str, ...]) -> LabelRule:
    """Decide where labels come from.

    `auto`: the first folder level is the label when every folder name is a class of the model (a classes.json
    beside the folders may map them); otherwise there are no labels, and the sentence says why. `folders`: the
    same, but a folder that is no class raises ModelError. `none`: no labels.
    """
    if mode == "none":
        return LabelRule(None, "no labels (asked for none)")
    folders = sorted(
        entry.name for entry in os.scandir(root) if entry.is_dir(follow_symlinks=False) and entry.name[0] != "."
    )
    if not folders:
        if mode == "folders":
            raise DataError(f"{root} has no class folders to take labels from", hint="use --labels none, or make them")
        return LabelRule(None, "no labels (there are no folders to take them from)")
    known = {name: name for name in class_names}
    known |= {folder: name for name, folder in folder_names(class_names).items()}
    known |= read_class_map(root) or {}
    by_folder = {folder: known.get(folder, folder) for folder in folders}
    strangers = [folder for folder in folders if by_folder[folder] not in class_names]
    if not strangers:
        return LabelRule(by_folder, f"labels from the {len(folders)} class folders")
    if mode == "folders":
        nearest = difflib.get_close_matches(strangers[0], known, 1)
        raise ModelError(
            f"the folder '{strangers[0]}' in {root} is not a class of the model ({', '.join(class_names)})",
            hint=(f"did you mean '{nearest[0]}'? " if nearest else "")
            + f"rename it, or map it to a class in {root / 'classes.json'}",
        )
    return LabelRule(None, f"no labels (the folder '{strangers[0]}' is not a class of the model)")


def discover(root: Path, rule: LabelRule) -> Iterator[Found]:
    """Walk a tree and yield every file once, sorted by its path relative to `root`.

    Only the names of one folder and of those above it are held at a time. Hidden files, files that are no images by
    their suffix, pipes and devices, and symbolic links that lead out of the tree or to folders are excluded; a
    folder that cannot be listed is a skip.
    """
    yield from _walk(root, root.resolve(), "", rule, hidden=False)


def _walk(root: Path, resolved: Path, prefix: str, rule: LabelRule, *, hidden: bool) -> Iterator[Found]:
    names: list[str] = []
    irregular: set[str] = set()
    try:
        with os.scandir(root / prefix) as entries:
            # The listing tells the kinds; asking the system for each file again would take longer than reading it.
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    # With "/" behind folder names their order is that of whole paths: "a.png" < "a/b.png".
                    names.append(entry.name + "/")
                    continue
                names.append(entry.name)
                if not entry.is_file(follow_symlinks=False):
                    irregular.add(entry.name)
    except OSError as error:
        yield SkippedImage(ImageRef(prefix, None), f"the folder cannot be listed: {error.strerror}")
        return
    names.sort()
    for name in names:
        path = prefix + name
        is_hidden = hidden or name.startswith(".")
        if name.endswith("/"):
            yield from _walk(root, resolved, path, rule, hidden=is_hidden)
        elif is_hidden:
            yield ExcludedFile(path, "hidden")
        elif os.path.splitext(name)[1].lower() not in IMAGE_SUFFIXES:  # noqa: PTH122 (a Path per file is slow)
            yield ExcludedFile(path, "not an image by its suffix")
        elif name in irregular and (reason := _no_file_reason(root, resolved, path)) is not None:
            yield ExcludedFile(path, reason)
        else:
            yield ImageRef(path, rule.label(path))


def _no_file_reason(root: Path, resolved: Path, path: str) -> str | None:
    full = os.path.join(root, path)  # noqa: PTH118 (a Path per file is slow)
    try:
        mode = os.lstat(full).st_mode
        if stat.S_ISLNK(mode):
            target = os.path.realpath(full)
            if os.path.isdir(target):  # noqa: PTH112 (Path.is_dir raises where the target may not be looked at)
                return "symbolic link to a folder"
            if not Path(target).is_relative_to(resolved):
                return "symbolic link out of the folder"
            mode = os.stat(target).st_mode  # noqa: PTH116
    except OSError:
        # Gone since it was listed, or a link to nothing: reading it will tell.
        return None
    # Opening a pipe would wait for a writer without end.
    return None if stat.S_ISREG(mode) else "a pipe, socket or device"

"""Class folders as two lists of files, train and test: decided by their paths, before any image is read."""

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batchclf.core.holdout import hold_out
from batchclf.core.text import counted, first_of
from batchclf.core.types import ExcludedFile, Say, SkippedImage
from batchclf.data.labels import LabelRule
from batchclf.data.left_out import LeftOut
from batchclf.data.selection import without_ignored
from batchclf.data.sources.folder import discover
from batchclf.data.sources.found import Matches
from batchclf.errors import DataError, UsageError

_NAMED = 3
"""Classes and paths that a line names."""

NO_LABELS = LabelRule(None, "")
OUTSIDE = "an image outside of the class folders"
"""Why an image is left out that is beside the class folders, or in one that the label map leaves out."""


@dataclass(frozen=True, eq=False)
class Part:
    """The images of one split before they are read.

    `files` are paths relative to `folder`, in ascending order; `labels` is (n,) int64, `groups` (n,) int64 or None, as
    in `Split`.
    """

    name: str
    folder: Path
    files: tuple[str, ...]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64] | None = None

    def only(self, name: str, chosen: NDArray[np.bool_]) -> "Part":
        """Give the images where `chosen`, (n,) bool, is true, under another name."""
        indices = np.flatnonzero(chosen)
        groups = None if self.groups is None else self.groups[indices]
        return Part(name, self.folder, tuple(self.files[i] for i in indices.tolist()), self.labels[indices], groups)


def list_part(
    root: Path,
    name: str,
    by_folder: Mapping[str, str],
    class_names: Sequence[str],
    left_out: LeftOut,
    ignored: Matches | None = None,
    *,
    follow_symlinks: bool = False,
) -> Part:
    """List the images of `root`, or of its split folder `name`, in the class folders `by_folder` (folder → class name).

    They are those that a scoring of `root` finds there. `left_out` counts each file that is excluded, and gets a line
    for each folder that cannot be listed.
    """
    index = {name: number for number, name in enumerate(class_names)}
    files: list[str] = []
    labels: list[int] = []
    prefix = f"{name}/" if name else ""
    for each in without_ignored(discover(root, NO_LABELS, follow_symlinks=follow_symlinks, only=name), ignored):
        if isinstance(each, SkippedImage):
            left_out.folder(f"{root / each.ref.path}: {each.reason}")
            continue
        path = each.path.removeprefix(prefix)
        class_name = by_folder.get(path.split("/", 1)[0])
        if isinstance(each, ExcludedFile):
            left_out.file(root, each, class_name)
        elif class_name is None or "/" not in path:
            left_out.file(root, ExcludedFile(each.path, OUTSIDE), None)
        else:
            files.append(path)
            labels.append(index[class_name])
    return Part(name, root / name, tuple(files), np.array(labels, np.int64))


def split_by_chance(
    whole: Part, class_names: Sequence[str], *, share: float, seed: int, group: str | None, say: Say
) -> tuple[Part, Part]:
    """Put about `share` of each class into test, chosen as `core.holdout.hold_out` does; train and test.

    `group` is as for `grouped`. `say` gets a line where classes have no test image.
    """
    (whole,) = grouped([whole], group, say)
    in_test = hold_out(whole.labels, share, seed, whole.groups)
    train, test = whole.only("train", ~in_test), whole.only("test", in_test)
    absent = sorted(set(train.labels.tolist()) - set(test.labels.tolist()))
    if absent and len(test.files):
        names = first_of([f"'{class_names[label]}'" for label in absent], _NAMED)
        why = "one image" if group is None else "one image or group, or only groups that other classes need"
        say(f"no test images of {counted(len(absent), 'class', 'classes')} ({names}): there is just {why}")
    return train, test


def split_as_learnt(whole: Part, learnt: Collection[str], *, group: str | None, say: Say) -> tuple[Part, Part] | None:
    """Put the images that a model was trained on, `learnt` by their paths, into train and all others into test.

    With `group`, as for `grouped`, images of their groups are train as well: they may be near duplicates. None where no
    image is among them. `say` gets a line on what was found.
    """
    in_train = np.array([file in learnt for file in whole.files], bool)
    if not in_train.any():
        return None
    known = int(in_train.sum())
    (whole,) = grouped([whole], group, say)
    if whole.groups is not None:
        in_train = np.isin(whole.groups, whole.groups[in_train])
    together = int(in_train.sum()) - known
    also = f", {together:,} more of their groups" if together else ""
    say(
        f"the model was trained on {counted(known, 'image')} here: they are train{also}, the other "
        f"{int((~in_train).sum()):,} are test"
    )
    return whole.only("train", in_train), whole.only("test", ~in_train)


def warn_of_groups_on_both_sides(train: Part, test: Part, say: Say) -> None:
    """Say how many groups have images in both parts: near duplicates make the test accuracy too good."""
    if train.groups is None or test.groups is None:
        return
    common = np.intersect1d(train.groups, test.groups)
    if len(common):
        images = int(np.isin(test.groups, common).sum())
        say(
            f"warning: {counted(len(common), 'group has', 'groups have')} images in both train/ and test/, among them "
            f"{images:,} of {counted(len(test.files), 'test image')}; if these are near duplicates, the test accuracy "
            "is too good"
        )


def warn_of_files_on_both_sides(train: Part, test: Part, say: Say) -> None:
    """Say how many test images are files that are train images, too: by symbolic or hard links."""
    learnt = set(_identities(train))
    if both := sum(identity in learnt for identity in _identities(test)):
        say(
            f"warning: {both:,} of {counted(len(test.files), 'test image')} are the same files as train images, by "
            "links, so the test accuracy is too good"
        )


def _identities(part: Part) -> Iterator[tuple[int, int]]:
    """Give device and inode of each file that an image leads to, as far as it leads anywhere."""
    for file in part.files:
        with suppress(OSError):
            status = os.stat(os.path.join(part.folder, file))  # noqa: PTH116, PTH118 (a Path per file is slow)
            yield status.st_dev, status.st_ino


def group_pattern(text: str) -> re.Pattern[str]:
    """Read the expression that finds a path's group; raises UsageError that names the place where it is wrong."""
    try:
        return re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        place = f", at character {error.pos + 1}" if isinstance(error, re.error) and error.pos is not None else ""
        why = error.msg if isinstance(error, re.error) else str(error)
        raise UsageError(
            f"the group expression '{text}' is not a regular expression of Python{place}: {why}",
            hint=r"for example (patient\d+)_ makes one group of all images of a patient",
        ) from error


def grouped(parts: Sequence[Part], group: str | None, say: Say) -> list[Part]:
    """Number the groups of all parts' images: those with the same text where `group` matches their path.

    The text is that of the expression's first group in parentheses, of the whole match where it has none. An image
    whose path does not match, or matches without any text, is a group of its own. Without `group` there are no groups.
    `say` gets a line on what was found. Raises UsageError as `group_pattern` does, DataError where no path matches.
    """
    if group is None:
        return list(parts)
    pattern = group_pattern(group)
    numbers: dict[str | int, int] = {}
    alone = 0
    numbered: list[Part] = []
    for part in parts:
        of_part: list[int] = []
        for file in part.files:
            found = pattern.search(file)
            text = found[1 if pattern.groups else 0] if found else None
            key: str | int = text or alone
            alone += not text
            of_part.append(numbers.setdefault(key, len(numbers)))
        numbered.append(Part(part.name, part.folder, part.files, part.labels, np.array(of_part, np.int64)))
    files = [file for part in parts for file in part.files[:1]]
    images = sum(len(part.files) for part in parts)
    if files and alone == images:
        raise DataError(
            f"the group expression '{group}' matches none of {counted(images, 'path')}, for example {files[0]}",
            hint="it is searched in an image's path below the folder that holds the class folders",
        )
    rest = f"; {counted(alone, 'image has', 'images have')} no match and stand alone" if alone else ""
    say(f"{counted(images, 'image')} in {counted(len(numbers), 'group')} by '{group}'{rest}")
    return numbered

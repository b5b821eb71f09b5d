"""What training goes without: each reason in a line, but not a million lines."""

from collections import Counter, defaultdict
from pathlib import Path

from batchclf.core.suffixes import count_suffix, left_out_words
from batchclf.core.text import counted, percent
from batchclf.core.types import ExcludedFile, Say
from batchclf.data.decoding.suffixes import REASONS
from batchclf.data.sources.found import BROKEN_LINK, LOOP, excluded_words, links_left_out

TOLD = 20
"""Lines before the rest is only counted."""


class LeftOut:
    """Says what is left out as it comes, and at the end how much that was.

    `excluded` counts files by reason, `of_class` those in the folder of a class (or that folder, if it is a link), and
    `suffixes` those that are no images by their suffix.
    """

    def __init__(self, say: Say) -> None:
        self._say, self._images, self._folders, self._links = say, 0, 0, 0
        self.excluded: Counter[str] = Counter()
        self.of_class: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.suffixes: dict[str, int] = {}

    def folder(self, line: str) -> None:
        """Leave out a folder; `line` is its path and the reason."""
        self._folders += 1
        self._tell(line)

    def file(self, root: Path, file: ExcludedFile, class_name: str | None) -> None:
        """Count a file below `root`, with the class of its folder; of a link that leads nowhere there is a line."""
        self.excluded[file.reason] += 1
        if class_name is not None:
            self.of_class[class_name][file.reason] += 1
        if file.reason in REASONS:
            count_suffix(self.suffixes, file.path)
        if file.reason in (BROKEN_LINK, LOOP):
            self._links += 1
            self._tell(f"{root / file.path}: {file.reason}")

    def say_excluded(self, root: Path, images: int) -> None:
        """Say how many files of `root` are left out and why, in the words of a scoring; nothing without any."""
        if not self.excluded:
            return
        excluded = self.excluded.total()
        self._say(
            f"{root}: found {images + excluded:,} = {counted(images, 'image')} of classes + excluded {excluded:,} "
            f"({excluded_words(self.excluded)})"
        )
        if words := left_out_words(self.suffixes):
            self._say(f"{root}: left out by suffix: {words}")
        if words := links_left_out(self.excluded):
            self._say(f"{root}: {words}")

    def image(self, line: str) -> None:
        """Leave out an image; `line` is its path and the reason."""
        self._images += 1
        self._tell(line)

    def sum_up(self, images: int) -> None:
        """Say in one line what of so many images was left out; nothing where all is well."""
        if more := max(0, self._images + self._folders + self._links - TOLD):
            self._say(f"left out {more:,} more, for reasons of the same kind or others")
        if self._images:
            share = self._images / images
            self._say(
                f"left out {self._images:,} of {counted(images, 'image')} ({percent(share)}), which cannot be read"
            )
        if self._folders:
            self._say(f"left out {counted(self._folders, 'folder')}, which cannot be listed")

    def _tell(self, line: str) -> None:
        if self._images + self._folders + self._links <= TOLD:
            self._say(f"left out {line}")

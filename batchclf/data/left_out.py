"""What training goes without: each reason in a line, but not a million lines."""

from batchclf.core.suffixes import count_suffix, left_out_words
from batchclf.core.text import counted, percent
from batchclf.core.types import ExcludedFile, Say
from batchclf.data.decoding.suffixes import REASONS

TOLD = 20
"""Lines before the rest is only counted."""


class LeftOut:
    """Says what is left out as it comes, and at the end how much that was."""

    def __init__(self, say: Say) -> None:
        self._say, self._images, self._folders = say, 0, 0
        self._suffixes: dict[str, int] = {}

    def folder(self, line: str) -> None:
        """Leave out a folder; `line` is its path and the reason."""
        self._folders += 1
        self._tell(line)

    def file(self, file: ExcludedFile) -> None:
        """Count a file in a class folder that is no image by its suffix; others are not meant to be images."""
        if file.reason in REASONS and "/" in file.path:
            count_suffix(self._suffixes, file.path)

    def say_suffixes(self) -> None:
        """Say in one line which files are no images by their suffix; nothing without any."""
        if words := left_out_words(self._suffixes):
            self._say(f"left out by suffix: {words}")

    def image(self, line: str) -> None:
        """Leave out an image; `line` is its path and the reason."""
        self._images += 1
        self._tell(line)

    def sum_up(self, images: int) -> None:
        """Say in one line what of so many images was left out; nothing where all is well."""
        if more := max(0, self._images + self._folders - TOLD):
            self._say(f"left out {more:,} more, for reasons of the same kind or others")
        if self._images:
            share = self._images / images
            self._say(
                f"left out {self._images:,} of {counted(images, 'image')} ({percent(share)}), which cannot be read"
            )
        if self._folders:
            self._say(f"left out {counted(self._folders, 'folder')}, which cannot be listed")

    def _tell(self, line: str) -> None:
        if self._images + self._folders <= TOLD:
            self._say(f"left out {line}")

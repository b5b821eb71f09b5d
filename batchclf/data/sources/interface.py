"""What a place that holds images can do."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from batchclf.data.sources.found import Found, Labels, Matches
from batchclf.errors import UnreadableImageError


class ImageSource(Protocol):
    """Images and the files beside them, by paths relative to the source, with `/`.

    It goes to other processes by pickle; `str()` of it is what messages call it.
    """

    @property
    def root(self) -> Path | None:
        """The folder on disk, or the shard; None if there is none."""

    @property
    def address(self) -> str:
        """Where it is, in full: run.json keeps it, and opening it again gives the same source."""

    def opened(self) -> "ImageSource":
        """Look at it, and give what reads it: what is at an address may be shards.

        Raises DataError if it is not there, is of another kind or cannot be listed.
        """

    def discover(self, rule: Labels, *, follow_symlinks: bool = False, only: str = "") -> Iterator[Found]:
        """Yield every file once, sorted by path, as `folder.discover` does; with `only` those below that folder."""

    def discover_listed(self, rule: Labels, paths: Iterable[str], *, follow_symlinks: bool = False) -> Iterator[Found]:
        """Yield each of `paths` in the order given, as `folder.discover_listed` does."""

    def class_folders(self, ignored: Matches | None, *, follow_symlinks: bool = False) -> tuple[list[str], list[str]]:
        """Give the folders at the top that may stand for classes, and the links that are not followed; sorted."""

    def labels(self) -> Collection[str]:
        """Give the labels that the source itself has for its images; empty if it has none."""

    def has(self, path: str) -> bool:
        """Whether there is a file or folder, or a link that leads nowhere, at a path."""

    def has_any(self, paths: Iterable[str]) -> bool:
        """Whether there is a file at one of some paths."""

    def has_folder(self, path: str) -> bool:
        """Whether there is a folder at a path."""

    def file(self, path: str) -> bytes | None:
        """Read a small file that lies beside the images; None if it is not there. Raises DataError."""

    def relative(self, path: str) -> str | None:
        """Give a path, as somebody has written it, as `discover` gives it; None if it leads out of the source."""

    def find(self, paths: Iterable[str]) -> Mapping[str, str]:
        """Give what `read` takes, `ImageRef.at`, by the path of each image; those that are not there may be missing."""

    def read_many(self, ats: Sequence[str]) -> Iterator[bytes | UnreadableImageError]:
        """Read images in their order, as `read` does; an error is given in place of what could not be read."""

    def read(self, at: str) -> bytes:
        """Read the image whose `ImageRef.at` is given; raises UnreadableImageError with the reason."""

    def named(self, at: str) -> str:
        """Name an image in full, by its `ImageRef.at`, for messages."""

    def missing(self) -> Sequence[str]:
        """Say, a sentence for each place, if an unknown number of images is missing; known once it has been listed."""

    def close(self) -> None:
        """Let nobody wait any longer for an answer: what is being read ends with RuntimeError."""

"""What can be found among images: an image, one that cannot be read, a file that is left out and why."""

from collections.abc import Callable, Mapping
from typing import Protocol

from batchclf.core.suffixes import left_out_words
from batchclf.core.text import counted
from batchclf.core.types import ExcludedFile, ImageRef, SkippedImage
from batchclf.data.decoding.suffixes import IMAGE_HINT, IMAGE_SUFFIXES, REASONS, why_no_image

Found = ImageRef | SkippedImage | ExcludedFile
IGNORE_FILE = ".batchclfignore"
IGNORED = f"ignored by {IGNORE_FILE}"
"""The reason of files that such a file leaves out."""

SYSTEM_FOLDERS = frozenset(
    {"lost+found", "@eadir", "__macosx", "#recycle", "#snapshot", "$recycle.bin", "system volume information"}
)
"""Folders of systems and network drives, in small letters; hidden ones are left out anyway."""

Matches = Callable[[str], bool]
"""Tells whether a relative path matches; a folder's path ends in `/`."""

HIDDEN = "hidden"
IN_SYSTEM_FOLDER = "in a system folder"
LINK_TO_FOLDER = "symbolic link to a folder"
LOOP = "symbolic link to a folder above it"
LINK_OUT = "symbolic link out of the folder"
BROKEN_LINK = "broken symbolic link"
BEHIND_LINK = "behind a symbolic link to a folder"


class Labels(Protocol):
    """What knows the labels: by path, or else by the first folder of a path."""

    @property
    def by_own(self) -> Mapping[str, str] | None:
        """Class by the label that the source itself gives to an image; None if that does not count."""

    @property
    def by_path(self) -> Mapping[str, str] | None:
        """Label by path; None if folders give labels, or nothing does."""

    def label(self, path: str) -> str | None:
        """Give the label of a path, that of a folder ends in `/`; None where it is not known."""


def links_left_out(excluded: Mapping[str, int]) -> str:
    """Say how many of the files that were left out, counted by reason, `--follow-symlinks` reads; "" if none."""
    links = sum(excluded.get(reason, 0) for reason in (LINK_TO_FOLDER, LINK_OUT, BEHIND_LINK))
    if not links:
        return ""
    many = counted(links, "symbolic link was", "symbolic links were")
    return f"{many} left out; --follow-symlinks (follow_symlinks in a job file) reads {'it' if links == 1 else 'them'}"


def hint_without_image(excluded: Mapping[str, int], suffixes: Mapping[str, int]) -> str:
    """Say what to do where files were left out and none was taken: counted by reason, and by suffix if that is why.

    It is about links, ignore files and suffixes; "" without any.
    """
    words = left_out_words(suffixes)
    by_suffix = f"left out by suffix: {words}; {IMAGE_HINT}" if words else IMAGE_HINT
    hints = (
        links_left_out(excluded),
        f"correct {IGNORE_FILE}, which leaves out {excluded[IGNORED]:,}" if excluded.get(IGNORED) else "",
        by_suffix if REASONS & excluded.keys() else "",
    )
    return "; ".join(filter(None, hints))


def excluded_words(excluded: Mapping[str, int]) -> str:
    """Say how many files were left out for which reason, as in `3 hidden; 2 in a system folder`."""
    return "; ".join(f"{count:,} {reason}" for reason, count in sorted(excluded.items()))


def is_system_folder(name: str) -> bool:
    """Whether a folder of this name belongs to a system or a network drive, in upper or lower case."""
    return name.lower() in SYSTEM_FOLDERS


def why_folder_is_left_out(folder: str) -> str:
    """Say why all in a folder of this name is excluded; "" if it is not."""
    if folder[0] == ".":
        return HIDDEN
    return IN_SYSTEM_FOLDER if is_system_folder(folder) else ""


def rules_out_shards(name: str, *, is_folder: bool) -> bool:
    """Whether a folder that holds an entry of this name is one of images: shards in it are left out.

    Files of other kinds, such as labels.csv, do not matter.
    """
    return is_folder or name[name.rfind(".") :].lower() in IMAGE_SUFFIXES


def why_folders_are_left_out(prefix: str) -> str:
    """Say why all that lies in a folder, A/B/, is excluded, by the first of its names that says so; "" if it is not."""
    return next(filter(None, map(why_folder_is_left_out, prefix.split("/")[:-1])), "")


def by_its_name(path: str, name: str, left_out: str) -> ExcludedFile | None:
    """Give a file as excluded if its folder is left out, its name hidden or its suffix no image's; None for an image.

    Without a name a hidden one is an image like others.
    """
    if left_out or name[:1] == ".":
        return ExcludedFile(path, left_out or HIDDEN)
    suffix = path[path.rfind(".") :].lower()
    return None if suffix in IMAGE_SUFFIXES else ExcludedFile(path, why_no_image(suffix))

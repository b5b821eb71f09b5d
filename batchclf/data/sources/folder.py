"""A folder tree on disk: its files in path order, by walking it or from a list of paths."""

import os
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from batchclf.core.types import ExcludedFile, ImageRef, SkippedImage
from batchclf.data.decoding.decode import read_content
from batchclf.data.decoding.suffixes import IMAGE_SUFFIXES
from batchclf.data.sources.found import (
    BEHIND_LINK,
    BROKEN_LINK,
    HIDDEN,
    LINK_OUT,
    LINK_TO_FOLDER,
    LOOP,
    Found,
    Labels,
    Matches,
    by_its_name,
    why_folder_is_left_out,
)
from batchclf.errors import WANT, DataError, UnreadableImageError

Identity = tuple[int, int]
"""Device and inode: the same for a folder by whatever path it is reached."""


class Folder:
    """An `ImageSource` on disk; the functions below do the work."""

    def __init__(self, root: Path) -> None:
        self.root: Path | None = root
        self._root = root
        self._prefix = os.path.join(root, "")  # noqa: PTH118 (Path drops the last separator)

    def __str__(self) -> str:
        """Give its path as it was given."""
        return str(self._root)

    @property
    def address(self) -> str:
        """Its absolute path, links resolved."""
        return str(self._root.resolve())

    def opened(self) -> "Folder":
        """Give itself; raises DataError if it is missing, not a folder or cannot be listed."""
        check_folder(self._root)
        return self

    def discover(self, rule: Labels, *, follow_symlinks: bool = False, only: str = "") -> Iterator[Found]:
        """Walk it, see `discover`."""
        return discover(self._root, rule, follow_symlinks=follow_symlinks, only=only)

    def discover_listed(self, rule: Labels, paths: Iterable[str], *, follow_symlinks: bool = False) -> Iterator[Found]:
        """Look for the files of a list, see `discover_listed`."""
        return discover_listed(self._root, rule, paths, follow_symlinks=follow_symlinks)

    def class_folders(self, ignored: Matches | None, *, follow_symlinks: bool = False) -> tuple[list[str], list[str]]:
        """Give the folders that may stand for classes, and the links, see `class_folders`."""
        return class_folders(self._root, ignored, follow_symlinks=follow_symlinks)

    def labels(self) -> Collection[str]:
        """Give none: files have no labels."""
        return ()

    def has(self, path: str) -> bool:
        """Whether there is a file, a folder or a link at a path."""
        return os.path.lexists(self._prefix + path)

    def has_any(self, paths: Iterable[str]) -> bool:
        """Whether there is a file at one of some paths; as a rule the first one is there."""
        return any(self.has(path) for path in paths)

    def has_folder(self, path: str) -> bool:
        """Whether there is a folder at a path."""
        return os.path.isdir(self._prefix + path)  # noqa: PTH112 (Path.is_dir raises if it may not be looked at)

    def file(self, path: str) -> bytes | None:
        """Read a small file; None if it is not there or its folder is closed, which listing that folder reports."""
        full = self._root / path
        try:
            return full.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            if full.parent != self._root and not _is_open(full.parent):
                return None
            raise DataError(f"{full} cannot be read: {error.strerror}") from error

    def read(self, at: str) -> bytes:
        """Read a file, see `read_content`."""
        return read_content(self._prefix + at)

    def read_many(self, ats: Sequence[str]) -> Iterator[bytes | UnreadableImageError]:
        """Read files one after the other: on a disk nothing is won by asking for several at a time."""
        for at in ats:
            try:
                yield self.read(at)
            except UnreadableImageError as error:
                yield error

    def relative(self, path: str) -> str | None:
        """See `relative_path`."""
        return relative_path(path, self._root)

    def find(self, paths: Iterable[str]) -> dict[str, str]:
        """Give each path: files are read by it."""
        return {path: path for path in paths}

    def named(self, at: str) -> str:
        """Give the path of a file."""
        return self._prefix + at

    def missing(self) -> Sequence[str]:
        """Give nothing: each file is listed."""
        return ()

    def close(self) -> None:
        """Do nothing: nobody waits for a store."""


def relative_path(text: str, root: Path) -> str | None:
    """Give a path relative to `root` (an absolute one must lie in it) without `.` and `..`; None where it leaves it.

    What is relative is taken to be so to `root`, not to the current folder. Looks at nothing but the path of `root`.
    """
    path = os.path.normpath(text)
    if os.path.isabs(path):  # noqa: PTH117 (a Path per line is slow)
        path = "/" + path.lstrip("/")  # normpath keeps two slashes
        bases = (os.path.abspath(root), os.path.realpath(root))  # noqa: PTH100
        inside = [base for base in bases if path == base or path.startswith(base.rstrip("/") + "/")]
        return os.path.relpath(path, inside[0]) if inside else None
    return None if path == ".." or path.startswith("../") else path


def check_folder(root: Path) -> None:
    """Raise DataError where `root` is missing, not a folder or cannot be listed."""
    try:
        with os.scandir(root) as entries:  # Path.iterdir would read the whole folder
            next(entries, None)
    except FileNotFoundError as error:
        raise DataError(f"there is no folder {root}", hint="check the path for a typo") from error
    except NotADirectoryError as error:
        raise DataError(
            f"{root} is a file; a folder of images is expected", hint="give the folder it lies in"
        ) from error
    except OSError as error:
        raise DataError(f"the folder {root} cannot be listed: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder that is being walked. `names` goes on where it stopped; folders in it end in `/`."""

    prefix: str
    names: Iterator[str]
    irregular: set[str]
    loops: set[str]
    left_out: str
    label: str | None
    lineage: frozenset[Identity]


def discover(root: Path, rule: Labels, *, follow_symlinks: bool = False, only: str = "") -> Iterator[Found]:
    """Walk a tree and yield every file once, sorted by its path relative to `root`; with `only` that folder in `root`.

    Only the names of one folder and of those above it are held at a time. Hidden files, files in a system folder (see
    `patterns.SYSTEM_FOLDERS`), files that are no images by their suffix, pipes and devices, and symbolic links that
    lead out of the tree or to folders are excluded; a folder that cannot be listed is a skip. With `follow_symlinks`
    links are followed wherever they lead; a folder that lies in itself by a link is excluded there. The folder `only`
    may be a link itself.
    """
    resolved = root.resolve()
    by_path = rule.by_path
    entered = _list(root, "", None, None, follow_symlinks=follow_symlinks)
    if isinstance(entered, SkippedImage):
        yield entered
        return
    # A stack of our own: a generator in a generator would hand each file up through every folder.
    stack = [replace(entered, names=iter([f"{only}/"])) if only else entered]
    while stack:
        folder = stack[-1]
        prefix, left_out, label = folder.prefix, folder.left_out, folder.label
        irregular, loops = folder.irregular, folder.loops
        for name in folder.names:
            path = prefix + name
            if name[-1] == "/":
                inner = label if prefix else rule.label(path)
                entered = _list(root, path, inner, folder, follow_symlinks=follow_symlinks)
                if isinstance(entered, SkippedImage):
                    yield entered
                else:
                    stack.append(entered)
                break
            if left_out or name[0] == ".":
                yield ExcludedFile(path, left_out or HIDDEN)
            elif name in loops:
                yield ExcludedFile(path, LOOP)
            elif name in irregular and (reason := _why_left_unread(root, resolved, path, follow_symlinks)) is not None:
                yield ExcludedFile(path, reason)
            else:
                excluded = by_its_name(path, name, "")
                yield excluded or ImageRef(path, label if by_path is None else by_path.get(path))
        else:
            stack.pop()


def _list(
    root: Path, prefix: str, label: str | None, above: _Folder | None, *, follow_symlinks: bool
) -> _Folder | SkippedImage:
    names: list[str] = []
    irregular: set[str] = set()
    loops: set[str] = set()
    lineage = frozenset[Identity]() if above is None else above.lineage
    try:
        if follow_symlinks:
            status = (root / prefix).stat()
            lineage |= {(status.st_dev, status.st_ino)}
        with os.scandir(root / prefix) as entries:
            # The listing tells the kinds; asking the system for each file again would take longer than reading it.
            for entry in entries:
                name = entry.name
                if entry.is_file(follow_symlinks=False):
                    names.append(name)
                elif follow_symlinks and _identity_of_folder(entry) in lineage:
                    names.append(name)
                    loops.add(name)
                elif entry.is_dir(follow_symlinks=False) or (follow_symlinks and _identity_of_folder(entry)):
                    # With "/" behind folder names their order is that of whole paths: "a.png" < "a/b.png".
                    names.append(name + "/")
                else:
                    names.append(name)
                    irregular.add(name)
    except OSError as error:
        if error.errno in WANT:
            raise
        return SkippedImage(ImageRef(prefix, None), f"the folder cannot be listed: {error.strerror}")
    names.sort()
    left_out = ""
    if above is not None:
        # `prefix` ends in "/", so its last part starts behind the "/" before that one.
        left_out = above.left_out or why_folder_is_left_out(prefix[len(above.prefix) : -1])
    return _Folder(prefix, iter(names), irregular, loops, left_out, label, lineage)


def _identity_of_folder(entry: os.DirEntry[str]) -> Identity | None:
    """Tell the identity of the folder that an entry is or links to; None where it is none, or leads nowhere."""
    try:
        status = entry.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISDIR(status.st_mode) else None


def discover_listed(
    root: Path, rule: Labels, paths: Iterable[str], *, follow_symlinks: bool = False
) -> Iterator[Found]:
    """Yield each of `paths` (relative to `root`, without `.` and `..`) in the order given, as `discover` would.

    A hidden file is an image like others here: whoever lists it wants it. A path without a file is a skip; a folder
    is excluded, and so is what lies behind a link to a folder unless `follow_symlinks`.
    """
    resolved = root.resolve()
    parent, linked = "", False  # one look-up a folder, not a file
    for path in paths:
        above = path.rpartition("/")[0]
        if above != parent:
            parent, linked = above, os.path.realpath(root / above) != str(resolved / above)
        yield _listed(root, resolved, path, rule, follow_symlinks, linked=linked)


def _listed(root: Path, resolved: Path, path: str, rule: Labels, follow_symlinks: bool, *, linked: bool) -> Found:
    full = os.path.join(root, path)  # noqa: PTH118 (a Path per file is slow)
    try:
        mode = os.lstat(full).st_mode
        is_folder = stat.S_ISDIR(mode) or (follow_symlinks and os.path.isdir(full))  # noqa: PTH112
    except (FileNotFoundError, NotADirectoryError):
        return SkippedImage(ImageRef(path, rule.label(path)), f"there is no such file under {root}")
    except OSError as error:
        return SkippedImage(ImageRef(path, rule.label(path)), f"the file cannot be looked at: {error.strerror}")
    if is_folder:
        return ExcludedFile(path, "a folder")
    reason = None if stat.S_ISREG(mode) else _why_left_unread(root, resolved, path, follow_symlinks)
    if reason is not None:
        return ExcludedFile(path, reason)
    if (excluded := by_its_name(path, "", "")) is not None:
        return excluded
    if linked and not follow_symlinks:
        return ExcludedFile(path, BEHIND_LINK)
    return ImageRef(path, rule.label(path))


def _why_left_unread(root: Path, resolved: Path, path: str, follow_symlinks: bool) -> str | None:
    """Say why what is no regular file is left out; None where it is a file by its link, or only its suffix counts."""
    full = os.path.join(root, path)  # noqa: PTH118 (a Path per file is slow)
    is_image = path[path.rfind(".") :].lower() in IMAGE_SUFFIXES
    try:
        mode = os.lstat(full).st_mode
        if stat.S_ISLNK(mode):
            target = os.path.realpath(full)
            if os.path.isdir(target):  # noqa: PTH112 (Path.is_dir raises where the target may not be looked at)
                return LINK_TO_FOLDER
            if is_image and not follow_symlinks and not Path(target).is_relative_to(resolved):
                return LINK_OUT
            mode = os.stat(target).st_mode  # noqa: PTH116
    except OSError:
        # Gone since it was listed, or a link to nothing: reading it will tell, if it is an image.
        return None if is_image or not os.path.islink(full) else BROKEN_LINK  # noqa: PTH114
    # Opening a pipe would wait for a writer without end.
    return None if stat.S_ISREG(mode) or not is_image else "a pipe, socket or device"


def class_folders(root: Path, ignored: Matches | None, *, follow_symlinks: bool = False) -> tuple[list[str], list[str]]:
    """Give the folders in `root` that may stand for classes, and the links to folders that are not followed; sorted.

    Hidden folders, system folders and what is `ignored` are neither. Raises OSError where `root` cannot be listed.
    """
    folders: list[str] = []
    links: list[str] = []
    with os.scandir(root) as entries:
        for entry in entries:
            name = entry.name
            if why_folder_is_left_out(name) or not _is_folder(entry) or (ignored and ignored(f"{name}/")):
                continue
            (folders if follow_symlinks or not entry.is_symlink() else links).append(name)
    return sorted(folders), sorted(links)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads in a circle, or to where the user may not look
        return False


def _is_open(folder: Path) -> bool:
    """Whether the user may look at what is in a folder."""
    try:
        os.stat(f"{folder}/.")  # noqa: PTH116 (a Path drops the dot)
    except PermissionError:
        return False
    return True

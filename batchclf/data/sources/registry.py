"""Which source an address names: a folder of images, or shards that hold them."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from batchclf.data.decoding.suffixes import IMAGE_SUFFIXES, PACKED_SUFFIXES
from batchclf.data.sources.folder import Folder
from batchclf.data.sources.found import is_system_folder

if TYPE_CHECKING:
    from batchclf.data.sources.interface import ImageSource


def source_of(path: Path) -> "ImageSource":
    """Give the source at a path, which need not be there.

    A file that ends in .tar or .parquet is a shard. A folder that has such files, and neither images nor folders, is
    one of shards; files of other kinds beside them, such as labels.csv, do not matter.
    """
    is_packed = path.name.lower().endswith(PACKED_SUFFIXES)
    if is_packed and path.is_file():
        names: tuple[str, ...] | None = None
    else:
        found = _shards_in(path)
        if not found:
            return Folder(path)
        names = found
    from batchclf.data.sources.shards import Shards

    return Shards(path, names)


def _shards_in(folder: Path) -> tuple[str, ...]:
    """List the shards of a folder that has nothing else to score; empty if it has, or cannot be listed."""
    names = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name.lower()
                if name[0] == "." or is_system_folder(name):
                    continue
                if entry.is_dir() or name[name.rfind(".") :] in IMAGE_SUFFIXES:
                    return ()
                # A pipe would wait for a writer; a link to nothing is for the error that names it
                if name.endswith(PACKED_SUFFIXES) and (entry.is_file() or entry.is_symlink()):
                    names.append(entry.name)
    except OSError:
        return ()
    return tuple(sorted(names))

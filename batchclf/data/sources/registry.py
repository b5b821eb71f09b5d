"""Which source is at a place: a folder of images, shards that hold them, or an object store."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from batchclf.data.decoding.suffixes import PACKED_SUFFIXES
from batchclf.data.sources.folder import Folder
from batchclf.data.sources.found import rules_out_shards, why_folder_is_left_out

if TYPE_CHECKING:
    from batchclf.data.sources.addresses import Location
    from batchclf.data.sources.interface import ImageSource


def source_again(address: str) -> "ImageSource":
    """Open the source that an `ImageSource.address` of a run is that of.

    Raises DataError or StoreError if it is at an address and cannot be listed any more.
    """
    if "://" not in address:
        return source_of(Path(address))
    from batchclf.data.sources.addresses import located

    return source_of(located(address)).opened()


def source_of(place: "Location") -> "ImageSource":
    """Give the source at a path or an address, which need not be there.

    A file that ends in .tar or .parquet is a shard. A folder that has such files, and neither images nor folders, is
    one of shards; files of other kinds beside them, such as labels.csv, do not matter. What is at an address is known
    once it is opened.
    """
    if not isinstance(place, Path):
        from batchclf.data.sources.object_store import ObjectFolder

        return ObjectFolder(place)
    single = place.name.lower().endswith(PACKED_SUFFIXES) and place.is_file()
    names = (place.name,) if single else _shards_in(place)
    if not names:
        return Folder(place)
    from batchclf.data.sources.disk_shards import DiskShards
    from batchclf.data.sources.shards import Shards

    return Shards(DiskShards(place, single=single), names)


def _shards_in(folder: Path) -> tuple[str, ...]:
    """List the shards of a folder that has nothing else to score; empty if it has, or cannot be listed."""
    names = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                if why_folder_is_left_out(name):
                    continue
                if rules_out_shards(name, is_folder=entry.is_dir()):
                    return ()
                # A pipe would wait for a writer; a link to nothing is for the error that names it
                if name.lower().endswith(PACKED_SUFFIXES) and (entry.is_file() or entry.is_symlink()):
                    names.append(name)
    except OSError:
        return ()
    return tuple(sorted(names))

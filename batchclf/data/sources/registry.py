"""Which source is at a place: an entry a kind."""

from pathlib import Path
from typing import TYPE_CHECKING

from batchclf.data.sources.folder import Folder

if TYPE_CHECKING:
    from batchclf.data.sources.addresses import Location
    from batchclf.data.sources.interface import ImageSource


def source_again(address: str) -> "ImageSource":
    """Open the source that an `ImageSource.address` of a run is that of."""
    if "://" not in address:
        return Folder(Path(address))
    from batchclf.data.sources.addresses import located

    return source_of(located(address))


def source_of(place: "Location") -> "ImageSource":
    """Give the images of a folder or of the objects below an address; looks at nothing."""
    if isinstance(place, Path):
        return Folder(place)
    from batchclf.data.sources.object_store import ObjectFolder

    return ObjectFolder(place)

"""A model bundle in an object store: fetched once into the user's cache."""

import hashlib
from pathlib import Path, PurePosixPath

from batchclf import atomic
from batchclf.data.sources.addresses import Address
from batchclf.data.sources.object_store import ObjectFolder
from batchclf.data.user_cache import user_cache
from batchclf.errors import ModelError
from batchclf.models.bundle import INFO_FILE, Bundle, bundle_info, is_bundle, load_bundle


def fetch_bundle(address: Address) -> Bundle:
    """Fetch the files of a bundle, unless they are in the cache, and check each against its SHA-256.

    Its model.json is always asked for, so that a bundle that was replaced is fetched again. Raises ModelError if there
    is no bundle, or a file is missing or changed, StoreError if the store fails.
    """
    source = ObjectFolder(address)
    content = source.file(INFO_FILE)
    if content is None:
        raise ModelError(
            f"there is no model bundle at {address}: it has no {INFO_FILE}",
            hint="check the address for a typo; a bundle is copied as a whole folder, file by file",
        )
    # model.json has the digests of all other files, so its own stands for the bundle
    target = user_cache() / "bundles" / hashlib.sha256(content).hexdigest()
    if is_bundle(target):
        try:
            return load_bundle(target, str(address))
        except ModelError:
            pass  # damaged in the cache: it is fetched again
    info = bundle_info(address / INFO_FILE, content)
    with atomic.new_folder(target) as folder:
        (folder / INFO_FILE).write_bytes(content)
        for name in info.files:
            _fetch(source, name, folder)
        load_bundle(folder, str(address))
    return load_bundle(target, str(address))


def _fetch(source: ObjectFolder, name: str, folder: Path) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        raise ModelError(
            f"{source.named(INFO_FILE)} names a file out of the bundle: {name}", hint="do not use this bundle"
        )
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    if not source.fetch(name, target):
        raise ModelError(f"the model bundle {source} lacks {name}", hint="copy the bundle again as a whole folder")

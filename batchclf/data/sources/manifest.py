"""shards.json: which shards belong together, as `batchclf pack` writes it beside them."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from batchclf import atomic
from batchclf.errors import DataError

MANIFEST_FILE = "shards.json"
MANIFEST_FORMAT = 1


@dataclass(frozen=True)
class ShardEntry:
    """A shard by its file's name: its images, its size in bytes, its SHA-256, and the path of its first image."""

    name: str
    images: int
    bytes: int
    sha256: str
    first: str


@dataclass(frozen=True)
class Manifest:
    """What a pack holds.

    `folders` are those at the top of the images' paths, `labels` the labels that the shards hold; both ascend.
    `found` = `packed` + `skipped` + the sum of `excluded`, which counts files by reason.
    """

    shards: tuple[ShardEntry, ...]
    folders: tuple[str, ...]
    labels: tuple[str, ...]
    found: int
    packed: int
    skipped: int
    excluded: dict[str, int]


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write shards.json; raises OSError."""
    # ASCII, so that names that are not UTF-8 come back as they are
    text = json.dumps({"format": MANIFEST_FORMAT, **asdict(manifest)}, indent=1)
    atomic.write_bytes(folder / MANIFEST_FILE, f"{text}\n".encode("ascii"))


def read_manifest(content: bytes, source: object) -> Manifest:
    """Read shards.json, which `source` names; raises DataError if it is damaged or of another format."""
    try:
        document = json.loads(content)
        version = document.pop("format")
        if version != MANIFEST_FORMAT:
            raise DataError(
                f"{source} is of format {version!r}, expected {MANIFEST_FORMAT}", hint="pack the folder again"
            )
        document["shards"] = tuple(ShardEntry(**each) for each in document["shards"])
        document["folders"], document["labels"] = tuple(document["folders"]), tuple(document["labels"])
        return Manifest(**document)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DataError(
            f"{source} is no list of shards: {error}", hint="copy it again from where it was packed, or pack again"
        ) from error

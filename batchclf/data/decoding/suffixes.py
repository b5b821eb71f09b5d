"""Which files are images by their suffix: what is installed decides, and is asked once."""

from importlib.util import find_spec

from batchclf.core.suffixes import BUILT_IN, EXTRAS, FormatExtra

NO_IMAGE = "not an image by its suffix"
SHARD = "a shard among other files; score it by itself, or in a folder that has shards alone"
PACKED_SUFFIXES = (".tar", ".parquet", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
"""How the names of files end that hold many images; compressed ones are refused by what reads them."""


def _is_installed(extra: FormatExtra) -> bool:
    spec = find_spec(extra.module)
    # Without a file only an empty folder is left of it.
    return spec is not None and spec.origin is not None


INSTALLED = tuple(filter(_is_installed, EXTRAS))
"""The extras whose module is there."""

MISSING = {extra.kind: extra for extra in EXTRAS if extra not in INSTALLED}
"""Format → the extra that reads it and is not there."""

_READ = (*BUILT_IN, *(suffix for extra in INSTALLED for suffix in extra.suffixes))
_REASONS = {suffix: extra.reason for extra in MISSING.values() for suffix in extra.suffixes}
_REASONS |= dict.fromkeys((".tar", ".tgz", ".parquet"), SHARD)

IMAGE_SUFFIXES = frozenset(_READ)
IMAGE_HINT = f"images are files that end in {', '.join(_READ[:-1])} or {_READ[-1]}"
REASONS = frozenset({NO_IMAGE, *_REASONS.values()})
"""The reasons of files that are left out by their suffix."""


def why_no_image(suffix: str) -> str:
    """Say why a file is left out whose suffix, in small letters, is not in IMAGE_SUFFIXES."""
    return _REASONS.get(suffix, NO_IMAGE)

"""The suffixes of image files, those that an extra adds, and what is said of the files that are left out by them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from batchclf.core.text import visible

BUILT_IN = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".bmp", ".dib", ".gif", ".webp", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".avifs", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
)
"""What OpenCV and Pillow decode."""


@dataclass(frozen=True, slots=True)
class FormatExtra:
    """An extra of batchclf that reads one more format, with the distribution and the module that it brings.

    `kind` is the format's name among the decoders.
    """

    name: str
    kind: str
    distribution: str
    module: str
    words: str
    suffixes: tuple[str, ...]

    @property
    def install(self) -> str:
        """The command that installs it."""
        return f"pip install 'batchclf[{self.name}]'"

    @property
    def reason(self) -> str:
        """Why a file is left out without it."""
        return f"{self.words}, which needs the extra {self.name}: {self.install}"


EXTRAS = (
    FormatExtra("heif", "HEIF", "pillow-heif", "pillow_heif", "an HEIC image", (".heic", ".heif", ".hif")),
    FormatExtra("jxl", "JXL", "pillow-jxl-plugin", "pillow_jxl", "a JPEG XL image", (".jxl",)),
)
_BY_SUFFIX = {suffix: extra for extra in EXTRAS for suffix in extra.suffixes}

# Counted exactly or not at all, so that the counts add up (decision 141)
MOST_SUFFIXES = 100
"""Different suffixes that are counted, beside those of extras: a folder may hold a million of them."""

OTHER = "other"
"""Stands for all further ones, and for what follows a "." but is no suffix: it is longer or has spaces."""

SHOWN_SUFFIXES = 5
_SUFFIX = re.compile(r"(\.[\w~+-]{1,16})?")


def count_suffix(counts: dict[str, int], path: str) -> None:
    """Count a file by its suffix in small letters, "" if it has none; `counts` never has more than 105 keys."""
    name = path[path.rfind("/") + 1 :]
    suffix = name[name.rfind(".") :].lower() if "." in name else ""
    is_known = suffix in counts or suffix in _BY_SUFFIX or len(counts) < MOST_SUFFIXES
    key = suffix if is_known and _SUFFIX.fullmatch(suffix) else OTHER
    counts[key] = counts.get(key, 0) + 1


def left_out_words(counts: Mapping[str, int]) -> str:
    """Say how many files there are of which suffixes, the most frequent first; empty without any.

    What an extra would read is always named, with the command that installs it.
    """
    ranked = sorted(counts.keys() - {OTHER}, key=lambda suffix: (-counts[suffix], suffix))
    shown = [suffix for place, suffix in enumerate(ranked) if place < SHOWN_SUFFIXES or suffix in _BY_SUFFIX]
    rest = sum(counts.values()) - sum(counts[suffix] for suffix in shown)
    words = ", ".join(_words(suffix, counts[suffix]) for suffix in shown)
    others = f"{rest:,} {'other' if rest == 1 else 'others'}" if rest else ""
    return " and ".join(filter(None, (words, others)))


def _words(suffix: str, files: int) -> str:
    words = f"{files:,} {visible(suffix) or 'without a suffix'}"
    extra = _BY_SUFFIX.get(suffix)
    return words if extra is None else f"{words} ({extra.install} reads {'it' if files == 1 else 'them'})"

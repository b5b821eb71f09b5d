"""What would make paths of a list or a labels CSV fit the files that are there."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from batchclf.data.decoding.suffixes import IMAGE_SUFFIXES

_LABEL_BEHIND = re.compile(r"[ \t]+\S+$")


@dataclass(frozen=True, slots=True)
class _Name:
    """A path as it is compared: `parts` in one case and normal form, `suffix` apart from the last of them."""

    text: str
    parts: tuple[str, ...]
    suffix: str


def near_miss(paths: Collection[str], files: Iterable[str]) -> str:
    """Say in words which one change makes most of `paths` name one of `files`; empty if there is none.

    `paths` name none of `files`; both are relative, `files` with `/`. For example `with .png added, 60 of 60 match`.
    What is found: `\\` for `/`, missing, other or unwanted suffixes, leading folders too many or too few, another
    case, another Unicode normal form, `%20` for a blank, and a label behind the path. A path counts only if there is
    one file that it may mean.
    """
    by_name: dict[str, list[_Name]] = defaultdict(list)
    for file in files:
        name = _name(file)
        by_name[name.parts[-1]].append(name)
    changes = Counter(change for path in paths if (change := _change(path, by_name)))
    if not changes:
        return ""
    words, count = changes.most_common(1)[0]
    return f"{words}, {count:,} of {len(paths):,} match"


def _change(path: str, by_name: dict[str, list[_Name]]) -> str:
    """Name the change that makes a path that of a file; empty if none does."""
    for text, words in _readings(path):
        row = _name(text)
        # Of several files the one with the most folders in common; without a single best one nothing is said.
        shared = [(_common_end(row.parts, file.parts), file) for file in by_name.get(row.parts[-1], ())]
        best = max((length for length, _ in shared), default=0)
        files = [file for length, file in shared if length == best]
        if len(files) > 1:
            files = [file for file in files if file.suffix.lower() == row.suffix.lower()]
        if len(files) == 1:
            return ", ".join([*words, *_differences(row, files[0], best)])
    return ""


def _readings(path: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the path as it may have been meant, with the words for the change."""
    slashes = path.replace("\\", "/")
    words = ["with / for \\"] if slashes != path else []
    yield slashes, words
    if (decoded := unquote(slashes)) != slashes:
        yield decoded, [*words, "with %xx decoded"]
    if (cut := _LABEL_BEHIND.sub("", slashes)) != slashes:
        yield cut, [*words, "without what follows the last blank"]


def _differences(row: _Name, file: _Name, common: int) -> Iterator[str]:
    """Yield what differs between a path and the file that it means, in words; `common` parts at the end are alike."""
    extra, missing = (name.text.split("/")[: len(name.parts) - common] for name in (row, file))
    if extra and missing:
        yield f"with {'/'.join(missing)}/ for {'/'.join(extra)}/"
    elif extra:
        yield f"without {'/'.join(extra)}/"
    elif missing:
        yield f"with {'/'.join(missing)}/ in front"
    if row.suffix.lower() != file.suffix.lower():
        if row.suffix and file.suffix:
            yield f"with {file.suffix} for {row.suffix}"
        else:
            yield f"with {file.suffix} added" if file.suffix else f"without {row.suffix}"
    ends = ["/".join(name.text.removesuffix(name.suffix).split("/")[-common:]) for name in (row, file)]
    if row.suffix != file.suffix and row.suffix.lower() == file.suffix.lower():
        ends = [end + name.suffix for end, name in zip(ends, (row, file), strict=True)]
    if len({unicodedata.normalize("NFC", end) for end in ends}) > 1:
        yield "in the files' upper and lower case"
    elif len(set(ends)) > 1:
        yield "in the files' Unicode normal form"


def _name(path: str) -> _Name:
    dot = path.rfind(".")
    suffix = path[dot:] if dot > path.rfind("/") and path[dot:].lower() in IMAGE_SUFFIXES else ""
    stem = unicodedata.normalize("NFC", path.removesuffix(suffix)).casefold()
    return _Name(path, tuple(stem.split("/")), suffix)


def _common_end(first: tuple[str, ...], second: tuple[str, ...]) -> int:
    count = 0
    for one, other in zip(reversed(first), reversed(second), strict=False):
        if one != other:
            break
        count += 1
    return count

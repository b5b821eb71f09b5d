"""Which of the files under a folder are scored: a list, patterns, a sample, a shard."""

import dataclasses
import hashlib
import heapq
import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from batchclf.core.types import ExcludedFile, ImageRef, SkippedImage
from batchclf.data.labels import LabelMode, LabelRule, label_rule
from batchclf.data.patterns import glob_paths, ignore_content, ignored_paths
from batchclf.data.sources.found import HIDDEN, IGNORED, Found, Matches
from batchclf.errors import DataError, NothingToScoreError, UsageError

if TYPE_CHECKING:
    from batchclf.data.label_table import LabelTable
    from batchclf.data.sources.addresses import Location
    from batchclf.data.sources.interface import ImageSource


@dataclass(frozen=True)
class Selection:
    """What is chosen of the files under a folder; as it stands by default, every image.

    `files` are paths from `parse_file_list`: then only these count as found. `globs` are patterns of which a path
    must match one. `sample` images are drawn by `seed`. `shard` is (I, N): the I-th of N parts, from 1.
    """

    files: tuple[str, ...] | None = None
    globs: tuple[str, ...] = ()
    sample: int | None = None
    seed: int = 0
    shard: tuple[int, int] | None = None
    follow_symlinks: bool = False

    def fingerprint(self, source: "ImageSource") -> str:
        """Digest (SHA-256, hexadecimal) what decides which files are chosen, each .batchclfignore included.

        With the same one, and the same files there, `select` gives the same. Raises DataError where such a file
        cannot be read.
        """
        ignore = {folder: content.hex() for folder, content in ignore_content(source).items()}
        fields = {**dataclasses.asdict(self), "ignore": ignore or None}
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


EVERYTHING = Selection()


def rule_for(
    source: "ImageSource",
    labels: "LabelMode | Location",
    class_names: tuple[str, ...],
    selection: Selection = EVERYTHING,
    label_map: "Location | None" = None,
) -> LabelRule:
    """Decide where the labels of chosen files come from, see `label_rule`, and check that files and labels meet.

    Raises DataError if no row of a CSV names a file though there are images, NothingToScoreError if no listed file is
    there; the message says what would fit. Raises what `read_label_map` does.
    """
    _check_listed(source, selection)
    meanings = None
    if label_map is not None:
        if labels == "none":
            raise UsageError("a label map is given, but no labels are asked for", hint="leave out one of the two")
        from batchclf.data.label_table import read_label_map

        meanings = read_label_map(label_map, class_names)
    rule = label_rule(source, labels, class_names, follow_symlinks=selection.follow_symlinks, meanings=meanings)
    _check_rows(source, rule, labels, selection)
    return rule


def check_files_meet(
    source: "ImageSource", rule: LabelRule, labels: "LabelMode | Location", selection: Selection = EVERYTHING
) -> None:
    """Check that chosen files are there, and that files and labels meet; raises as `rule_for` does."""
    _check_listed(source, selection)
    _check_rows(source, rule, labels, selection)


def _check_listed(source: "ImageSource", selection: Selection) -> None:
    if selection.files and not source.has_any(selection.files):
        none_of = f"none of {len(selection.files):,} listed paths"
        raise _no_file(NothingToScoreError, source, selection.files, none_of, selection)


def _check_rows(source: "ImageSource", rule: LabelRule, labels: "LabelMode | Location", selection: Selection) -> None:
    if rule.rows is not None and rule.rows.by_path and not source.has_any(rule.rows.by_path):
        rows = rule.rows.by_path
        if any(isinstance(each, ImageRef) for each in select(source, LabelRule(None, ""), selection)):
            raise _no_file(DataError, source, rows, f"none of {len(rows):,} rows of {labels}", selection)


def _no_file(
    kind: type[DataError], source: "ImageSource", paths: Collection[str], none_of: str, selection: Selection
) -> DataError:
    """Make the error that paths name no file; it says what would fit."""
    from batchclf.data.near_miss import near_miss

    found = source.discover(LabelRule(None, ""), follow_symlinks=selection.follow_symlinks)
    words = near_miss(paths, (each.path for each in found if isinstance(each, ImageRef)))
    return kind(
        f"{none_of} names a file in {source}, the first: {next(iter(paths))}" + (f"; {words}" if words else ""),
        hint=f"write the paths as they are below {source}, with / and the suffix",
    )


def select(source: "ImageSource", rule: LabelRule, selection: Selection = EVERYTHING) -> Iterator[Found]:
    """Yield every file of a source, or every listed one, sorted by path; those that are not chosen as excluded.

    The sample is drawn before the shards are, so that the shards of a sample part it. Walking needs memory for the
    names of one folder, a list for its paths, a sample for a number an image. Raises UsageError for a glob and
    DataError for a .batchclfignore that cannot be understood, before the first file.
    """
    ignored = ignored_paths(source)
    wanted = glob_paths(selection.globs) if selection.globs else None

    def candidates() -> Iterator[Found]:
        if selection.files is None:
            found = source.discover(rule, follow_symlinks=selection.follow_symlinks)
        else:
            found = source.discover_listed(rule, selection.files, follow_symlinks=selection.follow_symlinks)
        found = without_ignored(found, ignored)
        return found if wanted is None else _only(found, wanted, "not matched by --glob")

    found = candidates()
    if selection.sample is not None:
        found = _sampled(found, candidates, selection.sample, selection.seed)
    if selection.shard is not None:
        found = _sharded(found, *selection.shard)
    if rule.review is not None:
        found = _reviewed(found, rule.review)
    return found if rule.rows is None else _noted(found, rule.rows)


def count_files(source: "ImageSource", selection: Selection) -> int | None:
    """Count what `select` yields; None if that would take more than a walk through a folder, or cannot be done."""
    from batchclf.data.sources.folder import Folder

    if not isinstance(source, Folder):
        return None
    try:
        return sum(1 for _ in select(source, LabelRule(None, ""), selection))
    except (DataError, OSError):  # it has gone meanwhile, which the scoring reports
        return None


def without_ignored(found: Iterator[Found], ignored: Matches | None) -> Iterator[Found]:
    """Yield what was found, with what is ignored and not hidden as excluded."""
    if ignored is None:
        yield from found
        return
    for item in found:
        if not (isinstance(item, ExcludedFile) and item.reason == HIDDEN) and ignored(_path(item)):
            yield ExcludedFile(_path(item), IGNORED)
        else:
            yield item


def _only(found: Iterator[Found], wanted: Matches, reason: str) -> Iterator[Found]:
    for item in found:
        # Excluded, not left out: found = scored + skipped + excluded (decision 026)
        yield ExcludedFile(item.path, reason) if isinstance(item, ImageRef) and not wanted(item.path) else item


def _sampled(found: Iterator[Found], again: Callable[[], Iterator[Found]], size: int, seed: int) -> Iterator[Found]:
    """Choose the images with the smallest hashes: a random sample that neither order nor other files change."""

    def number(path: str) -> bytes:
        return _hash(path, b"sample", str(seed).encode())

    images = (item for item in again() if isinstance(item, ImageRef))
    # By hashes, not by a shuffled list: the same on every machine, whatever other files there are (decision 027)
    chosen = frozenset(heapq.nsmallest(size, (number(image.path) for image in images)))
    yield from _only(found, lambda path: number(path) in chosen, "not in the sample")


def _sharded(found: Iterator[Found], shard: int, shards: int) -> Iterator[Found]:
    for item in found:
        if isinstance(item, ExcludedFile) or int.from_bytes(_hash(_path(item), b"shard")) % shards == shard - 1:
            yield item
        else:
            yield ExcludedFile(_path(item), "in another shard")


def _reviewed(found: Iterator[Found], review: "LabelTable") -> Iterator[Found]:
    for item in found:
        if isinstance(item, SkippedImage):
            yield replace(item, ref=replace(item.ref, label=review.correct(item.ref.path, item.ref.label)))
        elif isinstance(item, ExcludedFile):
            yield item
        else:
            yield replace(item, label=review.correct(item.path, item.label))


def _noted(found: Iterator[Found], table: "LabelTable") -> Iterator[Found]:
    table.begin()
    for item in found:
        if isinstance(item, ExcludedFile):
            table.meet(item.path, None, image=False)
        else:
            ref = item.ref if isinstance(item, SkippedImage) else item
            table.meet(ref.path, ref.label, image=True)
        yield item


def _hash(path: str, purpose: bytes, key: bytes = b"") -> bytes:
    # "surrogatepass": names that are not UTF-8 hold surrogates.
    return hashlib.blake2b(path.encode("utf-8", "surrogatepass"), digest_size=16, key=key, person=purpose).digest()


def _path(item: Found) -> str:
    return item.ref.path if isinstance(item, SkippedImage) else item.path

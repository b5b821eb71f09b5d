"""Why a published run is not ok, in sentences: for standard error, for mail, for chat."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from batchclf.core.records.run import GateResult, RunRecord, SubsetRecord, causes
from batchclf.errors import BatchclfError
from batchclf.storage.run.directory import SKIPPED_FILE, find_report

MOST_LINES = 20
"""Rules of a gate that are listed one by one: a rule for each of a thousand classes must not fill the mail."""

_IN_A_LINE = 3


def troubles(record: RunRecord, folder: Path) -> list[BatchclfError]:
    """Say why a run is not ok, an error for each line, each with where to look; none if it is ok.

    A gate that failed for want of evidence or of a value says so. A subset that the deadline ended is listed whatever
    the status.
    """
    found: list[BatchclfError] = []
    report = _read_report(folder)
    failed = _failed(record)
    found += [BatchclfError(f"gate failed: {each}", hint=report) for each in failed[:MOST_LINES]]
    if len(failed) > MOST_LINES:
        found.append(BatchclfError(f"gate failed: {_more(len(failed) - MOST_LINES)}", hint=report))
    found += [BatchclfError(f"partial: {line}", hint=hint) for line, hint in _partial(record, folder)]
    return found


def in_one_line(record: RunRecord, folder: Path) -> tuple[str, str]:
    """Say the same in one line, and where to look; two empty texts if the run is ok."""
    failed = _failed(record)
    more = [_more(len(failed) - _IN_A_LINE)] if len(failed) > _IN_A_LINE else []
    lines = [f"gate failed: {'; '.join(failed[:_IN_A_LINE] + more)}"] if failed else []
    partial = list(_partial(record, folder))
    lines += [f"partial: {'; '.join(line for line, _ in partial)}"] if partial else []
    if not lines:
        return "", ""
    return "; ".join(lines), _read_report(folder) if failed else partial[0][1]


def without_reference(gates: Sequence[GateResult]) -> list[str]:
    """Say, in a line for each missing reference, which rules passed only because there was nothing to compare with."""
    missing = sorted((each for each in gates if each.missing and each.passed), key=lambda each: each.against)
    lines = []
    for _, group in groupby(missing, key=lambda each: each.against):
        first, *others = group
        more = f" (and {_more(len(others))})" if others else ""
        lines.append(f"{first.sentence}{more}")
    return lines


def _read_report(folder: Path) -> str:
    return f"read {find_report(folder) or folder}"


def _failed(record: RunRecord) -> list[str]:
    """Say what did not pass, what an alarm keeps from being checked beside the alarm."""
    return [f"{_sentence(each)}{f'; {also}' if also else ''}" for each, also in causes(record.gates)]


def _sentence(result: GateResult) -> str:
    return f"not enough evidence: {result.sentence}" if result.outcome == "uncertain" else result.sentence


def _more(rules: int) -> str:
    return "1 more rule" if rules == 1 else f"{rules:,} more rules"


def _partial(record: RunRecord, folder: Path) -> Iterator[tuple[str, str]]:
    """Each reason for which a run is partial, and where to look."""
    ended = [each for each in record.subsets if not each.complete]
    for each in ended:
        yield f"the deadline passed: {_until_then(each)}", f"{_read_report(folder)}, or give a later deadline"
    for each in record.subsets:
        if each.images_missing:
            what = f"an unknown number of images of {_name(each)} is missing: a shard could not be read to its end"
            yield what, f"see which in {folder / SKIPPED_FILE}, and copy it again"
    over = [each for each in record.subsets if each.over_budget]
    if not over:
        return
    if len(record.subsets) == 1:
        counts = f"{_of(over[0])} images were skipped"
    else:
        counts = f"{', '.join(f'{_of(each)} images of {_name(each)}' for each in over)} were skipped"
    yield f"{counts}, more than the budget allows", f"see why in {folder / SKIPPED_FILE}"


def _until_then(subset: SubsetRecord) -> str:
    if not subset.scored + subset.skipped:
        return f"no image of {_name(subset)} was scored"
    return f"of {_name(subset)} only the first {subset.scored + subset.skipped:,} images were scored"


def _of(subset: SubsetRecord) -> str:
    return f"{subset.skipped:,} of {subset.skipped + subset.scored:,}"


def _name(subset: SubsetRecord) -> str:
    return f"the {subset.split} split" if subset.kind == "split" else subset.split or subset.source

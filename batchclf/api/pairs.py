"""Pair the rows of two evaluations, image by image, and compare them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from batchclf.api.rows import Rows
from batchclf.api.subject import Subject
from batchclf.core.compare.pair_tally import PairTally, RunPredictions
from batchclf.core.compare.result import Comparison
from batchclf.core.text import count, counted, first_of
from batchclf.errors import ComparisonError
from batchclf.jobs.evaluate.compare import compare_runs

_PLACES = "give both the paths of their images (images=), or the same rows in the same order"


def compare_subjects(first: tuple[Subject, str], second: tuple[Subject, str]) -> Comparison:
    """Compare two evaluations, each a subject and one of its splits, the earlier one first.

    Two runs are compared as `batchclf report A B` does, from their files. Raises ComparisonError if their classes
    differ, or if their rows cannot be paired: by the paths of their images, or without paths by their places.
    """
    (one, split), (other, its_split) = first, second
    if isinstance(one.source, Path) and isinstance(other.source, Path) and split == its_split:
        return compare_runs(one.source, other.source, split)
    names = _common_classes(one, other)
    sides = [_in_memory(subject, of, names) for subject, of in (first, second)]
    named = [not isinstance(subject.source, Rows) or subject.source.named for subject in (one, other)]
    tally = PairTally(_title(one, "first"), _title(other, "second"), its_split, names)
    if named[0] != named[1]:
        raise ComparisonError(
            f"only the {'first' if named[0] else 'second'} evaluation has the paths of its images", hint=_PLACES
        )
    if named[0]:
        _pair_by_path(tally, *sides)
    else:
        _pair_by_place(tally, *sides)
    return tally.comparison()


def _pair_by_path(tally: PairTally, first: RunPredictions, second: RunPredictions) -> None:
    here, there = first.by_path(), second.by_path()
    both = set(here.paths) & set(there.paths)
    if not both:
        raise ComparisonError(
            f"the evaluations have no image in common: the first has {first_of(here.paths, 2)}, the second "
            f"{first_of(there.paths, 2)}",
            hint="images are matched by their paths; name them alike in images=",
        )
    tally.only_first, tally.only_second = len(here) - len(both), len(there) - len(both)
    tally.update(*(side.only(np.array([path in both for path in side.paths])) for side in (here, there)))


def _pair_by_place(tally: PairTally, first: RunPredictions, second: RunPredictions) -> None:
    """Without paths only equal labels show that the rows are those of the same images."""
    if len(first) != len(second):
        raise ComparisonError(
            f"the first evaluation has {counted(len(first), 'row')}, the second {count(len(second))}", hint=_PLACES
        )
    known = (first.labels >= 0) & (second.labels >= 0)
    differ = int((first.labels != second.labels)[known].sum())
    if differ:
        raise ComparisonError(
            f"{count(differ)} of {counted(int(known.sum()), 'row')} have another label in the second evaluation, so "
            "they are not the same images",
            hint=_PLACES,
        )
    tally.update(first, second)


def _common_classes(first: Subject, second: Subject) -> tuple[str, ...]:
    """Choose the classes of both.

    Those that an evaluation only has because its rows name them may be fewer. Raises ComparisonError if one has others.
    """
    given = [not isinstance(of.source, Rows) or of.source.classes.given for of in (first, second)]
    here, there = first.class_names, second.class_names
    if not any(given):
        return tuple(dict.fromkeys((*here, *there)))
    names, others = (here, there) if given[0] else (there, here)
    more = [name for name in others if name not in set(names)]
    fewer = [name for name in names if name not in set(others)] if all(given) else []
    if more or fewer:
        listed = first_of([f"'{name}'" for name in more or fewer], 5)
        raise ComparisonError(
            f"the evaluations have different classes: only one of them has {listed}",
            hint="compare models with the same classes",
        )
    return names


def _in_memory(subject: Subject, split: str, names: Sequence[str]) -> RunPredictions:
    """Read the rows of a split, with the classes in the order of `names`."""
    index = {name: place for place, name in enumerate(names)}
    place_of = np.array([*(index[name] for name in subject.class_names), -1], np.int64)
    columns = [subject.class_names.index(name) if name in subject.class_names else -1 for name in names]
    parts = []
    for rows in subject.rows_of(split):
        shares = rows.probabilities
        if shares is not None and columns != list(range(shares.shape[1])):
            shares = np.column_stack([shares, np.zeros(len(rows))])[:, columns]
        parts.append(
            RunPredictions(rows.paths, place_of[rows.labels], place_of[rows.predictions], rows.confidence, shares)
        )
    return RunPredictions.joined(parts)


def _title(subject: Subject, place: str) -> str:
    return f"the {place} evaluation" if isinstance(subject.source, Rows) else subject.source.resolve().name

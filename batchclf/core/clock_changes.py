"""The days on which a time of day does not occur, or occurs twice, since the clock is changed."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo


@dataclass(frozen=True, slots=True)
class ClockChanges:
    """Days in order: those on which the clock jumps over a time of day, and those on which it comes twice."""

    skipped: tuple[date, ...]
    twice: tuple[date, ...]


def clock_changes(at: time, zone: tzinfo, first: date, days: int) -> ClockChanges:
    """Look at `days` days from `first` on for those on which `at` does not occur in `zone`, or occurs twice.

    `at` has no zone of its own. By PEP 495 the two readings of a time (`fold`) have different offsets from UTC only
    within a change: the first has the greater one if the time comes twice, and the lesser one if it is jumped over.
    """
    skipped: list[date] = []
    twice: list[date] = []
    for day in (first + timedelta(number) for number in range(days)):
        before, after = (datetime.combine(day, at.replace(fold=fold), zone).utcoffset() for fold in (0, 1))
        if before is None or after is None or before == after:
            continue
        (twice if before > after else skipped).append(day)
    return ClockChanges(tuple(skipped), tuple(twice))

"""What schedulers do on the days on which the clock is changed, said of a schedule before such a day comes."""

import os
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, tzinfo
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from batchclf.core.clock_changes import ClockChanges, clock_changes
from batchclf.core.text import first_of
from batchclf.jobs.setup.schedules import Entry

Scheduler = Literal["cron", "systemd", "github"]

DAYS = 731
"""How far ahead is looked: two years."""

_MACHINE = Path("/etc/localtime")
_MOST = 6
"""So many days are named."""

# Measured with systemd 252 and Debian's cron 3.0pl1 (decision 156)
_SKIPPED = {
    "systemd": "systemd does not run the job on such a day",
    "cron": "Debian's cron runs the job right after the jump; another cron may not run it",
}
_TWICE = {
    "systemd": "systemd runs the job once, the first time",
    "cron": "Debian's cron runs the job once, the first time; another cron may run it twice",
}


@dataclass(frozen=True, slots=True)
class ZoneChanges:
    """The changes of one zone's clock that meet a schedule; `zone` is its name."""

    zone: str
    changes: ClockChanges


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the changes of the clock do to a schedule, in every zone that the scheduler may go by.

    Each of the `warnings` and `notes` is a line: a warning if a run will not take place, or if that is not known.
    """

    zones: tuple[ZoneChanges, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]


def forecast(entry: Entry, by: Scheduler, today: date | None = None) -> Forecast:
    """Look two years ahead, from `today` on, for the days on which an entry's time is skipped or comes twice.

    GitHub goes by UTC, whose clock is never changed. Cron and systemd go by the machine's zone, or by a TZ of their
    own; which one cannot be seen from here, so the zone that TZ names is looked at, too.
    """
    at = time(entry.hour, entry.minute)
    if by == "github":
        return Forecast((), (), (f"{at:%H:%M} is in UTC, whose clock is never changed: it occurs once on every day",))
    found, warnings = _zones()
    zones = [
        ZoneChanges(name, clock_changes(at, zone, today or datetime.now(zone).date(), DAYS))
        for name, zone in found.items()
    ]
    notes = []
    for each in zones:
        if each.changes.skipped:
            line = f"the clock of {each.zone} jumps over {at:%H:%M} on {_days(each.changes.skipped)}: {_SKIPPED[by]}"
            if by == "systemd":
                warnings.append(f"{line}; choose another time with --at")
            else:
                notes.append(line)
        if each.changes.twice:
            notes.append(f"{at:%H:%M} comes twice in {each.zone} on {_days(each.changes.twice)}: {_TWICE[by]}")
    if len(found) > 1 and (warnings or notes):
        machine, own = found
        notes.append(f"{by} goes by a TZ of its own if it has one, else by {machine}; TZ={own} is this shell's")
    return Forecast(tuple(zones), tuple(warnings), tuple(notes))


def _days(days: tuple[date, ...]) -> str:
    return first_of([day.isoformat() for day in days], _MOST)


def _zones() -> tuple[dict[str, tzinfo], list[str]]:
    """Give the machine's zone by its name and, if TZ names another one, that; and what could not be read, in words."""
    found: dict[str, tzinfo] = {}
    unread = []
    name = str(_MACHINE.resolve()).partition("zoneinfo/")[2] or str(_MACHINE)
    try:
        with _MACHINE.open("rb") as file:
            found[name] = ZoneInfo.from_file(file, name)
    except FileNotFoundError:
        found["UTC"] = UTC  # as glibc does
    except (OSError, ValueError):
        unread.append(f"{_MACHINE} cannot be read: on which days its clock is changed is not known")
    wanted = os.environ.get("TZ", "").removeprefix(":")
    if wanted and wanted not in found:
        try:
            found[wanted] = ZoneInfo(wanted)
        except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError
            unread.append(f"TZ={wanted} is no zone of the tz database: on which days its clock is changed is not known")
    return found, unread

"""Days on which a time of day does not occur, or occurs twice: pandas is the judge, in every zone that there is."""

from datetime import date, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from batchclf.core.clock_changes import ClockChanges, clock_changes

ZONES = sorted(available_timezones() - {"localtime"})


def judged(at, zone, first, days):
    """What pandas says: NaT stands for a time that is not there or that is ambiguous."""
    times = pd.date_range(pd.Timestamp.combine(first, at), periods=days, freq="D")
    skipped = times.tz_localize(zone, nonexistent="NaT", ambiguous=[True] * days).isna()
    twice = times.tz_localize(zone, nonexistent="shift_forward", ambiguous="NaT").isna()
    return ClockChanges(*(tuple(stamp.date() for stamp in times[found]) for found in (skipped, twice)))


@settings(max_examples=150)
@given(
    st.sampled_from(ZONES),
    st.builds(time, st.integers(0, 3), st.sampled_from([0, 15, 30, 59])) | st.builds(time, st.integers(0, 23)),
    st.dates(date(1990, 1, 1), date(2036, 1, 1)),
)
def test_every_zone_as_pandas_has_it(zone, at, first):
    assert clock_changes(at, ZoneInfo(zone), first, 731) == judged(at, zone, first, 731)


def test_days_of_berlin():
    """The ends of the hours count: 02:00 does not occur on the last Sunday of March, 03:00 does."""
    berlin, first = ZoneInfo("Europe/Berlin"), date(2026, 9, 1)
    expected = ClockChanges((date(2027, 3, 28), date(2028, 3, 26)), (date(2026, 10, 25), date(2027, 10, 31)))
    for at in (time(2, 0), time(2, 30), time(2, 59)):
        assert clock_changes(at, berlin, first, 731) == expected
    for at in (time(1, 59), time(3, 0), time(3, 30)):
        assert clock_changes(at, berlin, first, 731) == ClockChanges((), ())
    # The last day counts, the one after it does not.
    assert clock_changes(time(2), berlin, first, (date(2027, 3, 28) - first) // timedelta(days=1)).skipped == ()

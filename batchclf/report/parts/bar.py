"""A share with its interval as a small bar, drawn as SVG paths: the page needs no inline style for it."""

from dataclasses import dataclass

from batchclf.core.estimate import Interval


@dataclass(frozen=True, slots=True)
class Bar:
    """Paths in a box of 100 by 8: the value from 0 on, its interval as a line, another value as a mark."""

    value: str
    interval: str
    mark: str


def bar(value: float, interval: Interval | None, mark: float | None = None) -> Bar:
    """Draw a share; what lies below 0 or above 1 is drawn at the end of the scale."""
    low, high = (_place(interval.low), _place(interval.high)) if interval else (0.0, 0.0)
    return Bar(
        value=f"M0 0h{_place(value):g}v8H0",
        interval=f"M{low:g} 3h{max(high - low, 0.4):.3g}v2h-{max(high - low, 0.4):.3g}" if interval else "",
        mark="" if mark is None else f"M{min(_place(mark), 99.0):g} 0h1v8h-1",
    )


def _place(share: float) -> float:
    return round(100 * min(max(share, 0.0), 1.0), 1)

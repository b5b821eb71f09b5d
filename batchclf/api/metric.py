"""A metric's value, a float that knows its interval."""

from math import isnan, nan

from batchclf.core.estimate import Interval
from batchclf.core.text import significant


class Metric(float):
    """A metric's value; it computes, compares, formats and is written as any float.

    `name` is its key in metrics.json. `interval` is its 95% interval, with `low` and `high`, None if it has none.
    `baseline` is what always predicting the shares of the true classes gives, nan if there is none. A value that
    cannot be known, such as the accuracy without labels or the log loss without probabilities, is nan.
    """

    name: str
    interval: Interval | None
    baseline: float

    def __new__(
        cls, value: float = nan, name: str = "", interval: Interval | None = None, baseline: float = nan
    ) -> "Metric":
        """Make one; it cannot be changed later in what it is worth."""
        metric = super().__new__(cls, value)
        metric.name, metric.interval, metric.baseline = name, interval, baseline
        return metric

    @property
    def low(self) -> float:
        """The lower end of the interval, nan if there is none."""
        return nan if self.interval is None else self.interval.low

    @property
    def high(self) -> float:
        """The upper end of the interval, nan if there is none."""
        return nan if self.interval is None else self.interval.high

    def __repr__(self) -> str:
        """Show the value and, if there is one, the interval, with six significant digits."""
        if isnan(self) or self.interval is None:
            return significant(float(self), 6)
        low, high = significant(self.low, 6), significant(self.high, 6)
        return f"{significant(float(self), 6)} (95% interval {low} to {high})"

    def __str__(self) -> str:
        """Write the number alone: `print`, f-strings and CSV writers must get one that can be read back."""
        return float.__repr__(self)

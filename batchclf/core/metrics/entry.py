"""What is known of a metric besides its values."""

from dataclasses import dataclass
from typing import Literal

from batchclf.core.metrics.formulas import Formula, OfCalibration, OfClass, OfClasses, OfGap, OfHits, OfImages, OfRun
from batchclf.core.text import count, decimal, decimal_difference, exact, exact_percent, percent, points, signed

Source = Literal["overall", "calibration", "scores", "class", "gap", "count", "drift", "pairs", "thresholds"]
Unit = Literal["share", "points", "number", "count"]

_SOURCES: dict[type[Formula], Source] = {
    **dict.fromkeys((OfClasses, OfHits, OfImages), "overall"),
    OfCalibration: "calibration",
    OfGap: "gap",
    OfClass: "class",
}
_INTERVALS: dict[type[Formula], str] = {
    OfClasses: "bootstrap",
    OfHits: "Wilson",
    OfImages: "logit",
    OfClass: "Wilson",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One metric.

    `name` is its key in metrics.json, in the history and in rules; `words` name it within a sentence. `unit`: shares
    are 0 to 1 and shown as percentages, the gap is shown in points. `definition` says what it is, for the docs, with
    its source; `meaning` says it shorter, for the report. Values are from `least` to `most`; `larger_is_better` is None
    if neither is. `interval` names the kind of its 95% interval if that does not follow from the formula.

    The report shows every overall metric in its table. `large` is its place among the large numbers above, 0 for none;
    `in_markdown` puts it into the short report. `gauge` is the help text of its gauge for Prometheus, empty for none.
    """

    name: str
    words: str
    unit: Unit
    formula: Formula
    definition: str
    meaning: str = ""
    title: str = ""
    larger_is_better: bool | None = True
    least: float = 0.0
    most: float = 1.0
    interval: str = ""
    large: int = 0
    in_markdown: bool = False
    gauge: str = ""

    @property
    def source(self) -> Source:
        """Where it comes from.

        The overall metrics of a split, its calibration, the confidences of all its images, one class of it, the gap
        between the splits, counts of images, drift, the comparison of the images that two runs have scored, or
        thresholds.
        """
        return self.formula.source if isinstance(self.formula, OfRun) else _SOURCES[type(self.formula)]

    @property
    def heading(self) -> str:
        """Name it at the beginning of a line."""
        return self.title or self.words[0].upper() + self.words[1:]

    @property
    def per_class(self) -> bool:
        """Whether a rule on it names a class."""
        return self.source == "class"

    @property
    def of_slices(self) -> bool:
        """Whether it is known of slices: it follows from labels and predictions alone."""
        return isinstance(self.formula, OfClasses) or self.formula == OfHits(1)

    @property
    def needs_probabilities(self) -> bool:
        """Whether it needs a column for each class's probability."""
        of = self.formula
        return isinstance(of, OfImages) or (isinstance(of, OfGap) and of.of_probabilities)

    @property
    def interval_kind(self) -> str:
        """Name the kind of its 95% interval; empty if it has none."""
        return self.interval or _INTERVALS.get(type(self.formula), "")

    def shown(self, value: float) -> str:
        """Show a value: shares as percentages, the gap in points, a whole count as one, all else with four decimals."""
        if self.unit == "share":
            return percent(value)
        if self.unit == "points":
            return points(value)
        return count(int(value)) if self.unit == "count" and value == int(value) else decimal(value)

    def shown_bound(self, bound: float) -> str:
        """Show the bound of a rule with the digits that it was given."""
        if self.unit == "share":
            return exact_percent(bound)
        return exact(100 * bound if self.unit == "points" else bound)

    def shown_difference(self, value: float) -> str:
        """Show a difference of two values with its sign, in points for shares."""
        if self.unit in ("share", "points"):
            return points(value)
        if self.unit == "count" and value == int(value):
            return signed(value, 0)
        return decimal_difference(value)

    def shown_limit(self, limit: float) -> str:
        """Show by how much a value may differ, with the digits that the rule was given."""
        return exact(100 * limit if self.unit in ("share", "points") else limit)

    @property
    def decimals(self) -> int:
        """To how many decimals `shown` rounds a value, a share 0 to 1."""
        return 3 if self.unit == "points" else 4

    @property
    def difference_unit(self) -> str:
        """What stands behind a difference: " points" of shares, nothing of others."""
        return " points" if self.unit in ("share", "points") else ""

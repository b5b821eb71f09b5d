"""How long a run may take."""

import re
import time
from dataclasses import dataclass, field, replace
from fractions import Fraction

from batchclf.core.records.run import SubsetRecord
from batchclf.errors import UsageError

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Deadline:
    """A number of seconds from now on, by a clock that no change of the time of day moves; None is no limit."""

    seconds: float | None = None
    _begin: float = field(default_factory=time.monotonic)

    @property
    def passed(self) -> bool:
        """Whether the time is up."""
        return self.seconds is not None and time.monotonic() - self._begin >= self.seconds


NO_DEADLINE = Deadline()


def parse_bytes(text: str) -> int:
    """Read `256MB`, `1GiB` or `500000` as bytes, units of 1,000 or 1,024; raises UsageError for anything else."""
    found = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?(?:([kmgt])(i?)b|b?)", text.strip(), re.IGNORECASE)
    number = 0.0
    if found is not None:
        power = " kmgt".index((found[2] or " ").lower())
        number = float(found[1]) * (1024 if found[3] else 1000) ** power
    if not 1 <= number < 2**60:
        raise UsageError(f"'{text}' is not a size in bytes", hint="write for example 256MB or 1GiB")
    return int(number)


def parse_duration(text: str) -> float:
    """Read `90s`, `45m`, `2h`, `1h30m` or `1d` as seconds; raises UsageError for anything else, and for none at all."""
    parts = re.findall(r"([0-9]+(?:\.[0-9]+)?)([smhd])", text)
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != text.replace(" ", "") or not 0 < seconds < 1e9:
        raise UsageError(f"'{text}' is not a length of time", hint="write for example 2h, 45m or 1h30m")
    return seconds


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `number` skipped images, or at most `share` (0 to 1, exact) of those scored and skipped."""

    number: int | None = None
    share: Fraction | None = None

    def held(self, subset: SubsetRecord) -> SubsetRecord:
        """Note in a subset's record whether more of its images were skipped than allowed."""
        return replace(subset, over_budget=self.exceeded(subset.skipped, subset.scored + subset.skipped))

    def exceeded(self, skipped: int, images: int) -> bool:
        """Whether more of the `images` (scored and skipped) were skipped than allowed."""
        if self.number is not None:
            return skipped > self.number
        return self.share is not None and skipped > self.share * images


def parse_budget(text: str) -> Budget:
    """Read `N` or `P%`; raises UsageError for anything else."""
    if re.fullmatch(r"[0-9]{1,18}", text):
        return Budget(number=int(text))
    if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,18})?%", text) and Fraction(text[:-1]) <= 100:
        return Budget(share=Fraction(text[:-1]) / 100)
    raise UsageError(f"'{text}' is not a number of images or a percentage", hint="write for example 20 or 1%")

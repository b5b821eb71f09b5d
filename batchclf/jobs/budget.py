"""The error budget: how many images may be skipped before a run counts as partial."""

import re
from dataclasses import dataclass

from batchclf.errors import UsageError


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `number` skipped images, or at most `share` (0 to 1) of those found."""

    number: int | None = None
    share: float | None = None

    def exceeded(self, skipped: int, images: int) -> bool:
        """Whether more of the `images` (scored and skipped) were skipped than allowed."""
        if self.number is not None:
            return skipped > self.number
        return self.share is not None and images > 0 and skipped / images > self.share


def parse_budget(text: str) -> Budget:
    """Read `N` or `P%`; raises UsageError for anything else."""
    if re.fullmatch(r"[0-9]+", text):
        return Budget(number=int(text))
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?%", text) and float(text[:-1]) <= 100:
        return Budget(share=float(text[:-1]) / 100)
    raise UsageError(f"'{text}' is not a number of images or a percentage", hint="write for example 20 or 1%")

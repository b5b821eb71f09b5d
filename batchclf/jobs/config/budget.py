"""The error budget: how many images may be skipped before a run counts as partial."""

import re
from dataclasses import dataclass, replace
from fractions import Fraction

from batchclf.core.records.run import TargetRecord
from batchclf.errors import UsageError


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `number` skipped images, or at most `share` (0 to 1, exact) of those scored and skipped."""

    number: int | None = None
    share: Fraction | None = None

    def held(self, target: TargetRecord) -> TargetRecord:
        """Note in a target's record whether more of its images were skipped than allowed."""
        return replace(target, over_budget=self.exceeded(target.skipped, target.scored + target.skipped))

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

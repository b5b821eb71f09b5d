"""Many tests looked at together: which of them stand."""

from collections.abc import Callable, Mapping

from batchclf.core.metrics.intervals import LEVEL

FALSE_ALARMS = 1 - LEVEL
"""The chance that any of them stands wrongly."""


def holm(tests: Mapping[str, Callable[[float], bool]], risk: float = FALSE_ALARMS) -> set[str]:
    """Say which of many tests stand when looked at together, by Holm's method (S. Holm, 1979).

    A test says whether it stands at a risk of its own. The chance that any of them stands wrongly is at most `risk`,
    however they depend on each other: all are made at risk / number, and whenever some stand, the others are made again
    at risk / number left.
    """
    standing: set[str] = set()
    while len(standing) < len(tests):
        # Holm's method holds however the classes depend on each other (decision 095)
        share = risk / (len(tests) - len(standing))
        new = {name for name, test in tests.items() if name not in standing and test(share)}
        if not new:
            break
        standing |= new
    return standing

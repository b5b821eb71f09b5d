"""Checks of the options of slices and thresholds that their types cannot make."""

import difflib
import re
from collections.abc import Sequence

from batchclf.errors import ModelError, UsageError
from batchclf.jobs.config.options import ThresholdOptions


def path_pattern(text: str) -> re.Pattern[str]:
    """Compile a pattern to slice paths by; raises UsageError if it is none."""
    try:
        return re.compile(text)
    except re.error as error:
        raise UsageError(
            f"'{text}' is no regular expression: {error}", hint="for example: camera(?P<camera>[0-9]+)_"
        ) from error


def check_costs(options: ThresholdOptions) -> str:
    """Name the cost that is given without the other; empty if both are, or none."""
    if options.error_cost is not None and options.review_cost is None:
        return "error_cost"
    return "review_cost" if options.review_cost is not None and options.error_cost is None else ""


def other_cost(given: str) -> tuple[str, str]:
    """Say what is missing beside a cost, and what to do."""
    other = "review_cost" if given == "error_cost" else "error_cost"
    return (
        f"{given} is given without {other}: the cheapest threshold weighs one against the other",
        f"give {other} too, in the same unit",
    )


def check_positive_class(name: str, class_names: Sequence[str]) -> None:
    """Raise ModelError if a positive class is not one of two."""
    if len(class_names) != 2:
        raise ModelError(
            f"a positive class, '{name}', is one of two, and the model has {len(class_names):,} classes",
            hint="leave the positive class out",
        )
    if name not in class_names:
        nearest = difflib.get_close_matches(name, class_names, 1)
        raise ModelError(
            f"the positive class '{name}' is not a class of the model ({', '.join(class_names)})",
            hint=f"did you mean '{nearest[0]}'?" if nearest else "name one of the two",
        )

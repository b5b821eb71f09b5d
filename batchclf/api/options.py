"""Options that functions take by the names that the command line and job files give them."""

import difflib
from collections.abc import Mapping
from typing import Any, TypedDict, TypeVar

import msgspec

from batchclf.core.choices import EngineName, Format, ResizeMode
from batchclf.core.options import choices, expected, options_of, why_not
from batchclf.errors import UsageError
from batchclf.models.runtime.registry import Device, Precision, RuntimeName

Struct = TypeVar("Struct", bound=msgspec.Struct)


class ScoringKeywords(TypedDict, total=False):
    """The options of a scoring, those of `batchclf score` and of [scoring] in a job file (docs/commands.md)."""

    batch_size: int | None
    workers: int | None
    engine: EngineName
    ray_address: str | None
    topk: int
    probabilities: bool | None
    runtime: RuntimeName | None
    precision: Precision
    device: Device
    resize: ResizeMode | None
    image_timeout: float
    max_pixels: int
    format: list[Format]
    partitioned: bool
    cache: bool


def checked(struct: type[Struct], given: Mapping[str, Any]) -> Struct:
    """Make the options of some that are given; raises UsageError for one that there is not, or of a wrong value."""
    options = options_of(struct)
    values = {}
    for name, value in given.items():
        if name not in options:
            near = difflib.get_close_matches(name, options, 1, 0.5)
            raise UsageError(
                f"there is no option {name}; there are {', '.join(options)}",
                hint=f"did you mean {near[0]}?" if near else "leave it out",
            )
        value = list(value) if isinstance(value, tuple) else value
        if (why := why_not(value, options[name].kind)) is not None:
            of = choices(options[name].kind)
            hint = f"choose of: {', '.join(map(str, of))}" if of else f"{name} takes {expected(options[name].kind)}"
            raise UsageError(f"{name}: {why}", hint=hint)
        values[name] = value
    return struct(**values)

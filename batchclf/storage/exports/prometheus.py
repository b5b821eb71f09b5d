"""Gauges in Prometheus' text format, as a file for node_exporter's textfile collector."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from batchclf import atomic
from batchclf.core.text import utf8_text

SUFFIX = ".prom"
"""What the collector reads; all else in its folder is left alone, so the half-written file as well."""


@dataclass(frozen=True, slots=True)
class Gauge:
    """One metric: what it tells, and a value for each set of labels (name and value pairs)."""

    name: str
    help: str
    samples: Mapping[tuple[tuple[str, str], ...], float]


def gauges_text(gauges: Sequence[Gauge]) -> str:
    """Write gauges in the text format 0.0.4; one without a sample is left out."""
    lines = []
    for gauge in gauges:
        if gauge.samples:
            lines += [f"# HELP {gauge.name} {_escaped(gauge.help)}", f"# TYPE {gauge.name} gauge"]
            lines += [f"{_series(gauge.name, labels)} {_number(value)}" for labels, value in gauge.samples.items()]
    return "".join(f"{line}\n" for line in lines)


def write_gauges(path: Path, gauges: Sequence[Gauge]) -> None:
    """Write a .prom file in one step; its folder must be there. Raises OSError."""
    atomic.write_text(path, gauges_text(gauges))


def read_sample(path: Path, name: str, labels: tuple[tuple[str, str], ...]) -> float | None:
    """Read one value of a file that `write_gauges` wrote; None where it is not in it, or there is no such file."""
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return None
    found = re.search(rf"^{re.escape(_series(name, labels))} (\S+)$", text, re.MULTILINE)
    try:
        value = float(found[1]) if found else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _series(name: str, labels: tuple[tuple[str, str], ...]) -> str:
    pairs = ",".join(f'{label}="{_escaped(value, quote=True)}"' for label, value in labels)
    return f"{name}{{{pairs}}}" if pairs else name


def _escaped(text: str, *, quote: bool = False) -> str:
    text = utf8_text(text).replace("\\", r"\\").replace("\n", r"\n")
    return text.replace('"', r"\"") if quote else text


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return "NaN" if math.isnan(value) else f"{float(value)!r}".removesuffix(".0")

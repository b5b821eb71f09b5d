"""The account of where the time of a run went."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchclf.core.records.run import RunRecord


def explain_time(record: "RunRecord") -> list[str]:
    """Say where the time of a run went, a line a step; the steps of scoring go on side by side."""
    lines = ["where the time went, in seconds:"]
    for step, seconds in record.timings.items():
        lines.append(f"{step:<12}{seconds:9.2f}")
        if step == "score":
            lines += [_explained(name, record) for name in record.subsets[0].timings]
    whole = record.seconds + record.timings.get("report", 0.0)
    other = max(0.0, whole - sum(record.timings.values()))
    return [*lines, f"{'other':<12}{other:9.2f}", f"{'whole run':<12}{whole:9.2f}"]


def _explained(name: str, record: "RunRecord") -> str:
    seconds = sum(subset.timings[name] for subset in record.subsets)
    images = sum(subset.scored + subset.skipped for subset in record.subsets)
    notes = {
        "list": f"walking through {sum(subset.found for subset in record.subsets):,} files",
        "read": "reading files, added up over the workers",
        "decode": f"decoding and resizing {images:,} images, added up over the workers",
        "model": f"{sum(subset.scored - subset.cached for subset in record.subsets):,} images",
        "write": "writing the predictions",
    }
    return f"  {name:<10}{seconds:9.2f}  {notes[name]}"

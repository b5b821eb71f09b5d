"""The account of where the time of a run went."""

from typing import TYPE_CHECKING

from batchclf.core.text import counted, duration

if TYPE_CHECKING:
    from batchclf.core.records.run import RunRecord


def explain_time(record: "RunRecord") -> list[str]:
    """Say where the time of a run went, a line a step; the steps of scoring go on side by side."""
    lines = ["where the time went:"]
    for step, seconds in record.timings.items():
        lines.append(f"{step:<12}{duration(seconds):>13}")
        if step == "score":
            lines += [_explained(name, record) for name in record.subsets[0].timings]
    whole = record.seconds + record.timings.get("report", 0.0)
    other = max(0.0, whole - sum(record.timings.values()))
    return [*lines, f"{'other':<12}{duration(other):>13}", f"{'whole run':<12}{duration(whole):>13}"]


def _explained(name: str, record: "RunRecord") -> str:
    seconds = sum(subset.timings[name] for subset in record.subsets)
    images = sum(subset.scored + subset.skipped for subset in record.subsets)
    notes = {
        "start": "starting Ray, or connecting to it",
        "list": f"walking through {counted(sum(subset.found for subset in record.subsets), 'file')}",
        "read": "reading files, added up over the workers",
        "decode": f"decoding and resizing {counted(images, 'image')}, added up over the workers",
        "model": counted(sum(subset.scored - subset.cached for subset in record.subsets), "image"),
        "write": "writing the predictions",
    }
    return f"  {name:<10}{duration(seconds):>13}  {notes[name]}"

"""The report of an evaluation, and in which form a file is."""

from pathlib import Path

from batchclf.errors import UsageError
from batchclf.jobs.report.write import FORMATS, Format


def format_of(path: Path) -> Format:
    """Tell the form of a report by the suffix of its file; raises UsageError for another one."""
    suffix = path.suffix.lower().lstrip(".")
    suffix = {"htm": "html", "markdown": "md"}.get(suffix, suffix)
    for name in FORMATS:
        if name == suffix:
            return name
    raise UsageError(
        f"a report cannot be written to {path}: its suffix says no form",
        hint=f"give a file that ends in {', '.join(f'.{name}' for name in FORMATS)}",
    )

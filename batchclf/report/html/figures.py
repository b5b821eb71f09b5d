"""The report's charts by name, as the templates use them: from a view to SVG."""

from typing import Any

from batchclf.report.sections.section_list import SECTIONS, load
from batchclf.report.sections.whole_report import ReportView


def figures(view: ReportView) -> dict[str, Any]:
    """Draw every figure of the page."""
    found: dict[str, Any] = {}
    for section in SECTIONS:
        shown = view.sections[section.attribute]
        if section.figures and shown is not None:
            found |= load(section.figures)(shown)
    return found

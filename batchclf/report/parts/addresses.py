"""Where a page links to."""

from urllib.parse import quote

from batchclf.core.records.history import RunSummary

REPORT_FILE = "report.html"


def report_address(run: RunSummary) -> str:
    """Write the address of the report of a run beside this one; empty where its folder or its page was removed."""
    return f"../{quote(run.folder, errors='surrogateescape')}/{REPORT_FILE}" if REPORT_FILE in run.files else ""

"""A report in the formats asked for: HTML for people, JSON for programs, Markdown for mail and chat, and others'."""

import importlib
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from batchclf import atomic
from batchclf.core.choices import ReportFormat
from batchclf.core.records.findings import Findings
from batchclf.core.records.run import RunRecord
from batchclf.core.types import Prediction
from batchclf.jobs.report.thumbnails import Pictures
from batchclf.storage.run.directory import REPORT_FILE, SKIPPED_FILE
from batchclf.storage.run.skipped import read_skipped

if TYPE_CHECKING:
    from batchclf.core.compare.result import Comparison

Outs = Mapping[ReportFormat, Path]
"""The file of each format that is to be written."""


def load_ahead() -> None:
    """Begin to load what draws the report, in a thread: matplotlib takes as long as scoring thousands of images."""
    threading.Thread(target=_load_drawing, daemon=True).start()


def _load_drawing() -> None:
    # What goes wrong here, such as too little memory for a library, is reported where the report is drawn.
    with suppress(ImportError, MemoryError, OSError):
        importlib.import_module("batchclf.report.html.render")


def write_formats(
    outs: Outs,
    folder: Path,
    findings: Findings,
    pictures: Callable[[tuple[Prediction, ...]], Pictures],
    *,
    templates: Path | None = None,
    published: Path | None = None,
) -> None:
    """Write the report of the run in `folder`, a file for each format.

    `pictures` loads the images that the page would show; it is called for the page only, and if the run has pictures.
    `published` is where the folder will be, if it is not there yet.

    Each file is written in one step. Raises BatchclfError if a template of the user's is wrong, RunError if
    skipped.csv cannot be read, and OSError if a file cannot be written.
    """
    generated, skipped = datetime.now(UTC), folder / SKIPPED_FILE
    for kind, out in outs.items():
        if kind == "html":
            from batchclf.report.html.render import render
            from batchclf.report.html.size_budget import wanted
            from batchclf.report.sections.whole_report import build_view

            shown = pictures(wanted(findings)) if findings.record.pictures else {}
            place = (published or folder).resolve()
            page = place / out.name if out.parent == folder else out.resolve()
            view = build_view(
                findings,
                pictures=shown,
                skipped=read_skipped(skipped),
                generated=generated,
                place=str(place),
                folders=_image_folders(findings.record, page),
            )
            atomic.write_text(out, render(view, templates))
        elif kind == "json":
            from batchclf.report.formats.json_report import encoded, report_document

            document = report_document(findings, skipped=read_skipped(skipped), generated=generated)
            atomic.write_bytes(out, encoded(document))
        elif kind == "model-index":
            from batchclf.report.formats.model_index import model_index

            atomic.write_text(out, model_index(findings))
        elif kind == "dvc":
            from batchclf.report.formats.plain_metrics import dvc_metrics

            atomic.write_bytes(out, dvc_metrics(findings.evaluations, findings.gap))
        else:
            from batchclf.report.formats.github import github_markdown
            from batchclf.report.formats.markdown import report_markdown

            write = github_markdown if kind == "github" else report_markdown
            where = str((published or folder).resolve())
            text = write(findings, skipped=read_skipped(skipped), generated=generated, folder=where)
            atomic.write_text(out, text)


def write_comparison_formats(
    outs: Outs,
    folders: tuple[Path, Path],
    records: tuple[RunRecord, RunRecord],
    comparison: "Comparison",
    pictures: Callable[[], Pictures],
    *,
    templates: Path | None = None,
) -> None:
    """Write the comparison of the runs in two folders, a file for each format, as `write_formats` does."""
    generated = datetime.now(UTC)
    for kind, out in outs.items():
        if kind == "html":
            from batchclf.report.pages.comparison import compare_view
            from batchclf.report.pages.render import render_comparison

            # Of each pair both runs have the same image.
            shown = pictures() if all(record.pictures for record in records) else {}
            first, second = (_report_address(folder, out) for folder in folders)
            view = compare_view(comparison, *records, pictures=shown, links=(first, second), generated=generated)
            atomic.write_text(out, render_comparison(view, templates))
        elif kind == "json":
            from batchclf.report.formats.json_report import comparison_document, encoded

            atomic.write_bytes(out, encoded(comparison_document(comparison, *records, generated=generated)))
        else:
            from batchclf.report.formats.markdown import comparison_markdown

            atomic.write_text(out, comparison_markdown(comparison, records[1]))


def _image_folders(record: RunRecord, page: Path) -> dict[str, str]:
    """Name the folders that a run's images were in, by split, as a page links to them; none if it may show none."""
    from batchclf.data.sources.folder import Folder
    from batchclf.data.sources.registry import source_again

    places = {
        each.split: each.images or each.source
        for each in record.subsets
        if record.pictures and (each.kind == "directory" or each.images)
    }
    return {
        split: _address(Path(place), page) + "/"
        for split, place in places.items()
        if "://" not in place and isinstance(source_again(place), Folder)
    }


def _report_address(folder: Path, page: Path) -> str:
    """Write the address of a run's report as a page links to it; empty if there is none."""
    report = folder / REPORT_FILE
    if not report.is_file():
        return ""
    return _address(report, page)


def _address(place: Path, page: Path) -> str:
    """Write the address of a file or folder as a page links to it, relative to its own."""
    return quote(os.fsencode(os.path.relpath(place.resolve(), page.resolve().parent)))

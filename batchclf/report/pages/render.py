"""The pages beside the report: the index of all runs, and the comparison of two."""

from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from batchclf.core.text import percent, points
from batchclf.report.html.render import render_page
from batchclf.report.html.size_budget import page_budget
from batchclf.report.pages.index import IndexView, JobView

if TYPE_CHECKING:
    from batchclf.report.pages.comparison import CompareView

INDEX_BUDGET = 4_000_000
"""Bytes; a job with 400 runs takes about 300 kB."""


def render_index(view: IndexView, templates: Path | None = None) -> str:
    """Write the index; `templates` as for `render`. Raises BatchclfError as that does."""
    figures = {job.anchor: _trends(job) for job in view.jobs}
    return render_page("index.html", {"view": view, "figures": figures}, budget=INDEX_BUDGET, templates=templates)


def render_comparison(view: "CompareView", templates: Path | None = None) -> str:
    """Write the comparison of two runs; `templates` as for `render`. Raises BatchclfError as that does."""
    return render_page(
        "compare.html",
        {"view": view},
        budget=page_budget(view.class_count),
        pictures=view.pictures,
        templates=templates,
    )


def _trends(job: JobView) -> tuple[tuple[str, Markup], ...]:
    """Draw what there is of accuracy and gap: (caption, SVG)."""
    if not job.accuracy and not job.gap:
        return ()
    from batchclf.report.charts.trends import trend

    # trend escapes every name itself.
    wanted = (("accuracy", "Accuracy", job.accuracy, percent), ("gap", "Overfitting gap, in points", job.gap, points))
    return tuple(
        (title, Markup(trend(f"{job.anchor}-{name}", title, values, shown)))
        for name, title, values, shown in wanted
        if values
    )

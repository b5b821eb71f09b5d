"""The report as one HTML page, the only place that uses Jinja2."""

import importlib
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import jinja2
from markupsafe import Markup

import batchclf
from batchclf.errors import BatchclfError
from batchclf.report import charts
from batchclf.report.view import ReportView
from batchclf.report.view_images import HistogramPanel


def render(view: ReportView) -> str:
    """Write the page: one file that fetches nothing and runs no script.

    Raises BatchclfError where the templates are missing from the installation.
    """
    figures = {
        "curves": [_figure(charts.learning_curve(c.metric, c.train, c.test)) for c in view.gap.curves],
        "dumbbell": _dumbbell(view),
        "histogram": [_histogram(panel, f"confidence-{panel.kind}") for panel in view.histogram],
        "unlabelled": [
            _histogram(target.histogram, f"unlabelled-{number}") for number, target in enumerate(view.unlabelled, 1)
        ],
    }
    return _environment().get_template("report.html").render(view=view, figures=figures)


def _figure(svg: str) -> Markup:
    # charts escapes every name itself.
    return Markup(svg)


def _dumbbell(view: ReportView) -> Markup | None:
    rows = [(row.name, row.train, row.test) for row in view.gap.dumbbells]
    return _figure(charts.dumbbell(rows)) if rows else None


def _histogram(panel: HistogramPanel, name: str) -> Markup:
    return _figure(charts.confidence_histogram(panel.kind, panel.title, panel.counts, name))


@cache
def _environment() -> jinja2.Environment:
    folder = _templates()

    def load(name: str) -> str | None:
        file = folder / name
        return file.read_text("utf-8") if file.is_file() else None

    return jinja2.Environment(
        loader=jinja2.FunctionLoader(load),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _templates() -> Traversable:
    """Find the templates: installed as a package, or beside the package in a plain checkout."""
    try:
        folder = resources.files(importlib.import_module("batchclf.templates"))
    except ModuleNotFoundError:
        folder = Path(batchclf.__file__).parents[1] / "templates"
    if not (folder / "report.html").is_file():
        raise BatchclfError(
            f"the report's templates are not in {folder}",
            hint="The installation is damaged; install batchclf again.",
        )
    return folder

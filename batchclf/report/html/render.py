"""Pages as HTML: one file that fetches nothing, may run its own script only, and keeps to its budget."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from batchclf.core.text import counted, size
from batchclf.report.html.size_budget import fitting, page_budget
from batchclf.report.html.templates import Block, environment, list_blocks, template_error
from batchclf.report.parts.pictures import Picture, for_script
from batchclf.report.sections.section_list import SECTIONS, load
from batchclf.report.sections.whole_report import ReportView

__all__ = ["Block", "list_blocks", "render", "render_page"]

_PICTURES, _WEIGHT = "<!--pictures-->", "<!--weight-->"
"""Stand where pictures and size go, which are known when the rest has been written. No text can forge them: it is
escaped."""


def render(view: ReportView, templates: Path | None = None) -> str:
    """Write the report; `templates` is a folder whose files replace built-in ones of the same name.

    Raises BatchclfError, with file and line, where a template of the user's is wrong, and where the built-in ones are
    missing from the installation.
    """
    return render_page(
        "report.html",
        {
            "view": view,
            "figures": _figures(view),
            "data": _cell_data(view),
            "page_data": Markup(for_script(view.script)) if any(view.script.values()) else "",
        },
        budget=page_budget(view.class_count),
        pictures=view.pictures,
        templates=templates,
    )


def _figures(view: ReportView) -> dict[str, Any]:
    """Draw every figure of the page, by the name that the templates use."""
    found: dict[str, Any] = {}
    for section in SECTIONS:
        shown = view.sections[section.attribute]
        if section.figures and shown is not None and getattr(shown, "drawn", True):
            found |= load(section.figures)(shown)
    return found


def _cell_data(view: ReportView) -> str:
    if view.matrix is None:
        return ""
    from batchclf.report.sections.confusion import script_data

    return Markup(script_data(view.matrix))  # escaped for <script> there


def render_page(
    name: str,
    values: Mapping[str, Any],
    *,
    budget: int,
    pictures: Sequence[Picture] = (),
    templates: Path | None = None,
) -> str:
    """Write the page of template `name`, which extends page.html, from `values`.

    `pictures` are those that the page refers to by their ids, the most important first: as many are put into it as fit
    into `budget` bytes. Raises BatchclfError as `render` does.
    """
    folder = templates.absolute() if templates else None
    made = environment(folder)
    try:
        page = made.get_template(name).render(
            **values, marks={"pictures": Markup(_PICTURES), "weight": Markup(_WEIGHT)}, csp_hash=_csp_hash
        )
    except Exception as error:
        # Whatever a user's template does wrong is for the user; anything else is a fault of the program.
        explained = template_error(error, folder) if folder else None
        if explained is None:
            raise
        raise explained from error
    return _filled(page, pictures, budget)


def _csp_hash(text: str) -> str:
    """Name a script or style in a Content-Security-Policy (CSP Level 3, 2.3.1)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"


def _filled(page: str, pictures: Sequence[Picture], budget: int) -> str:
    """Put in the pictures that fit, and how large the page is with them."""
    absent = {picture.id: _absent(picture) for picture in pictures}
    without = len(page.encode()) + sum(map(len, absent.values())) + 200
    # Pictures give way, the most important last (decision 070)
    chosen = {picture.id for picture in fitting(pictures, budget - without)}
    symbols = [_present(picture) if picture.id in chosen else absent[picture.id] for picture in pictures]
    if symbols:
        symbols = ['<svg class="album" aria-hidden="true" focusable="false"><defs>', *symbols, "</defs></svg>"]
    # Each picture once, in a hidden SVG; <use> draws it wherever it is wanted (decision 069)
    page = page.replace(_PICTURES, "".join(symbols), 1)
    left_out = len(pictures) - len(chosen)
    words = f"{size(len(page.encode()))} of at most {size(budget)}"
    words += f"; {left_out:,} of {counted(len(pictures), 'picture')} did not fit" if left_out else ""
    return page.replace(_WEIGHT, words, 1)


def _present(picture: Picture) -> str:
    return f'<image id="{picture.id}" width="{picture.width}" height="{picture.height}" href="{picture.source}"/>'


def _absent(picture: Picture) -> str:
    width, height = picture.width, picture.height
    return (
        f'<text id="{picture.id}" x="{width / 2:g}" y="{height / 2:g}" font-size="{width / 7:.3g}" '
        'text-anchor="middle" fill="currentColor">no picture</text>'
    )

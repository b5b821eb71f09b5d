"""axe-core finds nothing to complain about, in either colour scheme, on wide and narrow screens."""

import pytest
from browser_cases import PAGES, show

from batchclf.report.render import render

Axe = pytest.importorskip("selenium_axe_python", reason="selenium-axe-python is not installed").Axe
RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]},
    "resultTypes": ["violations"],
}


@pytest.mark.parametrize("name", ["labelled", "unlabelled", "hundred", "nightly", "hostile night"])
def test_axe_finds_no_violation(name, browser, tmp_path):
    file = tmp_path / "report.html"
    file.write_text(render(PAGES[name]()), "utf-8")
    # A page of a hundred classes takes axe some seconds: its layout is tried once, its colours are the others'.
    widths = {"labelled": (390, 1440), "unlabelled": (390, 1440), "hundred": (390,)}.get(name, (390, 1440))
    for width in widths:
        for scheme in ("light", "dark") if len(widths) > 1 else ("light",):
            show(browser, width, scheme)
            browser.get(file.as_uri())
            axe = Axe(browser)
            axe.inject()
            violations = axe.run(options=RULES)["violations"]
            assert violations == [], f"{width} {scheme}: {axe.report(violations)}"

"""axe-core finds nothing to complain about, in either colour scheme, on wide and narrow screens."""

import pytest
from browser_cases import PAGES, show

from batchclf.report.html.render import render

Axe = pytest.importorskip("selenium_axe_python", reason="selenium-axe-python is not installed").Axe
RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]},
    "resultTypes": ["violations"],
}


ALL = [(width, scheme) for width in (390, 1440) for scheme in ("light", "dark")]
# A long page takes axe some seconds, and has the colours and the layout of the others.
SHOWN = {
    "labelled": ALL,
    "unlabelled": ALL,
    "hundred": [(390, "light")],
    "nightly": [(390, "light"), (1440, "dark")],
    "hostile run": [(390, "dark"), (1440, "light")],
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(each, marks=pytest.mark.slow) if each in ("unlabelled", "hundred", "nightly") else each
        for each in SHOWN
    ],
)
def test_axe_finds_no_violation(name, browser, tmp_path):
    file = tmp_path / "report.html"
    file.write_text(render(PAGES[name]()), "utf-8")
    for width, scheme in SHOWN[name]:
        show(browser, width, scheme)
        browser.get(file.as_uri())
        axe = Axe(browser)
        axe.inject()
        violations = axe.run(options=RULES)["violations"]
        assert violations == [], f"{width} {scheme}: {axe.report(violations)}"

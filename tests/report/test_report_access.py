"""axe-core finds nothing to complain about, in either colour scheme, on wide and narrow screens."""

import pytest
from browser_cases import PAGES, of_many, show
from report_cases import FASHION, evaluate, sample

from batchclf.report.html.notebook import render_evaluation
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
    "trained": [(390, "dark"), (1440, "light")],
    "hostile": [(390, "dark")],
    "unlabelled": ALL,
    "hundred": [(390, "light")],
    "nightly": [(390, "light"), (1440, "dark")],
    "hostile run": [(390, "dark"), (1440, "light")],
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(each, marks=pytest.mark.slow) if each not in ("labelled", "hostile run") else each for each in SHOWN],
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


@pytest.mark.slow
def test_axe_finds_no_violation_on_a_page_of_a_thousand_classes(browser, tmp_path):
    file = tmp_path / "report.html"
    file.write_text(render(of_many("thousand", 1000, 5000)), "utf-8")
    show(browser, 390, "light")
    browser.get(file.as_uri())
    # The rows of a table are alike, and axe takes minutes for a thousand.
    shorten = "for (const body of document.querySelectorAll('tbody')) while (body.rows.length > 40) body.deleteRow(40)"
    browser.execute_script(shorten)
    axe = Axe(browser)
    axe.inject()
    violations = axe.run(options=RULES)["violations"]
    assert violations == [], axe.report(violations)


def test_axe_finds_no_violation_in_the_cell_of_a_notebook(browser, tmp_path):
    of_fashion = evaluate(sample(FASHION, 600))
    cell = render_evaluation(of_fashion, ["A warning."])
    file = tmp_path / "cell.html"
    file.write_text(
        f'<!doctype html><html lang="en"><title>A notebook</title><main><h1>1</h1>{cell}</main></html>', "utf-8"
    )
    for width, scheme in ALL[::2]:
        show(browser, width, scheme)
        browser.get(file.as_uri())
        axe = Axe(browser)
        axe.inject()
        violations = axe.run(options=RULES)["violations"]
        assert violations == [], axe.report(violations)

"""The page in a browser: quiet, offline, as wide as the window, legible in light and in dark."""

import json

import pytest
from report_cases import (
    FASHION,
    HOSTILE,
    both_splits,
    directory_target,
    evaluate,
    pictures_of,
    record,
    sample,
    view_of,
)

from batchclf.core.types import ImageRef, SkippedImage
from batchclf.report.render import render

By = pytest.importorskip("selenium.webdriver.common.by", reason="selenium is not installed").By
WIDTHS = (1440, 768, 390)

# For each element with text of its own: its colour against what is painted behind it (WCAG 1.4.3).
LOW_CONTRAST = """
const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
const rgba = colour => {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = colour;
  canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
};
const luminance = ([r, g, b]) => {
  const linear = c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const [x, y, z] = [r, g, b].map(c => linear(c / 255));
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
};
const background = element => {
  for (let at = element; at; at = at.parentElement) {
    const colour = rgba(getComputedStyle(at).backgroundColor);
    if (colour[3] === 255) return colour;
  }
  return [255, 255, 255, 255];
};
const found = [];
for (const element of document.body.querySelectorAll("*")) {
  const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
  if (!own || ["title", "desc"].includes(element.tagName)) continue;
  const style = getComputedStyle(element);
  const text = luminance(rgba(element.ownerSVGElement ? style.fill : style.color));
  const behind = luminance(background(element));
  const ratio = (Math.max(text, behind) + 0.05) / (Math.min(text, behind) + 0.05);
  if (ratio < 4.5) found.push([element.tagName, element.textContent.trim().slice(0, 30), ratio]);
}
return found;
"""
# Texts and pictures that reach over the edge of the window without a container that scrolls.
OUTSIDE = """
return [...document.body.querySelectorAll("*")]
  .filter(e => !e.closest(".scroll, .unseen, .skip") && e.getBoundingClientRect().right > innerWidth + 0.5)
  .map(e => e.tagName + " " + e.textContent.trim().slice(0, 30));
"""


def labelled():
    _, evaluations, gap = both_splits()
    return view_of(record(), evaluations, gap, pictures=pictures_of(*evaluations))


def unlabelled():
    evaluation = evaluate(sample(FASHION, 60, "", labelled=0.0), "")
    skipped = [SkippedImage(ImageRef(f"{i}.png", None), "cut off") for i in range(60)]
    run = record(targets=[directory_target(60, 60)], dataset=None, status="partial")
    return view_of(run, [evaluation], pictures=pictures_of(evaluation), skipped=skipped)


def hostile():
    _, evaluations, gap = both_splits(HOSTILE)
    skipped = [SkippedImage(ImageRef(name * 2, name), name) for name in HOSTILE]
    return view_of(record(HOSTILE, job="j" * 300), evaluations, gap, skipped=skipped)


def hundred():
    names = tuple(f"class number {i} of a hundred" for i in range(100))
    _, evaluations, gap = both_splits(names, 1500)
    return view_of(record(names), evaluations, gap)


PAGES = {"labelled": labelled, "unlabelled": unlabelled, "hostile": hostile, "hundred": hundred}


@pytest.fixture(scope="module", params=PAGES)
def page(request, browser, tmp_path_factory):
    """A page that has been opened, with what the browser asked for and complained about meanwhile."""
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(render(PAGES[request.param]()), "utf-8")
    show(browser, 1440, "light")
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(file.as_uri())
    return browser, file.as_uri(), browser.get_log("browser"), browser.get_log("performance")


def show(browser, width, scheme):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def test_no_complaint_and_no_request(page):
    _, address, complaints, performance = page
    assert complaints == []
    messages = [json.loads(entry["message"])["message"] for entry in performance]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert address in asked
    assert [url for url in asked if url != address and not url.startswith("data:")] == []


def test_headings_and_tables_are_there(page):
    browser, *_ = page
    assert browser.find_element(By.TAG_NAME, "h1").is_displayed()
    assert all(heading.is_displayed() for heading in browser.find_elements(By.CSS_SELECTOR, "h2:not(.unseen)"))
    for link in browser.find_elements(By.CSS_SELECTOR, ".contents a"):
        assert browser.find_element(By.CSS_SELECTOR, link.get_dom_attribute("href")).is_displayed()
    assert all(svg.size["height"] > 50 for svg in browser.find_elements(By.CSS_SELECTOR, "main svg"))
    assert browser.execute_script("return [...document.images].every(i => i.naturalWidth === 28)")


def test_matrix_headers_stay_in_sight_when_scrolled(page):
    browser, *_ = page
    matrices = browser.find_elements(By.CSS_SELECTOR, ".matrix")
    assert len(matrices) == len(browser.find_elements(By.CSS_SELECTOR, "#confusion"))
    show(browser, 390, "light")
    for matrix in matrices:
        offsets = browser.execute_script(
            "const box = arguments[0].parentElement; box.scrollLeft = 150;"
            "return [box.scrollLeft, arguments[0].querySelector('tbody th').getBoundingClientRect().left"
            " - box.getBoundingClientRect().left]",
            matrix,
        )
        assert offsets[0] == 150
        assert 0 <= offsets[1] < 5


@pytest.mark.parametrize("width", WIDTHS)
def test_page_never_scrolls_sideways(page, width):
    browser, *_ = page
    show(browser, width, "light")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script(OUTSIDE) == []


def test_text_is_legible_in_both_schemes(page):
    browser, *_ = page
    backgrounds = []
    for scheme in ("light", "dark"):
        show(browser, 1440, scheme)
        backgrounds.append(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
        assert browser.execute_script(LOW_CONTRAST) == []
    assert backgrounds[0] != backgrounds[1]


def test_keyboard_reaches_the_scrolling_tables_and_shows_it(page):
    browser, *_ = page
    regions = browser.find_elements(By.CSS_SELECTOR, ".scroll")
    assert regions
    for region in regions:
        assert region.get_dom_attribute("tabindex") == "0"
        assert region.get_dom_attribute("aria-label")
    outline = "arguments[0].focus({focusVisible: true}); return getComputedStyle(arguments[0]).outlineStyle"
    assert browser.execute_script(outline, regions[0]) == "solid"

"""The page in a browser: quiet, offline, as wide as the window, legible in light and in dark."""

import json
import re
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from browser_cases import PAGES, labelled, show
from report_cases import GENERATED

from batchclf.report.html.render import render

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
By = pytest.importorskip("selenium.webdriver.common.by", reason="selenium is not installed").By
Keys = pytest.importorskip("selenium.webdriver.common.keys", reason="selenium is not installed").Keys
WebDriverWait = pytest.importorskip("selenium.webdriver.support.ui", reason="selenium is not installed").WebDriverWait
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
  if (!own || ["title", "desc", "SCRIPT"].includes(element.tagName)) continue;
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
  .filter(e => !e.closest(".scroll, .unseen, .skip, .contents") && e.getBoundingClientRect().right > innerWidth + 0.5)
  .map(e => e.tagName + " " + e.textContent.trim().slice(0, 30));
"""


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
    assert all(svg.size["height"] > 50 for svg in browser.find_elements(By.CSS_SELECTOR, ".chart svg, svg.picture"))
    assert browser.execute_script("return [...document.images].every(i => i.naturalWidth > 0)")


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
    shown = next(region for region in regions if region.is_displayed())
    assert browser.execute_script(outline, shown) == "solid"


@pytest.fixture
def report(browser, tmp_path):
    """The labelled page, opened anew."""
    file = tmp_path / "report.html"
    file.write_text(render(labelled()), "utf-8")
    show(browser, 1440, "light")
    browser.get(file.as_uri())
    return browser


def column(browser, table, number):
    script = (
        "return [...document.querySelectorAll(`${arguments[0]} tbody tr`)].map(r => r.cells[arguments[1]].innerText)"
    )
    return browser.execute_script(script, table, number)


def test_columns_sort_both_ways_and_say_so(report):
    button = report.find_elements(By.CSS_SELECTOR, ".per-class th:nth-child(3) .sort")[0]
    header = report.find_elements(By.CSS_SELECTOR, ".per-class th:nth-child(3)")[0]
    worst_first = column(report, ".per-class", 2)
    report.execute_script("arguments[0].click()", button)
    assert header.get_dom_attribute("aria-sort") == "descending"
    shares = [float(text.split("%")[0]) for text in column(report, ".per-class", 2)]
    assert shares == sorted(shares, reverse=True)
    report.execute_script("arguments[0].click()", button)
    assert header.get_dom_attribute("aria-sort") == "ascending"
    assert [text.split("%")[0] for text in column(report, ".per-class", 2)] == [t.split("%")[0] for t in worst_first]
    name = report.find_elements(By.CSS_SELECTOR, ".per-class th:nth-child(1) .sort")[0]
    report.execute_script("arguments[0].click()", name)
    assert header.get_dom_attribute("aria-sort") is None
    names = column(report, ".per-class", 0)
    assert names == sorted(names, key=str.lower)


def test_filter_box_leaves_the_classes_that_match(report):
    field = report.find_element(By.CSS_SELECTOR, ".filter input")
    field.send_keys("SHIRT")
    shown = [row.find_element(By.TAG_NAME, "th").text for row in visible_rows(report, ".per-class")]
    assert "Shirt" in shown
    assert len(shown) < 10
    assert report.find_element(By.CSS_SELECTOR, ".filter [role=status]").text == f"showing {len(shown)} of 10"
    field.clear()
    field.send_keys(" ")
    assert len(visible_rows(report, ".per-class")) == 10


def visible_rows(browser, table):
    return [row for row in browser.find_elements(By.CSS_SELECTOR, f"{table} tbody tr") if row.is_displayed()]


def test_a_click_on_a_cell_shows_its_images(report):
    panel = report.find_element(By.ID, "cell-images")
    assert not panel.is_displayed()
    cell = report.find_element(By.CSS_SELECTOR, ".matrix tbody tr:nth-child(1) td:nth-of-type(1)")
    cell.click()
    assert panel.is_displayed()
    number = cell.find_element(By.TAG_NAME, "b").text
    heading = panel.find_element(By.TAG_NAME, "h3").text
    assert heading.startswith(f"True T-shirt/top, predicted T-shirt/top: {number} images (")
    assert f"Showing 2 of {number}" in panel.text
    pictures = panel.find_elements(By.CSS_SELECTOR, ".picture")
    assert [picture.tag_name for picture in pictures] == ["div", "svg"]
    assert pictures[1].size["height"] > 50
    assert cell.get_dom_attribute("aria-selected") == "true"


def test_the_matrix_can_be_used_with_the_keyboard_alone(report):
    start = report.find_element(By.CSS_SELECTOR, ".matrix tbody td[tabindex='0']")
    start.send_keys(Keys.ARROW_DOWN, Keys.NULL)
    report.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    report.switch_to.active_element.send_keys(Keys.ARROW_UP)
    report.switch_to.active_element.send_keys(Keys.HOME)
    cell = report.switch_to.active_element
    where = "return [arguments[0].parentElement.rowIndex, arguments[0].cellIndex]"
    assert report.execute_script(where, cell) == [1, 1]
    assert len(report.find_elements(By.CSS_SELECTOR, ".matrix td[tabindex='0']")) == 1
    cell.send_keys(Keys.ENTER)
    panel = report.find_element(By.ID, "cell-images")
    assert panel.is_displayed()
    assert report.switch_to.active_element == panel
    panel.send_keys(Keys.ESCAPE)
    assert not panel.is_displayed()
    assert report.switch_to.active_element == cell
    cell.send_keys(Keys.END)
    report.switch_to.active_element.send_keys(Keys.PAGE_DOWN)
    assert report.execute_script(where, report.switch_to.active_element) == [10, 10]
    report.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
    assert report.execute_script(where, report.switch_to.active_element) == [10, 10]


def test_cells_show_shares_without_script(browser, tmp_path):
    file = tmp_path / "report.html"
    file.write_text(render(labelled()), "utf-8")
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        show(browser, 1440, "light")
        browser.get(file.as_uri())
        cell = browser.find_element(By.CSS_SELECTOR, ".matrix tbody td")
        parts = {tag: cell.find_element(By.TAG_NAME, tag) for tag in "biu"}
        before = cell.value_of_css_property("background-color")
        assert [parts[tag].is_displayed() for tag in "biu"] == [True, True, False]
        browser.find_element(By.ID, "cells-true").click()
        assert [parts[tag].is_displayed() for tag in "biu"] == [False, True, False]
        browser.find_element(By.ID, "cells-predicted").click()
        assert [parts[tag].is_displayed() for tag in "biu"] == [False, False, True]
        assert parts["u"].text.endswith("%")
        assert before.startswith("rgb")
        # What only the script can do is not offered.
        assert not browser.find_element(By.CSS_SELECTOR, ".hint").is_displayed()
        assert not browser.find_elements(By.CSS_SELECTOR, ".filter, .sort")
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_the_contents_stay_in_sight(report):
    report.execute_script("scrollTo({top: 3000, behavior: 'instant'})")
    bar = report.find_element(By.CSS_SELECTOR, ".contents")
    assert report.execute_script("return arguments[0].getBoundingClientRect().top", bar) == 0


def test_the_keyboard_reaches_links_beyond_the_edge_of_the_contents(report):
    show(report, 390, "light")
    link = report.find_elements(By.CSS_SELECTOR, ".contents a")[-1]
    report.execute_script("arguments[0].focus({focusVisible: true})", link)
    assert 0 <= link.rect["x"] <= 390 - link.rect["width"]


def test_a_name_that_is_cut_has_a_title(browser, tmp_path):
    file = tmp_path / "report.html"
    file.write_text(render(PAGES["hostile"]()), "utf-8")
    show(browser, 390, "light")
    browser.get(file.as_uri())
    names = [each for each in browser.find_elements(By.CSS_SELECTOR, "#errors .gallery dd bdi") if each.is_displayed()]
    long, short = (sought(names, key=lambda each: len(each.text)) for sought in (max, min))
    for name in (long, short):
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", name)
        webdriver.ActionChains(browser, 0).move_to_element(name).perform()
    assert long.get_attribute("title") == long.get_property("textContent")
    assert not short.get_attribute("title")


def test_large_cells_show_their_images(browser, tmp_path):
    file = tmp_path / "report.html"
    file.write_text(render(PAGES["hundred"]()), "utf-8")
    show(browser, 1440, "light")
    browser.get(file.as_uri())
    row = browser.find_element(By.CSS_SELECTOR, "tr[data-cell]")
    label, prediction = row.find_element(By.TAG_NAME, "th").text, row.find_element(By.CSS_SELECTOR, "td").text
    browser.execute_script("arguments[0].click()", row.find_element(By.TAG_NAME, "button"))
    panel = browser.find_element(By.ID, "cell-images")
    assert panel.find_element(By.TAG_NAME, "h3").text.startswith(f"True {label}, predicted {prediction}: ")
    assert browser.switch_to.active_element == panel


def test_the_age_of_the_run_is_shown_when_the_page_is_opened(report):
    when = report.find_element(By.CSS_SELECTOR, ".when time")
    assert datetime.fromisoformat(when.get_dom_attribute("datetime")) == GENERATED - timedelta(minutes=2)
    days = (datetime.now(UTC) - GENERATED).days
    shown = re.search(r", ([\d,]+) days ago$", when.text)
    assert int(shown[1].replace(",", "")) == pytest.approx(days, abs=1)


def test_on_paper_nothing_is_cut_or_scrolls(report):
    report.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        for whole in (".chart", ".matrix", ".gallery li", ".per-class tr", ".verdict"):
            element = report.find_element(By.CSS_SELECTOR, whole)
            assert element.value_of_css_property("break-inside") == "avoid", whole
        for region in report.find_elements(By.CSS_SELECTOR, ".scroll"):
            assert region.value_of_css_property("overflow") == "visible"
        for gone in (".contents", ".switch", ".filter", ".hint", ".ago"):
            assert not report.find_element(By.CSS_SELECTOR, gone).is_displayed(), gone
    finally:
        report.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def copied(browser, region, name):
    """What a click on "Copy as NAME" of a table puts on the clipboard."""
    for permission in ("clipboard-read", "clipboard-write"):  # a headless browser cannot ask for them
        browser.execute_cdp_cmd("Browser.setPermission", {"permission": {"name": permission}, "setting": "granted"})
    button = browser.find_element(By.CSS_SELECTOR, f"button[aria-label='Copy as {name}: {region}']")
    browser.execute_script("arguments[0].closest('details')?.setAttribute('open', '')", button)
    button.send_keys(Keys.ENTER)
    WebDriverWait(browser, 5).until(lambda _: button.text == "copied")
    read = "navigator.clipboard.readText().then(arguments[arguments.length - 1], e => arguments[0](`${e}`))"
    return browser.execute_async_script(read)


def test_a_table_is_copied_as_it_is_shown(report, tmp_path):
    region = (
        report.find_element(By.CSS_SELECTOR, ".metrics").find_element(By.XPATH, "..").get_dom_attribute("aria-label")
    )
    (tmp_path / "copied.csv").write_text(copied(report, region, "CSV"))
    table = pd.read_csv(tmp_path / "copied.csv", dtype=str, keep_default_na=False)
    assert list(table.iloc[:, 1]) == column(report, ".metrics", 1)
    letters = re.compile(r"\W")
    assert [letters.sub("", name) for name in table["Metric"]] == [
        letters.sub("", text) for text in column(report, ".metrics", 0)
    ]
    markdown = copied(report, region, "Markdown").splitlines()
    assert len(markdown) == len(table) + 2
    assert markdown[1] == "|" + "---|" * table.shape[1]
    assert markdown[0].startswith("| Metric | Value |")


def test_each_section_has_a_link_to_its_heading(report):
    links = report.find_elements(By.CSS_SELECTOR, "h2 .anchor")
    assert len(links) == len(report.find_elements(By.CSS_SELECTOR, "section[id] > h2"))
    report.execute_script("arguments[0].click()", links[-1])
    assert report.current_url.endswith(links[-1].get_dom_attribute("href"))

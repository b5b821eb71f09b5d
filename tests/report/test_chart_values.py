"""The values in the charts, at the pointer, on the arrow keys and at a tap, in a real browser."""

from datetime import UTC, datetime
from time import sleep

import pandas as pd
import pytest
from browser_cases import labelled, show
from report_cases import FASHION, both_splits
from sklearn.metrics import recall_score
from test_index_page import GENERATED, history, summary

from batchclf.report.html.render import render
from batchclf.report.pages.index import index_view
from batchclf.report.pages.render import render_index

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
By = pytest.importorskip("selenium.webdriver.common.by").By
Keys = webdriver.Keys
Wait = pytest.importorskip("selenium.webdriver.support.ui").WebDriverWait
CLOSING = 0.3
"""After so many seconds what is not hovered any more is hidden."""


def chart(browser, name):
    """A figure by its name, in the middle of the window, and the slider that the keyboard gets to."""
    svg = browser.find_element(By.CSS_SELECTOR, f"svg[aria-labelledby^='{name}-title']")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", svg)
    return svg, browser.execute_script("return arguments[0].previousElementSibling", svg)


def point_at(browser, svg, across, down):
    """Move the mouse to a place in the figure, given as shares of its width and height."""
    x, y = ((share - 0.5) * svg.size[side] for share, side in ((across, "width"), (down, "height")))
    webdriver.ActionChains(browser, 0).move_to_element_with_offset(svg, round(x), round(y)).perform()


def tip(browser):
    """What is shown, a line each; nothing if it is hidden."""
    return browser.find_element(By.CSS_SELECTOR, ".tip").text.splitlines()


def opened(browser, tmp_path, html, width=1440):
    (tmp_path / "page.html").write_text(html, "utf-8")
    show(browser, width, "light")
    browser.get((tmp_path / "page.html").as_uri())
    return browser


def recalls():
    """Train and test recall of each class in percent by scikit-learn, the largest gap first."""
    samples, *_ = both_splits()
    columns = {
        split: 100 * recall_score(of.rows.labels, of.rows.predictions, average=None, labels=range(len(FASHION)))
        for split, of in samples.items()
    }
    table = pd.DataFrame(columns, index=list(FASHION))
    return table.assign(gap=table["train"] - table["test"]).sort_values("gap", ascending=False, kind="stable")


def of_class(row):
    train, test = f"Train {row.train:.2f}%", f"Test {row.test:.2f}%"
    return [row.Index, train, test, f"Gap {row.gap:+.1f} points".replace("-", "\N{MINUS SIGN}")]


def test_the_pointer_shows_the_value_until_it_leaves_or_escape(browser, tmp_path):
    page = opened(browser, tmp_path, render(labelled()))
    svg, _ = chart(page, "dumbbell")
    rows = list(recalls().itertuples())
    height = 66 + 24 * len(rows)
    for number in (0, 4):
        # The rows begin 26 pixels below the upper edge, and 42 are below them.
        point_at(page, svg, 0.6, (26 + (number + 0.6) * (height - 68) / len(rows)) / height)
        assert tip(page) == of_class(rows[number])
    assert len(page.find_elements(By.CSS_SELECTOR, ".rings circle")) == 2
    box = page.find_element(By.CSS_SELECTOR, ".tip")
    webdriver.ActionChains(page, 0).move_to_element(box).perform()
    sleep(CLOSING)
    assert tip(page) == of_class(rows[4])
    point_at(page, svg, 0.6, 0.5)
    webdriver.ActionChains(page).send_keys(Keys.ESCAPE).perform()
    assert tip(page) == []
    point_at(page, svg, 0.61, 0.5)
    assert tip(page) == []
    point_at(page, svg, 0.6, 0.9)
    assert tip(page) == of_class(rows[-1])
    webdriver.ActionChains(page, 0).move_to_element(page.find_element(By.TAG_NAME, "h1")).perform()
    Wait(page, 5).until(lambda _: tip(page) == [])


def test_the_arrow_keys_go_through_the_values(browser, tmp_path):
    samples, *_ = both_splits()
    rows = samples["test"].rows
    images = pd.DataFrame({"confidence": rows.confidence, "right": rows.labels == rows.predictions})
    bins = images.groupby((images["confidence"] * 20).astype(int).clip(upper=19))
    shares = [f"{100 * right:.2f}% right" for right in bins["right"].mean()]
    page = opened(browser, tmp_path, render(labelled()))
    _, slider = chart(page, "reliability")
    slider.send_keys(Keys.NULL)
    assert slider.get_attribute("aria-label") == "Values: Reliability diagram"
    assert tip(page)[1].startswith(shares[-1])
    slider.send_keys(Keys.ARROW_LEFT)
    assert tip(page)[1].startswith(shares[-2])
    slider.send_keys(Keys.HOME)
    head, right, number = tip(page)
    assert right.startswith(shares[0])
    assert number.split()[0] == str(bins.size().iloc[0])
    assert slider.get_attribute("aria-valuetext") == f"{head}: {right}, {number}"
    slider.send_keys(Keys.ESCAPE)
    assert tip(page) == []
    slider.send_keys(Keys.ARROW_RIGHT)
    assert tip(page)[1].startswith(shares[1])
    slider.send_keys(Keys.TAB)
    assert tip(page)[:1] != [head]
    # A chart is one stop of the tabulator.
    drawn = page.find_elements(By.CSS_SELECTOR, "svg[data-stops]")
    assert len(page.find_elements(By.CSS_SELECTOR, ".slider")) == len(drawn)
    assert all(each.get_attribute("max") != "0" for each in page.find_elements(By.CSS_SELECTOR, ".slider"))


@pytest.fixture
def runs():
    """Runs of a job, hours and months apart; the third was not good."""
    days = (0, 0.1, 0.2, 30)
    return [
        summary(day, value=0.8 + place / 50, status="gate failed" if place == 2 else "ok")
        for place, day in enumerate(days)
    ]


def tap(browser, x, y):
    for kind, points in (("touchStart", [{"x": x, "y": y}]), ("touchEnd", [])):
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def test_a_tap_shows_the_value_within_a_narrow_window(browser, tmp_path, runs):
    page = opened(browser, tmp_path, render_index(index_view([history(runs=runs)], generated=GENERATED)), width=390)
    svg, _ = chart(page, "job-1-accuracy")
    left, top, width = page.execute_script(
        "const box = arguments[0].getBoundingClientRect(); return [box.left, box.top, box.width]", svg
    )
    # Four runs, each a step from 54 to 388 of 400 pixels.
    for place, run in enumerate(runs):
        tap(page, left + (54 + place * 334 / 3) / 400 * width, top + 40)
        sleep(CLOSING)
        head, value, *further = tip(page)
        assert head.startswith(datetime.fromisoformat(run.started).astimezone(UTC).strftime("%a %Y-%m-%d %H:%M"))
        assert value.startswith(f"{100 * run.accuracy.value:.2f}% (")
        assert further == (["not good"] if place == 2 else [])
        edges = page.execute_script(
            "const box = document.querySelector('.tip').getBoundingClientRect();"
            "return [box.left >= 0, box.right <= innerWidth, document.documentElement.scrollWidth <= 390]"
        )
        assert edges == [True, True, True]
    tap(page, 5, 300)
    assert tip(page) == []


def test_paper_and_pages_without_script_have_no_trace_of_it(browser, tmp_path, runs):
    html = render_index(index_view([history(runs=runs)], generated=GENERATED))
    page = opened(browser, tmp_path, html)
    _, slider = chart(page, "job-1-accuracy")
    slider.send_keys(Keys.NULL)
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert not any(page.find_elements(By.CSS_SELECTOR, each)[0].is_displayed() for each in (".tip", ".slider"))
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        opened(page, tmp_path, html)
        assert not page.find_elements(By.CSS_SELECTOR, ".slider, .tip, .rings")
    finally:
        page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})

"""Labels reviewed in the page of a real run: the numbers follow, and the saved file gives the same ones."""

import json
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from browser_cases import show
from PIL import Image
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

from batchclf.cli.main import main
from batchclf.core.text import count, decimal, percent, plain_text
from batchclf.storage.csv_files.cells import safe_cell

By = pytest.importorskip("selenium.webdriver.common.by", reason="selenium is not installed").By
Keys = pytest.importorskip("selenium.webdriver.common.keys", reason="selenium is not installed").Keys
ui = pytest.importorskip("selenium.webdriver.support.ui", reason="selenium is not installed")
NAMES = ["a,b", "=1+1", "\"quoted\" 'x'", "two\nlines", "__proto__", "</script>", "'=cat"]


def table(folder, seed):
    """Predictions of 240 images, with paths that two splits share; 64 of test are there as files."""
    random = np.random.default_rng(seed)
    rows = []
    for split, many in (("test", 160), ("train", 80)):
        labels = random.integers(0, len(NAMES), many)
        shares = random.dirichlet(np.full(len(NAMES), 0.4), many)
        shares[np.arange(many), labels] += 0.4
        shares /= shares.sum(axis=1, keepdims=True)
        for at in range(many):
            path = f'=odd, "{at:03}"\n\u202e.png' if at % 2 else f"{at:03}.png"
            best = int(shares[at].argmax())
            values = dict(zip((f"prob:{name}" for name in NAMES), shares[at], strict=True))
            rows.append({"split": split, "path": path, "label": NAMES[labels[at]], "prediction": NAMES[best]} | values)
    (folder / "photos").mkdir()
    for at in range(0, 128, 2):
        Image.fromarray(random.integers(0, 255, (20, 20), np.uint8)).save(folder / "photos" / f"{at:03}.png")
    frame = pd.DataFrame(rows)
    frame.insert(4, "confidence", frame[[f"prob:{name}" for name in NAMES]].max(axis=1))
    texts = ["path", "label", "prediction"]
    frame.assign(**frame[texts].map(safe_cell)).to_csv(folder / "table.csv", index=False)
    return frame


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run directory with its report, and the rows that it is of."""
    folder = tmp_path_factory.mktemp("review")
    frame = table(folder, seed=6)  # an accuracy of 55.625% after the review, which rounds to even
    arguments = ["evaluate", folder / "table.csv", "--images", folder / "photos", "--out", folder / "run"]
    assert main([*map(str, arguments), "--split-column", "split", "--quiet"]) == 0
    return folder / "run", frame


@pytest.fixture
def page(browser, run):
    """The report, opened in a browser that has never seen it."""
    show(browser, 1440, "light")
    browser.get((run[0] / "report.html").as_uri())
    browser.execute_script("localStorage.clear()")
    browser.refresh()
    yield browser
    browser.execute_script("localStorage.clear()")


def tile(browser, number):
    return browser.find_elements(By.CSS_SELECTOR, "#errors .gallery > li")[number]


def path_of(browser, element):
    exact = "const tile = arguments[0]; return tile.dataset.path ? JSON.parse(tile.dataset.path) : null"
    return browser.execute_script(exact, element) or element.find_element(By.CLASS_NAME, "path").text


def press(element):
    element.send_keys(Keys.ENTER)


def choose(browser, element, name):
    """Mark a tile as wrong by its button and the list of classes."""
    press(element.find_elements(By.CSS_SELECTOR, ".marks button")[1])
    select = browser.switch_to.active_element
    assert select.get_dom_attribute("id") == "review-class"
    ui.Select(select).select_by_value(str(NAMES.index(name)))
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)


def marked(browser, frame):
    """Mark four images: two wrong, in two ways, one right, one undone. Gives the labels of test by path."""
    of_test = frame[frame["split"] == "test"].set_index("path")
    labels = of_test["label"].to_dict()
    first, second, third = (path_of(browser, tile(browser, number)) for number in range(3))
    labels[first] = next(
        name for name in reversed(NAMES) if name not in tuple(of_test.loc[first, ["label", "prediction"]])
    )
    choose(browser, tile(browser, 0), labels[first])
    press(tile(browser, 1).find_element(By.CSS_SELECTOR, ".marks button"))
    press(tile(browser, 2).find_element(By.CSS_SELECTOR, ".enlarge"))
    labels[third] = of_test.loc[third, "prediction"]
    press(browser.find_element(By.ID, "review-prediction"))
    press(browser.find_element(By.XPATH, "//dialog//button[text()='Next']"))
    press(browser.find_element(By.ID, "review-right"))
    press(browser.find_element(By.ID, "review-right"))  # undone
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    last = tile(browser, 3).find_element(By.CSS_SELECTOR, ".enlarge")
    ui.WebDriverWait(browser, 5).until(lambda _: browser.switch_to.active_element == last)
    return pd.Series(labels), of_test["prediction"], [first, second, third]


def shown(browser, selector):
    return [each.text for each in browser.find_elements(By.CSS_SELECTOR, selector)]


def test_marks_change_the_numbers_and_the_saved_file_gives_the_same(page, run, tmp_path):
    folder, frame = run
    as_published = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    labels, predictions, paths = marked(page, frame)
    accuracy = percent(accuracy_score(labels, predictions))
    status = page.find_element(By.CSS_SELECTOR, "#review [role=status]").text
    assert status.startswith("3 labels reviewed: 2 wrong, 1 right. ")
    right = count(int((labels == predictions).sum()))
    assert f"Accuracy {accuracy} ({right} of {count(len(labels))})" in status
    main_number = page.find_element(By.CSS_SELECTOR, ".measures .main")
    assert main_number.find_element(By.CLASS_NAME, "value").text == accuracy
    assert "before the review" in main_number.find_element(By.CLASS_NAME, "interval").text
    # The matrix and the classes, judged by scikit-learn
    counts = confusion_matrix(labels, predictions, labels=NAMES)
    cells = [
        text or "0"
        for text in page.execute_script(
            "return [...document.querySelectorAll('.matrix tbody td:not(.total)')]"
            ".map(cell => (cell.querySelector('b') || cell).textContent)"
        )
    ]
    assert cells == [count(int(number)) for number in counts.ravel()]
    shares = page.execute_script("return [...document.querySelectorAll('.matrix tbody td i')].map(i => i.textContent)")
    assert shares == [percent(share) for share in (counts / counts.sum(axis=1, keepdims=True)).ravel() if share]
    totals = shown(page, ".matrix tbody td.total")
    assert totals == [count(int(number)) for number in counts.sum(axis=1)]
    precision, recall, f1, support = precision_recall_fscore_support(labels, predictions, labels=NAMES, zero_division=0)
    changed = set(labels[paths[::2]]) | set(frame[(frame["split"] == "test") & frame["path"].isin(paths[::2])]["label"])
    for place, name in enumerate(NAMES):
        if name in changed:
            row = page.find_elements(By.CSS_SELECTOR, f"tr[data-class='{place}'] td")
            values = [count(int(support[place])), percent(recall[place]), percent(precision[place]), decimal(f1[place])]
            assert [row[at].text for at in (0, 1, 3, 4)] == values
    # The file that the page saves
    page.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    press(page.find_element(By.XPATH, "//button[text()='Save labels.csv']"))
    file = tmp_path / "labels.csv"
    ui.WebDriverWait(page, 10).until(lambda _: file.exists() and file.stat().st_size)
    saved = pd.read_csv(file, dtype=str, keep_default_na=False).map(plain_text)
    assert list(saved.columns) == ["path", "label", "given_label", "split"]
    assert set(saved["split"]) == {"test"}
    assert dict(zip(saved["path"], saved["label"], strict=True)) == dict(labels[paths])
    given = frame[frame["split"] == "test"].set_index("path")["label"]
    assert dict(zip(saved["path"], saved["given_label"], strict=True)) == dict(given[paths])
    # The same numbers, with intervals
    again = tmp_path / "again"
    assert main(["evaluate", str(folder), "--labels", str(file), "--out", str(again), "--quiet"]) == 0
    metrics = json.loads((again / "metrics.json").read_text())["splits"]["test"]
    assert metrics["accuracy"]["value"] == pytest.approx(accuracy_score(labels, predictions), abs=1e-12)
    rows = pd.read_csv(again / "confusion.csv", keep_default_na=False)
    assert (rows[rows["split"] == "test"].iloc[:, 2:].to_numpy() == counts).all()
    page.get((again / "report.html").as_uri())
    assert page.find_element(By.CSS_SELECTOR, ".measures .main .value").text == accuracy
    # Another run: nothing is marked. The run itself is as it was.
    assert page.find_element(By.CSS_SELECTOR, "#review [role=status]").text.startswith("Review the labels")
    assert as_published == {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def test_marks_are_there_after_a_reload_and_can_be_discarded(page, run):
    marked(page, run[1])
    before = page.find_element(By.CSS_SELECTOR, "#review [role=status]").text
    page.refresh()
    assert page.find_element(By.CSS_SELECTOR, "#review [role=status]").text == before
    pressed = page.find_elements(By.CSS_SELECTOR, ".gallery .marks [aria-pressed=true]")
    assert len(pressed) >= 3
    press(page.find_element(By.XPATH, "//button[text()='Discard all']"))
    page.switch_to.alert.accept()
    assert not page.find_elements(By.CSS_SELECTOR, ".revised, .marks [aria-pressed=true]")
    assert page.execute_script("return localStorage.length") == 0


@pytest.mark.parametrize("stored", ["{", "7", '[["nothing", "cat"], ["000.png", "no class"], 5, null]'])
def test_damaged_decisions_do_not_count(page, stored):
    press(tile(page, 0).find_element(By.CSS_SELECTOR, ".marks button"))
    page.execute_script("localStorage.setItem(localStorage.key(0), arguments[0])", stored)
    page.get_log("browser")
    page.refresh()
    status = page.find_element(By.CSS_SELECTOR, "#review [role=status]").text
    assert status.startswith("Review the labels")
    assert ("4 stored decisions fit no image here" in status) == stored.startswith("[")
    press(tile(page, 0).find_element(By.CSS_SELECTOR, ".marks button"))
    assert "1 label reviewed: 0 wrong, 1 right." in page.find_element(By.CSS_SELECTOR, "#review [role=status]").text
    assert page.get_log("browser") == []


def test_a_browser_that_stores_nothing_says_so(page):
    refuse = "Object.defineProperty(window, 'localStorage', {get() { throw new Error('refused'); }})"
    script = page.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": refuse})
    try:
        page.refresh()
        press(tile(page, 0).find_element(By.CSS_SELECTOR, ".marks button"))
        press(tile(page, 1).find_element(By.CSS_SELECTOR, ".marks button"))
        status = page.find_element(By.CSS_SELECTOR, "#review [role=status]").text
        assert status.startswith("2 labels reviewed")
        assert "does not keep the decisions" in status
    finally:
        page.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
        page.refresh()


def test_a_tile_opens_its_picture_and_leads_to_its_file(page, run):
    there = next(
        each
        for each in page.find_elements(By.CSS_SELECTOR, "#errors .gallery > li")
        if (run[0].parent / "photos" / path_of(page, each)).is_file()
    )
    press(there.find_element(By.CSS_SELECTOR, ".enlarge"))
    dialog = page.find_element(By.CSS_SELECTOR, "dialog")
    assert dialog.find_element(By.TAG_NAME, "h2").text == path_of(page, there)
    assert dialog.find_element(By.CSS_SELECTOR, "svg.picture").size["width"] > 200
    file = page.execute_script("return new URL(arguments[0].href).pathname", dialog.find_element(By.TAG_NAME, "a"))
    assert Path(file) == run[0].parent / "photos" / path_of(page, there)
    page.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not dialog.is_displayed()


@pytest.mark.parametrize("name", ["two\nlines", "'=cat"])
def test_a_class_shows_its_images_and_how_to_get_all(page, run, name, tmp_path):
    pytest.importorskip("duckdb", reason="duckdb is not installed")
    frame = run[1]
    of_class = frame[(frame["split"] == "test") & (frame["label"] == name)]
    press(page.find_element(By.CSS_SELECTOR, f"tr[data-class='{NAMES.index(name)}'] button"))
    panel = page.find_element(By.ID, "cell-images")
    tiles = panel.find_elements(By.CSS_SELECTOR, ".gallery > li")
    assert 0 < len(tiles) < len(of_class)
    assert f"Showing {len(tiles)} of {len(of_class)}" in panel.text
    assert {path_of(page, each) for each in tiles} <= set(of_class["path"])
    program, *query = shlex.split(panel.find_element(By.CSS_SELECTOR, ".command").get_property("textContent"))
    assert program == "batchclf"
    assert main([*query, "--out", str(tmp_path / "all.csv"), "--quiet"]) == 0
    everything = pd.read_csv(tmp_path / "all.csv", keep_default_na=False)
    assert sorted(everything["path"].map(plain_text)) == sorted(of_class["path"])


def test_the_search_leaves_the_paths_that_match(page):
    field = page.find_element(By.CSS_SELECTOR, "#errors .filter input")
    tiles = page.find_elements(By.CSS_SELECTOR, "#errors :is(.gallery, .strip) > li")
    field.send_keys("ODD, ")
    left = [each for each in tiles if each.is_displayed()]
    assert left
    assert all("odd, " in path_of(page, each) for each in left)
    status = page.find_element(By.CSS_SELECTOR, "#errors .filter [role=status]").text
    assert status == f"showing {len(left)} of {len(tiles)} images"


def test_without_script_and_on_paper_there_is_nothing_to_mark(page):
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert not any(each.is_displayed() for each in page.find_elements(By.CSS_SELECTOR, ".marks, .review, .filter"))
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.refresh()
        assert not page.find_elements(By.CSS_SELECTOR, ".marks, .review, .enlarge, dialog, #errors .filter")
        assert page.find_element(By.CSS_SELECTOR, "#errors .gallery .picture").is_displayed()
    finally:
        page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_axe_finds_no_violation_while_labels_are_reviewed(page):
    axe_class = pytest.importorskip("selenium_axe_python", reason="selenium-axe-python is not installed").Axe
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    show(page, 390, "dark")
    choose(page, tile(page, 0), NAMES[4])
    press(page.find_element(By.CSS_SELECTOR, "tr[data-class='4'] button"))
    assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    for opened in (False, True):
        if opened:
            press(tile(page, 0).find_element(By.CSS_SELECTOR, ".enlarge"))
        axe = axe_class(page)
        axe.inject()
        violations = axe.run(options={"runOnly": {"type": "tag", "values": tags}, "resultTypes": ["violations"]})
        assert violations["violations"] == [], axe.report(violations["violations"])

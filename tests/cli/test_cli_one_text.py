"""One number has one text: on the page, in its figures, in Markdown, on the console, and as report.json has it.

Every value that stands for (metric, subset) is collected, from the marks of the page and from the sentences, tables and
descriptions of figures, and compared with the value of report.json, rounded here by decimal.
"""

import html
import json
import re
from collections import defaultdict
from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np
import pytest
from PIL import Image
from run_cases import NAMES, drawn, rows_of, write_run
from sklearn.datasets import load_digits

from batchclf.core.metrics.catalog import METRICS, find_metric

PERCENT = r"([<>]?[\d.]+%)"
NUMBER = r"([<>\u2212]*[\d.]+\d)"
POINTS = r"([+\u2212]?[\d.]+\d)"
SENTENCES = [
    (rf"(?i)\b(test|train) accuracy:? (?:is )?{PERCENT}", "accuracy"),
    (rf"right on {PERCENT} of the images it was trained on", ("accuracy", "train")),
    (rf"and on {PERCENT} of new ones", ("accuracy", "test")),
    (rf"ean confidence is {PERCENT}", ("mean_confidence", "main")),
    (rf"ean confidence {PERCENT}", ("mean_confidence", "main")),
    (rf"ean confidence is \S+%, accuracy {PERCENT}", ("accuracy", "main")),
    (rf"ECE, {NUMBER}\)", ("ece", "main")),
    (rf"Calibration error (?:\(ECE\) \| )?{NUMBER}", ("ece", "main")),
    (rf"[Gg]ap of {POINTS} points", ("gap", "")),
    (rf"gap {POINTS} points", ("gap", "")),
    (rf": {POINTS} points do not carry over", ("gap", "")),
    (rf"the gap went from \S+ to {POINTS} points", ("gap", "")),
    (rf"accuracy went from \S+ to {PERCENT}", ("accuracy", "test")),
    (rf"[Aa]ccuracy on all images; {PERCENT}", None),
    (rf"{PERCENT} accuracy on all images", ("accuracy", "main")),
]


def expected(value, decimals, unit=""):
    """Round a value of report.json as the docs say: what is not exactly 0 or all is not shown as if it were."""
    number, step = Decimal(repr(value)) * (100 if unit else 1), Decimal(1).scaleb(-decimals)
    shown, top = number.quantize(step, ROUND_HALF_EVEN), Decimal(100 if unit == "%" else 1)
    if unit != "points" and shown == 0 != number:
        return f"<{step}{unit}"
    if unit != "points" and shown == top != number:
        return f">{top - step}{unit}"
    text = f"{shown:,}".replace("-", "\u2212") if shown else f"{abs(shown)}"
    return f"{text}%" if unit == "%" else text


def texts_of(document):
    """(metric, subset) → the text of its value in report.json."""
    texts = {}
    for split in document["splits"]:
        subset, of = split["split"], split["labelled"]
        if split["mean_confidence"] is not None:
            texts["mean_confidence", subset] = expected(split["mean_confidence"], 2, "%")
        texts["images", subset] = f"{split['images']:,}"
        for metric in of["metrics"] if of else ():
            share = find_metric(metric["name"]).unit == "share"
            texts[metric["name"], subset] = expected(metric["value"], 2 if share else 4, "%" if share else "")
        if of and of["calibration"]:
            texts["ece", subset] = expected(of["calibration"]["ece"], 4)
    for each in document["run"]["subsets"]:
        texts |= {(name, each["split"]): f"{each[name]:,}" for name in ("found", "scored", "skipped")}
    if document["gap"]:
        texts["gap", ""] = expected(document["gap"]["gap"]["value"], 1, "points")
        if document["gap"]["loss_gap"]:
            texts["log_loss_gap", ""] = expected(document["gap"]["loss_gap"]["value"], 3)
    return texts


def marked(page):
    """The values that the page marks: ((metric, subset), text), without the interval in small print."""
    mark = r'<\w+[^>]* data-metric="(\w+)" data-subset="([^"]*)">(.*?)</(?:td|dd)>'
    for metric, subset, content in re.findall(mark, page, re.DOTALL):
        yield (metric, html.unescape(subset)), html.unescape(re.sub(r"<small>.*?</small>", "", content)).strip()


def said(text, main):
    """The values that sentences give."""
    for pattern, key in SENTENCES:
        for found in re.finditer(pattern, text):
            *subset, value = found.groups()
            if isinstance(key, str):
                yield (key, subset[0].lower()), value
            elif key is not None:
                yield (key[0], main if key[1] == "main" else key[1]), value


def in_markdown(text, main):
    """The values of the table of metrics."""
    names = {entry.heading: entry.name for entry in METRICS.values()}
    for heading, value in re.findall(r"^\| ([^|]+) \| ([^|]+) \|", text, re.MULTILINE):
        if heading in names:
            yield (names[heading], main), value


def visible(page):
    """All that is to be read: text, titles and descriptions of figures, with single spaces."""
    page = re.sub(r"<style.*?</style>|<script.*?</script>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page)))


def collected(folder, *console):
    """(metric, subset) → every text of it, and where it was read; and what report.json has."""
    page, markdown = (folder / "report.html").read_text(), (folder / "report.md").read_text()
    document = json.loads((folder / "report.json").read_text())
    main, found = document["main"], defaultdict(list)
    for place, pairs in (
        ("mark", marked(page)),
        ("page", said(visible(page), main)),
        ("Markdown", [*said(markdown, main), *in_markdown(markdown, main)]),
        ("report.json", said(" ".join(_strings(document)), main)),
        *(("console", said(text, main)) for text in console),
    ):
        for key, text in pairs:
            found[key].append((place, text))
    return found, texts_of(document)


def _strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _strings(each)


def check(found, right):
    """Compare all texts; the sign of a gap may be left out by words that say its direction."""
    for key, places in found.items():
        for place, text in places:
            shown, value = text.removesuffix(" points"), right.get(key)
            if "gap" in key[0]:
                shown, value = shown.lstrip("+\u2212"), value.lstrip("\u2212")
            assert shown == "\u2013" or shown == value, (key, place, text, value)


def report(cli, folder):
    assert cli("report", folder, "--format", "html,md,json")[0] == 0


def test_all_that_a_run_says_has_one_text(cli, tmp_path, digits_bundle):
    """The second run of a job with both splits, a gate, drift and a directory without labels beside them."""
    for number, image in enumerate(load_digits().images[:40]):
        path = tmp_path / "inbox" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray((image * 15).astype(np.uint8)).save(path)
    (tmp_path / "digits.toml").write_text(
        f'[data]\ndataset = "digits"\n[model]\nbundle = "{digits_bundle}"\n[publish]\nreports = "reports"\n'
        '[scoring.directories.inbox]\npath = "inbox"\n[gate]\nmin_test_accuracy = 0.5\nmax_gap = 0.4\n'
        '[[gate.rules]]\nmetric = "accuracy"\nsubset = "test"\nagainst = "last-good"\nmax_drop = 0.01\n'
    )
    outs = [cli("run", "digits.toml") for _ in range(2)]
    assert [code for code, _, _ in outs] == [0, 0], outs
    folder = next((tmp_path / "reports").glob("*/latest")).resolve()
    report(cli, folder)
    evaluated = cli("evaluate", folder / "predictions.csv", "--out", "again")[1]
    listed = re.sub(r"\b(test|train): accuracy", r"\1 accuracy", evaluated)
    found, right = collected(folder, outs[-1][1], listed)
    check(found, right)
    places = {key: {place for place, _ in texts} for key, texts in found.items()}
    assert places["accuracy", "test"] == {"mark", "page", "Markdown", "report.json", "console"}
    assert places["accuracy", "train"] >= {"mark", "page", "console"}
    assert places["gap", ""] >= {"mark", "page", "Markdown", "console"}
    assert places["ece", "test"] >= {"mark", "page", "Markdown"}
    assert places["log_loss", "test"] >= {"mark", "Markdown"}
    assert places["mean_confidence", "test"] >= {"page"}
    assert len(found["accuracy", "test"]) >= 8
    assert {"found", "scored", "skipped"} <= {metric for metric, _ in found}


HALVES = [0] * 12_500 + [1] * 12_500
ODD = {
    "all right": rows_of(NAMES, [0, 1, 2] * 20, [0, 1, 2] * 20),
    "all wrong": rows_of(NAMES, [0, 1, 2] * 20, [1, 2, 0] * 20),
    "nearly all right": rows_of(NAMES, HALVES, [*HALVES[:-1], 0], confidence=0.99997),
    "nearly all wrong": rows_of(NAMES, HALVES, [1] * 12_500 + [0] * 12_499 + [1]),
    "one image": rows_of(NAMES, [0], [0]),
    "one wrong image": rows_of(NAMES, [0], [1]),
    "classes absent": rows_of(NAMES, [0] * 7 + [1] * 2, [0] * 6 + [1] * 3, confidence=0.5),
    "both splits": drawn(NAMES, 60, seed=1, skill=0.8) + drawn(NAMES, 61, seed=2, skill=0.9, split="train"),
}
SPECIAL = {"all right": "100.00%", "all wrong": "0.00%", "nearly all right": ">99.99%", "nearly all wrong": "<0.01%"}
NOUNS = "images(?!/s)|alarms|rules|classes|predictions|labels|errors|files|runs|pairs|cells"


@pytest.mark.parametrize("case", ODD)
def test_odd_values_have_one_text(cli, tmp_path, case):
    folder = tmp_path / "run"
    write_run(folder, ODD[case])
    report(cli, folder)
    found, right = collected(folder)
    check(found, right)
    assert {"mark", "page", "Markdown"} <= {place for place, _ in found["accuracy", "test"]}
    if case in SPECIAL:
        assert {text for _, text in found["accuracy", "test"]} == {SPECIAL[case]}
    page = re.sub(r"<text.*?</text>", " ", (folder / "report.html").read_text(), flags=re.DOTALL)  # ticks of axes
    text = visible(page) + (folder / "report.md").read_text()
    assert re.findall(r"(?<![\w.])[-\u2212]0(?:\.0+)?(?![\d.])", text) == [], "a signed zero"
    assert re.findall(rf"(?<![\d.,])(?<!of )1 (?:\w+ )?(?:{NOUNS})\b", text) == []

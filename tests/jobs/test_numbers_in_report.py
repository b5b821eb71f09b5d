"""Every number in the report comes from the CSVs: recomputed with pandas and scikit-learn, looked up in the page."""

import html
import json
import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    log_loss,
    precision_recall_fscore_support,
)

from batchclf.jobs.report import report_again
from batchclf.jobs.runner import run_job
from batchclf.jobs.spec import load_job


class Silent:
    """Watches a job and keeps what it says."""

    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)

    detail = say

    def progress(self, what, total):
        from contextlib import nullcontext

        return nullcontext(lambda steps: None)


@pytest.fixture(scope="module")
def run(tmp_path_factory, digits_bundle):
    folder = tmp_path_factory.mktemp("numbers")
    (folder / "digits.toml").write_text(
        f'[data]\ndataset = "digits"\n[model]\nbundle = "{digits_bundle}"\n[publish]\nreports = "."\n'
    )
    return run_job(load_job(folder / "digits.toml"), Silent(), ["batchclf", "run", "digits.toml"])[1]


@pytest.fixture(scope="module")
def table(run):
    return pd.read_csv(run / "predictions.csv", dtype={"label": str, "prediction": str}, keep_default_na=False)


@pytest.fixture(scope="module")
def text(run):
    """What the page says, without markup, with single spaces."""
    page = (run / "report.html").read_text()
    page = re.sub(r"<style.*?</style>|<svg.*?</svg>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page)))


def of_split(table, split):
    part = table[table["split"] == split]
    probabilities = part[[f"prob:{digit}" for digit in range(10)]].to_numpy()
    return part["label"], part["prediction"], probabilities / probabilities.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("split", ["test", "train"])
def test_overall(run, table, split):
    labels, predictions, probabilities = of_split(table, split)
    shown = json.loads((run / "metrics.json").read_text())["splits"][split]
    interval = binomtest(int((labels == predictions).sum()), len(labels)).proportion_ci(method="wilson")
    assert shown["accuracy"]["value"] == pytest.approx(accuracy_score(labels, predictions))
    assert (shown["accuracy"]["low"], shown["accuracy"]["high"]) == pytest.approx((interval.low, interval.high))
    assert shown["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, predictions))
    assert shown["log_loss"] == pytest.approx(log_loss(labels, probabilities), rel=1e-4)
    for average in ("macro", "weighted"):
        expected = precision_recall_fscore_support(labels, predictions, average=average, zero_division=0)[:3]
        assert [shown[f"{average}_{name}"] for name in ("precision", "recall", "f1")] == pytest.approx(expected)


def test_the_page_shows_the_overall_numbers(table, text):
    labels, predictions, probabilities = of_split(table, "test")
    of_train = of_split(table, "train")
    accuracy = accuracy_score(labels, predictions)
    interval = binomtest(int((labels == predictions).sum()), len(labels)).proportion_ci(method="wilson")
    assert f"Test accuracy is {accuracy:.1%} (95% interval {interval.low:.1%} to {interval.high:.1%})" in text
    assert f"{(labels == predictions).sum()} of {len(labels)} images right" in text
    assert f"Balanced accuracy {balanced_accuracy_score(labels, predictions):.1%}" in text
    macro = precision_recall_fscore_support(labels, predictions, average="macro", zero_division=0)
    assert f"Macro F1 {macro[2]:.3f}" in text
    assert f"Log loss {log_loss(labels, probabilities):.3f}" in text
    train = accuracy_score(*of_train[:2])
    assert f"Train accuracy {train:.1%}" in text
    assert f"Overfitting gap {100 * (train - accuracy):+.1f} points" in text


def test_the_page_shows_each_class(run, table, text):
    labels, predictions, _ = of_split(table, "test")
    names = [str(digit) for digit in range(10)]
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predictions, labels=names, zero_division=np.nan
    )
    section = text[text.index("Accuracy of each class") :]
    for index, name in enumerate(names):
        row = re.search(rf" {name} {support[index]} ({recall[index]:.1%}) .*? ({precision[index]:.1%}) ", section)
        assert row, name
        assert f"{f1[index]:.3f}" in section
    per_class = pd.read_csv(run / "per_class.csv", dtype={"class": str})
    per_class = per_class[per_class["split"] == "test"]
    for column, expected in (("recall", recall), ("precision", precision), ("f1", f1), ("support", support)):
        assert per_class[column].to_numpy() == pytest.approx(expected), column


def test_the_page_shows_the_confusion_matrix(run, table):
    labels, predictions, _ = of_split(table, "test")
    expected = confusion_matrix(labels, predictions, labels=[str(digit) for digit in range(10)])
    page = (run / "report.html").read_text()
    section = page[page.index(">Confusion matrix</h2>") :]
    rows = re.findall(r"<tr.*?</tr>", section[: section.index("</table>")], flags=re.DOTALL)
    counts, shares = [], []
    for row in rows:
        cells = [
            re.findall(r"[\d.,]+%?", re.sub(r"<[^>]*>", " ", cell))
            for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)
        ]
        if len(cells) >= 10:
            counts.append([int(cell[0].replace(",", "")) for cell in cells[:10]])
            shares.append([cell[1] if len(cell) > 1 else "" for cell in cells[:10]])
    assert counts[:10] == expected.tolist()
    normalised = expected / expected.sum(axis=1, keepdims=True)
    for row, column in zip(*np.nonzero(expected), strict=True):
        assert shares[row][column] == f"{normalised[row, column]:.1%}"
    wide = pd.read_csv(run / "confusion.csv")
    assert wide[wide["split"] == "test"].drop(columns=["split", "label"]).to_numpy().tolist() == expected.tolist()


def test_the_page_shows_the_most_confused_pairs_and_worst_errors(table, text):
    part = table[(table["split"] == "test") & (table["correct"].astype(str).str.lower() == "false")]
    pairs = part.groupby(["label", "prediction"]).size()
    (label, prediction), count = pairs.idxmax(), pairs.max()
    section = text[text.index("Most confused") :]
    assert re.search(rf" {label} {prediction} {count} ", section) or (pairs == count).sum() > 1
    worst = part.sort_values(["confidence", "path"], ascending=[False, True]).head(24)
    gallery = text[text.rindex("Worst errors") :]
    for path, confidence in zip(worst["path"], worst["confidence"], strict=True):
        assert path in gallery
        assert f"{confidence:.1%}" in gallery


def test_accounting(run, table, text):
    record = json.loads((run / "run.json").read_text())
    for target in record["targets"]:
        assert target["found"] == target["scored"] + target["skipped"] + target["excluded"]
        assert target["scored"] == (table["split"] == target["split"]).sum()
        assert f"{target['split']} split {target['found']:,} {target['scored']:,} 0 0" in text


def test_report_again_is_the_same_page(run, tmp_path):
    again = tmp_path / "again.html"
    report_again(run, again, say=lambda line: None)
    assert again.read_text() == (run / "report.html").read_text()

"""Every number in the report comes from the CSVs: recomputed with pandas and scikit-learn, looked up in the page."""

import html
import json
import re
from math import log

import numpy as np
import pandas as pd
import pytest
from job_cases import Watching, tables_of
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

NAMES = [str(digit) for digit in range(10)]


@pytest.fixture(scope="module")
def run(tmp_path_factory, digits_bundle):
    folder = tmp_path_factory.mktemp("numbers")
    (folder / "digits.toml").write_text(
        f'[data]\ndataset = "digits"\n[model]\nbundle = "{digits_bundle}"\n[publish]\nreports = "."\n'
        "[gate]\nmin_test_accuracy = 0.5\nmax_gap = 0.4\n"
    )
    return run_job(load_job(folder / "digits.toml"), Watching(), ["batchclf", "run", "digits.toml"])[1]


@pytest.fixture(scope="module")
def page(run):
    return (run / "report.html").read_text()


@pytest.fixture(scope="module")
def tables(page):
    return tables_of(page)


@pytest.fixture(scope="module")
def text(page):
    """What the page says, without markup, with single spaces."""
    page = re.sub(r"<style.*?</style>|<svg.*?</svg>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page)))


@pytest.fixture(scope="module")
def splits(run):
    """Each split's rows of predictions.csv, with its probabilities as an array that sums to 1."""
    kinds = {"label": str, "prediction": str, "correct": str}
    table = pd.read_csv(run / "predictions.csv", dtype=kinds, keep_default_na=False)
    assert list(table["path"]) == sorted(table["path"])
    parts = {}
    for split, part in table.groupby("split"):
        probabilities = part[[f"prob:{name}" for name in NAMES]].to_numpy()
        parts[split] = part, probabilities / probabilities.sum(axis=1, keepdims=True)
    return parts


def wilson(successes, n):
    interval = binomtest(int(successes), int(n)).proportion_ci(method="wilson")
    return successes / n, interval.low, interval.high


def newcombe(first, second):
    """The difference of two (value, low, high) with Newcombe's hybrid score interval (1998, method 10)."""
    gap = first[0] - second[0]
    below = np.hypot(first[0] - first[1], second[2] - second[0])
    above = np.hypot(first[2] - first[0], second[0] - second[1])
    return gap, gap - below, gap + above


def percents(value, low, high):
    return f"{value:.1%}|{low:.1%} to {high:.1%}"


def signed(value, decimals=1):
    shown = f"{value:+.{decimals}f}".replace("-", "\u2212")
    return shown[1:] if float(f"{value:.{decimals}f}") == 0 else shown


def points(value, low, high):
    return f"{signed(100 * value)}|{signed(100 * low)} to {signed(100 * high)}"


def per_class(part):
    """Recall and precision as (value, low, high), F1 and support of each class."""
    labels, predictions = part["label"], part["prediction"]
    _, _, f1, support = precision_recall_fscore_support(labels, predictions, labels=NAMES, zero_division=np.nan)
    right = {name: int(((labels == name) & (predictions == name)).sum()) for name in NAMES}
    return {
        name: (
            wilson(right[name], support[i]),
            wilson(right[name], (predictions == name).sum()),
            f1[i],
            support[i],
        )
        for i, name in enumerate(NAMES)
    }


@pytest.mark.parametrize("split", ["test", "train"])
def test_metrics_json(run, splits, split):
    part, probabilities = splits[split]
    labels, predictions = part["label"], part["prediction"]
    shown = json.loads((run / "metrics.json").read_text())["splits"][split]
    right = (labels == predictions).sum()
    assert (shown["images"], shown["labelled"], shown["correct"]) == (len(part), len(part), right)
    estimate = [shown["accuracy"][key] for key in ("value", "low", "high")]
    assert estimate == pytest.approx(wilson(right, len(part)))
    assert shown["accuracy"]["value"] == pytest.approx(accuracy_score(labels, predictions))
    assert shown["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, predictions))
    assert shown["log_loss"] == pytest.approx(log_loss(labels, probabilities), rel=1e-4)
    assert shown["mean_confidence"] == pytest.approx(part["confidence"].mean())
    assert shown["predicted"] == {name: int((predictions == name).sum()) for name in NAMES}
    for average in ("macro", "weighted"):
        expected = precision_recall_fscore_support(labels, predictions, average=average, zero_division=0)[:3]
        assert [shown[f"{average}_{name}"] for name in ("precision", "recall", "f1")] == pytest.approx(expected)


def test_metrics_json_gap(run, splits):
    shown = json.loads((run / "metrics.json").read_text())["gap"]
    of_split = {
        split: wilson((part["label"] == part["prediction"]).sum(), len(part)) for split, (part, _) in splits.items()
    }
    losses = {split: log_loss(part["label"], probabilities) for split, (part, probabilities) in splits.items()}
    for key, expected in (
        ("train_accuracy", of_split["train"]),
        ("test_accuracy", of_split["test"]),
        ("gap", newcombe(of_split["train"], of_split["test"])),
    ):
        assert [shown[key][name] for name in ("value", "low", "high")] == pytest.approx(expected), key
    assert shown["log_loss_gap"] == pytest.approx(losses["test"] - losses["train"], rel=1e-4)


@pytest.mark.parametrize("split", ["test", "train"])
def test_per_class_and_confusion_csv(run, splits, split):
    part, _ = splits[split]
    shown = pd.read_csv(run / "per_class.csv", dtype={"class": str})
    shown = shown[shown["split"] == split].set_index("class")
    assert list(shown.index) == NAMES
    for name, (recall, precision, f1, support) in per_class(part).items():
        row = shown.loc[name]
        assert (row["support"], row["predicted"]) == (support, (part["prediction"] == name).sum())
        assert list(row[["recall", "recall_low", "recall_high"]]) == pytest.approx(recall)
        assert list(row[["precision", "precision_low", "precision_high"]]) == pytest.approx(precision)
        assert row["f1"] == pytest.approx(f1)
    wide = pd.read_csv(run / "confusion.csv")
    counts = wide[wide["split"] == split].drop(columns=["split", "label"]).to_numpy()
    assert (counts == confusion_matrix(part["label"], part["prediction"], labels=NAMES)).all()


def test_the_page_shows_the_overall_numbers(splits, text):
    part, probabilities = splits["test"]
    labels, predictions = part["label"], part["prediction"]
    right = (labels == predictions).sum()
    accuracy, low, high = test = wilson(right, len(part))
    train_part, _ = splits["train"]
    train = wilson((train_part["label"] == train_part["prediction"]).sum(), len(train_part))
    gap, gap_low, gap_high = newcombe(train, test)
    interval = f"95% interval {low:.1%} to {high:.1%}"
    macro = precision_recall_fscore_support(labels, predictions, average="macro", zero_division=0)
    largest = labels.value_counts().max() / len(part)
    for expected in (
        f"Test accuracy is {accuracy:.1%} ({interval}) on {len(part)} images; all 2 bounds are met.",
        f"test accuracy {accuracy:.2%} reaches the least allowed 50.00%",
        f"the overfitting gap of {100 * gap:.2f} points is within the most allowed 40.00",
        f"Test accuracy {accuracy:.1%} {interval} {right} of {len(part)} images right",
        f"Always answering the most frequent class gives {largest:.1%}.",
        f"Balanced accuracy {balanced_accuracy_score(labels, predictions):.1%} ",
        f"Macro F1 {macro[2]:.3f} ",
        f"Log loss {log_loss(labels, probabilities):.3f} 0 is perfect, guessing gives {log(10):.3f}",
        f"Train accuracy {train[0]:.1%} on {len(train_part):,} images",
        f"Overfitting gap {signed(100 * gap)} points 95% interval {signed(100 * gap_low)} to {signed(100 * gap_high)}",
        f"right on {train[0]:.1%} of the images it was trained on and on {accuracy:.1%} of new ones",
        f"{right} right predictions by confidence",
        f"{len(part) - right} wrong predictions by confidence",
    ):
        assert expected in text


def test_the_page_shows_the_gap_of_each_class(splits, tables):
    header, overall, losses, *rows = tables["gaps"]
    assert header == ["Class", "Train", "Test", "Gap (points)"]
    train, test = (per_class(splits[split][0]) for split in ("train", "test"))
    both = [
        wilson((part["label"] == part["prediction"]).sum(), len(part)) for part, _ in map(splits.get, ("train", "test"))
    ]
    assert overall == ["All classes", *(percents(*each) for each in both), points(*newcombe(*both))]
    loss = {split: log_loss(part["label"], probabilities) for split, (part, probabilities) in splits.items()}
    above = f"{signed(loss['test'] - loss['train'], 3)}|test above train"
    assert losses == ["Log loss", f"{loss['train']:.3f}|", f"{loss['test']:.3f}|", above]
    gaps = {name: newcombe(train[name][0], test[name][0]) for name in NAMES}
    assert rows == [
        [name, percents(*train[name][0]), percents(*test[name][0]), points(*gaps[name])]
        for name in sorted(NAMES, key=lambda name: -gaps[name][0])
    ]


def test_the_page_shows_each_class(splits, tables):
    header, *rows = tables["per-class"]
    assert header[:3] == ["Class", "Images", "Accuracy"]
    expected = per_class(splits["test"][0])
    assert rows == [
        [name, str(support), percents(*recall), "", percents(*precision), f"{f1:.3f}"]
        for name, (recall, precision, f1, support) in sorted(expected.items(), key=lambda item: item[1][0][0])
    ]


def test_the_page_shows_the_confusion_matrix(splits, tables):
    part, _ = splits["test"]
    expected = confusion_matrix(part["label"], part["prediction"], labels=NAMES)
    header, *rows, predicted = tables["matrix"]
    assert header[1:] == [*NAMES, "Images"]
    assert rows == [
        [name, *(f"{n}|{n / row.sum():.1%}" if n else "0" for n in row), str(row.sum())]
        for name, row in zip(NAMES, expected, strict=True)
    ]
    assert predicted == ["Predicted", *map(str, expected.sum(axis=0)), str(expected.sum())]


def test_the_page_shows_the_most_confused_pairs(splits, tables, text):
    part, _ = splits["test"]
    wrong = part[part["label"] != part["prediction"]]
    support = part["label"].value_counts()
    pairs = wrong.groupby(["label", "prediction"]).size().sort_values(ascending=False, kind="stable")[:10]
    assert tables["pairs"][1:] == [
        [label, prediction, str(count), f"{count / support[label]:.1%}"] for (label, prediction), count in pairs.items()
    ]
    assert f"{len(wrong)} predictions are wrong;" in text
    assert f"up {pairs.sum() / len(wrong):.1%} of that." in text


def test_the_page_shows_the_worst_errors(splits, page):
    part, _ = splits["test"]
    wrong = part[part["correct"].str.lower() == "false"]
    worst = wrong.sort_values(["confidence", "path"], ascending=[False, True]).head(24)
    gallery = page[page.index('<ul class="gallery">') :]
    shown = re.findall(
        r"<li>.*?<img .*?alt=\"(.*?)\">.*?true</dt><dd><bdi>(.*?)</bdi>.*?predicted</dt><dd><bdi>(.*?)</bdi>"
        r".*?confidence</dt><dd>(.*?)</dd>",
        gallery[: gallery.index("</ul>")],
        re.DOTALL,
    )
    columns = (worst[name] for name in ("path", "label", "prediction", "confidence"))
    assert shown == [(*names, f"{confidence:.1%}") for *names, confidence in zip(*columns, strict=True)]


def test_accounting(run, splits, tables):
    record = json.loads((run / "run.json").read_text())
    assert [target["split"] for target in record["targets"]] == sorted(splits)
    for target, row in zip(record["targets"], tables["targets"][1:], strict=True):
        part, _ = splits[target["split"]]
        assert target["found"] == target["scored"] + target["skipped"] + target["excluded"] == len(part)
        accuracy = wilson((part["label"] == part["prediction"]).sum(), len(part))
        assert row[:6] == [
            f"{target['split']} split",
            f"{len(part):,}",
            f"{len(part):,}",
            "0",
            "0",
            percents(*accuracy),
        ]


def test_report_again_is_the_same_page_but_for_its_date(run, page, tmp_path):
    again = tmp_path / "again.html"
    report_again(run, again, say=lambda line: None)
    written = re.compile(r"Written by batchclf on \w{3} [\d-]{10} [\d:]{5} UTC from run")
    assert len(written.findall(page)) == 1
    assert written.sub("", again.read_text()) == written.sub("", page)

"""Every number in the report comes from the CSVs: recomputed with pandas and scikit-learn, looked up in the page."""

import html
import json
import re

import numpy as np
import pandas as pd
import pytest
from job_cases import Watching, tables_of
from scipy.stats import binomtest
from sklearn.dummy import DummyClassifier
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    cohen_kappa_score,
    confusion_matrix,
    f1_score,
    log_loss,
    matthews_corrcoef,
    precision_recall_fscore_support,
    precision_score,
    recall_score,
    roc_auc_score,
)

from batchclf.jobs.config.load import load_job
from batchclf.jobs.report.rewrite import report_again
from batchclf.jobs.run.job_run import run_job

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
    page = re.sub(r"<style.*?</style>|<script.*?</script>|<svg.*?</svg>", " ", page, flags=re.DOTALL)
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
    return f"{value:.2%}|{low:.2%} to {high:.2%}"


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
    assert shown["balanced_accuracy"]["value"] == pytest.approx(balanced_accuracy_score(labels, predictions))
    assert shown["log_loss"]["value"] == pytest.approx(log_loss(labels, probabilities), rel=1e-4)
    assert shown["mean_confidence"] == pytest.approx(part["confidence"].mean())
    assert shown["predicted"] == {name: int((predictions == name).sum()) for name in NAMES}
    for average in ("macro", "weighted"):
        expected = precision_recall_fscore_support(labels, predictions, average=average, zero_division=0)[:3]
        values = [shown[f"{average}_{name}"]["value"] for name in ("precision", "recall", "f1")]
        assert values == pytest.approx(expected)


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
    assert shown["log_loss_gap"]["value"] == pytest.approx(losses["test"] - losses["train"], rel=1e-4)


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
    interval = f"95% interval {low:.2%} to {high:.2%}"
    macro = precision_recall_fscore_support(labels, predictions, average="macro", zero_division=0)
    largest = labels.value_counts().max() / len(part)
    for expected in (
        f"Test accuracy is {accuracy:.2%} ({interval}) on {len(part)} images; all 2 rules passed.",
        f"test accuracy {accuracy:.2%} meets the minimum of 50%",
        f"the overfitting gap of {100 * gap:+.1f} points is within the maximum of 40",
        f"Test accuracy {accuracy:.2%} {interval} {right} of {len(part)} images right",
        f"images right, baseline {largest:.2%} ",
        f"Balanced accuracy {balanced_accuracy_score(labels, predictions):.2%} ",
        f"Macro F1 {macro[2]:.4f} ",
        f"Log loss {log_loss(labels, probabilities):.4f} ",
        f"Train accuracy {train[0]:.2%} {train[1]:.2%} to {train[2]:.2%} on {len(train_part):,} images",
        f"Overfitting gap {signed(100 * gap)} points {signed(100 * gap_low)} to {signed(100 * gap_high)}",
        f"right on {train[0]:.2%} of the images it was trained on and on {accuracy:.2%} of new ones",
        f"{right} right predictions by confidence",
        f"{len(part) - right} wrong predictions by confidence",
    ):
        assert expected in text


def test_the_page_shows_every_metric_with_the_dummy(splits, tables):
    part, probabilities = splits["test"]
    labels, predictions = part["label"], part["prediction"]
    dummy = DummyClassifier(strategy="prior").fit(np.zeros((len(labels), 1)), labels)
    guesses, shares = dummy.predict(np.zeros((len(labels), 1))), dummy.predict_proba(np.zeros((len(labels), 1)))
    onehot = np.array(labels)[:, None] == np.array(NAMES)

    def both(metric, **options):
        return [f"{metric(labels, each, **options):.4f}" for each in (predictions, guesses)]

    expected = {
        "Accuracy": [f"{accuracy_score(labels, each):.2%}" for each in (predictions, guesses)],
        "Balanced accuracy": [f"{balanced_accuracy_score(labels, each):.2%}" for each in (predictions, guesses)],
        "Log loss": [f"{log_loss(labels, each):.4f}" for each in (probabilities, shares)],
        "Brier score": [f"{((each - onehot) ** 2).sum(axis=1).mean():.4f}" for each in (probabilities, shares)],
        "Matthews correlation (MCC)": both(matthews_corrcoef),
        "Cohen's kappa": both(cohen_kappa_score),
    }
    for average in ("macro", "weighted"):
        for name, metric in (("precision", precision_score), ("recall", recall_score), ("F1", f1_score)):
            expected[f"{average.capitalize()} {name}"] = both(metric, average=average, zero_division=0)
    shown = {row[0].partition("|")[0]: [row[1], row[4]] for row in tables["metrics"][1:]}
    assert {name: shown[name] for name in expected} == expected
    assert set(shown) - set(expected) == {"Top-2 accuracy", "Top-3 accuracy"}


def test_the_page_shows_the_gap_of_each_class(splits, tables):
    header, overall, losses = tables["gaps"]
    assert header == ["All classes", "Train", "Test", "Gap"]
    train, test = (per_class(splits[split][0]) for split in ("train", "test"))
    both = [
        wilson((part["label"] == part["prediction"]).sum(), len(part)) for part, _ in map(splits.get, ("train", "test"))
    ]
    assert overall == ["Accuracy", *(percents(*each) for each in both), points(*newcombe(*both))]
    loss = {split: log_loss(part["label"], probabilities) for split, (part, probabilities) in splits.items()}
    values = [f"{loss['train']:.4f}", f"{loss['test']:.4f}", signed(loss["test"] - loss["train"], 3)]
    assert [each.partition("|")[0] for each in losses] == ["Log loss", *values]
    gaps = {name: newcombe(train[name][0], test[name][0]) for name in NAMES}
    assert tables["class-gaps"][1:] == [
        [name, percents(*train[name][0]), percents(*test[name][0]), points(*gaps[name])]
        for name in sorted(NAMES, key=lambda name: -gaps[name][0])
    ]


def test_the_page_shows_each_class(splits, tables):
    header, *rows = tables["per-class"]
    assert header == [
        "Class",
        "Images",
        "Accuracy",
        "Accuracy as a bar, 0 to 100%",
        "Precision",
        "F1",
        "Gap",
        "AUC",
        header[-1],
    ]
    part, probabilities = splits["test"]
    expected, of_train = per_class(part), per_class(splits["train"][0])
    for row, name in zip(rows, sorted(NAMES, key=lambda name: expected[name][0][0]), strict=True):
        recall, precision, f1, support = expected[name]
        assert row[:5] == [name, str(support), percents(*recall), "", percents(*precision)]
        either = ((part["label"] == name) | (part["prediction"] == name)).sum()
        both = ((part["label"] == name) & (part["prediction"] == name)).sum()
        low, high = (2 * share / (1 + share) for share in wilson(both, either)[1:])
        assert row[5] == f"{f1:.4f}|{low:.4f} to {high:.4f}"
        assert row[6] == points(*newcombe(of_train[name][0], recall))
        auc = roc_auc_score(part["label"] == name, probabilities[:, NAMES.index(name)])
        assert float(row[7].partition("|")[0]) == pytest.approx(auc, abs=6e-4)
        mistakes = part["prediction"][(part["label"] == name) & (part["prediction"] != name)].value_counts()
        assert row[8].endswith(f"|{mistakes.max()}" if len(mistakes) else "")


def test_the_page_shows_the_confusion_matrix(splits, tables):
    part, _ = splits["test"]
    expected = confusion_matrix(part["label"], part["prediction"], labels=NAMES)
    predicted = expected.sum(axis=0)
    header, *rows, totals = tables["matrix"]
    assert header[1:] == [*NAMES, "Images"]
    assert rows == [
        [
            name,
            *(f"{n}|{n / row.sum():.2%}|{n / of:.2%}" if n else "" for n, of in zip(row, predicted, strict=True)),
            str(row.sum()),
        ]
        for name, row in zip(NAMES, expected, strict=True)
    ]
    assert totals == ["Predicted", *map(str, predicted), str(expected.sum())]


def test_the_page_shows_the_most_confused_pairs(splits, text):
    part, _ = splits["test"]
    wrong = part[part["label"] != part["prediction"]]
    support = part["label"].value_counts()
    pairs = wrong.groupby(["label", "prediction"]).size().sort_values(ascending=False, kind="stable")[:10]
    for (label, prediction), count in pairs.items():
        assert f"{label} taken for {prediction} : {count} {count / support[label]:.2%} of the true class" in text
    assert f"{len(wrong)} of {len(part)} labelled images are wrong;" in text


def test_the_page_shows_the_worst_errors(splits, page):
    part, _ = splits["test"]
    wrong = part[part["correct"].str.lower() == "false"]
    worst = wrong.sort_values(["confidence", "path"], ascending=[False, True]).head(24)
    section = page[page.index('<section id="errors"') : page.index('<ol class="confused">')]
    shown = re.findall(
        r"<li[^>]*>\s*<svg class=\"picture.*?aria-label=\"(.*?)\">.*?true</dt><dd><bdi>(.*?)</bdi>"
        r".*?predicted</dt><dd><bdi>(.*?)</bdi>.*?confidence</dt><dd>(.*?)</dd>",
        section,
        re.DOTALL,
    )
    columns = (worst[name] for name in ("path", "label", "prediction", "confidence"))
    assert shown == [(*names, f"{confidence:.2%}") for *names, confidence in zip(*columns, strict=True)]


def test_each_cell_of_the_matrix_has_its_surest_images(splits, page):
    part, _ = splits["test"]
    listed = json.loads(re.search(r'id="cell-data">(.*?)</script>', page)[1])["cells"]
    cells = part.sort_values(["confidence", "path"], ascending=[False, True]).groupby(["label", "prediction"])
    assert len(listed) == len(cells)
    for (label, prediction), images in cells:
        shown = listed[f"{NAMES.index(label)}-{NAMES.index(prediction)}"]
        first = images.head(6)
        assert [(path, confidence) for path, confidence, _ in shown] == [
            (path, f"{confidence:.2%}") for path, confidence in zip(first["path"], first["confidence"], strict=True)
        ]
        assert all(f'<image id="{picture}"' in page for *_, picture in shown)


def test_accounting(run, splits, tables):
    record = json.loads((run / "run.json").read_text())
    assert [subset["split"] for subset in record["subsets"]] == sorted(splits)
    for subset, row in zip(record["subsets"], tables["subsets"][1:], strict=True):
        part, _ = splits[subset["split"]]
        assert subset["found"] == subset["scored"] + subset["skipped"] + subset["excluded"] == len(part)
        accuracy = wilson((part["label"] == part["prediction"]).sum(), len(part))
        assert row[:6] == [
            f"{subset['split']} split",
            f"{len(part):,}",
            f"{len(part):,}",
            "0",
            "0",
            percents(*accuracy),
        ]


def test_report_again_is_the_same_page_but_for_its_date(run, page, tmp_path):
    again = tmp_path / "again.html"
    report_again(run, {"html": again}, say=lambda line: None)
    written = re.compile(r"Written by batchclf on \w{3} [\d-]{10} [\d:]{5} UTC from run")
    assert len(written.findall(page)) == 1
    assert written.sub("", again.read_text()) == written.sub("", page)

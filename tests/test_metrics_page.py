"""docs/metrics.md: a section for each metric, and a table whose values the libraries really give."""

import csv
import json
import re

import keras
import numpy as np
import pytest
import sklearn
import sklearn.metrics
from doc_pages import headings, read, script, section, tables
from run_cases import NAMES, drawn, rows_of, write_predictions, write_run

from batchclf.cli.main import main
from batchclf.core.metrics.catalog import ENTRIES
from batchclf.storage.run.metrics import read_metrics

PAGE = read("docs/metrics.md")
SECTIONS = {heading: section(PAGE, heading) for level, heading, _, _ in headings(PAGE) if level == 3}
DOCUMENTED = {name for heading in SECTIONS for name in re.findall(r"`([\w.]+)`", heading)}


VALUES = script("benchmarks/metric_values.py")


def compared():
    """The table of values: its head, and its rows by metric."""
    head, *rows = (line for line in VALUES.BLOCK.search(PAGE)[0].splitlines() if line.startswith("| "))
    return [cell.strip() for cell in head.split("|")[1:-1]], {row[0]: row[1:] for row in tables("\n".join(rows))}


def test_every_metric_of_the_catalogue_has_a_section():
    assert [name for name in (entry.name for entry in ENTRIES) if name not in DOCUMENTED] == []


def test_every_value_of_a_run_has_a_section(tmp_path):
    rows = [*drawn(NAMES, 40, seed=1, skill=0.7), *drawn(NAMES, 40, seed=2, skill=0.9, split="train")]
    run = tmp_path / "run"
    write_run(run, rows)
    counted = {"images", "labelled", "predicted", "correct", "support", "split", "class"}
    of_split = {re.sub(r"^top\d+_", "topK_", key) for key in read_metrics(run)["splits"]["test"]}
    header = (run / "per_class.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
    of_class = {column for column in header if not column.endswith(("_low", "_high"))}
    assert of_split >= {"accuracy", "ece", "without_temperature"}
    assert of_class >= {"recall", "auc", "average_precision"}
    assert (of_split | of_class) - counted - DOCUMENTED == set()


@pytest.mark.parametrize("heading", SECTIONS)
def test_a_section_has_a_definition_its_edge_cases_and_its_source(heading):
    for word in ("**Definition.** ", "**Edge cases.** ", "**Source.** "):
        assert SECTIONS[heading].count(word) == 1, word


def test_the_table_has_the_rows_and_versions_of_the_script():
    head, rows = compared()
    assert list(rows) == VALUES.metric_names()
    pinned = dict(pin.split("==") for pin in VALUES.PINNED)
    versions = f"scikit-learn {sklearn.__version__}", f"torchmetrics {pinned['torchmetrics']}"
    assert head[:3] == ["metric", "batchclf", versions[0]]
    assert head[3].startswith(f"{versions[1]} (torch {pinned['torch']}")
    assert head[4] == f"Keras {keras.__version__}"
    labels, probabilities = VALUES.arrays()
    shown = tables(section(PAGE, "The table").split("<!-- values -->")[0])
    assert shown == [
        [VALUES.NAMES[label], *(f"{share:.5g}" for share in shares)]
        for label, shares in zip(labels.tolist(), probabilities.tolist(), strict=True)
    ]


@pytest.mark.parametrize("column", ["batchclf", "scikit_learn", "keras"])
def test_the_values_of_the_table_are_those_of_the_libraries(column, tmp_path):
    place = {"batchclf": 0, "scikit_learn": 1, "keras": 3}[column]
    of_page = {name: cells[place] for name, cells in compared()[1].items()}
    found = VALUES.batchclf_values(tmp_path) if column == "batchclf" else getattr(VALUES, f"{column}_values")()
    assert {name: float(cell) for name, cell in of_page.items() if cell != "—"} == pytest.approx(
        found, abs=6e-5, nan_ok=True
    )


def test_the_table_says_why_values_differ_and_only_then():
    for name, (ours, *others, why) in compared()[1].items():
        given = {cell for cell in others if cell != "—"}
        differs = len({ours, *given}) > 1
        assert why == (VALUES.WHY[name] if differs else ""), name


def evaluated(folder, rows):
    """What `batchclf evaluate` writes of some rows: the values of metrics.json, and per_class.csv by class."""
    write_predictions(folder / "given.csv", rows)
    out = folder / f"out{len(list(folder.iterdir()))}"
    assert main(["evaluate", str(folder / "given.csv"), "--out", str(out)]) == 0
    (split,) = json.loads((out / "metrics.json").read_text(encoding="utf-8"))["splits"].values()
    with (out / "per_class.csv").open(encoding="utf-8", newline="") as handle:
        classes = {row["class"]: row for row in csv.DictReader(handle)}
    return {key: value["value"] if isinstance(value, dict) and "value" in value else value
            for key, value in split.items()}, classes  # fmt: skip


@pytest.mark.filterwarnings("ignore::UserWarning:sklearn")
def test_one_class_that_is_always_right_has_the_values_that_the_page_states(tmp_path):
    values, classes = evaluated(tmp_path, rows_of(NAMES, [1, 1, 1], [1, 1, 1]))
    assert values["mcc"] == sklearn.metrics.matthews_corrcoef([1, 1, 1], [1, 1, 1]) == 0
    assert np.isnan(sklearn.metrics.cohen_kappa_score([1, 1, 1], [1, 1, 1]))  # as the page says
    assert values["kappa"] == 0
    names = ("accuracy", "balanced_accuracy", "macro_precision", "macro_recall", "macro_f1", "weighted_f1")
    assert {values[name] for name in names} == {1}
    columns = ("recall", "precision", "f1", "auc", "average_precision")
    assert [classes["dog"][column] for column in columns] == ["1.0", "1.0", "1.0", "", "1.0"]
    assert {classes["cat"][column] for column in columns} == {""}


@pytest.mark.filterwarnings("ignore::UserWarning:sklearn")
def test_a_class_without_labels_is_in_the_macro_means_but_not_in_balanced_accuracy(tmp_path):
    labels, predicted = [0, 0, 1, 1], [0, 2, 1, 1]
    values, classes = evaluated(tmp_path, rows_of(NAMES, labels, predicted))
    assert values["balanced_accuracy"] == sklearn.metrics.balanced_accuracy_score(labels, predicted)
    expected = sklearn.metrics.recall_score(labels, predicted, average="macro", zero_division=0)
    assert values["macro_recall"] == pytest.approx(expected)
    assert values["macro_recall"] < values["balanced_accuracy"]
    assert (classes["eel"]["recall"], classes["eel"]["precision"], classes["eel"]["f1"]) == ("", "0.0", "0.0")


def test_two_classes_have_twice_the_binary_brier_score_and_a_sure_miss_a_log_loss_of_36(tmp_path):
    labels, predicted, confidence = [0, 1, 1], [0, 1, 0], [0.75, 0.5, 1.0]
    values, _ = evaluated(tmp_path, rows_of(("cat", "dog"), labels, predicted, confidence=confidence))
    binary = sklearn.metrics.brier_score_loss(labels, [0.25, 0.5, 0.0])
    assert values["brier"] == pytest.approx(2 * binary)
    most = "36.04"
    assert most in SECTIONS["`log_loss`"]
    expected = sklearn.metrics.log_loss(labels, [[0.75, 0.25], [0.5, 0.5], [1.0, 0.0]])
    assert values["log_loss"] == pytest.approx(expected)
    (miss,) = {round(evaluated(tmp_path, rows_of(("cat", "dog"), [1], [0], confidence=1.0))[0]["log_loss"], 2)}
    assert f"{miss}" == most

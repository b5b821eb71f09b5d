"""A predictions CSV evaluated: split by split against scikit-learn, whatever the rows' order and labels."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score, log_loss, roc_auc_score

from batchclf.errors import PredictionsError
from batchclf.jobs.evaluate.predictions import evaluate_predictions
from batchclf.storage.csv_files import read as csv_pieces

NAMES = ("ant", "bee", "cat")


def random_table(seed, rows, splits):
    """A predictions table: rows of several splits in turns, a fifth of them without a label."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(3), rows)
    labels = np.where(rng.random(rows) < 0.2, "", np.array(NAMES)[rng.integers(0, 3, rows)])
    table = pd.DataFrame({"path": [f"{i:05d}" for i in range(rows)], "split": np.resize(splits, rows), "label": labels})
    table["prediction"] = np.array(NAMES)[probabilities.argmax(axis=1)]
    table["confidence"] = probabilities.max(axis=1)
    for name, column in zip(NAMES, probabilities.T, strict=True):
        table[f"prob:{name}"] = column
    return table


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(30, 90), st.sampled_from([7, 50_000]))
def test_two_splits_and_their_gap(tmp_path_factory, seed, rows, piece):
    table = random_table(seed, rows, ["test", "train", "train"])
    path = tmp_path_factory.mktemp("evaluate") / "p.csv"
    table.to_csv(path, index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_pieces, "ROWS_PER_PIECE", piece)
        evaluations, gap = evaluate_predictions(path)
    accuracies, losses = {}, {}
    assert [each.split for each in evaluations] == ["test", "train"]
    for each in evaluations:
        part = table[table["split"] == each.split]
        known = part[part["label"] != ""]
        true, predicted = known["label"], known["prediction"]
        assert (each.total, each.labelled.total) == (len(part), len(known))
        assert each.predicted_counts.tolist() == [(part["prediction"] == name).sum() for name in NAMES]
        assert each.mean_confidence == pytest.approx(part["confidence"].mean())
        bins = np.histogram(part["confidence"], np.linspace(0, 1, 21))[0]
        assert each.confidence_counts.tolist() == bins.tolist()
        accuracies[each.split] = accuracy_score(true, predicted)
        losses[each.split] = log_loss(true, known[[f"prob:{name}" for name in NAMES]], labels=NAMES)
        assert each.labelled.accuracy.value == pytest.approx(accuracies[each.split])
        expected = {"log_loss": losses[each.split]}
        expected["macro_f1"] = f1_score(true, predicted, average="macro", zero_division=0)
        if set(predicted) <= set(true):
            expected["balanced_accuracy"] = balanced_accuracy_score(true, predicted)
        assert {name: each.labelled.metric(name).value for name in expected} == pytest.approx(expected)
        for number, name in enumerate(NAMES):
            found = each.labelled.ranking[number].auc
            if found is not None:
                assert found.value == pytest.approx(roc_auc_score(true == name, known[f"prob:{name}"]), abs=1e-12)
        best = known.sort_values(["confidence", "path"], ascending=[False, True])
        for (label, prediction), rows in each.labelled.examples.items():
            cell = best[(best["label"] == NAMES[label]) & (best["prediction"] == NAMES[prediction])]
            assert [row.path for row in rows] == list(cell["path"].head(6))
        assert (each.labelled.confusion.counts == confusion_matrix(true, predicted, labels=NAMES)).all()
        least = part.sort_values(["confidence", "path"]).head(24)
        assert [row.path for row in each.least_confident] == list(least["path"])
    assert gap.gap.value == pytest.approx(accuracies["train"] - accuracies["test"])
    assert gap.loss_gap.value == pytest.approx(losses["test"] - losses["train"])


def test_no_gap_without_both_splits_labelled(tmp_path):
    table = random_table(0, 60, ["test", "train"])
    for name, changed in (
        ("one split", table[table["split"] == "test"]),
        ("other names", table.replace({"split": {"train": "dev"}})),
        ("no split column", table.drop(columns="split")),
        ("train without labels", table.assign(label=table["label"].where(table["split"] == "test", ""))),
    ):
        changed.to_csv(tmp_path / "p.csv", index=False)
        evaluations, gap = evaluate_predictions(tmp_path / "p.csv")
        assert gap is None, name
        assert sum(each.total for each in evaluations) == len(changed)


def test_without_probability_columns_there_is_no_log_loss(tmp_path):
    table = random_table(0, 60, ["test", "train"])
    table[["path", "split", "label", "prediction", "confidence"]].to_csv(tmp_path / "p.csv", index=False)
    evaluations, gap = evaluate_predictions(tmp_path / "p.csv")
    assert [each.labelled.metric("log_loss") for each in evaluations] == [None, None]
    assert [each.labelled.ranking for each in evaluations] == [None, None]
    assert gap.loss_gap is None


def test_classes_that_are_given_fix_their_order_and_number(tmp_path):
    random_table(0, 60, ["test"]).to_csv(tmp_path / "p.csv", index=False)
    ((evaluation,), _) = evaluate_predictions(tmp_path / "p.csv", ("cat", "dog", "bee", "ant"))
    assert evaluation.class_names == ("cat", "dog", "bee", "ant")
    assert [each.name for each in evaluation.labelled.per_class] == ["cat", "dog", "bee", "ant"]
    assert evaluation.labelled.per_class[1].recall is None
    with pytest.raises(PredictionsError, match="is not one of the classes cat, dog"):
        evaluate_predictions(tmp_path / "p.csv", ("cat", "dog"))

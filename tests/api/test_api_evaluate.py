"""batchclf.evaluate: labels and predictions from any library, against scikit-learn and the command line."""

import copy
import csv
import io
import json
import pickle
import sys
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as judge

import batchclf
from batchclf.cli.main import main
from batchclf.core.metrics.catalog import METRICS
from batchclf.errors import BatchclfError, PredictionsError, UsageError

NAMES = ("cat", "dog", "eel")


def drawn(n=400, classes=3, *, seed=0, skill=1.0):
    """Labels as numbers, and probabilities that go with them, of six decimals, which a CSV has whole."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, n)
    shares = random.dirichlet(np.ones(classes), n)
    shares[np.arange(n), labels] += skill * random.random(n)
    shares = (shares / shares.sum(axis=1, keepdims=True)).round(6)
    shares[:, 0] = (1 - shares[:, 1:].sum(axis=1)).round(6)
    return labels, shares


@pytest.fixture(scope="module")
def case():
    return drawn()


@pytest.fixture(scope="module")
def evaluation(case):
    labels, shares = case
    return batchclf.evaluate(labels, probabilities=shares, classes=NAMES, split="test")


def test_its_metrics_are_scikit_learns(case, evaluation):
    labels, shares = case
    given = shares.argmax(axis=1)
    right = labels == given
    assert evaluation.accuracy == pytest.approx(judge.accuracy_score(labels, given))
    assert evaluation.balanced_accuracy == pytest.approx(judge.balanced_accuracy_score(labels, given))
    assert evaluation.macro_f1 == pytest.approx(judge.f1_score(labels, given, average="macro"))
    assert evaluation.weighted_precision == pytest.approx(judge.precision_score(labels, given, average="weighted"))
    assert evaluation.mcc == pytest.approx(judge.matthews_corrcoef(labels, given))
    assert evaluation.kappa == pytest.approx(judge.cohen_kappa_score(labels, given))
    assert evaluation.log_loss == pytest.approx(judge.log_loss(labels, shares))
    assert evaluation.top2_accuracy == pytest.approx(judge.top_k_accuracy_score(labels, shares, k=2))
    assert evaluation.mean_confidence == pytest.approx(shares.max(axis=1).mean())
    assert evaluation.overconfidence == pytest.approx(shares.max(axis=1).mean() - right.mean())
    assert (evaluation.images, evaluation.labelled, evaluation.split) == (400, 400, "test")


def test_its_tables_are_scikit_learns(case, evaluation):
    labels, shares = case
    given, table = shares.argmax(axis=1), evaluation.per_class
    precision, recall, f1, support = judge.precision_recall_fscore_support(labels, given)
    assert list(table.index) == list(NAMES)
    for name, expected in (("precision", precision), ("recall", recall), ("f1", f1), ("support", support)):
        np.testing.assert_allclose(table[name].astype(float), expected)
    auc = [judge.roc_auc_score(labels == number, shares[:, number]) for number in range(3)]
    np.testing.assert_allclose(table["auc"], auc)
    assert ((table["recall_low"] < table["recall"]) & (table["recall"] < table["recall_high"])).all()
    confusion = evaluation.confusion
    np.testing.assert_array_equal(confusion, judge.confusion_matrix(labels, given))
    assert (confusion.index.name, confusion.columns.name) == ("label", "predicted")


@pytest.mark.parametrize("digits", [2, 5])
def test_the_classification_report_is_scikit_learns_to_the_letter(case, evaluation, digits):
    labels, shares = case
    names, given = np.array(NAMES)[labels], np.array(NAMES)[shares.argmax(axis=1)]
    assert evaluation.classification_report(digits=digits) == judge.classification_report(names, given, digits=digits)
    assert evaluation.classification_report(output_dict=True) == judge.classification_report(
        names, given, output_dict=True
    )


def test_a_class_without_images_or_predictions_is_as_in_scikit_learn():
    labels, given = ["a", "a", "c"], ["a", "b", "a"]
    found = batchclf.evaluate(labels, given, classes=["a", "b", "c", "never"])
    expected = judge.classification_report(labels, given, output_dict=True, zero_division=0)
    assert found.classification_report(output_dict=True, zero_division=0) == expected
    with pytest.warns(judge._classification.UndefinedMetricWarning):
        found.classification_report()


def test_what_it_says_is_what_the_command_line_says_of_the_same_rows(case, evaluation, tmp_path, capfd):
    labels, shares = case
    best = np.sort(shares, axis=1)[:, ::-1]
    order = np.argsort(-shares, axis=1, kind="stable")
    table = pd.DataFrame(shares, columns=[f"prob:{name}" for name in NAMES])
    table = table.assign(
        path=[f"{row:03d}" for row in range(len(labels))],
        split="test",
        label=np.array(NAMES)[labels],
        prediction=np.array(NAMES)[order[:, 0]],
        confidence=best[:, 0],
        margin=best[:, 0] - best[:, 1],
        top2_prediction=np.array(NAMES)[order[:, 1]],
        top3_prediction=np.array(NAMES)[order[:, 2]],
    )
    table.to_csv(tmp_path / "p.csv", index=False)
    assert main(["evaluate", str(tmp_path / "p.csv"), "--out", str(tmp_path / "out"), "--json"]) == 0
    capfd.readouterr()
    written = json.loads((tmp_path / "out" / "metrics.json").read_text())
    # As JSON it is what is in memory.
    assert json.loads(json.dumps(evaluation.to_dict())) == evaluation.to_dict()
    assert evaluation.to_dict() == written
    columns = pd.read_csv(tmp_path / "out" / "per_class.csv").drop(columns="split").set_index("class")
    pd.testing.assert_frame_equal(evaluation.per_class, columns, check_dtype=False)


def as_list(values):
    return values.tolist()


def as_items(values):
    return list(values)


def as_pandas(values):
    return pd.Series(values) if values.ndim == 1 else pd.DataFrame(values, columns=list(NAMES))


def as_polars(values):
    polars = pytest.importorskip("polars")
    return polars.Series(values) if values.ndim == 1 else polars.DataFrame(values, schema=list(NAMES))


def as_tensorflow(values):
    tensorflow = pytest.importorskip("tensorflow")
    return tensorflow.constant(values)


def as_torch(values):
    torch = pytest.importorskip("torch")
    return torch.tensor(values, requires_grad=values.dtype.kind == "f")


def as_a_list_of_tensors(values):
    tensorflow = pytest.importorskip("tensorflow")
    return [tensorflow.constant(value) for value in values[:20]] + list(values[20:])


class ByArray:
    """Any library of numpy's protocol."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return self.values


class ByDlpack:
    """Any library of the DLPack protocol."""

    def __init__(self, values):
        self.values = values

    def __dlpack__(self, **options):
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.values.__dlpack_device__()


FORMS = (
    *(as_list, as_items, tuple, as_pandas, as_polars, as_tensorflow, as_torch, as_a_list_of_tensors, ByArray, ByDlpack),
)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_every_form_gives_the_same(case, evaluation, form):
    labels, shares = case
    found = batchclf.evaluate(form(labels), probabilities=form(shares), classes=NAMES, split="test")
    assert found.to_dict() == evaluation.to_dict()
    found = batchclf.evaluate(form(labels), form(shares.argmax(axis=1)), classes=NAMES, split="test")
    pd.testing.assert_frame_equal(found.confusion, evaluation.confusion)


def test_it_loads_no_library_that_the_caller_does_not_have_loaded(case, tmp_path, monkeypatch):
    import subprocess

    script = (
        "import sys, batchclf\n"
        "batchclf.evaluate([0, 1, 1], probabilities=[[.9, .1], [.2, .8], [.6, .4]]).accuracy\n"
        "print([name for name in ('torch', 'tensorflow', 'polars', 'pandas', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.strip() == "[]"


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40),
    st.permutations(("ant", "bee", "=cow", "d'œuf")),
)
def test_names_and_places_mean_the_same(pairs, names):
    labels, given_ = map(list, zip(*pairs, strict=True))
    by_place = batchclf.evaluate(labels, given_, classes=names)
    by_name = batchclf.evaluate([names[each] for each in labels], [names[each] for each in given_], classes=names)
    assert by_place.to_dict() == by_name.to_dict()
    assert by_place.accuracy == judge.accuracy_score(labels, given_)
    # What does not name a class in another order does not depend on the order of the classes.
    of_seen = sorted({names[each] for each in (*labels, *given_)})
    if any(label in given_ for label in labels):
        seen = batchclf.evaluate([names[each] for each in labels], [names[each] for each in given_])
        assert list(seen.class_names) == of_seen
        assert seen.macro_f1 == pytest.approx(by_place.macro_f1)


@pytest.mark.parametrize(
    ("labels", "classes", "kept"),
    [
        (["cat", None, "eel", float("nan")], NAMES, 2),
        (["cat", "", "eel", None], NAMES, 2),
        (np.array([0, np.nan, 2, 1]), NAMES, 3),
        (pd.Series(["cat", pd.NA, "eel", pd.NaT], dtype="object"), NAMES, 2),
        (pd.Series([0, None, 2, 1], dtype="Int64"), NAMES, 3),
        (pd.Categorical(["cat", None, "eel", "dog"]), NAMES, 3),
        (np.ma.array([0, 1, 2, 1], mask=[0, 1, 0, 0]), NAMES, 3),
        ([b"cat", b"dog", b"eel", None], NAMES, 3),
        (np.array([[0], [1], [2], [1]], np.uint8), NAMES, 4),
        ([True, False, True, None], ("no", "yes"), 3),
        (None, NAMES, 0),
    ],
)
def test_missing_labels_are_no_labels(labels, classes, kept):
    found = batchclf.evaluate(labels, probabilities=np.full((4, len(classes)), 1 / len(classes)), classes=classes)
    assert (found.images, found.labelled) == (4, kept)
    assert np.isnan(found.accuracy) == (kept == 0)
    assert list(found.confusion.index) == (list(classes) if kept else [])


def test_without_labels_or_probabilities_what_cannot_be_known_is_nan():
    without_labels = batchclf.evaluate(None, ["a", "b", "a"])
    assert without_labels.per_class["predicted"].tolist() == [2, 1]
    assert without_labels.per_class["support"].isna().all()
    assert "3 images scored" in without_labels._repr_html_()
    with pytest.raises(UsageError, match="no image has a label"):
        without_labels.classification_report()
    without_shares = batchclf.evaluate(["a", "b", "a"], ["a", "b", "b"])
    unknown = {name for name in METRICS if np.isnan(getattr(without_shares, name, 0.0))}
    assert unknown >= {"log_loss", "brier", "ece", "overconfidence", "mean_confidence", "gap"}
    assert "accuracy" not in unknown
    assert without_shares.log_loss.interval is None
    assert without_shares.to_dict()["splits"][""]["mean_confidence"] is None
    with pytest.raises(AttributeError, match="has no 'acuracy'"):
        _ = without_shares.acuracy


def test_every_metric_of_the_catalogue_is_an_attribute(evaluation):
    of_evaluations = {name for name, entry in METRICS.items() if entry.source in ("overall", "calibration", "gap")}
    assert of_evaluations | {"mean_confidence"} == set(batchclf.Evaluation.__annotations__)
    assert set(evaluation.metrics) == set(batchclf.Evaluation.__annotations__) - {"gap", "log_loss_gap"} | {
        "top2_accuracy",
        "top3_accuracy",
    }
    assert set(evaluation.metrics) < set(dir(evaluation))
    assert all(
        evaluation.metrics[name] is not None and getattr(evaluation, name) == evaluation.metrics[name]
        for name in evaluation.metrics
    )


def test_a_metric_is_a_float_that_knows_its_interval(evaluation):
    accuracy = evaluation.accuracy
    assert isinstance(accuracy, float)
    assert accuracy.low < accuracy < accuracy.high
    assert (accuracy.interval.low, accuracy.interval.high) == (accuracy.low, accuracy.high)
    assert repr(accuracy) == f"{float(accuracy):.6g} (95% interval {accuracy.low:.6g} to {accuracy.high:.6g})"
    assert str(accuracy) == repr(float(accuracy))
    text = io.StringIO()
    csv.writer(text).writerow([accuracy, f"{accuracy:.2f}", f"{accuracy}", json.dumps(accuracy)])
    assert text.getvalue().strip() == f"{float(accuracy)},{float(accuracy):.2f},{float(accuracy)},{float(accuracy)}"
    for again in (pickle.loads(pickle.dumps(accuracy)), copy.deepcopy(accuracy)):
        assert (again, again.interval, again.name) == (accuracy, accuracy.interval, "accuracy")
    assert evaluation.ece.interval is None
    assert pickle.loads(pickle.dumps(evaluation)).to_dict() == evaluation.to_dict()


SHARES = [[0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]]
REFUSED = {
    "nothing": ((["a"], None), {}, UsageError, "nothing to evaluate"),
    "no rows": (([], []), {}, UsageError, "no rows"),
    "a text": (("cat", ["cat"]), {}, UsageError, "y_true is of the type str"),
    "a single value": ((np.float64(1), [1]), {}, UsageError, "y_true is a single value"),
    "ragged": (([[1], [2, 3]], [0, 1]), {}, UsageError, "y_true, a list, cannot be read as an array"),
    "lengths": (([0, 1], None), {"probabilities": SHARES}, UsageError, "y_true has 2 rows and probabilities has 3"),
    "lengths of paths": (([0], [0]), {"images": ["a", "b"]}, UsageError, "y_true has 1 rows and images has 2"),
    "one-hot": ((np.eye(3), [0, 1, 2]), {}, UsageError, r"y_true has the shape \(3, 3\)"),
    "probabilities as predictions": (([0, 1, 2], SHARES), {}, UsageError, r"y_pred has the shape \(3, 3\)"),
    "a number that is no class": (([0.5], [1]), {}, UsageError, r"y_true\[0\] is 0.5, which is neither"),
    "texts and numbers": ((["a", 1], ["a", "b"]), {}, UsageError, "mixes texts and numbers"),
    "names that look like numbers": (
        ([1, 2], [1, 2]),
        {"classes": ["1", "2", "3"]},
        UsageError,
        "whether 1 is a name or a place in the list cannot be known",
    ),
    "a number out of the list": (([0, 5], [0, 1]), {"classes": NAMES}, UsageError, r"y_true\[1\] is 5; the 3 classes"),
    "a number below it": (([0, -1], [0, 1]), {"classes": NAMES}, UsageError, r"y_true\[1\] is -1"),
    "a number that is no class's name": (([1, 4], [1, 2]), {"classes": [1, 2, 3]}, UsageError, r"y_true\[1\] is 4"),
    "a slip": ((["cat", "dgo"], ["cat", "dog"]), {"classes": NAMES}, UsageError, r"y_true\[1\] is 'dgo'"),
    "names without an order": ((["a", "b", "c"], None), {"probabilities": SHARES}, UsageError, "columns of probabil"),
    "names and numbers": ((["a", "b"], [0, 1]), {}, UsageError, "y_true names and y_pred numbers"),
    "names that never meet": ((["a", "b"], ["c", "d"]), {}, PredictionsError, "no label in y_true is a class"),
    "numpy's nan among texts": ((np.array(["a", np.nan]), ["a", "b"]), {}, UsageError, "is the text 'nan'"),
    "a missing prediction": ((["a", "b"], ["a", None]), {}, UsageError, r"y_pred\[1\] is missing"),
    "too few classes": (([0, 1, 2], None), {"probabilities": SHARES, "classes": ["a"]}, UsageError, "3 columns, and"),
    "a class twice": (([0], [0]), {"classes": ["a", "a"]}, UsageError, "names 'a' twice"),
    "a class without a name": (([0], [0]), {"classes": ["a", None]}, UsageError, r"classes\[1\] has no name"),
    "other columns": (
        ([0, 1, 2], None),
        {"probabilities": pd.DataFrame(SHARES, columns=list("abc")), "classes": list("acb")},
        UsageError,
        "the columns of probabilities are a, b, c",
    ),
    "numbers with a gap": (([0], [0]), {"classes": {0: "a", 2: "b"}}, UsageError, "does not number its names"),
    "logits": (([0], None), {"probabilities": [[3.0, -2.0]]}, PredictionsError, r"probabilities\[0\] has -2"),
    "a sum": (
        ([0], None),
        {"probabilities": [[0.5, 0.4]]},
        PredictionsError,
        r"probabilities\[0\] sum to 0.9, not to 1",
    ),
    "nan": (
        ([0, 1], None),
        {"probabilities": [[1, 0], [np.nan, 1]]},
        PredictionsError,
        r"probabilities\[1\] has a value",
    ),
    "texts as probabilities": (
        ([0], None),
        {"probabilities": [["a", "b"]]},
        UsageError,
        "holds values that are no numbers",
    ),
    "three axes": (([0], None), {"probabilities": np.ones((1, 2, 2))}, UsageError, r"has the shape \(1, 2, 2\)"),
    "another prediction": (([0], [1]), {"probabilities": [[0.7, 0.3]]}, PredictionsError, r"y_pred\[0\] is '1' with"),
    "an image twice": (([0, 1], [0, 1]), {"images": ["a", "a"]}, UsageError, r"images\[0\] and images\[1\] are both a"),
    "pixels as paths": (([0], [0]), {"images": [7]}, UsageError, r"images\[0\] is 7"),
    "a split without a name": (([0, 1], [0, 1]), {"split": ["test", None]}, UsageError, r"split\[1\] is None"),
}


@pytest.mark.parametrize(("arguments", "options", "kind", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_clear_is_refused_with_a_hint(arguments, options, kind, said):
    with pytest.raises(BatchclfError, match=said) as caught:
        batchclf.evaluate(*arguments, **options)
    assert type(caught.value) is kind
    assert caught.value.hint
    assert "--" not in caught.value.hint, "an option of the command line"
    assert "np." not in str(caught.value)


def test_numbers_are_names_where_classes_are_numbers():
    found = batchclf.evaluate([1, 2, 3], [1, 2, 2], classes=[3, 2, 1])
    assert found.class_names == ("3", "2", "1")
    assert found.confusion.loc["3", "2"] == 1
    assert batchclf.evaluate(["1", "3"], ["3", "3"], classes=["3", "1"]).accuracy == 0.5
    assert batchclf.evaluate([0, 1, 1], [0, 1, 0], classes=["0", "1"]).accuracy == pytest.approx(2 / 3)
    assert batchclf.evaluate([-1, 1], [1, 1]).class_names == ("-1", "1")


@pytest.mark.parametrize(
    "classes", [{0: "cat", 1: "dog"}, {"cat": 0, "dog": 1}, np.array(["cat", "dog"]), ("cat", "dog")]
)
def test_classes_come_as_other_libraries_have_them(classes):
    found = batchclf.evaluate([0, 1, 1], probabilities=[0.1, 0.8, 0.4], classes=classes)
    assert found.class_names == ("cat", "dog")
    assert found.confusion.to_numpy().tolist() == [[1, 0], [1, 1]]


def test_of_equal_probabilities_the_given_prediction_counts():
    shares = [[0.4, 0.4, 0.2], [0.4, 0.4, 0.2]]
    found = batchclf.evaluate([1, 1], [1, 0], probabilities=shares)
    assert found.confusion.to_numpy().tolist() == [[0, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert found.top2_accuracy == 1


def test_pandas_columns_go_together_by_place_or_not_at_all():
    labels = pd.Series(["a", "b", "a"], index=[7, 8, 9])
    given_ = pd.Series(["a", "b", "b"])
    expected = pytest.approx(2 / 3)
    assert batchclf.evaluate(labels, given_).accuracy == expected
    assert batchclf.evaluate(labels, given_.set_axis([7, 8, 9])).accuracy == expected
    with pytest.raises(UsageError, match="the same index in another order: at place 0 stand 7 and 9") as caught:
        batchclf.evaluate(labels, given_.set_axis([9, 8, 7]))
    assert "y_pred.loc[y_true.index]" in caught.value.hint
    with pytest.raises(UsageError, match="only y_true has 7"):
        batchclf.evaluate(labels, given_.set_axis([8, 9, 10]))
    with pytest.raises(UsageError, match="y_true and images have different indexes"):
        batchclf.evaluate(labels, images=pd.Series(["x", "y", "z"], index=[1, 2, 3]), y_pred=given_)
    assert batchclf.evaluate(labels, given_.set_axis([9, 8, 7]).to_numpy()).accuracy == expected


def test_each_split_is_evaluated_on_its_own():
    labels, shares = drawn(300)
    splits = np.where(np.arange(300) % 3 == 0, "train", "test")
    found = batchclf.evaluate(labels, probabilities=shares, split=splits)
    assert (found.split, list(found.splits)) == ("test", ["train", "test"])
    for name, of_split in found.splits.items():
        alone = batchclf.evaluate(labels[splits == name], probabilities=shares[splits == name], split=name)
        assert of_split.accuracy == alone.accuracy
        assert of_split.to_dict()["splits"][name]["log_loss"] == alone.to_dict()["splits"][name]["log_loss"]
    train, test = found.splits["train"], found.splits["test"]
    assert found.gap == pytest.approx(train.accuracy - test.accuracy)
    assert found.gap.low < found.gap < found.gap.high
    assert np.isnan(batchclf.evaluate(labels, probabilities=shares, split="train").gap)


def test_warnings_name_the_callers_line():
    labels = np.repeat([0, 1, 2], 40)
    swapped = np.array([1, 0, 2])[labels]
    with pytest.warns(UserWarning, match="class names do not seem to be in the order") as caught:
        found = batchclf.evaluate(labels, swapped, classes=NAMES)
    assert caught[0].filename == __file__
    assert "do not seem to be in the order" in found._repr_html_()
    with pytest.warns(UserWarning, match="look alike: 'Cat' and 'cat'; if they mean one class, give it one name"):
        batchclf.evaluate(["cat", "Cat"], ["cat", "cat"])


@pytest.mark.skipif(find_spec("torch") is None, reason="PyTorch is not installed")
def test_half_precision_of_pytorch():
    import torch

    labels, shares = drawn(50)
    whole = batchclf.evaluate(labels, probabilities=shares)
    for kind in (torch.float16, torch.bfloat16):
        found = batchclf.evaluate(torch.tensor(labels), probabilities=torch.tensor(shares).to(kind))
        assert found.log_loss == pytest.approx(whole.log_loss, rel=0.01)

"""The sum of what was found twice: counts, contradictions, and the gap without the duplicates."""

import numpy as np
import pandas as pd
import pytest
from core_cases import evaluate, predicted_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from batchclf.core.images.duplicates import SHOWN_PAIRS, DuplicateRows, summarise
from batchclf.core.metrics.gap import overfitting_gap
from batchclf.core.metrics.intervals import difference, wilson

KINDS, LABELS = ("exact", "near", "unconfirmed"), ("", "cat", "dog")
DUPLICATE = st.tuples(*map(st.sampled_from, (KINDS, LABELS, LABELS[1:], LABELS)))


def _rows(found_twice):
    kinds, labels, predictions, others = zip(*found_twice, strict=True) if found_twice else ((),) * 4
    numbers = range(len(found_twice))
    return DuplicateRows(
        kinds,
        ["test"] * len(found_twice),
        [f"test/{number:05d}" for number in numbers],
        labels,
        predictions,
        ["train"] * len(found_twice),
        [f"train/{number:05d}" for number in numbers],
        others,
        [float("nan")] * len(found_twice),
    )


def _metrics(correct, total):
    labels = np.zeros(total, np.int64)
    return evaluate(predicted_rows(labels, (np.arange(total) >= correct).astype(np.int64), 2)).labelled


@settings(deadline=None, max_examples=80)
@given(st.lists(DUPLICATE, max_size=80), st.integers(1, 30))
def test_the_sum_is_that_of_pandas_however_the_rows_are_cut(found_twice, cut):
    table = pd.DataFrame(found_twice, columns=["kind", "label", "prediction", "other"])
    sure = table[table["kind"] != "unconfirmed"]
    labelled = sure[sure["label"] != ""]
    correct = int((labelled["label"] == labelled["prediction"]).sum())
    train, test = _metrics(190, 200), _metrics(correct + 60, len(labelled) + 90)
    gap = overfitting_gap(train, test)
    pieces = [_rows(found_twice[start : start + cut]) for start in range(0, len(found_twice), cut)]
    found = summarise(pieces, "test", 500, test, gap)
    assert found.exact == (table["kind"] == "exact").sum()
    assert found.near == (table["kind"] == "near").sum()
    contradicting = labelled[(labelled["other"] != "") & (labelled["label"] != labelled["other"])]
    assert found.contradicting == len(contradicting)
    assert found.accuracy_without == wilson(60, 90)
    assert found.gap_without == difference(train.accuracy, wilson(60, 90))
    assert len(found.pairs) == min(SHOWN_PAIRS, len(sure))
    order = [(not _contradicts(pair), pair.kind) for pair in found.pairs]
    assert order == sorted(order)
    assert sum(map(_contradicts, found.pairs)) == min(SHOWN_PAIRS, len(contradicting))
    assert ("not compared" in found.checked) == (len(sure) < len(table))


def _contradicts(pair):
    return None not in (pair.first_label, pair.second_label) and pair.first_label != pair.second_label


def test_a_pair_has_its_original_first():
    rows = [("near", "cat", "cat", ""), ("exact", "", "cat", "dog")]
    first, second = summarise([_rows(rows)], "test", 2, None, None).pairs
    assert (first.kind, first.first_path, first.first_label, first.second_label) == (
        "exact",
        "train/00001",
        "dog",
        None,
    )
    assert (second.first_split, second.first_label, second.second_split) == ("train", None, "test")
    assert (second.second_path, second.second_label) == ("test/00000", "cat")


@pytest.mark.parametrize("total", [1, 5])
def test_no_gap_is_left_where_all_test_images_are_duplicates(total):
    train, test = _metrics(9, 10), _metrics(total, total)
    rows = _rows([("exact", "cat", "cat", "cat")] * total)
    found = summarise([rows], "test", total, test, overfitting_gap(train, test))
    assert (found.exact, found.accuracy_without, found.gap_without) == (total, None, None)


def test_without_train_there_is_no_gap():
    found = summarise([_rows([("exact", "cat", "cat", "cat")])], "", 10, None, None)
    assert (found.exact, found.accuracy_without, found.gap_without) == (1, None, None)
    assert found.checked.startswith("the images with one another")


def test_nothing_found():
    train, test = _metrics(9, 10), _metrics(8, 10)
    gap = overfitting_gap(train, test)
    found = summarise([], "test", 10, test, gap)
    assert (found.exact, found.near, found.contradicting, found.pairs) == (0, 0, 0, ())
    assert found.accuracy_without == test.accuracy
    assert found.gap_without == gap.gap
    assert found.checked.startswith("each test image with all training images")

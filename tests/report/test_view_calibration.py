"""The section on confidence: its numbers against pandas and scikit-learn, and its edge cases."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_cases import FASHION, HOSTILE, directory_subset, evaluate, of_probabilities, page_of, record, sample
from sklearn import metrics

from batchclf.report.sections.calibration import calibration_view


def table_of(of):
    """Confidence and whether it was right, of the labelled images."""
    return pd.DataFrame({"confidence": of.rows.confidence[of.known], "right": of.labels == of.predictions})


def predictions(confidences, right):
    """Rows of two classes with these confidences, each above one half, right or wrong."""
    confidences, right = np.asarray(confidences, float), np.asarray(right)
    return of_probabilities(("a", "b"), np.column_stack([confidences, 1 - confidences]), np.where(right, 0, 1))


def drawn(seed, skill, labelled=1.0):
    return sample(FASHION, 400, seed=seed, skill=skill, labelled=labelled)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0.0, 0.5, 2.0, 20.0]), st.sampled_from([0.3, 1.0]))
def test_bins_and_thresholds_are_those_of_pandas(seed, skill, labelled):
    of = drawn(seed, skill, labelled)
    view = calibration_view(evaluate(of).labelled)
    rows = table_of(of)
    groups = rows.groupby(np.minimum((rows.confidence * 20).astype(int), 19))
    for number, row in enumerate(view.bin_rows):
        if number not in groups.groups:
            assert (row.images, row.mean, row.accuracy, row.difference) == ("0", "–", "–", "–")
            continue
        group = groups.get_group(number)
        assert (row.images, row.right) == (f"{len(group):,}", f"{group.right.sum():,}")
        assert (row.mean, row.accuracy) == (f"{group.confidence.mean():.2%}", f"{group.right.mean():.2%}")
    error = (groups.confidence.mean() - groups.right.mean()).abs() @ (groups.size() / len(rows))
    assert f"ECE, {error:.4f}" in view.sentence
    for row in (*view.few, *view.steps):
        used = rows[rows.confidence >= float(row.threshold.rstrip("%")) / 100]
        assert (row.images, row.coverage) == (f"{len(used):,}", f"{len(used) / len(rows):.2%}")
        assert row.accuracy == (f"{used.right.mean():.2%}" if len(used) else "–")


def test_the_example_says_what_a_threshold_of_nine_tenths_leaves():
    of = predictions([0.95, 0.9, 0.92, 0.7, 0.6], [True, True, False, True, False])
    view = calibration_view(evaluate(of).labelled)
    assert view.example == (
        "With a confidence of at least 90%: 60.00% of the images, accuracy 66.67% (95% interval 20.77% to 93.85%)."
    )
    unsure = calibration_view(evaluate(predictions([0.6, 0.7], [True, False])).labelled)
    assert unsure.example == "With a confidence of at least 90%: no images."


@pytest.mark.parametrize(
    "confidence, right, words",
    [
        (0.95, 60, "overconfident by 35.0 points: mean confidence is 95.00%, accuracy 60.00%"),
        (0.55, 90, "underconfident by 35.0 points: mean confidence is 55.00%, accuracy 90.00%"),
        (0.85, 84, "no evidence of over- or underconfidence"),
    ],
)
def test_over_and_underconfidence(confidence, right, words):
    of = predictions(np.full(100, confidence), np.arange(100) < right)
    assert words in calibration_view(evaluate(of).labelled).sentence


@pytest.mark.parametrize("right, kinds", [(True, ["right"]), (False, ["wrong"])])
def test_all_right_and_all_wrong_with_equal_confidences(right, kinds):
    view = calibration_view(evaluate(predictions(np.full(50, 0.8), np.full(50, right))).labelled)
    assert [panel.kind for panel in view.panels] == kinds
    assert sum(view.panels[0].counts) == 50
    assert view.panels[0].title == f"50 {kinds[0]} predictions"
    # One confidence: all images are used up to it, and none beyond.
    assert [row.threshold for row in view.steps] == ["80%", "99%"]


def test_histograms_hold_the_labelled_images():
    of = drawn(3, 1.0, labelled=0.5)
    right, wrong = calibration_view(evaluate(of).labelled).panels
    rows = table_of(of)
    for panel, chosen in ((right, rows.right), (wrong, ~rows.right)):
        counts, _ = np.histogram(rows.confidence[chosen], bins=20, range=(0, 1))
        assert list(panel.counts) == counts.tolist()


def test_one_image_and_one_class():
    page = page_of(record(), [evaluate(sample(FASHION, 1))])
    assert "no evidence of over- or underconfidence" in page.sections["calibration"]
    page = page_of(record(("only",)), [evaluate(sample(("only",), 9))])
    assert "mean confidence is 100.00%, accuracy 100.00%" in page.sections["calibration"].replace("Mean", "mean")


def test_tables_stand_behind_the_charts():
    of = drawn(1, 1.0)
    names = (*HOSTILE, "a", "b")
    page = page_of(record(names), [evaluate(sample(names, 400, seed=1))])
    assert [row[0] for row in page.tables["coverage"][1:]] == ["0%", "50%", "70%", "80%", "90%", "95%", "99%"]
    assert len(page.tables["bins"]) == 21
    assert page.tables["coverage"][1][3].startswith(f"{metrics.accuracy_score(of.labels, of.predictions):.2%} ")
    for name in ("reliability", "coverage", "confidence-right", "confidence-wrong"):
        assert f'id="{name}-title"' in page.html


def test_there_is_no_section_without_labels():
    run = record(subsets=[directory_subset(90)], dataset=None)
    page = page_of(run, [evaluate(sample(FASHION, 90, "", labelled=0.0), "")])
    assert "calibration" not in page.sections
    assert 'id="reliability-title"' not in page.html

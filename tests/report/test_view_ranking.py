"""The section on ROC and precision-recall: its numbers against scikit-learn, and which classes are shown."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_cases import FASHION, HOSTILE, directory_subset, evaluate, page_of, record, sample
from sklearn import metrics

from batchclf.core.text import class_name
from batchclf.report.sections.ranking import ranking_view


def areas(of, names):
    """AUC and average precision of each class that has images, and others beside it, by scikit-learn."""
    found = {}
    for i, name in enumerate(names):
        own = of.labels == i
        if own.any() and not own.all():
            scores = of.probabilities[of.known][:, i]
            found[name] = metrics.roc_auc_score(own, scores), metrics.average_precision_score(own, scores)
    return found


def number(text):
    return float(text.split()[0].rstrip(","))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([2, 3, 10]), st.sampled_from([0.0, 1.0, 5.0]))
def test_areas_are_those_of_scikit_learn(seed, classes, skill):
    names = FASHION[:classes]
    of = sample(names, 300, seed=seed, skill=skill)
    view = ranking_view(evaluate(of).labelled)
    expected = areas(of, names)
    assert [row.name for row in view.rows] == list(view.names)
    values = [number(row.auc) for row in view.rows]
    assert values == sorted(values)
    for row in view.rows:
        auc, precision = expected[row.name]
        assert (number(row.auc), number(row.average_precision)) == pytest.approx((auc, precision), abs=5.1e-5)
        assert (int(row.positives), int(row.positives) + int(row.negatives)) == (
            (of.labels == names.index(row.name)).sum(),
            300,
        )
        low, _, high = row.auc_interval.split()
        assert float(low) <= number(row.auc) <= float(high)
    mean = metrics.roc_auc_score(
        of.labels if classes > 2 else of.labels == 1,
        of.probabilities if classes > 2 else of.probabilities[:, 1],
        multi_class="ovr",
    )
    shown = number(view.sentence.split(f"over {classes} classes: ")[1])
    assert shown == pytest.approx(mean, abs=5.1e-5)
    assert view.binned == ""


@pytest.mark.parametrize("classes, drawn", [(2, 2), (10, 10), (11, 8), (120, 8)])
def test_up_to_ten_classes_are_drawn_and_of_more_the_worst(classes, drawn):
    names = tuple(f"class {i}" for i in range(classes))
    labelled = evaluate(sample(names, 12 * classes, labels=np.arange(12 * classes) % classes)).labelled
    view = ranking_view(labelled)
    assert len(view.drawn) == len(view.names) == drawn
    assert len(view.others) == classes - drawn
    assert max(each.auc.value for each in view.drawn) <= min((each.auc.value for each in view.others), default=1.0)
    assert view.part == (f"the 8 worst of {classes} classes" if classes > 10 else "")
    assert len(view.rows) == min(classes, 100)
    assert view.rows_part == ("showing 100 of 120 classes" if classes > 100 else "")


def test_areas_from_bins_say_how_right_they_are_and_have_no_more_decimals(monkeypatch):
    monkeypatch.setattr("batchclf.core.metrics.ranking_counts.MOST_KEPT", 0)
    of = sample(FASHION, 3_000, skill=2.0)
    labelled = evaluate(of).labelled
    view = ranking_view(labelled)
    expected = areas(of, FASHION)
    by_name = {each.name: each for each in labelled.ranking}
    for row in view.rows:
        for text, area, error in zip(
            (row.auc, row.average_precision),
            expected[row.name],
            (by_name[row.name].auc_error, by_name[row.name].average_precision_error),
            strict=True,
        ):
            assert 0 < error <= 0.5 * 10.0 ** -len(text.partition(".")[2])
            assert abs(float(text) - area) <= 2 * 0.5 * 10.0 ** -len(text.partition(".")[2])
    worst = max(each.average_precision_error for each in labelled.ranking)
    assert view.binned.endswith(f"an average precision to {worst:.1g}.")
    assert "the areas are computed from bins" in page_of(record(), [evaluate(of)]).text


def test_an_area_that_is_left_out_is_a_dash_and_has_a_word(monkeypatch):
    monkeypatch.setattr("batchclf.core.metrics.ranking_counts.MOST_KEPT", 0)
    of = sample(FASHION, 3_000, skill=2.0)
    errors = sorted(each.average_precision_error for each in evaluate(of).labelled.ranking)
    monkeypatch.setattr("batchclf.core.metrics.ranking.LARGEST_ERROR", errors[7])
    view = ranking_view(evaluate(of).labelled)
    assert [row.average_precision for row in view.rows].count("–") == 2
    assert "–" not in {row.auc for row in view.rows}
    assert view.binned.endswith(f"One with a larger error than {errors[7]:.10g} is left out, in 2 classes.")
    assert "average precision" not in view.sentence
    assert "Average precision" in page_of(record(), [evaluate(of)]).text


def test_a_class_without_images_stands_last_and_is_not_drawn():
    of = sample(FASHION, 200, labels=np.arange(200) % 9)
    view = ranking_view(evaluate(of).labelled)
    assert (view.rows[-1].name, view.rows[-1].auc, view.rows[-1].positives) == (FASHION[9], "–", "0")
    assert FASHION[9] not in view.names
    assert "over 9 classes" in view.sentence


def test_all_right_has_no_area_left_out():
    of = sample(FASHION, 200, skill=1e9)
    view = ranking_view(evaluate(of).labelled)
    assert {row.auc for row in view.rows} == {row.average_precision for row in view.rows} == {"1.0000"}
    # Few images are no proof of a perfect ranking.
    assert all(number(row.auc_interval) < 1 for row in view.rows)


def test_what_cannot_be_known_says_how_to_get_it():
    labelled = evaluate(sample(FASHION, 60)).labelled
    assert "score with --probabilities" in ranking_view(replace(labelled, ranking=None)).missing
    for names, n in ((("only",), 9), (FASHION, 1)):
        assert "All labelled images are of one class" in ranking_view(evaluate(sample(names, n)).labelled).missing
    run = record(subsets=[directory_subset(90)], dataset=None)
    page = page_of(run, [evaluate(sample(FASHION, 90, "", labelled=0.0), "")])
    assert "ranking" not in page.sections
    assert 'id="roc-title"' not in page.html


def test_hostile_names_are_text_in_legend_sentence_and_table():
    page = page_of(record(HOSTILE), [evaluate(sample(HOSTILE, 400))])
    shown = {" ".join(class_name(name).split()) for name in HOSTILE}
    assert {row[0] for row in page.tables["areas"][1:]} == shown
    assert any(page.sections["ranking"].count(name) >= 2 for name in shown)
    assert "<script>alert" not in page.html

"""The report's data: the verdict, the numbers against scikit-learn and scipy, and what is left out."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_cases import (
    FASHION,
    both_splits,
    directory_subset,
    evaluate,
    of_probabilities,
    record,
    sample,
    split_subset,
    view_of,
)
from sklearn import metrics

from batchclf.core.text import age, duration, signed, visible
from batchclf.core.types import ImageRef, SkippedImage


def measures(view):
    return {measure.name: measure for measure in view.numbers.measures}


def sections(view):
    return [section.anchor for section in view.contents]


def test_train_only_is_called_train_and_warned_about():
    view = view_of(record(subsets=[split_subset("train", 80)]), [evaluate(sample(FASHION, 80, "train"), "train")])
    assert "Train accuracy" in measures(view)
    assert "Test accuracy" not in measures(view)
    assert "trained on" in view.numbers.notes[0]
    assert "only the train split was scored" in view.gap.missing


def test_test_split_is_the_main_one_in_any_order():
    _, evaluations, gap = both_splits()
    orders = [view_of(record(), order, gap) for order in (evaluations, evaluations[::-1])]
    assert orders[0].numbers == orders[1].numbers


def test_unlabelled_shows_what_is_known_and_nothing_else():
    of = sample(FASHION, 90, "", labelled=0.0)
    run = record(subsets=[directory_subset(90)], dataset=None, job=None)
    view = view_of(run, [evaluate(of, "")])
    assert view.classes is None
    assert not view.errors
    assert sections(view) == ["data", "unlabelled", "gap", "skipped", "facts"]
    assert "none labelled: accuracy unknown" in view.verdict.reason
    shown = {row.name: row for row in view.unlabelled[0].predicted}
    for name, number in zip(FASHION, np.bincount(of.rows.predictions, minlength=10), strict=True):
        assert (shown[name].count, shown[name].share) == (str(number), f"{number / 90:.2%}")
    counts, _ = np.histogram(of.rows.confidence, bins=20, range=(0, 1))
    assert list(view.unlabelled[0].histogram.counts) == counts.tolist()
    least = [shot.confidence for shot in view.unlabelled[0].least_confident]
    assert least == [f"{value:.2%}" for value in np.sort(of.rows.confidence)[:24]]
    assert {file.name for file in view.facts.files}.isdisjoint({"per_class.csv", "confusion.csv"})


def test_partially_labelled_rests_on_the_labelled_and_says_so():
    of = sample(FASHION, 1200, labelled=0.5)
    view = view_of(record(), [evaluate(of)])
    known = int(of.known.sum())
    accuracy = metrics.accuracy_score(of.labels, of.predictions)
    assert measures(view)["Test accuracy"].value == f"{accuracy:.2%}"
    assert view.numbers.notes[0].startswith(f"{known:,} of 1,200 images have a label")
    assert view.unlabelled[0].note == f"{1200 - known:,} of 1,200 images have no label."


def test_unlabelled_directory_beside_a_labelled_test_split():
    evaluations = [evaluate(sample(FASHION, 50)), evaluate(sample(FASHION, 20, "", labelled=0.0), "")]
    view = view_of(record(subsets=[split_subset("test", 50), directory_subset(20)]), evaluations)
    assert view.classes is not None
    assert [subset.split for subset in view.unlabelled] == ["/srv/inbox"]
    assert [subset.accuracy == "–" for subset in view.facts.subsets] == [False, True]


@pytest.mark.parametrize("shift, accuracy", [(0, "100.00%"), (1, "0.00%")])
def test_all_right_and_all_wrong(shift, accuracy):
    labels = np.arange(50) % 10
    probabilities = np.full((50, 10), 0.02)
    probabilities[np.arange(50), (labels + shift) % 10] = 0.82
    view = view_of(record(), [evaluate(of_probabilities(FASHION, probabilities, labels))])
    assert view.numbers.measures[0].value == accuracy
    assert len(view.errors.worst) == (24 if shift else 0)


def test_a_report_needs_an_evaluation():
    with pytest.raises(ValueError, match="at least one evaluation"):
        view_of(record(), [])


def test_nothing_scored_is_said_plainly():
    empty = evaluate(sample(FASHION, 0, ""), "")
    skipped = [SkippedImage(ImageRef("a.png", None), "cut off")]
    run = record(status="partial", subsets=[directory_subset(0, skipped=1)], dataset=None)
    view = view_of(run, [empty], skipped=skipped)
    assert view.verdict.reason == "No image could be scored."
    assert view.verdict.partial.endswith("0 of 1 image were scored.")
    assert view.unlabelled == ()


def test_skipped_files_are_cut_at_fifty():
    skipped = [SkippedImage(ImageRef(f"{i}.png", "Coat"), "not an image") for i in range(1250)]
    view = view_of(record(), [evaluate(sample(FASHION, 10))], skipped=skipped).skipped
    assert (len(view.rows), view.more, view.total) == (50, "1,200", 1250)
    assert view.rows[49].path == "49.png"


def test_accounting_that_does_not_add_up_is_marked():
    subsets = [split_subset("test", 10, 2, 3), split_subset("train", 10, found=11)]
    rows = view_of(record(subsets=subsets), [evaluate(sample(FASHION, 10))]).facts.subsets
    assert [(row.found, row.adds_up) for row in rows] == [("15", True), ("11", False)]


def test_facts_name_data_model_and_run():
    view = view_of(record(), [evaluate(sample(FASHION, 10))])
    facts = {f"{group.title}/{fact.term}": fact.value for group in view.facts.groups for fact in group.facts}
    assert facts["Data/Train split"] == "60,000 images"
    assert facts["Model/Settings"] == "epochs 3, dropout 0.25, augment off"
    assert facts["Model/Parameters"] == "101,770"
    assert facts["Model/SHA-256"] == "0123456789abcdef" * 4
    assert facts["Model/Created"].endswith("loaded, trained before")
    assert facts["Run/Command"] == "batchclf run 'my job.toml'"
    assert facts["Run/Duration"] == "1 min 23 s"
    assert facts["Run/Timings"] == "train 1 min 14 s · score test 0.50 s"
    assert "Run/From a killed run" not in facts
    subsets = [replace(each, resumed=7) for each in record().subsets]
    resumed = view_of(record(subsets=subsets), [evaluate(sample(FASHION, 10))])
    words = {fact.term: fact.value for group in resumed.facts.groups for fact in group.facts}
    assert words["From a killed run"].startswith(f"{7 * len(subsets)} images; ")
    trained = view_of(record(trained_in_this_run=True), [evaluate(sample(FASHION, 10))]).facts.groups[1]
    assert any("trained in this run" in fact.value for fact in trained.facts)


@given(st.text(st.characters(exclude_categories=())))
def test_visible_names_can_be_written_and_hide_nothing(name):
    shown = visible(name)
    shown.encode("utf-8")
    assert not any("\x00" <= c < " " or "\u202a" <= c <= "\u202e" or "\u2066" <= c <= "\u2069" for c in shown)
    assert visible(shown) == shown


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0.004, "< 0.01 s"),
        (0.5, "0.50 s"),
        (1.25, "1.2 s"),
        (59.7, "1 min 00 s"),
        (59.2, "59 s"),
        (3599.6, "1 h 00 min"),
        (7380, "2 h 03 min"),
        (86400 * 2 + 3600, "2 days 1 h"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@given(st.floats(-1e6, 1e6))
def test_signed_numbers_carry_the_sign_of_what_is_shown(value):
    text = signed(value, 1)
    number = float(text.replace("\u2212", "-").replace(",", ""))
    assert number == pytest.approx(value, abs=0.0501)
    assert (text[0] in "+\u2212") == (number != 0)


def test_ages():
    hours = [age(timedelta(hours=h)) for h in (0.9, 1, 30, 49)]
    assert hours == ["", "1 hour", "30 hours", "2 days"]

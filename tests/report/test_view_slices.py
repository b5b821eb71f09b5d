"""The sections on slices and thresholds: what they say, whatever names there are, and what they leave out."""

from dataclasses import replace

import pytest
from report_cases import FASHION, HOSTILE, both_splits, evaluate, page_of, png, record, sample
from slice_cases import studied

from batchclf.core.estimate import Estimate, Interval
from batchclf.core.metrics.thresholds import ThresholdFindings
from batchclf.core.slices.result import SliceFindings
from batchclf.report.sections.slices import slice_lines, slices_view
from batchclf.report.sections.thresholds import threshold_lines, thresholds_view


@pytest.fixture(scope="module")
def of():
    return sample(FASHION, 1500, "test", seed=3, skill=0.8)


@pytest.fixture(scope="module")
def found(of):
    return studied(of)


def test_the_page_names_the_weak_slice_with_its_errors(of, found):
    evaluation = evaluate(of)
    weak = next(each for each in found["slices"].search.weakest if each.is_weak)
    pictures = {(row.split, row.path): png() for row in weak.errors}
    page = page_of(record(), [evaluation], pictures=pictures, **found)
    text = page.sections["slices"]
    assert f"{weak.judged.words} : " in text
    assert "weaker beyond chance." in text
    assert "Accuracy falls from " in text
    assert text.count(" taken for ") >= 6
    assert "Left out: indoors (it has 1,203 values, and at most 100 make slices)." in text
    assert "A note." in text
    rows = page.tables["slices"]
    assert any("site not given" in row[0] for row in rows)
    assert [link["href"] for link in page.having("a")].count("#slices") == 1
    assert f"{weak.judged.words} weak" in [row[0] for row in rows]


def test_hostile_names_are_only_text(of):
    names = (*HOSTILE, "")
    page = page_of(record(), [evaluate(of)], **studied(of, names))
    assert "<script>alert(1)" not in page.html
    assert "\u202e" not in page.html
    page.html.encode()
    lines = slice_lines(studied(of, names)["slices"])
    assert not any("<script>" in line or "\n" in line for line in lines)


def test_what_the_classes_make_of_a_difference_is_said_in_words(found):
    slices = found["slices"]
    weak = slices.search.weakest[0]
    beyond = Estimate(-0.05, Interval(-0.09, -0.01), 90)
    clear = replace(weak, is_weak=True, judged=replace(weak.judged, class_mix=-0.1, beyond=beyond))
    chance = replace(clear, judged=replace(clear.judged, beyond=Estimate(0.01, Interval(-0.03, 0.05), 90)))
    alone = replace(clear, judged=replace(clear.judged, class_mix=None, beyond=None))
    search = replace(slices.search, weakest=(clear, chance, alone))
    sentences = [each.sentence for each in slices_view(replace(slices, search=search), {}).weak]
    assert "its class mix alone: 10.0 points less; beyond it: −5.0 (−9.0 to −1.0) points;" in sentences[0]
    assert "beyond it: +1.0 (−3.0 to +5.0) points, which can be chance;" in sentences[1]
    assert "the effect of its class mix is unknown: one of its classes occurs nowhere else;" in sentences[2]


def test_a_search_without_a_find_says_so(found):
    slices = found["slices"]
    none = tuple(replace(each, is_weak=False) for each in slices.search.weakest)
    lead = slices_view(replace(slices, search=replace(slices.search, weakest=none)), {}).lead
    assert lead.endswith("are not weaker beyond chance in the other half.")
    one = slices_view(replace(slices, search=replace(slices.search, weakest=none[:1])), {}).lead
    assert ", the weakest in one half of the images is not weaker beyond chance" in one
    lead = slices_view(replace(slices, search=replace(slices.search, weakest=())), {}).lead
    assert lead.startswith("No slice of at least 20 images is less accurate than the other images")
    nothing = SliceFindings(9, (), (), (), None)
    assert slices_view(nothing, {}).lead.startswith("No slices: the images do not differ")


def test_the_thresholds_say_what_was_chosen_and_on_which_images(of, found):
    page = page_of(record(), [evaluate(of)], **found)
    text = page.sections["thresholds"]
    assert "Positive class: Trouser . Assumed: the second class" in text
    rows = {row[0]: row[1:] for row in page.tables["thresholds"][1:]}
    assert "best precision at a recall of at least 80%" in rows
    assert rows["as given"][0] == "0.5"
    assert any(row.startswith("best recall at a precision of at least 99.9999%") for row in rows)
    assert "An error costs 10, a review 1. The threshold was chosen on" in text
    assert page.html.count('id="accuracy-by-coverage-title"') == 1


def test_without_costs_or_confidence_less_is_said(found):
    thresholds = found["thresholds"]
    free = replace(thresholds.refusal, error_cost=None, review_cost=None, best=None, keep_all=None)
    view = thresholds_view(replace(thresholds, refusal=free))
    assert view.refusal.sentence.startswith("With images below a confidence of ")
    assert view.refusal.note.startswith("No threshold was chosen.")
    unknown = ThresholdFindings(9, "The predictions have no confidence, so no threshold can be chosen.", None, None)
    assert threshold_lines(unknown) == []
    page = page_of(record(), both_splits()[1], thresholds=unknown)
    assert "The predictions have no confidence" in page.sections["thresholds"]


def test_a_run_of_an_earlier_batchclf_has_neither():
    page = page_of(record(), both_splits()[1])
    assert not {"slices", "thresholds"} & page.sections.keys()
    assert (slices_view(None, {}), thresholds_view(None), slice_lines(None), threshold_lines(None)) == (
        None,
        None,
        [],
        [],
    )

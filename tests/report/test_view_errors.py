"""The errors of a run: worst ones, confused pairs with their images, label issues, the least confident."""

import numpy as np
import pytest
from report_cases import FASHION, HOSTILE, evaluate, of_probabilities, page_of, png, record, sample, view_of
from sklearn import metrics

from batchclf.core.records.findings import Findings, LabelIssues
from batchclf.core.text import visible
from batchclf.report.html.size_budget import wanted

OF = sample(FASHION, 900, skill=0.7)
EVALUATION = evaluate(OF)
WORST = EVALUATION.labelled.worst_errors


def errors(evaluation=EVALUATION, **findings):
    return view_of(record(), [evaluation], **findings).errors


def label_issues(images, shown, method="by confident learning", missing=""):
    return LabelIssues(images, tuple(shown), method, missing)


def all_of(shift):
    labels = np.arange(50) % 10
    probabilities = np.full((50, 10), 0.02)
    probabilities[np.arange(50), (labels + shift) % 10] = 0.82
    return evaluate(of_probabilities(FASHION, probabilities, labels))


def test_the_sentence_counts_the_errors():
    wrong = int((OF.labels != OF.predictions).sum())
    assert errors().sentence.startswith(f"{wrong} of 900 labelled images are wrong; shown: the 24 most confident,")


@pytest.mark.parametrize(
    "n, skill, words",
    [(1, 9.0, "Every labelled image is right."), (12, 0.0, "shown: all, most confident first")],
)
def test_the_sentence_fits_few_images(n, skill, words):
    assert words in errors(evaluate(sample(FASHION, n, skill=skill))).sentence


def test_a_single_error_is_one():
    probabilities = np.array([[0.1, 0.9], [0.9, 0.1]])
    view = errors(evaluate(of_probabilities(("a", "b"), probabilities, np.array([0, 0]))))
    assert view.sentence == "1 of 2 labelled images is wrong."
    assert view.pairs_part == ""
    assert [(pair.label, pair.prediction, pair.count, pair.share) for pair in view.pairs] == [("a", "b", "1", "50.00%")]


def test_pairs_are_the_largest_cells_off_the_diagonal_with_their_own_images():
    counts = metrics.confusion_matrix(OF.labels, OF.predictions, labels=range(10))
    np.fill_diagonal(counts, 0)
    view = errors()
    shown = [int(pair.count) for pair in view.pairs]
    assert shown == sorted(counts.ravel().tolist(), reverse=True)[:10]
    assert f"the 10 largest of {(counts > 0).sum()} pairs" in view.pairs_part
    assert f"{sum(shown) / counts.sum():.2%} of all errors" in view.pairs_part
    for pair in view.pairs:
        i, j = FASHION.index(pair.label), FASHION.index(pair.prediction)
        assert int(pair.count) == counts[i, j]
        assert pair.share == f"{counts[i, j] / (OF.labels == i).sum():.2%}"
        assert pair.examples
        assert {(each.label, each.prediction) for each in pair.examples} == {(pair.label, pair.prediction)}


def test_all_right_has_no_pair_and_all_wrong_has_all():
    right, wrong = errors(all_of(0)), errors(all_of(1))
    assert (right.worst, right.pairs, right.pairs_part) == ((), (), "")
    assert len(wrong.pairs) == 10
    assert wrong.pairs_part == ""


def test_label_issues_are_said_to_be_no_proof():
    view = errors(label_issues=label_issues(31, WORST)).label_issues
    assert view.sentence.startswith("31 of 900 labels (3.44%) are probably wrong; the 24 most likely are shown.")
    assert "not proof" in view.sentence
    assert view.method == "by confident learning"
    assert [shot.path for shot in view.shown] == [row.path for row in WORST]


@pytest.mark.parametrize(
    "found, words",
    [
        (None, "This run did not look for label issues."),
        (label_issues(0, ()), "No label issues found in 900 labels."),
        (label_issues(1, WORST[:1]), "1 of 900 labels (0.11%) is probably wrong. Check each one"),
        (label_issues(0, (), "", "needs labels"), "not checked: this needs labels"),
        (label_issues(0, (), "", "7 images are too many"), "not checked: 7 images are too many."),
    ],
)
def test_without_label_issues_the_page_says_why(found, words):
    page = page_of(record(), [EVALUATION], label_issues=found)
    assert words in page.sections["errors"]


def test_the_least_confident_are_shown_once_where_some_images_have_no_label():
    assert [shot.path for shot in errors().least_confident] == [row.path for row in EVALUATION.least_confident]
    view = view_of(record(), [evaluate(sample(FASHION, 300, labelled=0.5))])
    assert view.errors.least_confident == ()
    assert view.unlabelled[0].least_confident


def test_every_image_shown_is_among_the_wanted_ones():
    found = label_issues(3, WORST[:3])
    view = view_of(record(), [EVALUATION], label_issues=found)
    pictures = {(row.split, row.path): png() for row in wanted(Findings(record(), (EVALUATION,), label_issues=found))}
    shown = view_of(record(), [EVALUATION], label_issues=found, pictures=pictures).errors
    every = (
        *shown.worst,
        *shown.label_issues.shown,
        *shown.least_confident,
        *(s for p in shown.pairs for s in p.examples),
    )
    assert all(shot.picture for shot in every)
    assert len(every) == len(view.errors.worst) + 3 + 24 + sum(len(pair.examples) for pair in view.errors.pairs)


def test_names_are_text_and_nothing_else():
    page = page_of(record(HOSTILE), [evaluate(sample(HOSTILE, 300, skill=0.5))])
    text = page.sections["errors"]
    for name in map(visible, HOSTILE[:6]):
        assert " ".join(name.split()) in text
    assert "<script>alert" not in page.html


def test_a_thousand_classes_show_ten_pairs():
    names = tuple(f"class {i}" for i in range(1000))
    view = errors(evaluate(sample(names, 3000, skill=0.02)))
    assert len(view.pairs) == 10
    assert "the 10 largest of" in view.pairs_part

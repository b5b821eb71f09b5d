"""Two runs on the same images: the tests, the intervals and the counts, against scipy, scikit-learn and simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn import metrics as sk

from batchclf.core.compare.pair_tally import PairTally, RunPredictions
from batchclf.core.compare.paired_tests import mcnemar_exact, paired_difference
from batchclf.core.compare.result import SHOWN_FLIPS

COUNTS = st.integers(0, 60)


def predicted(labels, predictions, *, confidence=None, probabilities=None, paths=None):
    n = len(labels)
    return RunPredictions(
        tuple(paths or (f"{i:05d}" for i in range(n))),
        np.asarray(labels, np.int64),
        np.asarray(predictions, np.int64),
        np.full(n, 0.9) if confidence is None else np.asarray(confidence, float),
        None if probabilities is None else np.asarray(probabilities, float),
    )


def compare(classes, labels, first, second, pieces=1, **others):
    tally = PairTally("one", "two", "test", tuple(f"c{i}" for i in range(classes)))
    for part in np.array_split(np.arange(len(labels)), pieces):
        tally.update(*(predicted(labels, given, **others).part(part[0], part[-1] + 1) for given in (first, second)))
    return tally.comparison()


@given(st.integers(0, 300), st.integers(0, 300))
@settings(max_examples=60, deadline=None)
def test_mcnemar_is_the_exact_binomial_test(first, second):
    expected = binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar_exact(first, second) == pytest.approx(expected, rel=1e-10, abs=1e-300)


@pytest.mark.parametrize("first, second", [(500_000, 501_000), (0, 40), (81_000, 82_690), (3, 2_000)])
def test_mcnemar_of_many_images(first, second):
    assert mcnemar_exact(first, second) == pytest.approx(binomtest(first, first + second).pvalue, rel=1e-7)


def test_mcnemar_refuses_what_are_no_counts():
    with pytest.raises(ValueError, match="no counts"):
        mcnemar_exact(-1, 3)


def test_paired_interval_of_the_published_example():
    # Airway hyper-responsiveness before and after stem cell transplantation, 21 children (Bentur 2009), as evaluated
    # by Fagerland, Lydersen and Laake (2014): first minus second -0.286, Newcombe's interval -0.507 to -0.026.
    found = paired_difference(1, 1, 7, 12)
    assert found.value == pytest.approx(6 / 21)
    assert (round(found.interval.low, 3), round(found.interval.high, 3)) == (0.026, 0.507)


@given(COUNTS, COUNTS, COUNTS, COUNTS)
@settings(max_examples=100, deadline=None)
def test_paired_interval_holds_its_value_and_turns_round(both, first, second, neither):
    if not both + first + second + neither:
        return
    found, turned = paired_difference(both, first, second, neither), paired_difference(both, second, first, neither)
    assert -1 <= found.interval.low <= found.value <= found.interval.high <= 1
    assert turned.value == -found.value
    assert turned.interval.low == pytest.approx(-found.interval.high)


@pytest.mark.parametrize("shares", [(0.8, 0.05, 0.05, 0.1), (0.9, 0.06, 0.02, 0.02), (0.3, 0.2, 0.3, 0.2)])
@pytest.mark.parametrize("n", [40, 400])
def test_paired_interval_covers_the_difference(shares, n):
    drawn = np.random.default_rng(3).multinomial(n, shares, 3_000)
    true = shares[2] - shares[1]
    intervals = [paired_difference(*row).interval for row in drawn.tolist()]
    covered = np.mean([each.low <= true <= each.high for each in intervals])
    assert 0.935 <= covered <= 0.995  # a little wide with few images, as Newcombe tells


@st.composite
def _pair(draw):
    classes = draw(st.integers(1, 5))
    n = draw(st.integers(1, 60))
    column = st.lists(st.integers(0, classes - 1), min_size=n, max_size=n)
    return classes, *(draw(column) for _ in range(3))


@given(_pair(), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
@pytest.mark.filterwarnings("ignore:.*")
def test_metrics_and_counts_are_those_of_scikit_learn(pair, pieces):
    classes, labels, first, second = pair
    found = compare(classes, labels, first, second, min(pieces, len(labels)))
    by_name = {each.name: each for each in found.metrics}
    for side, given_ in (("first", first), ("second", second)):
        for average in ("macro", "weighted"):
            scores = sk.precision_recall_fscore_support(labels, given_, average=average, zero_division=0)
            for name, value in zip(("precision", "recall", "f1"), scores, strict=False):
                assert getattr(by_name[f"{average}_{name}"], side) == pytest.approx(value, abs=1e-12)
        assert getattr(by_name["accuracy"], side) == pytest.approx(sk.accuracy_score(labels, given_))
        assert getattr(by_name["balanced_accuracy"], side) == pytest.approx(sk.balanced_accuracy_score(labels, given_))
        assert getattr(by_name["mcc"], side) == pytest.approx(sk.matthews_corrcoef(labels, given_), abs=1e-9)
        if len({*labels, *given_}) > 1:
            assert getattr(by_name["kappa"], side) == pytest.approx(sk.cohen_kappa_score(labels, given_), abs=1e-9)
    labels, first, second = map(np.array, (labels, first, second))
    right = first == labels, second == labels
    assert found.both_right == (right[0] & right[1]).sum()
    assert (
        found.only_first_right == (right[0] & ~right[1]).sum() == sum(each.negative_flips for each in found.per_class)
    )
    assert (
        found.only_second_right == (~right[0] & right[1]).sum() == sum(each.positive_flips for each in found.per_class)
    )
    assert found.both_wrong == (~right[0] & ~right[1]).sum()
    assert found.changed == (first != second).sum()
    if found.changed <= SHOWN_FLIPS:
        assert found.changed == len(found.negative_flips) + len(found.positive_flips) + len(found.other)
    for each in found.metrics:
        assert each.difference == pytest.approx(each.second - each.first)
        assert each.interval.low <= each.interval.high


def test_losses_are_those_of_scikit_learn_with_a_normal_interval():
    random = np.random.default_rng(5)
    labels = random.integers(0, 3, 200)
    probabilities = [random.dirichlet(np.ones(3), 200) for _ in range(2)]
    tally = PairTally("one", "two", "test", ("a", "b", "c"))
    tally.update(*(predicted(labels, p.argmax(axis=1), probabilities=p) for p in probabilities))
    by_name = {each.name: each for each in tally.comparison().metrics}
    for side, p in zip(("first", "second"), probabilities, strict=True):
        assert getattr(by_name["log_loss"], side) == pytest.approx(sk.log_loss(labels, p))
        brier = sk.brier_score_loss(labels, p, scale_by_half=False)
        assert getattr(by_name["brier"], side) == pytest.approx(brier)
    each = -np.log(probabilities[1][range(200), labels]) + np.log(probabilities[0][range(200), labels])
    half = 1.959964 * each.std(ddof=1) / np.sqrt(200)
    assert by_name["log_loss"].interval.low == pytest.approx(each.mean() - half)
    names = [each.name for each in tally.comparison().metrics]
    assert names[-4:] == ["log_loss", "brier", "mcc", "kappa"]
    # One piece without probabilities, and the losses cannot be known.
    tally.update(predicted([0], [0]), predicted([0], [0]))
    assert "brier" not in {each.name for each in tally.comparison().metrics}


def test_paired_bootstrap_covers_the_difference_of_macro_f1():
    random = np.random.default_rng(11)
    shares = random.dirichlet(np.full(27, 0.4))
    labels, first, second = np.unravel_index(np.arange(27), (3, 3, 3))
    many = [np.repeat(column, np.round(shares * 200_000).astype(int)) for column in (labels, first, second)]
    true = sk.f1_score(many[0], many[2], average="macro") - sk.f1_score(many[0], many[1], average="macro")
    covered = []
    for _ in range(60):
        cells = random.choice(27, 150, p=shares)
        found = compare(3, labels[cells], first[cells], second[cells])
        interval = next(each.interval for each in found.metrics if each.name == "macro_f1")
        covered.append(interval.low <= true <= interval.high)
    assert np.mean(covered) >= 0.85


def test_intervals_of_very_many_cells_are_those_of_the_bootstrap(monkeypatch):
    random = np.random.default_rng(8)
    labels = random.integers(0, 6, 3_000)
    first, second = (
        np.where(random.random(3_000) < skill, labels, random.integers(0, 6, 3_000)) for skill in (0.6, 0.7)
    )
    drawn = compare(6, labels, first, second)
    monkeypatch.setattr("batchclf.core.compare.joint_cells.DRAWN_CELLS", 10)
    for one, other in zip(compare(6, labels, first, second).metrics, drawn.metrics, strict=True):
        assert one.difference == other.difference
        width = other.interval.high - other.interval.low
        assert one.interval.low == pytest.approx(other.interval.low, abs=width / 12)
        assert one.interval.high == pytest.approx(other.interval.high, abs=width / 12)


def test_pieces_of_any_size_give_the_same_comparison():
    random = np.random.default_rng(1)
    labels, first, second = (random.integers(-1 if i == 0 else 0, 4, 300) for i in range(3))
    confidence = random.random(300).round(1)  # with many ties
    whole = compare(4, labels, first, second, confidence=confidence)
    for pieces in (2, 7, 300):
        assert compare(4, labels, first, second, pieces, confidence=confidence) == whole


def test_flips_are_the_surest_of_the_second_run_and_ties_go_by_path():
    labels = [0] * 60
    confidence = np.r_[np.linspace(0.5, 0.79, 30), np.full(30, 0.8)]
    found = compare(2, labels, [0] * 60, [1] * 60, confidence=confidence)
    assert [flip.path for flip in found.negative_flips] == [f"{i:05d}" for i in range(30, 54)]
    assert not found.positive_flips
    assert not found.other
    assert (
        found.negative_flips[0].label,
        found.negative_flips[0].first_prediction,
        found.negative_flips[0].second_prediction,
    ) == ("c0", "c0", "c1")


def test_other_labels_are_counted_and_not_judged():
    tally = PairTally("one", "two", "", ("a", "b"))
    tally.update(predicted([0, 0, -1, 1], [0, 0, 0, 1]), predicted([0, 1, -1, -1], [0, 1, 1, 1]))
    found = tally.comparison()
    assert (found.images, found.labelled, found.relabelled, found.changed) == (4, 1, 2, 2)
    assert [flip.label for flip in found.other] == [None, None]


def test_without_labels_only_predictions_are_compared():
    found = compare(2, [-1, -1, -1], [0, 1, 0], [0, 0, 0])
    assert (found.p_value, found.metrics, found.per_class, found.labelled) == (None, (), (), 0)
    assert "Without labels it is unknown" in found.sentence
    assert found.changed == 1
    assert found.other[0].path == "00001"


@pytest.mark.parametrize("right", [True, False])
def test_all_right_and_all_wrong(right):
    given_ = [0] * 5 if right else [1] * 5
    found = compare(2, [0] * 5, given_, given_)
    assert found.p_value == 1.0
    assert (found.both_right, found.both_wrong) == ((5, 0) if right else (0, 5))
    assert found.metrics[0].difference == 0
    assert "neither is better" in found.sentence


def test_the_sentence_says_which_is_better_and_whether_it_can_be_chance():
    better = compare(2, [0] * 100, [1] * 30 + [0] * 70, [0] * 100)
    assert "30.0 points better, beyond chance" in better.sentence
    worse = compare(2, [0] * 100, [0] * 100, [1] * 2 + [0] * 98)
    assert "2.0 points worse, which can be chance" in worse.sentence
    swapped = compare(2, [0] * 100, [1] * 5 + [0] * 95, [0] * 95 + [1] * 5)
    assert "neither is better, though 10 images flipped" in swapped.sentence


def test_a_class_that_lost_is_named_though_the_whole_gained():
    labels = [0] * 200 + [1] * 40 + [2] * 40
    first = [0] * 120 + [1] * 80 + [1] * 38 + [0] * 2 + [2] * 30 + [0] * 10
    second = [0] * 180 + [1] * 20 + [1] * 20 + [0] * 20 + [2] * 27 + [0] * 13
    found = compare(3, labels, first, second)
    p_values = {each.name: binomtest(each.negative_flips, each.negative_flips + each.positive_flips).pvalue
                for each in found.per_class}  # fmt: skip
    assert p_values["c1"] < 0.05 / 3 < 0.05 < p_values["c2"]
    assert [each.name for each in found.lost_classes] == ["c1"]
    assert found.sentence.endswith("points better, beyond chance, but worse beyond chance in c1 (95.00% to 50.00%).")

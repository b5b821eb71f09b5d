"""The gate: what comes of a rule, how sure that is, and what is said."""

from functools import partial
from itertools import combinations

import numpy as np
import pytest
from core_cases import evaluate, predicted_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import f1_score

from batchclf.core.compare.paired_tests import paired_difference
from batchclf.core.estimate import Interval
from batchclf.core.gate.evidence import (
    Change,
    Measure,
    Pairs,
    Share,
    binomial_tail,
    measure_change,
    share_change,
    surely_beyond,
)
from batchclf.core.gate.judge import (
    Holding,
    hold_change,
    hold_each_change,
    hold_each_value,
    hold_value,
    missing,
    rule_name,
)
from batchclf.core.gate.rules import Rule
from batchclf.core.metrics.catalog import METRICS, find_metric
from batchclf.core.metrics.gap import overfitting_gap
from batchclf.core.metrics.intervals import difference, wilson
from batchclf.core.metrics.multiple_tests import holm
from batchclf.core.records.run import GateResult, run_state


def holding(rule, subset="test", reference="the last good run (N)"):
    return Holding(rule, find_metric(rule.metric), rule_name(rule, subset), subset, reference)


def metrics(correct, total):
    labels = np.arange(total) % 2
    return evaluate(predicted_rows(labels, np.where(np.arange(total) < correct, labels, 1 - labels), 2)).labelled


def accuracy_of(correct, total, **rule):
    of = metrics(correct, total).metric("accuracy")
    return hold_value(holding(Rule("accuracy", **rule)), Measure(of.value, total, of.interval))


def gap_of(test, train, **rule):
    gap = overfitting_gap(metrics(*train), metrics(*test)).gap
    return hold_value(holding(Rule("gap", **rule), ""), Measure(gap.value, gap.n, gap.interval))


def changed(first, second, pairs=None, **rule):
    rule = Rule("accuracy", against="last-good", when_uncertain="pass", **rule)
    return hold_change(holding(rule), share_change(Share(*first), Share(*second), pairs))


class TestValues:
    @pytest.mark.parametrize(
        ("correct", "bound", "passed", "certain"),
        [
            (900, 0.86, True, True),
            (870, 0.86, True, False),
            (860, 0.86, True, False),
            (850, 0.86, False, False),
            (800, 0.86, False, True),
            (1_000, 1.0, True, False),
            (0, 0.0, True, True),
        ],
    )
    def test_the_value_decides_and_the_interval_tells_how_surely(self, correct, bound, passed, certain):
        result = accuracy_of(correct, 1_000, minimum=bound)
        assert (result.name, result.value, result.bound) == ("accuracy[test]", correct / 1_000, bound)
        assert (result.passed, result.certain, result.kind) == (passed, certain, "bound")

    @pytest.mark.parametrize(
        ("train", "bound", "passed", "certain"),
        [(900, 0.06, True, True), (940, 0.06, True, False), (970, 0.06, False, False), (1_000, 0.06, False, True)],
    )
    def test_the_gap_is_held_against_its_interval_too(self, train, bound, passed, certain):
        result = gap_of((900, 1_000), (train, 1_000), maximum=bound)
        assert result.value == pytest.approx(train / 1_000 - 0.9)
        assert (result.name, result.passed, result.certain) == ("gap", passed, certain)

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 200), st.floats(0, 1), st.floats(0, 1))
    def test_a_certain_result_is_that_of_every_value_in_the_interval(self, correct, one, other):
        low, high = sorted((one, other))
        result = accuracy_of(correct, 200, minimum=low, maximum=high)
        interval = wilson(correct, 200).interval
        inside = low <= interval.low <= interval.high <= high
        outside = interval.high < low or interval.low > high
        assert result.certain == (inside or outside)
        assert result.passed == (low <= correct / 200 <= high)
        assert result.bound in (low, high)

    def test_sentences(self):
        assert accuracy_of(900, 1_000, minimum=0.86).sentence == ("test accuracy 90.00% meets the minimum of 86%")
        assert accuracy_of(850, 1_000, minimum=0.86).sentence == (
            "test accuracy 85.00% is below the minimum of 86%, but its 95% interval, 82.65% to 87.08%, "
            "contains the bound: 1,000 images are too few to tell"
        )
        assert gap_of((900, 1_000), (1_000, 1_000), maximum=0.06).sentence == (
            "the overfitting gap of +10.0 points exceeds the maximum of 6"
        )
        assert accuracy_of(1, 1, minimum=0.5).sentence.endswith(": 1 image is too few to tell")
        assert accuracy_of(900, 1_000, minimum=0.8, maximum=0.95).sentence == (
            "test accuracy 90.00% is within the allowed range, 80% to 95%"
        )
        assert "is above the maximum of 85%" in accuracy_of(900, 1_000, minimum=0.8, maximum=0.85).sentence

    def test_what_has_no_interval_is_held_by_its_value(self):
        for value, passed in ((0.1, True), (0.1001, False)):
            result = hold_value(holding(Rule("ece", maximum=0.1)), Measure(value, 20))
            assert (result.passed, result.certain) == (passed, True)
        result = hold_value(holding(Rule("images", minimum=9_000)), Measure(10_000, 10_000))
        assert result.sentence == "the number of test images scored, 10,000, meets the minimum of 9,000"

    @pytest.mark.parametrize(("when", "passed"), [("value", False), ("pass", True), ("fail", False)])
    def test_what_not_enough_evidence_does(self, when, passed):
        result = accuracy_of(85, 100, minimum=0.86, when_uncertain=when)
        assert (result.passed, result.outcome) == (passed, "uncertain")
        assert result.sentence.endswith("; that counts as passed") == (when == "pass")
        sure = accuracy_of(10, 100, minimum=0.86, when_uncertain=when)
        assert (sure.passed, sure.outcome) == (False, "failed")

    def test_fewer_images_than_asked_for_are_not_enough(self):
        result = accuracy_of(1, 29, minimum=0.9, min_support=30, when_uncertain="pass")
        assert (result.passed, result.outcome) == (True, "uncertain")
        assert "29 images are fewer than the rule's min_support of 30; that counts as passed" in result.sentence
        assert accuracy_of(1, 30, minimum=0.9, min_support=30, when_uncertain="pass").outcome == "failed"

    def test_a_number_of_images_rests_on_no_images(self):
        none_skipped = hold_value(holding(Rule("skipped", maximum=0)), Measure(0, 0))
        assert (none_skipped.outcome, none_skipped.passed) == ("passed", True)
        assert hold_value(holding(Rule("images", minimum=1)), Measure(0, 0)).outcome == "failed"
        two = hold_value(holding(Rule("skipped", maximum=0)), Measure(2, 7))
        assert two.sentence == (
            "the number of test images skipped, 2, exceeds the maximum of 0; the reasons are in skipped.csv"
        )


class TestChanges:
    def test_a_drop_that_chance_can_make_is_not_enough_evidence(self):
        result = changed((180, 200), (175, 200), max_drop=0.0)
        assert (result.passed, result.outcome, result.kind, result.against) == (
            True,
            "uncertain",
            "change",
            "last-good",
        )
        assert result.value == pytest.approx(-0.025)
        assert result.sentence == (
            "test accuracy 87.50% is 2.5 points below the 90.00% of the last good run (N), more than the 0 allowed"
            ", but that can be chance (95% interval of the change \u22128.8 to +3.8, 200 images); that counts as passed"
        )

    def test_the_same_drop_on_many_images_fails(self):
        result = changed((9_000, 10_000), (8_750, 10_000), max_drop=0.01)
        assert (result.passed, result.outcome, result.bound) == (False, "failed", -0.01)
        assert "is 2.5 points below the 90.00% of the last good run (N), more than the 1 allowed" in result.sentence

    def test_three_points_of_ten_thousand_images_are_caught(self):
        # 10,000 images, 3 points worse, with 7% of the images predicted differently.
        result = changed((9_000, 10_000), (8_700, 10_000), Pairs(8_500, 500, 200, 800), max_drop=0.01)
        assert result.outcome == "failed"
        assert "the same 10,000 images" in result.sentence

    def test_no_change_is_no_change(self):
        for right, n in ((0, 1), (1, 1), (900, 1_000), (1_000, 1_000)):
            result = changed((right, n), (right, n), Pairs(right, 0, 0, n - right), max_drop=0.0, max_rise=0.0)
            assert (result.passed, result.outcome, result.value) == (True, "passed", 0.0)
            assert "is the same as in the last good run (N)" in result.sentence

    def test_a_rise_is_bounded_only_where_it_is_asked_for(self):
        assert changed((800, 1_000), (900, 1_000), max_drop=0.0).outcome == "passed"
        assert changed((800, 1_000), (900, 1_000), max_rise=0.05).outcome == "failed"

    def test_rounding_is_no_change(self):
        assert changed((86, 100), (83, 100), max_drop=0.03).outcome == "passed"

    def test_a_value_without_interval_is_compared_by_value(self):
        rule = Rule("ece", against="last-good", max_rise=0.01, when_uncertain="pass")
        for now, outcome in ((0.03, "passed"), (0.031, "failed")):
            change = measure_change(Measure(0.02, 50), Measure(now, 50), None)
            assert hold_change(holding(rule), change).outcome == outcome

    def test_all_the_same_images_give_newcombes_paired_interval(self):
        change = share_change(Share(80, 100), Share(70, 100), Pairs(65, 15, 5, 15))
        expected = paired_difference(65, 15, 5, 15).interval
        assert change.interval == Interval(pytest.approx(expected.low), pytest.approx(expected.high))
        assert change.p_value == pytest.approx(stats.binomtest(5, 20).pvalue)

    def test_all_other_images_give_newcombes_interval(self):
        change = share_change(Share(80, 100), Share(70, 90), None)
        assert change.interval == difference(wilson(70, 90), wilson(80, 100)).interval
        assert not change.same_images

    @settings(max_examples=60, deadline=None)
    @given(st.integers(1, 60), st.integers(0, 20), st.integers(0, 20), st.integers(1, 60), st.integers(0, 300))
    def test_some_of_the_same_images_lie_between(self, both, negative, positive, neither, more):
        n = both + negative + positive + neither
        pairs = Pairs(both, negative, positive, neither)
        shares = Share(both + negative + more // 2, n + more), Share(both + positive + more // 2, n + more)
        widths = [
            change.interval.high - change.interval.low
            for change in (share_change(*shares, pairs), share_change(*shares, None))
        ]
        # Predictions that go together tell more; those that do not, less.
        together = both * neither - negative * positive > n / 2
        assert widths[0] <= widths[1] + 1e-12 if together else widths[0] >= widths[1] - 1e-12

    def test_metrics_of_any_kind_are_joined_by_square_and_add(self):
        first, second = Measure(0.5, 100, Interval(0.4, 0.65)), Measure(0.8, 100, Interval(0.7, 0.82))
        # Zou and Donner (2008): the ends by hand.
        low = 0.3 - np.hypot(0.1, 0.15)
        high = 0.3 + np.hypot(0.02, 0.1)
        assert measure_change(first, second, None).interval == Interval(pytest.approx(low), pytest.approx(high))
        paired = Interval(0.25, 0.35)
        assert measure_change(first, second, (paired, 100)).interval == paired
        some = measure_change(first, second, (Interval(0.25, 0.35), 50)).interval
        assert low < some.low < some.high < high


class TestEachClass:
    def test_the_classes_that_fail_are_named(self):
        shares = {"cat": Share(95, 100), "dog": Share(60, 100), "eel": Share(78, 100)}
        result = hold_each_value(holding(Rule("recall", class_name="*", minimum=0.8, when_uncertain="pass")), shares)
        assert (result.outcome, result.name, result.class_name) == ("failed", "recall[test, *]", "*")
        assert result.value == 0.6
        assert result.sentence == (
            "test recall is below the minimum of 80% in 1 of 3 classes: dog 60.00%; beyond chance, with 3 "
            "classes tested together at the 5% level"
        )

    def test_a_class_of_chance_is_not_enough_evidence(self):
        shares = {"cat": Share(95, 100), "eel": Share(78, 100)}
        rule = Rule("recall", class_name="*", minimum=0.8, when_uncertain="pass")
        result = hold_each_value(holding(rule), shares)
        assert (result.passed, result.outcome) == (True, "uncertain")
        assert "in 1 of 2 classes: eel 78.00%, but that can be chance with 2 classes tested together" in result.sentence

    def test_all_is_well(self):
        shares = {"cat": Share(950, 1_000), "dog": Share(990, 1_000)}
        result = hold_each_value(holding(Rule("recall", class_name="*", minimum=0.9)), shares)
        assert result.outcome == "passed"
        assert result.sentence == ("test recall meets the minimum of 90% in each of 2 classes; closest: cat 95.00%")

    def test_classes_without_images_are_told(self):
        shares = {"cat": Share(950, 1_000), "dog": None, "eel": Share(1, 3)}
        rule = Rule("recall", class_name="*", minimum=0.5, min_support=10, when_uncertain="pass")
        result = hold_each_value(holding(rule), shares)
        assert (result.passed, result.outcome) == (True, "uncertain")
        assert "fewer than 10 images: eel" in result.sentence
        assert "unknown for dog" in result.sentence
        result = hold_each_value(holding(rule), {"cat": None})
        assert (result.passed, result.outcome) == (False, "missing")

    def test_changes_of_each_class(self):
        rule = Rule("recall", class_name="*", against="last-good", max_drop=0.02, when_uncertain="pass")
        at = {
            "cat": partial(share_change, Share(900, 1_000), Share(905, 1_000), None),
            "dog": partial(share_change, Share(900, 1_000), Share(600, 1_000), None),
            "eel": partial(share_change, Share(90, 100), Share(86, 100), None),
        }
        result = hold_each_change(holding(rule), at)
        assert result.outcome == "failed"
        assert result.value == pytest.approx(-0.3)
        assert result.sentence.startswith(
            "test recall fell by more than the 2 points allowed against the last good run (N) in 1 of 3 classes: "
            "dog 90.00% to 60.00%"
        )
        del at["dog"]
        assert hold_each_change(holding(rule), at).outcome == "uncertain"
        del at["eel"]
        assert hold_each_change(holding(rule), at).outcome == "passed"
        assert hold_each_change(holding(rule), {**at, "eel": None}).outcome == "uncertain"

    def test_many_failing_classes_are_counted(self):
        shares = {f"c{i:02d}": Share(10, 100) for i in range(40)}
        result = hold_each_value(holding(Rule("recall", class_name="*", minimum=0.8)), shares)
        assert "in 40 of 40 classes: c00 10.00%" in result.sentence
        assert "and 35 more" in result.sentence


class TestEvidence:
    @given(st.integers(0, 400), st.integers(1, 400), st.floats(0, 1))
    def test_the_binomial_tail_is_scipys(self, hits, n, share):
        expected = stats.binom.cdf(min(hits, n), n, share)
        assert binomial_tail(min(hits, n), n, share) == pytest.approx(expected, rel=1e-7, abs=1e-12)

    @pytest.mark.parametrize("n", [1_000_000, 3])
    def test_the_binomial_tail_of_few_and_many(self, n):
        for hits in (0, n // 2, n):
            assert binomial_tail(hits, n, 0.5) == pytest.approx(stats.binom.cdf(hits, n, 0.5), rel=1e-6)

    @given(st.lists(st.floats(0, 1), max_size=12))
    def test_holms_method_is_that_of_its_definition(self, p_values):
        named = {str(i): p for i, p in enumerate(p_values)}
        found = holm({name: (lambda risk, p=p: p <= risk) for name, p in named.items()})
        expected = set()
        for i, name in enumerate(sorted(named, key=named.__getitem__)):
            if named[name] > 0.05 / (len(named) - i):
                break
            expected.add(name)
        assert {named[name] for name in found} == {named[name] for name in expected}

    @settings(max_examples=50)
    @given(st.integers(1, 50), st.integers(0, 50), st.integers(0, 50))
    def test_f1_is_scikit_learns(self, correct, missed, wrong):
        truth = [1] * (correct + missed) + [0] * wrong
        predictions = [1] * correct + [0] * missed + [1] * wrong
        share = Share(correct, correct + missed + wrong, f1=True)
        assert share.value == pytest.approx(f1_score(truth, predictions))
        interval = share.estimate().interval
        assert 0 <= interval.low <= share.value <= interval.high <= 1
        # A bound at the value itself is never surely missed.
        assert not share.surely_below(share.value, 0.4)


class TestFalseAlarms:
    """Many runs of the same model on new images: how often a rule fails (seeded)."""

    def rate(self, shares):
        return np.mean([surely_beyond(change, 0.0, None) for change in shares])

    @pytest.mark.parametrize(("n", "accuracy"), [(20, 0.9), (200, 0.9), (2_000, 0.7), (2_000, 0.99)])
    def test_new_images_in_every_run(self, n, accuracy):
        right = np.random.default_rng(7).binomial(n, accuracy, (2_000, 2)).tolist()
        assert self.rate(share_change(Share(a, n), Share(b, n), None) for a, b in right) <= 0.04

    @pytest.mark.parametrize("n", [50, 1_000])
    def test_the_same_images_with_other_predictions(self, n):
        drawn = np.random.default_rng(7).multinomial(n, [0.85, 0.03, 0.03, 0.09], 2_000).tolist()
        changes = [
            share_change(Share(both + negative, n), Share(both + positive, n), Pairs(both, negative, positive, neither))
            for both, negative, positive, neither in drawn
        ]
        assert self.rate(changes) <= 0.04

    @pytest.mark.parametrize("shared", [100, 400])
    def test_some_of_the_same_images(self, shared):
        random, n = np.random.default_rng(7), 500
        changes = []
        for both, negative, positive, neither in random.multinomial(shared, [0.85, 0.03, 0.03, 0.09], 2_000).tolist():
            others = random.binomial(n - shared, 0.88, 2).tolist()
            shares = Share(both + negative + others[0], n), Share(both + positive + others[1], n)
            changes.append(share_change(*shares, Pairs(both, negative, positive, neither)))
        assert 0.005 <= self.rate(changes) <= 0.04

    @pytest.mark.parametrize(("classes", "n"), [(10, 100), (100, 20)])
    def test_all_classes_together(self, classes, n):
        random, alarms = np.random.default_rng(7), np.zeros(2)
        held = holding(Rule("recall", class_name="*", against="last-good", max_drop=0.0, when_uncertain="pass"))
        runs = 200
        for _ in range(runs):
            recalls = random.beta(18, 2, classes)
            before, now = random.binomial(n, recalls).tolist(), random.binomial(n, recalls).tolist()
            at = {str(i): partial(share_change, Share(before[i], n), Share(now[i], n), None) for i in range(classes)}
            surely = {str(i): partial(Share(now[i], n).surely_below, float(recalls[i])) for i in range(classes)}
            alarms += not hold_each_change(held, at).passed, bool(holm(surely))
        assert (alarms / runs <= 0.08).all()

    def test_a_real_drop_is_caught_in_every_run(self):
        drawn = np.random.default_rng(7).multinomial(10_000, [0.85, 0.05, 0.02, 0.08], 100).tolist()
        for both, negative, positive, neither in drawn:
            shares = Share(both + negative, 10_000), Share(both + positive, 10_000)
            result = changed(*((s.hits, s.n) for s in shares), Pairs(both, negative, positive, neither), max_drop=0.01)
            assert result.outcome == "failed"


VALUES = st.floats(0, 1)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(sorted(METRICS)),
    VALUES,
    st.none() | st.tuples(VALUES, VALUES),
    st.integers(0, 50),
    st.integers(1, 60),
    st.sampled_from(["value", "pass", "fail"]),
    st.none() | VALUES,
    VALUES,
)
def test_every_result_says_one_thing(metric, value, ends, n, least, when, low, high):
    interval = None if ends is None else Interval(min(*ends, value), max(*ends, value))
    rule = Rule(metric, minimum=low, maximum=high, min_support=least, when_uncertain=when)
    result = hold_value(holding(rule), Measure(value, n, interval))
    kept = value <= high and (low is None or value >= low)
    assert result.certain or n < least or interval is not None
    if result.outcome == "uncertain":
        assert result.passed == {"value": kept, "pass": True, "fail": False}[when]
    else:
        assert result.passed == kept
    assert result.sentence
    rule = Rule(metric, against="x", max_drop=low, max_rise=high, min_support=least, when_uncertain=when)
    change = hold_change(holding(rule), Change(value, high, interval and Interval(-1.0, 1.0), n))
    assert (change.outcome == "passed") <= change.passed


@pytest.mark.parametrize("passed", [True, False])
def test_what_is_missing_is_never_plainly_passed(passed):
    result = missing(holding(Rule("log_loss", maximum=1.0)), "why", passed=passed)
    assert (result.outcome, result.passed, result.value) == ("missing", passed, None)
    assert result.sentence == "rule log_loss[test] not checked: why"


def test_names_are_those_of_the_rules():
    assert rule_name(Rule("gap"), "") == "gap"
    assert rule_name(Rule("accuracy"), "test") == "accuracy[test]"
    assert rule_name(Rule("recall", class_name="Shirt", against="last-good"), "test") == (
        "recall[test, Shirt] against last-good"
    )
    names = {rule_name(Rule(metric, class_name=of, against=to), "test")
             for metric in METRICS for of in (None, "*", "a") for to in (None, "x")}  # fmt: skip
    assert len(names) == len(METRICS) * 6


def test_the_state_of_a_run_goes_by_its_gravest_result():
    kinds = {
        "passed": GateResult("a", 1.0, 0.5, passed=True, sentence="s"),
        "waits": GateResult("b", None, None, passed=True, sentence="s", missing=True),
        "uncertain": GateResult("c", 1.0, 0.5, passed=True, sentence="s", certain=False),
        "missing": GateResult("d", None, None, passed=False, sentence="s", missing=True),
        "failed": GateResult("e", 1.0, 0.5, passed=False, sentence="s"),
    }
    for one, other in combinations(kinds, 2):
        state = {"missing": "failed", "waits": "passed"}.get(other, other)
        assert run_state("ok" if kinds[other].passed else "gate failed", [kinds[one], kinds[other]]) == state

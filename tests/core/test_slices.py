"""Slices: columns, class mix, and the search for weak ones, compared with pandas, scipy and simulations."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, false_discovery_control, fisher_exact

from batchclf.core.slices.class_mix import Group, class_mix, class_mix_between
from batchclf.core.slices.columns import Column, LeftOut, column_of_numbers, column_of_texts
from batchclf.core.slices.fisher import fisher_less
from batchclf.core.slices.measure import Labelled, find_slice, measure_column, trends
from batchclf.core.slices.path_digest import in_sample, in_second_half, path_digests
from batchclf.core.slices.search import find_weakest

LEVEL = 0.05


def texts(name, values):
    known = sorted(set(values))
    return column_of_texts(name, np.array([known.index(value) for value in values], np.int32), known)


def drawn(rng, n, *, planted=0.0):
    """n images, 90% right, but those of camera 3 at night less by `planted`; their columns, and which are judged."""
    camera, light, site = rng.integers(0, 5, n), rng.integers(0, 3, n), rng.integers(0, 8, n)
    right = rng.random(n) < 0.9 - planted * ((camera == 3) & (light == 2))
    labels = rng.integers(0, 4, n)
    columns = [
        column_of_texts("camera", camera.astype(np.int32), tuple("01234")),
        column_of_texts("light", light.astype(np.int32), ("day", "dusk", "night")),
        column_of_texts("site", site.astype(np.int32), tuple("abcdefgh")),
        column_of_numbers("brightness", rng.normal(100, 30, n)),
    ]
    return Labelled(labels, np.where(right, labels, (labels + 1) % 4), 4), columns, rng.random(n) < 0.5


class TestColumns:
    @given(st.lists(st.floats(-1e6, 1e6).map(lambda x: round(x, 1)), min_size=60, max_size=900))
    def test_numbers_are_cut_in_order_and_equal_ones_stay_together(self, numbers):
        column = column_of_numbers("exposure", np.array(numbers))
        if isinstance(column, LeftOut):
            assert len(set(numbers)) == 1
            return
        of = pd.Series(numbers).groupby(column.codes)
        assert (pd.Series(column.codes).groupby(numbers).nunique() == 1).all()
        if column.parts:
            assert list(of.groups) == list(column.parts)
            assert (of.min().to_numpy()[1:] > of.max().to_numpy()[:-1]).all()

    @pytest.mark.parametrize(("n", "parts"), [(1000, 10), (299, 4), (119, 2)])
    def test_the_parts_are_those_of_pandas(self, n, parts):
        numbers = np.random.default_rng(n).normal(size=n)
        column = column_of_numbers("contrast", numbers)
        cut = pd.qcut(numbers, parts, labels=False)
        assert len(column.parts) == parts
        assert np.abs(np.bincount(column.codes) - n / parts).max() <= 1
        assert (column.codes == cut).mean() > 1 - 2 * parts / n  # an image on an edge

    def test_the_words_say_what_a_part_holds(self):
        column = column_of_numbers("brightness", np.append(np.arange(1.0, 401.0), np.nan))
        assert column.values[0] == "darkest tenth"
        assert column.values[1] == "2nd tenth"
        assert column.values[-2:] == ("brightest tenth", "")
        assert column.words[0] == "brightness 1 to 40 (darkest tenth)"
        assert column.words[-2:] == ("brightness 361 to 400 (brightest tenth)", "brightness not known")
        assert column.codes[-1] == len(column.values) - 1

    def test_a_number_that_many_share_makes_fewer_parts_which_do_not_say_tenth(self):
        column = column_of_numbers("noise", np.append(np.zeros(600), np.arange(1.0, 401.0)))
        assert column.values[0] == "lowest of 5 parts"
        assert (column.codes == 0).sum() == 600

    def test_few_numbers_are_values_in_their_order(self):
        column = column_of_texts("hour", np.arange(40, dtype=np.int32) % 4, ("10", "9", "", "100"))
        assert column.values == ("9", "10", "100", "")
        assert column.words[-1] == "hour not given"
        assert [column.values[code] for code in column.codes[:4]] == ["10", "9", "", "100"]

    @pytest.mark.parametrize(
        ("values", "reason"),
        [
            (["a"] * 9, "all images have the same value"),
            ([""] * 9, "no image has a value"),
            ([f"v{i}" for i in range(101)], "it has 101 values, and at most 100 make slices"),
        ],
    )
    def test_what_makes_no_slices_says_why(self, values, reason):
        assert texts("serial", values) == LeftOut("serial", reason)


class TestClassMix:
    def test_both_parts_are_those_by_pandas_and_add_up(self):
        images, columns, _ = drawn(np.random.default_rng(1), 4000, planted=0.3)
        table = pd.DataFrame({"label": images.labels, "right": images.right, "camera": columns[0].codes})
        measured = list(measure_column(images, columns[0]))
        assert [each.name for each in measured] == [f"camera={code}" for code in range(5)]
        for code, each in enumerate(measured):
            here, others = table[table.camera == code], table[table.camera != code]
            elsewhere = others.groupby("label").right.mean()
            expected = here.label.map(elsewhere).mean()
            assert (each.images, each.correct) == (len(here), here.right.sum())
            assert each.difference.value == pytest.approx(here.right.mean() - others.right.mean())
            assert each.class_mix == pytest.approx(expected - others.right.mean())
            assert each.beyond.value == pytest.approx(here.right.mean() - expected)
            assert each.class_mix + each.beyond.value == pytest.approx(each.difference.value)

    def test_a_slice_that_is_weak_by_its_classes_only_has_nothing_left(self):
        """Class 0 is hard, and most of the slice is of it."""
        rng = np.random.default_rng(2)
        inside = rng.random(20_000) < 0.3
        labels = np.where(rng.random(20_000) < np.where(inside, 0.9, 0.1), 0, 1)
        right = rng.random(20_000) < np.where(labels == 0, 0.6, 0.95)
        images = Labelled(labels, np.where(right, labels, 1 - labels), 2)
        of = class_mix(images.only(inside).group(), images.only(~inside).group())
        assert of.mix.value < -0.25
        assert of.beyond.interval.low <= 0 <= of.beyond.interval.high

    def test_a_class_that_occurs_nowhere_else_leaves_it_open(self):
        here, elsewhere = Group(np.array([5, 1]), np.array([4, 0])), Group(np.array([9, 0]), np.array([8, 0]))
        assert class_mix(here, elsewhere) is None
        assert class_mix(elsewhere, here) is not None
        assert class_mix_between(elsewhere, elsewhere, here) is not None
        assert class_mix_between(here, elsewhere, elsewhere) is None

    def test_the_interval_of_what_is_left_holds_the_truth_in_about_95_of_100(self):
        rng, held, runs = np.random.default_rng(3), 0, 400
        accuracy, shares = np.linspace(0.6, 0.98, 10), np.linspace(1, 5, 10) / 30
        for _ in range(runs):
            here, there = rng.multinomial(100, shares), rng.multinomial(2000, shares[::-1])
            of = Group(here, rng.binomial(here, accuracy - 0.05)), Group(there, rng.binomial(there, accuracy))
            interval = class_mix(*of).beyond.interval
            held += interval.low <= -0.05 <= interval.high
        assert binomtest(held, runs, 0.95).pvalue > 0.001
        assert held / runs > 0.92


class TestTrends:
    def test_accuracy_falls_along_a_number_and_not_along_noise(self):
        rng = np.random.default_rng(4)
        noise, slope = rng.normal(size=(2, 5000))
        labels = rng.integers(0, 3, 5000)
        right = rng.random(5000) < np.clip(0.85 - 0.05 * slope, 0, 1)
        images = Labelled(labels, np.where(right, labels, (labels + 1) % 3), 3)
        (found,) = trends(images, [column_of_numbers("noise", noise), column_of_numbers("slope", slope)])
        assert (found.better, found.worse) == ("slope=lowest tenth", "slope=highest tenth")
        assert found.difference.interval.high < 0
        assert found.class_mix + found.beyond.value == pytest.approx(found.difference.value)
        assert abs(found.class_mix) < 0.02


class TestFisher:
    @given(st.data())
    def test_it_is_that_of_scipy(self, data):
        total = data.draw(st.integers(1, 3000))
        n, right = data.draw(st.integers(0, total)), data.draw(st.integers(0, total))
        hits = data.draw(st.integers(max(0, n + right - total), min(n, right)))
        table = [[hits, n - hits], [right - hits, total - right - n + hits]]
        expected = fisher_exact(table, alternative="less").pvalue
        assert fisher_less(hits, n, right, total) == pytest.approx(expected, rel=1e-6, abs=1e-12)

    def test_a_large_slice_above_all_others_is_never_weak(self):
        assert fisher_less(50_000, 50_000, 90_000, 500_000) == 1.0
        assert fisher_less(0, 50_000, 450_000, 500_000) == 0.0

    def test_counts_that_cannot_be(self):
        with pytest.raises(ValueError, match="cannot be"):
            fisher_less(5, 4, 10, 20)


class TestSearch:
    def test_without_a_weak_slice_it_names_one_no_more_often_than_the_level(self):
        rng, runs = np.random.default_rng(5), 250
        alarms = sum(any(each.is_weak for each in find_weakest(*drawn(rng, 800), 50).weakest) for _ in range(runs))
        assert binomtest(alarms, runs, LEVEL, alternative="greater").pvalue > 0.01

    def test_a_planted_slice_of_two_columns_is_found_by_its_name(self):
        rng, found = np.random.default_rng(6), 0
        for _ in range(25):
            search = find_weakest(*drawn(rng, 2000, planted=0.3), 50)
            found += "camera=3 & light=night" in [each.judged.name for each in search.weakest if each.is_weak]
        assert found >= 23

    def test_its_numbers_are_those_of_pandas_and_scipy_on_the_other_half(self):
        images, columns, judged = drawn(np.random.default_rng(7), 3000, planted=0.4)
        search = find_weakest(images, columns, judged, 60)
        assert search.found_on + search.judged_on == 3000
        assert search.judged_on == judged.sum()
        p_values = []
        for each in search.weakest:
            chosen, words = find_slice(columns, each.judged.name)
            assert words == each.judged.words
            table = pd.crosstab(chosen[judged], images.right[judged]).reindex(
                index=[True, False], columns=[True, False]
            )
            p_values.append(fisher_exact(table.fillna(0).to_numpy(), alternative="less").pvalue)
            assert each.p_value == pytest.approx(p_values[-1], rel=1e-6)
            assert (each.judged.images, each.judged.correct) == (table.loc[True].sum(), table.loc[True, True])
            assert each.found.images == chosen[~judged].sum() >= 30
        # Holm's is at most the number times the p value, and never below Benjamini and Hochberg's
        adjusted = np.array([each.adjusted for each in search.weakest])
        assert (adjusted <= np.minimum(1, len(p_values) * np.array(p_values)) + 1e-12).all()
        assert (adjusted >= false_discovery_control(p_values) - 1e-12).all()
        assert [each.is_weak for each in search.weakest] == (adjusted <= LEVEL).tolist()

    def test_a_slice_that_says_the_same_is_judged_once(self):
        images, columns, judged = drawn(np.random.default_rng(8), 3000, planted=0.5)
        twin = Column("place", columns[0].values, columns[0].words, columns[0].codes)
        search = find_weakest(images, [*columns, twin], judged, 50)
        names = [each.judged.name for each in search.weakest]
        assert "camera=3 & light=night" in names
        assert "light=night & place=3" not in names

    def test_there_is_nothing_to_search_without_columns_or_in_one_half(self):
        images, columns, judged = drawn(np.random.default_rng(9), 100)
        assert find_weakest(images, [], judged, 50) is None
        assert find_weakest(images, columns, np.ones(100, bool), 50) is None


class TestHalves:
    def test_a_path_is_always_on_the_same_side_and_the_sides_are_even(self):
        paths = [f"camera{number % 8}/img_{number:06}.jpg" for number in range(20_000)]
        digests = path_digests(paths)
        half = in_second_half(digests)
        assert (half[::-1] == in_second_half(path_digests(paths[::-1]))).all()
        for step in (1, 2, 8, 10, 16):  # neither numbering nor cameras fall into halves
            part = half[:: max(1, step)]
            assert binomtest(int(part.sum()), len(part)).pvalue > 0.001
        assert binomtest(int((half[1:] == half[:-1]).sum()), len(half) - 1).pvalue > 0.001
        sampled = in_sample(digests, 3)
        assert binomtest(int(sampled.sum()), len(half), 1 / 8).pvalue > 0.001
        assert binomtest(int(half[sampled].sum()), int(sampled.sum())).pvalue > 0.001

    def test_a_name_that_is_no_utf_8_has_a_side_too(self):
        assert len(path_digests(["a\udcff.jpg", "ü.jpg"])) == 2

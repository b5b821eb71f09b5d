"""The comparison of two runs as a page: its numbers, whatever the names, and in a browser."""

import re
from dataclasses import replace

import numpy as np
import pytest
from browser_checks import check_in_browser
from report_cases import GENERATED, HOSTILE, directory_subset, png, read, record, split_subset

from batchclf.core.compare.pair_tally import PairTally, RunPredictions
from batchclf.report.pages.comparison import compare_view
from batchclf.report.pages.render import render_comparison
from batchclf.report.parts.metric_words import difference, metric_value, metric_words

NAMES = ("cat", "dog", "eel")


def comparison(names=NAMES, n=200, *, skill=(0.6, 0.8), labelled=True, seed=0):
    random = np.random.default_rng(seed)
    labels = random.integers(0, len(names), n)
    sides = [
        RunPredictions(
            tuple(f"{i:04d} {names[labels[i]]}.png" for i in range(n)),
            labels if labelled else np.full(n, -1),
            np.where(random.random(n) < share, labels, random.integers(0, len(names), n)),
            random.uniform(0.4, 1, n),
            None,
        )
        for share in skill
    ]
    tally = PairTally("20260301T023000Z", "20260302T023000Z", "test", names)
    tally.update(*sides)
    return tally.comparison()


def view_of(found, names=NAMES, *, records=None, pictures=None):
    records = records or (record(names), record(names))
    links = ("../20260301T023000Z/report.html", "report.html")
    return compare_view(found, *records, pictures=pictures or {}, links=links, generated=GENERATED)


def page_of(found, names=NAMES, **others):
    return read(render_comparison(view_of(found, names, **others)))


def test_the_numbers_are_those_of_the_comparison():
    found = comparison()
    page = page_of(found)
    rows = {row[0].split(" share")[0].split(" mean")[0]: row for row in page.tables["changes"][1:]}
    for change in found.metrics:
        row = next(row for name, row in rows.items() if name.startswith(metric_words(change.name)[0]))
        assert row[1:3] == [metric_value(change.name, change.first), metric_value(change.name, change.second)]
        assert row[3] == difference(change.name, change.difference)
    assert page.tables["fourfold"][1][1:] == [str(found.both_right), str(found.only_first_right)]
    assert page.tables["fourfold"][2][1:] == [str(found.only_second_right), str(found.both_wrong)]
    assert [row[0] for row in page.tables["class-changes"][1:]] == [each.name for each in found.per_class]
    assert found.sentence in page.text
    shown = re.search(r"p = (\S+) \(McNemar's exact test\)", page.text)[1]
    assert shown == f"{found.p_value:.4f}"
    assert page.having("a")[1]["href"] == "../20260301T023000Z/report.html"


@pytest.mark.parametrize(
    "skill, state, headline",
    [
        ((0.3, 0.9), "passed", "The second run is better"),
        ((0.9, 0.3), "failed", "The second run is worse"),
        ((0.7, 0.7), "uncertain", "No difference beyond chance"),
        ((1.0, 1.0), "none", "Same predictions"),
    ],
)
def test_the_verdict(skill, state, headline):
    view = view_of(comparison(skill=skill))
    assert (view.state, view.headline) == (state, headline)


def test_better_and_worse_only_where_the_interval_leaves_out_zero():
    found = comparison()
    loss = replace(found.metrics[0], name="log_loss")
    for row, change in zip(view_of(found).metrics, found.metrics, strict=True):
        clear = not change.interval.low <= 0 <= change.interval.high
        assert row.direction == (("better" if change.difference > 0 else "worse") if clear else "")
    assert view_of(replace(found, metrics=(loss,))).metrics[0].direction == "worse"  # more loss


def test_flips_come_with_their_pictures():
    found = comparison()
    pictures = {("test", flip.path): png(value=i) for i, flip in enumerate(found.negative_flips)}
    page = page_of(found, pictures=pictures)
    assert f"{found.only_first_right} images, right in the first run" in page.sections["negative"]
    assert page.html.count('href="data:image/png;base64,') == len(found.negative_flips) > 0
    assert page.sections["positive"].count("no picture") == len(found.positive_flips)


def test_what_limits_the_comparison_is_said():
    found = replace(comparison(), only_first=3, only_second=1, relabelled=2)
    here, there = directory_subset(200, source="/srv/a"), directory_subset(200, source="/srv/b")
    records = (record(NAMES, subsets=[here], dataset=None), record(NAMES, subsets=[there], dataset=None))
    page = page_of(replace(found, split=""), records=records)
    assert "3 only in the first, 1 only in the second" in page.text
    assert "2 images have a different label" in page.text
    assert "The runs scored different sources, /srv/a and /srv/b" in page.text
    assert (
        page_of(comparison(), records=(record(NAMES, subsets=[split_subset("test", 200)]),) * 2).text.count("sources")
        == 0
    )


def test_a_partial_run_is_noted_and_the_subset_named():
    directories = [directory_subset(50, name="inbox"), directory_subset(20, name="other")]
    cut = [replace(directories[0], complete=False), directories[1]]
    records = (record(NAMES, subsets=directories, status="partial"), record(NAMES, subsets=cut, status="partial"))
    page = page_of(replace(comparison(labelled=False), split="inbox", replaced=4), records=records)
    assert "The first run is partial. More images were skipped than allowed: 70 of 70 images" in page.text
    assert "The second run is partial. The deadline passed: inbox was cut off after 50 images." in page.text
    assert "4 images left out: the file has other content in the second run." in page.text
    assert page.text.count("nightly · inbox") == 1
    facts = {row[0]: row[1:] for row in page.tables["facts-table"][1:]}
    assert facts["Status"] == ["partial", "partial, cut off by the deadline"]


def test_without_labels():
    page = page_of(comparison(labelled=False))
    assert "of the predictions differ" in page.text
    assert page.sections.keys() == {"other", "facts"}


def test_what_differs_between_the_runs_is_marked():
    records = (record(NAMES), record(NAMES, seconds=999.0, precision="bf16"))
    marked = {fact.term for fact in view_of(comparison(), records=records).facts if fact.differs}
    assert marked == {"Took", "Runtime"}


def test_hostile_names():
    found = comparison(HOSTILE)
    page = page_of(found, HOSTILE, records=(record(HOSTILE, job=HOSTILE[0]), record(HOSTILE, job=HOSTILE[0])))
    assert "<script>alert" not in page.html
    assert HOSTILE[0] in page.text
    assert "\u202e" not in page.html


def test_a_thousand_classes_stay_within_the_budget():
    names = tuple(f"class number {i}" for i in range(1_000))
    found = comparison(names, 20_000)
    noise = np.random.default_rng(0)
    flips = (*found.negative_flips, *found.positive_flips, *found.other)
    pictures = {("test", flip.path): _noisy_png(noise) for flip in flips}
    page = page_of(found, names, pictures=pictures)
    assert len(page.html.encode()) <= 4_000_000
    assert len(page.tables["class-changes"]) == 1_001


def _noisy_png(random):
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(random.integers(0, 256, (96, 96, 3), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


PAGES = {
    "labelled": lambda: view_of(
        comparison(), pictures={("test", each.path): png() for each in comparison().negative_flips}
    ),
    "hostile": lambda: view_of(comparison(HOSTILE), HOSTILE),
    "unlabelled": lambda: view_of(comparison(labelled=False)),
}


@pytest.mark.parametrize(
    "name", ["hostile", *(pytest.param(each, marks=pytest.mark.slow) for each in PAGES if each != "hostile")]
)
def test_in_a_browser(name, browser, tmp_path):
    file = tmp_path / "comparison.html"
    file.write_text(render_comparison(PAGES[name]()), "utf-8")
    check_in_browser(browser, file)

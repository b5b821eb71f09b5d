"""The alarms' rules one by one, the digest of many images, and Fisher's test against scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from batchclf.core.gate.alarms import (
    DirectoryRun,
    PredictedCounts,
    class_folders,
    fewer_images,
    fisher_greater,
    no_images,
    no_new_images,
    one_class,
    same_images,
)
from batchclf.core.images.statistics import ContentDigest

DIGESTS = st.lists(st.integers(0, 2**64 - 1), max_size=40)


def run(date="2026-11-25", *, scored=100, skipped=0, folders=None, labels="labels from the 2 class folders", **others):
    folders = {"cat": 60, "dog": 40} if folders is None else folders
    by_folder = labels.startswith("labels from the")
    return DirectoryRun("incoming", f"run-{date}", date, scored, skipped, folders, labels, by_folder, **others)


LAST = run("2026-11-24")


def digest(values, pieces=1):
    made = ContentDigest()
    for part in np.array_split(np.array(values, np.uint64), pieces):
        made.update(part)
    return made


@given(DIGESTS, st.randoms(), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_content_is_the_same_in_any_order_and_pieces(values, random, pieces):
    shuffled = random.sample(values, len(values))
    found = digest(shuffled, pieces)
    assert found.text == digest(values).text
    assert found.images == len(values)


@given(DIGESTS, DIGESTS)
@settings(max_examples=60, deadline=None)
def test_other_images_have_another_content(first, second):
    assert (digest(first).text == digest(second).text) == (sorted(first) == sorted(second))


@pytest.mark.parametrize("values", [[0], [0, 0], [1, 2], [3], [2**64 - 1], [1, 1, 2], [1, 2, 2]])
def test_what_adds_up_to_the_same_is_told_apart(values):
    others = [[0], [0, 0], [0, 0, 0], [0, 3], [1, 2], [3], [2**64 - 1], [1, 1, 2], [1, 2, 2], []]
    assert [other for other in others if digest(other).text == digest(values).text] == [values]


def test_nothing_scored():
    assert no_images(run()).outcome == "passed"
    gone = no_images(run(scored=0, labels="none: there is no folder /srv/incoming"))
    assert gone.outcome == "failed"
    assert "there is no folder /srv/incoming" in gone.sentence
    assert "7 images could not be read" in no_images(run(scored=0, skipped=7)).sentence


def test_results_say_what_they_are_about():
    found = same_images(run(content="1-a"), run("2026-11-24", content="1-a"))
    assert (found.name, found.kind, found.subset) == ("same-images[incoming]", "alarm", "incoming")
    assert (found.against, found.outcome) == ("run-2026-11-24", "failed")
    assert "incoming holds exactly the same 100 images as on 2026-11-24" in found.sentence
    assert same_images(run(content="1-a"), run("2026-11-24", content="1-b")).passed


def test_new_images():
    assert no_new_images(run(), LAST, 1).passed
    found = no_new_images(run(), LAST, 0)
    assert (found.passed, found.value) == (False, 0)
    assert "none of 100 images of incoming is new since 2026-11-24" in found.sentence


@given(st.integers(1, 500), st.integers(1, 500), st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_the_number_fell_by_a_share(now, before, fell_by):
    found = fewer_images(run(scored=now), run("2026-11-24", scored=before), fell_by)
    fell = max(0, before - now) / before
    assert found.value == pytest.approx(fell)
    if abs(fell - fell_by) > 1e-9:
        assert found.passed == (now >= before or fell < fell_by)
    assert f"{now:,} image" in found.sentence


def test_half_of_them_is_by_half():
    assert not fewer_images(run(scored=50), LAST, 0.5).passed
    assert fewer_images(run(scored=51), LAST, 0.5).passed
    assert "50.00% fewer" in fewer_images(run(scored=50, skipped=3), LAST, 0.5).sentence
    assert "(3 more could not be read)" in fewer_images(run(scored=50, skipped=3), LAST, 0.5).sentence


FOLDERS = st.dictionaries(st.sampled_from(["", "ant", "bee", "cat", "dog", "eel"]), st.integers(1, 9), min_size=1)


@given(FOLDERS, FOLDERS)
@settings(max_examples=60, deadline=None)
def test_class_folders_that_are_new_or_gone(here, there):
    found = class_folders(run(folders=here), run("2026-11-24", folders=there))
    new, gone = here.keys() - there.keys() - {""}, there.keys() - here.keys() - {""}
    assert found.passed == (not new and not gone)
    for word, names, counts in (("new", new, here), ("gone", gone, there)):
        assert (f"{word}: " in found.sentence) == bool(names)
        assert all(f"'{name}' ({counts[name]} image" in found.sentence for name in names)


def test_folders_that_are_no_classes_raise_nothing():
    unlabelled = {"labels": "no labels (the folder 'a' is not a class of the model)"}
    assert class_folders(run(folders={"a": 1}, **unlabelled), run(folders={"b": 1}, **unlabelled)) is None
    assert class_folders(run(folders={}), LAST) is None  # too many to be counted


def test_a_folder_that_has_switched_labels_off():
    labels = "no labels (the folder 'unsorted' is not a class of the model)"
    found = class_folders(run(folders={"cat": 60, "dog": 40, "unsorted": 3}, labels=labels), LAST)
    assert not found.passed
    assert "new: 'unsorted' (3 images)" in found.sentence
    assert "the folder 'unsorted' is not a class of the model; rename it" in found.sentence
    empty = class_folders(run(labels=labels), LAST)
    assert not empty.passed
    assert "no labels are used now: the folder 'unsorted'" in empty.sentence


def test_many_folders_are_not_all_named():
    found = class_folders(run(folders={f"{i:02}": 1 for i in range(12)}), LAST)
    assert "'04' (1 image) and 7 more" in found.sentence


def held(now, before, share=0.95):
    return one_class(run(), now, PredictedCounts(before, "in the last run"), share)


@pytest.mark.parametrize(("images", "outcome"), [(1, "uncertain"), (6, "uncertain"), (7, "failed")])
def test_one_class_of_too_few_images_is_not_checked(images, outcome):
    found = held({"cat": images}, {"cat": 5000, "dog": 5000})
    judge = fisher_exact([[images, 0], [5000, 5000]], alternative="greater").pvalue
    assert (found.outcome, judge < 0.01) == (outcome, outcome == "failed")
    if outcome == "uncertain":
        assert found.passed
        assert found.sentence.endswith(f"not checked: too few images ({images} scored, at least 7 are needed)")


def test_one_class_takes_nearly_all():
    found = held({"cat": 97, "dog": 3}, {"cat": 50, "dog": 50})
    assert (found.outcome, found.value, found.bound) == ("failed", 0.97, 0.95)
    assert found.sentence.startswith(
        "97.00% of the predictions for incoming are 'cat' (97 of 100), 50.00% in the last run; look"
    )


@pytest.mark.parametrize(
    "now, before",
    [
        ({"cat": 94, "dog": 6}, {"cat": 50, "dog": 50}),  # not that many
        ({"cat": 100}, {"cat": 100}),  # always so
        ({"cat": 99, "dog": 1}, {"cat": 98, "dog": 2}),
        ({"cat": 951_000, "dog": 49_000}, {"cat": 949_000, "dog": 51_000}),  # certain, but next to nothing
        ({"cat": 3}, {"cat": 40, "dog": 60}),  # chance
        ({"cat": 1}, {"dog": 1}),
        ({"cat": 50, "dog": 0}, {"cat": 2, "dog": 1}),  # too little is known of the last run
    ],
)
def test_one_class_with_no_reason_for_alarm(now, before):
    assert held(now, before).passed


def test_one_class_without_predictions_is_not_held():
    assert held({"cat": 0}, {"cat": 5}) is None
    assert held({"cat": 5}, {"cat": 0}) is None


def test_a_class_that_the_model_did_not_have_before():
    assert not held({"yak": 100, "cat": 0}, {"cat": 50, "dog": 50}).passed


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
@settings(max_examples=100, deadline=None)
def test_fishers_test_is_that_of_scipy(hits, misses, other_hits, other_misses):
    expected = fisher_exact([[hits, misses], [other_hits, other_misses]], "greater").pvalue
    found = fisher_greater(hits, hits + misses, other_hits, other_hits + other_misses)
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("counts", [(970, 1_000, 100, 1_000), (960_000, 1_000_000, 958_700, 1_000_000), (9, 9, 2, 20)])
def test_fishers_test_of_many_images(counts):
    hits, n, other_hits, other_n = counts
    expected = fisher_exact([[hits, n - hits], [other_hits, other_n - other_hits]], "greater").pvalue
    assert fisher_greater(*counts) == pytest.approx(expected, rel=1e-5, abs=1e-300)

"""The images of a run: class balance, sizes and modes, brightness and contrast, drift, duplicates, skipped files."""

from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from report_cases import (
    FASHION,
    HOSTILE,
    both_splits,
    directory_subset,
    evaluate,
    of_probabilities,
    page_of,
    record,
    sample,
    view_of,
)

from batchclf.core.images.drift import drift_of_classes, drift_of_values
from batchclf.core.images.duplicates import DuplicatePair, Duplicates
from batchclf.core.images.statistics import Histogram, ImageStatistics
from batchclf.core.text import NOTHING, visible
from batchclf.core.types import ImageRef, SkippedImage
from batchclf.jobs.evaluate.image_checks import NO_FACTS, NO_REFERENCE, ONLY_TRAIN
from batchclf.report.charts import data as chart_data

OF = sample(FASHION, 400, skill=0.7)
EVALUATION = evaluate(OF)
DARK = Histogram(0.0, 255.0, (30, 60, 10, *[0] * 48))
BRIGHT = Histogram(0.0, 255.0, (*[0] * 40, 10, 50, 40, *[0] * 8))
FLAT = Histogram(0.0, 128.0, (50, 50, *[0] * 30))
ALIKE = ImageStatistics("test", 100, ((28, 28, 100),), 0, (("grayscale", 100),), DARK, FLAT)
MIXED = ImageStatistics("train", 9, ((64, 48, 4), (48, 64, 3)), 2, (("rgb", 8), ("cmyk", 1)), BRIGHT, FLAT)
NOTHING_FOUND = Duplicates("", 100, 0, 0, 0, "the images with one another", (), None, None)


def data(evaluations=(EVALUATION,), gap=None, **findings):
    return view_of(record(), list(evaluations), gap, **findings).data


def counted_labels(labels, classes=("a", "b", "c")):
    probabilities = np.eye(len(classes))[labels]
    return data([evaluate(of_probabilities(classes, probabilities, np.array(labels)))]).balance


def drifts(scored=BRIGHT, expected=DARK, before=(50, 50), now=(90, 10), names=("a", "b")):
    return (
        drift_of_values("brightness", "test", "the 60 training images", scored, expected),
        drift_of_classes("test", "the predictions in training", now, before, names),
    )


def test_balance_counts_true_and_predicted_images_of_each_class():
    view = data().balance
    true, predicted = (np.bincount(side, minlength=10) for side in (OF.labels, OF.predictions))
    assert view.drawn == tuple(zip(FASHION, true.tolist(), predicted.tolist(), strict=True))
    assert [row.true for row in view.rows] == [str(n) for n in true]
    assert [row.predicted_share for row in view.rows] == [f"{n / 400:.2%}" for n in predicted]
    differences = [int(row.difference.replace("\u2212", "-")) for row in view.rows]
    assert differences == (predicted - true).tolist()
    assert view.part == ""


@pytest.mark.parametrize(
    "labels, sentence",
    [
        ([0, 1, 2, 0, 1, 2], "3 classes of 2 images each."),
        ([0], "1 class of 1 image; 2 classes have no images."),
        ([0, 0, 0, 1, 1], "2 classes of 2 to 3 images; 1 class has no images: the largest is 1.5 times the size of"),
    ],
)
def test_balance_in_words(labels, sentence):
    assert counted_labels(labels).sentence.startswith(sentence)


def test_of_many_classes_the_largest_and_the_smallest_are_shown():
    names = tuple(f"class {i}" for i in range(1000))
    view = data([evaluate(sample(names, 3000))]).balance
    assert len(view.rows) == len(view.drawn) == 25
    assert view.part == "the 15 largest and the 10 smallest of 1,000 classes"
    true = [true for _, true, _ in view.drawn]
    assert true == sorted(true, reverse=True)


def test_there_is_no_balance_without_labels():
    assert data([evaluate(sample(FASHION, 30, labelled=0.0))]).balance is None


def test_images_that_are_all_alike_take_a_sentence():
    looks = data(statistics=(ALIKE,)).looks
    assert looks.sentences == ("all 100 images are 28 × 28 pixels, grayscale",)
    assert (looks.sizes, looks.modes) == ((), ())


def test_sizes_and_modes_are_counted_by_split_the_main_one_first():
    looks = data(statistics=(MIXED, ALIKE)).looks
    assert looks.splits == ("test split", "train")
    assert looks.sentences[1] == "9 images of 2 sizes (that of 2 is unknown), in 2 modes"
    assert [(row.name, row.values) for row in looks.sizes] == [
        ("28 × 28", ("100 (100.00%)", "–")),
        ("64 × 48", ("–", "4 (44.44%)")),
        ("48 × 64", ("–", "3 (33.33%)")),
        ("other or unknown", ("–", "2 (22.22%)")),
    ]
    assert [row.name for row in looks.modes] == ["grayscale", "rgb", "cmyk"]


@pytest.mark.parametrize(
    "sizes, other, words",
    [
        (((8, 8, 5), (9, 8, 4)), 0, "9 images of 2 sizes, rgb"),
        (((8, 8, 8),), 1, "9 images of 1 size (that of 1 is unknown), rgb"),
        ((), 9, "9 images of unknown size, rgb"),
        (tuple((8, height, 1) for height in range(10)), 7, "17 images of 10 sizes or more, rgb"),
    ],
)
def test_sizes_in_words(sizes, other, words):
    images = sum(count for *_, count in sizes) + other
    found = replace(MIXED, images=images, sizes=sizes, other_sizes=other, modes=(("rgb", images),))
    assert data(statistics=(found,)).looks.sentences == (words,)


def test_drift_is_called_by_its_name_with_test_and_numbers():
    found = drifts()
    page = page_of(record(), [EVALUATION], drift=found, statistics=(ALIKE,))
    assert "Drift. 2 of 2 quantities have drifted: brightness and predicted class." in page.sections["data"]
    rows = page.tables["drift"][1:]
    assert [row[0] for row in rows] == [
        "brightness against the 60 training images",
        "predicted class against the predictions in training",
    ]
    for row, each in zip(rows, found, strict=True):
        assert row[1:] == ["drift", each.change, each.test, f"{each.statistic:.4f}", "< 0.0001", f"{each.psi:.4f}"]
    assert page.tables["predictions"][1:] == [
        ["a", "90.00%", "50.00%", "+40.0"],
        ["b", "10.00%", "50.00%", "\u221240.0"],
    ]


def test_too_few_images_are_no_verdict_on_drift():
    few = drifts(Histogram(0.0, 255.0, (3, 0)), Histogram(0.0, 255.0, (50, 50)), now=(3, 0))
    assert data(drift=few).drift.sentence == "Not checked: brightness and predicted class."
    assert not data(drift=few).drift.alarm
    page = page_of(record(), [EVALUATION], drift=(few[0], drifts()[1]), statistics=(ALIKE,))
    assert "1 of 2 quantities has drifted: predicted class. Not checked: brightness." in page.sections["data"]
    assert page.tables["drift"][1][1:] == ["not checked", few[0].sentence, NOTHING, NOTHING, NOTHING, NOTHING]
    assert "the test needs 9" in few[0].sentence


def test_no_drift_is_said_without_alarm():
    view = data(drift=drifts(DARK, DARK, (50, 50), (50, 50))).drift
    assert view.sentence == "No drift in brightness and predicted class."
    assert not view.alarm
    assert [row.verdict for row in view.rows] == ["no drift", "no drift"]


def test_of_many_classes_those_that_moved_most_are_shown():
    names = tuple(f"class {i}" for i in range(50))
    before = [100] * 50
    now = [100] * 49 + [400]
    view = data(drift=drifts(now=now, before=before, names=names)).drift
    assert len(view.changes) == 10
    assert view.changes[0].name == "class 49"
    assert view.changes_part == "the 10 largest changes of 50 classes"


@pytest.mark.parametrize("note", [NO_FACTS, NO_REFERENCE, ONLY_TRAIN])
def test_without_drift_the_page_says_why(note):
    evaluation = evaluate(sample(FASHION, 30, "test"), "test")
    assert data([evaluation], statistics=(ALIKE,), drift_note=note).drift.missing == note
    assert "this run kept no image statistics" in data([evaluation]).drift.missing


def test_brightness_and_contrast_stand_beside_the_reference_where_there_is_one():
    with_reference = data(statistics=(ALIKE,), drift=drifts(DARK, BRIGHT))
    brightness, contrast = with_reference.spreads
    assert (brightness.reference, contrast.reference) == ("the 60 training images", "")
    assert brightness.rows[1].range == "5 to 10"
    assert (brightness.rows[1].scored, brightness.rows[1].scored_share) == ("60", "60.00%")
    assert (brightness.rows[41].expected, brightness.rows[41].expected_share) == ("50", "50.00%")
    assert contrast.expected is None
    assert data().spreads == ()


def test_duplicates_within_a_directory_are_shown_with_the_images():
    pair = DuplicatePair("near", "", "a.png", "x", "", "b.png", "y")
    found = replace(NOTHING_FOUND, exact=2, near=1, contradicting=1, pairs=(pair,))
    run = record(subsets=[directory_subset(100)], dataset=None, job=None)
    evaluation = evaluate(sample(FASHION, 100, ""), "")
    page = page_of(run, [evaluation], duplicates=found)
    text = page.sections["data"]
    assert "3 of 100 images of /srv/inbox (3.00%) duplicate others: 2 exact and 1 near." in text
    assert "Look at the labels: 1 pair has two different labels" in text
    assert page.tables["duplicates"][1] == ["a.png", "x", "b.png", "y", "near, labels differ"]
    page = page_of(run, [evaluation], duplicates=NOTHING_FOUND)
    assert "None of 100 checked images of /srv/inbox occurs twice." in page.sections["data"]


def test_duplicates_between_splits_without_labels_are_shown_with_the_images():
    evaluations = [evaluate(sample(FASHION, 30, split, labelled=0.0), split) for split in ("test", "train")]
    for exact, words in (
        (1, "1 of 100 images of test split (1.00%) is also in train: 1 exact."),
        (0, "is also in train."),
    ):
        assert (
            words in data(evaluations, duplicates=replace(NOTHING_FOUND, split="test", exact=exact)).duplicates.sentence
        )


def test_duplicates_between_train_and_test_are_shown_with_the_gap_only():
    _, evaluations, gap = both_splits()
    found = replace(NOTHING_FOUND, split="test")
    assert data(evaluations, gap, duplicates=found).duplicates is None
    assert data(evaluations, gap).duplicates is None
    none = page_of(record(), evaluations, gap, duplicates=found)
    assert "None of 100 checked images of test is also in train." in none.sections["data"]
    some = page_of(record(), evaluations, gap, duplicates=replace(found, exact=3))
    words = "3 of 100 images of test (3.00%) are also in train: 3 exact. Effect on the gap."
    assert words in some.sections["data"]
    assert some.html.count('href="#gap"') == none.html.count('href="#gap"') + 1


def test_an_older_run_says_in_a_sentence_each_what_it_did_not_keep():
    text = page_of(record(), [EVALUATION]).sections["data"]
    assert text.count("this run kept no image statistics") == 1
    assert text.count("This run did not check for duplicates") == 1


def test_skipped_files_that_are_more_than_memory_holds_are_gone_through_once():
    skipped = (SkippedImage(ImageRef(f"{i}.png", "Coat"), f"reason {i}") for i in range(100_000))
    view = view_of(record(), [EVALUATION], skipped=skipped).skipped
    assert (view.total, len(view.rows), view.more, len(view.reasons)) == (100_000, 50, "99,950", 12)
    assert view.other_reasons == "99,988 files for other reasons"


def test_labels_of_skipped_files_have_a_column_where_there_are_any():
    def heads(label):
        skipped = [SkippedImage(ImageRef("a.png", None), "empty"), SkippedImage(ImageRef("b.png", label), "empty")]
        return page_of(record(), [EVALUATION], skipped=skipped).tables["skips"][0]

    assert heads("Coat") == ["File", "Label", "Reason"]
    assert heads(None) == ["File", "Reason"]


def test_skipped_files_are_grouped_by_their_reason():
    reasons = ["cut off"] * 5 + ["empty"] * 7 + [f"no image: {i}" for i in range(20)]
    skipped = [SkippedImage(ImageRef(f"{i}.png", None), reason) for i, reason in enumerate(reasons)]
    page = page_of(record(), [EVALUATION], skipped=skipped)
    assert page.tables["reasons"][1:3] == [["empty", "7", "5.png"], ["cut off", "5", "0.png"]]
    assert len(page.tables["reasons"]) == 13
    assert "and 10 files for other reasons" in page.sections["skipped"]


def test_names_are_text_and_nothing_else():
    evaluation = evaluate(sample(HOSTILE, 200))
    n = len(HOSTILE)
    found = drifts(before=[50] * n, now=[100, *[50] * (n - 1)], names=HOSTILE)
    statistics = (replace(ALIKE, modes=tuple((name, 5) for name in HOSTILE)),)
    page = page_of(record(HOSTILE), [evaluation], drift=found, statistics=statistics)
    shown = {row[0] for row in page.tables["balance"]}
    for name in map(visible, HOSTILE[:7]):
        assert " ".join(name.split()) in shown
    assert "<script>alert" not in page.html


def test_figures_have_a_table_behind_each():
    page = page_of(record(), [EVALUATION], statistics=(ALIKE,), drift=drifts(DARK, BRIGHT))
    assert {"balance", "spread", "drift", "predictions"} <= page.tables.keys()
    assert {"balance-title", "spread-brightness-title", "spread-contrast-title"} <= set(page.values("id"))


def test_the_bars_of_a_balance_are_as_long_as_its_counts():
    root = ET.fromstring(chart_data.class_balance([("a", 100, 50), ("b", 50, 100), ("c", 0, 0)]))
    bars = [path.get("d") for path in root.iter("path") if path.get("stroke-width") == "10"]
    lengths = [float(bar.split("h")[1]) if "h" in bar else 0.0 for bar in bars]
    assert lengths[0] == pytest.approx(2 * lengths[1], abs=0.2)
    description = next(element.text for element in root.iter("desc"))
    assert description == "a 100 and 50; b 50 and 100; c 0 and 0."

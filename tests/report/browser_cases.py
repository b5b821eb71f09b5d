"""Pages for the tests that look at them in a browser, and how the browser shows them."""

from dataclasses import replace

from report_cases import (
    FASHION,
    GENERATED,
    HOSTILE,
    both_splits,
    directory_subset,
    evaluate,
    pictures_of,
    png,
    record,
    sample,
    view_of,
)
from slice_cases import studied
from subset_cases import job_run, pictures
from training_cases import VARIANTS, tempered, trained_record, training

from batchclf.core.images.drift import drift_of_classes, drift_of_values
from batchclf.core.images.statistics import Histogram, ImageStatistics
from batchclf.core.records.findings import Findings, LabelIssues
from batchclf.core.records.run import GateResult
from batchclf.core.types import ImageRef, SkippedImage
from batchclf.report.html.size_budget import wanted
from batchclf.report.sections.whole_report import build_view

GATES = [
    GateResult("min_test_accuracy", 0.9, 0.8, True, "Test accuracy 90.0% is at least 80.0%."),
    GateResult("max_gap", 0.07, 0.05, False, "The gap of 7.0 points is above 5.0 points.", certain=False),
]


def with_examples(evaluation, of):
    """The evaluation with up to two images of each cell of its confusion matrix."""
    examples = {}
    for i in range(len(of.rows)):
        examples.setdefault((int(of.rows.labels[i]), int(of.rows.predictions[i])), []).append(of.rows.row(i))
    examples = {cell: tuple(rows[:2]) for cell, rows in examples.items()}
    return replace(evaluation, labelled=replace(evaluation.labelled, examples=examples))


def looked_at(names, test):
    """Findings on the images: statistics, drift, label issues."""
    light, dark = (Histogram(0.0, 255.0, counts) for counts in (tuple(range(51)), tuple(range(51, 0, -1))))
    sizes = ((28, 28, 70), (640, 480, 20))
    statistics = tuple(
        ImageStatistics(split, 100, sizes, 10, (("rgb", 90), *((name, 1) for name in names[:10])), light, dark)
        for split in ("test", "train")
    )
    now = [200, *[100] * (len(names) - 1)]
    drift = (
        drift_of_values("brightness", "test", "the 60,000 training images", light, dark),
        drift_of_classes("test", "the predictions in training", now, [100] * len(names), names),
    )
    label_issues = LabelIssues(20, test.labelled.worst_errors, "confident learning", "")
    return {"statistics": statistics, "drift": drift, "label_issues": label_issues}


def labelled():
    samples, (test, train), gap = both_splits()
    test = with_examples(test, samples["test"])
    pictures = {(row.split, row.path): png() for row in wanted(Findings(record(), (test, train)))}
    # One cell's image has no picture.
    pictures.pop(("test", test.labelled.examples[0, 0][0].path))
    of_slices = studied(samples["test"], (*HOSTILE, ""))
    return view_of(
        record(gates=GATES, status="gate failed"),
        [test, train],
        gap,
        pictures=pictures,
        **looked_at(FASHION, test),
        **of_slices,
    )


def trained():
    """A model whose training is known: validation images, a temperature, variants."""
    samples, (_, train), gap = both_splits()
    run = trained_record(of=training(train_images=500, validation_images=100, variants=VARIANTS))
    return view_of(run, [tempered(samples["test"], 1.62), train], gap)


def unlabelled():
    evaluation = evaluate(sample(FASHION, 60, "", labelled=0.0), "")
    skipped = [SkippedImage(ImageRef(f"{i}.png", None), "cut off") for i in range(60)]
    run = record(subsets=[directory_subset(60, 60)], dataset=None, status="partial")
    return view_of(run, [evaluation], pictures=pictures_of(evaluation), skipped=skipped)


def hostile():
    samples, (test, train), gap = both_splits(HOSTILE)
    skipped = [SkippedImage(ImageRef(name * 2, name), name) for name in HOSTILE]
    evaluations = [with_examples(test, samples["test"]), train]
    return view_of(record(HOSTILE, job="j" * 300), evaluations, gap, skipped=skipped, **looked_at(HOSTILE, test))


def hundred():
    return of_many("hundred", 100, 1500)


def of_many(words, classes, images):
    """A page on many classes."""
    names = tuple(f"class number {i} of a {words}" for i in range(classes))
    samples, (test, train), gap = both_splits(names, images)
    return view_of(record(names), [with_examples(test, samples["test"]), train], gap)


def nightly():
    findings = job_run()
    return build_view(findings, pictures=pictures(findings), skipped=(), generated=GENERATED)


def hostile_run():
    findings = job_run(HOSTILE, directories=HOSTILE[:2], deadline=True)
    return build_view(findings, pictures={}, skipped=(), generated=GENERATED)


PAGES = {
    "labelled": labelled,
    "trained": trained,
    "unlabelled": unlabelled,
    "hostile": hostile,
    "hundred": hundred,
    "nightly": nightly,
    "hostile run": hostile_run,
}


def show(browser, width, scheme):
    """Set the window's width and the colour scheme."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    # Smooth scrolling would move what a test is about to click.
    features = [
        {"name": "prefers-color-scheme", "value": scheme},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

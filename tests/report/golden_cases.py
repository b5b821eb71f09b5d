"""Pages and texts with no, one and two of everything, and with long names, for the golden text of all sentences.

`python tests/report/golden_cases.py > tests/report/golden.txt` from the folder of the repository writes it again.
"""

import re
import sys
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

sys.path.append(str(Path(__file__).parent))

import numpy as np
from browser_cases import labelled, looked_at, nightly, trained, unlabelled
from golden_findings import TWO, findings_cases, gates
from report_cases import (
    GENERATED,
    both_splits,
    directory_subset,
    evaluate,
    of_probabilities,
    record,
    sample,
    split_subset,
    view_of,
)
from slice_cases import studied
from subset_cases import compare, summary
from training_cases import history, trained_model

from batchclf.core.images.drift import drift_of_classes, drift_of_values
from batchclf.core.images.duplicates import DuplicatePair, Duplicates
from batchclf.core.images.statistics import Histogram, ImageStatistics
from batchclf.core.metrics.evaluation import Tally
from batchclf.core.metrics.gap import overfitting_gap
from batchclf.core.metrics.intervals import wilson
from batchclf.core.records.findings import LabelIssues
from batchclf.core.records.history import FailedRun, JobHistory, UnreadRun
from batchclf.core.types import ImageRef, SkippedImage
from batchclf.report.formats.markdown import report_markdown
from batchclf.report.formats.run_readme import run_readme
from batchclf.report.html.render import render
from batchclf.report.pages.comparison import compare_view
from batchclf.report.pages.index import index_view
from batchclf.report.pages.render import render_comparison, render_index
from batchclf.report.pages.training import render_training, training_view
from batchclf.report.sections.whole_report import build_view

GOLDEN = Path(__file__).with_name("golden.txt")
LONG = tuple(
    f"a class with a name that is long, number {number} of four, of {'very ' * 12}many letters" for number in range(4)
)
_BLOCKS = {
    "td",
    "h1",
    "h2",
    "h3",
    "p",
    "caption",
    "summary",
    "th",
    "li",
    "dt",
    "dd",
    "button",
    "title",
    "desc",
    "label",
    "option",
}
_PASSED_OVER = {"script", "style", "text"}
_SHOWN_ATTRIBUTES = ("aria-label", "placeholder", "data-title")


class _Sentences(HTMLParser):
    """Takes what a reader meets outside the cells of tables, a line for each block."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.lines, self.parts, self.skipped = [], [], 0

    def handle_starttag(self, tag, attrs):
        if tag in _PASSED_OVER or dict(attrs).get("scope") == "row":
            self.skipped += 1
        if tag in _BLOCKS:
            self._end()
        self.lines += [value for name, value in attrs if name in _SHOWN_ATTRIBUTES and value]

    def handle_endtag(self, tag):
        if tag in _PASSED_OVER or (tag == "th" and self.skipped):
            self.skipped -= 1
        if tag in _BLOCKS:
            self._end(tag)

    def handle_data(self, data):
        if not self.skipped:
            self.parts.append(data)

    def _end(self, tag=""):
        line = " ".join("".join(self.parts).split())
        # Cells have names and numbers; of them only words are of interest
        self.lines += [line] if re.search(r"[a-z]{2} [a-z]{2}" if tag == "td" else r"[a-zA-Z]", line) else []
        self.parts = []


def sentences(html):
    reader = _Sentences()
    reader.feed(html)
    reader._end()
    return reader.lines


def counted(number):
    """A page on which everything occurs `number` times: images, errors, label issues, duplicates, skips, runs."""
    labels = np.array([0] * 20 + [1] * 20)
    right = np.where(np.arange(40) < number, 0.2, 0.8)
    probabilities = np.where(labels[:, None] == np.arange(2), right[:, None], 1 - right[:, None])
    test = evaluate(of_probabilities(TWO, probabilities, labels))
    train = evaluate(sample(TWO, 40, "train", labels=labels, skill=50.0, seed=2), "train")
    gap = overfitting_gap(train.labelled, test.labelled)
    pairs = tuple(
        DuplicatePair("exact" if n else "near", "test", f"{n}.png", "cat", "train", f"{n}0.png", "dog")
        for n in range(number)
    )
    duplicates = Duplicates("test", 40, number, number, number, "what was compared", pairs, wilson(30, 40), gap.gap)
    skipped = [SkippedImage(ImageRef(f"{n}.png", None), "cut off") for n in range(number)]
    issues = LabelIssues(number, test.labelled.worst_errors[:number], "confident learning", "")
    light = Histogram(0.0, 255.0, tuple(range(51)))
    sizes = tuple((28 + n, 28, 20) for n in range(number)) or ((28, 28, 40),)
    statistics = (ImageStatistics("test", 40, sizes, 0, (("rgb", 40),), light, light),)
    subsets = [replace(split_subset("test", 40, skipped=number, excluded=number), resumed=number, cached=number)]
    subsets.append(split_subset("train", 40))
    runs = tuple(
        summary(run_id=f"r{n}", folder=f"r{n}", run_date=f"2026-02-0{n + 1}", accuracy=wilson(36, 40), gap=gap.gap)
        for n in range(number)
    )
    made = record(TWO, subsets=subsets, gates=gates(number), status="gate failed" if number else "ok")
    return view_of(
        made, [test, train], gap, duplicates=duplicates, skipped=skipped, label_issues=issues, statistics=statistics,
        history=runs,
    )  # fmt: skip


def long_names():
    samples, (test, train), gap = both_splits(LONG)
    findings = {**looked_at(LONG, test), **studied(samples["test"], LONG)}
    return view_of(record(LONG, job="j" * 80, gates=gates(1), status="gate failed"), [test, train], gap, **findings)


def drifted(number):
    """Drift of no, one and two quantities; one is not checked."""
    light, dark = (Histogram(0.0, 255.0, counts) for counts in (tuple(range(51)), tuple(range(51, 0, -1))))
    now = [90, 10] if number > 1 else [50, 50]
    drift = (
        drift_of_values("brightness", "", "the last good run", light, dark if number else light),
        drift_of_classes("", "the last good run", now, [50, 50], TWO),
        drift_of_values("contrast", "", "the last good run", light, Histogram(0.0, 255.0, (1,) + (0,) * 50)),
    )
    of = sample(TWO, 100, "", labelled=0.0)
    return view_of(record(TWO, subsets=[directory_subset(100)], dataset=None), [evaluate(of, "")], drift=drift)


def nothing():
    run = record(TWO, subsets=[directory_subset(0, 3)], dataset=None, status="partial")
    return view_of(run, [Tally("", TWO).evaluation()])


def comparison(first, second, **changes):
    of = sample(TWO, 40, labels=[0] * 20 + [1] * 20)
    found = replace(compare(of, "test", names=TWO), **changes)
    return render_comparison(compare_view(found, first, second, pictures={}, links=("a", "b"), generated=GENERATED))


def index(number):
    runs = tuple(
        summary(run_id=f"r{n}", folder=f"r{n}", started=f"2026-02-0{n + 1}T03:00:00+01:00") for n in range(number)
    )
    failed = tuple(
        FailedRun(f"f{n}", f"f{n}.log", "2026-02-27T03:00:00+01:00", "the disk is full") for n in range(number)
    )
    unread = tuple(UnreadRun(f"u{n}", "run.json is damaged") for n in range(number))
    return render_index(index_view([JobHistory("nightly", runs, failed, unread)] * number, generated=GENERATED))


def texts():
    """Yield each case by its name, with the sentences on it."""
    for number in (0, 1, 2):
        yield f"a run with {number} of everything", sentences(render(counted(number)))
    for number in (0, 1, 2):
        yield f"a run without labels, {number} quantities drifted", sentences(render(drifted(number)))
    pages = {"both splits": labelled, "a trained model": trained, "no labels": unlabelled, "several subsets": nightly}
    for name, page in {**pages, "nothing scored": nothing, "long names": long_names}.items():
        yield name, sentences(render(page()))
    for name, findings in findings_cases().items():
        view = build_view(findings, pictures={}, skipped=(), generated=GENERATED + timedelta(days=3))
        yield name, sentences(render(view))
        markdown = report_markdown(findings, skipped=(), generated=GENERATED, folder="reports/nightly/r1")
        yield f"{name}, in Markdown", markdown.splitlines()
        columns = [("path", "string", "the image's path")]
        yield f"{name}, README", run_readme(findings.record, columns, ["predictions.csv", "report.html"]).splitlines()
    for number in (0, 1, 2):
        yield f"an index of {number}", sentences(index(number))
    for name, changes in {
        "as it was": {}, "flip TTA": {"settings": {"flip_tta": True, "ensemble_size": 3}},
        "one epoch": {"history": history(1, 1)}, "no history": {"history": {}, "training": None},
    }.items():  # fmt: skip
        yield (
            f"a training, {name}",
            sentences(render_training(training_view(trained_model(**changes), generated=GENERATED))),
        )
    first, second = record(TWO), record(TWO, subsets=[split_subset("test", 40, skipped=2)], status="partial")
    for name, changes in {
        "as it was": {}, "the same": {"changed": 0}, "without labels": {"p_value": None, "labelled": 0, "metrics": ()},
        "worse": {"p_value": 0.01, "only_first_right": 9, "only_second_right": 1},
        "better": {"p_value": 0.01, "only_first_right": 1, "only_second_right": 9},
        "chance": {"p_value": 0.4}, "others": {"only_first": 1, "only_second": 2, "relabelled": 1, "replaced": 2},
    }.items():  # fmt: skip
        yield f"a comparison, {name}", sentences(comparison(first, second, **changes))


def golden():
    """Give the golden text: each sentence with the case in which it occurs first, whatever numbers it has later."""
    seen, lines = set(), []
    for name, found in texts():
        new = []
        for line in map(str.rstrip, found):
            words = re.sub(r"[-+−]?[\d.,]+", "0", line)
            if words not in seen and re.search(r"[a-z]{3}", words):
                seen.add(words)
                new.append(line)
        lines += ["", f"== {name}", *new] if new else []
    return "\n".join(lines[1:]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(golden())

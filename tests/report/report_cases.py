"""Records, rows and evaluations for the report's tests, and a reader for the page they become."""

import io
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser

import numpy as np
from PIL import Image

from batchclf.core.metrics.evaluation import Evaluation, Tally
from batchclf.core.metrics.gap import overfitting_gap
from batchclf.core.records.findings import Findings
from batchclf.core.records.run import DatasetRecord, ModelRecord, RunRecord, SubsetRecord
from batchclf.core.types import PredictionRows
from batchclf.data.fashion_mnist import CLASS_NAMES as FASHION
from batchclf.report.html.render import render
from batchclf.report.sections.whole_report import build_view

HOSTILE = (
    "<script>alert(1)</script>",
    "\"quoted\" 'class' & more",
    "two\nlines\tand tab",
    "\u202egnp.exe",
    "$x_1$ {{ 7 * 7 }} {% raw %}",
    "id=\"x\" style='fill: #010101' -->",
    "undecodable \udcff",
    "x" * 200,
)
GENERATED = datetime(2026, 3, 1, 2, 2, tzinfo=UTC)
HISTORY = {
    "loss": [0.6, 0.5, 0.4],
    "accuracy": [0.8, 0.85, 0.9],
    "val_loss": [0.62, 0.55, 0.5],
    "val_accuracy": [0.79, 0.82, 0.84],
}


@dataclass(frozen=True)
class Sample:
    """Rows of one split with the probabilities they come from."""

    rows: PredictionRows
    probabilities: np.ndarray

    @property
    def known(self):
        return self.rows.labels >= 0

    @property
    def labels(self):
        return self.rows.labels[self.known]

    @property
    def predictions(self):
        return self.rows.predictions[self.known]


def sample(names, n, split="test", *, seed=0, skill=1.0, labelled=1.0, labels=None):
    """Draw `n` rows; the higher the skill the more predictions are right; a share `labelled` has labels."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, len(names), n) if labels is None else np.asarray(labels)
    probabilities = random.dirichlet(np.full(len(names), 0.5), n)
    probabilities[np.arange(n), truth] += skill * random.random(n)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    known = np.where(random.random(n) < labelled, truth, -1)
    return of_probabilities(names, probabilities, known, split)


def of_probabilities(names, probabilities, labels, split="test"):
    """Make rows of (n, classes) probabilities and (n,) labels, -1 where unknown."""
    ordered = np.sort(probabilities, axis=1)
    rows = PredictionRows(
        names,
        tuple(f"{split or 'inbox'}/{i:05d}" for i in range(len(labels))),
        (split,) * len(labels),
        labels.astype(np.int64),
        probabilities.argmax(axis=1).astype(np.int64),
        ordered[:, -1],
        ordered[:, -1] - (ordered[:, -2] if len(names) > 1 else 0),
        probabilities,
        np.argsort(-probabilities, axis=1, kind="stable")[:, :3],
    )
    return Sample(rows, probabilities)


def evaluate(of: Sample, split="test") -> Evaluation:
    tally = Tally(split, of.rows.class_names)
    tally.update(of.rows)
    return tally.evaluation()


def record(names=FASHION, subsets=None, **changes) -> RunRecord:
    model = ModelRecord(
        path="models/fashion",
        digest="0123456789abcdef" * 4,
        recipe="mlp",
        settings={"epochs": 3, "dropout": 0.25, "augment": False},
        class_names=list(names),
        input_shape=(28, 28, 1),
        color_mode="grayscale",
        parameters=101770,
        trained_on="fashion-mnist, train split",
        created="2026-03-01T03:00:00+01:00",
        history=changes.pop("history", HISTORY),
        trained_in_this_run=changes.pop("trained_in_this_run", False),
    )
    values = {
        "run_id": "20260301T020000Z-ab12",
        "job": "nightly",
        "command": ["batchclf", "run", "my job.toml"],
        "status": "ok",
        "started": "2026-03-01T03:00:00+01:00",
        "seconds": 83.4,
        "runtime": "onnx",
        "batch_size": 256,
        "topk": 3,
        "probabilities": True,
        "model": model,
        "subsets": subsets or [split_subset("test", 1000)],
        "dataset": DatasetRecord("fashion-mnist", "files of the test", 60000, 10000),
        "timings": {"train": 74.2, "score test": 0.5},
        "versions": {"batchclf": "0.1.0", "numpy": "2.4.6"},
    }
    return RunRecord(**(values | changes))


def split_subset(split, scored, skipped=0, excluded=0, found=None):
    found = scored + skipped + excluded if found is None else found
    labels = "the data set's labels"
    return SubsetRecord(split, "split", "fashion-mnist", labels, found, scored, skipped, excluded, seconds=0.5)


def directory_subset(scored, skipped=0, source="/srv/inbox", name="", labels="none: folder names are not classes"):
    return SubsetRecord(name, "directory", source, labels, scored + skipped, scored, skipped, 0, seconds=2.0)


def png(height=28, width=28, value=128) -> bytes:
    return image_bytes(height, width, "PNG", np.full((height, width), value, np.uint8))


def image_bytes(height, width, kind, pixels=None) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((height, width), np.uint8) if pixels is None else pixels).save(buffer, kind)
    return buffer.getvalue()


def pictures_of(*evaluations):
    images = [e.least_confident + (e.labelled.worst_errors if e.labelled else ()) for e in evaluations]
    return {(image.split, image.path): png() for group in images for image in group}


def view_of(run, evaluations, gap=None, *, pictures=None, skipped=(), generated=GENERATED, **others):
    """A view; `others` are further findings: history, change, label_issues, …"""
    findings = Findings(run, tuple(evaluations), gap, **others)
    return build_view(findings, pictures=pictures or {}, skipped=skipped, generated=generated)


def page_of(run, evaluations, gap=None, **others) -> "Page":
    return read(render(view_of(run, evaluations, gap, **others)))


def both_splits(names=FASHION, n=600):
    """A run with test and train: the samples by split, the evaluations and the gap."""
    samples = {
        "test": sample(names, n, "test", seed=1, skill=0.9),
        "train": sample(names, n, "train", seed=2, skill=1.6),
    }
    test, train = (evaluate(samples[split], split) for split in ("test", "train"))
    return samples, [test, train], overfitting_gap(train.labelled, test.labelled)


@dataclass
class Page:
    """What a page holds: texts as a browser would show them, by where they stand."""

    html: str
    tags: list = field(default_factory=list)
    tables: dict = field(default_factory=dict)
    sections: dict = field(default_factory=dict)
    texts: list = field(default_factory=list)

    @property
    def text(self):
        return _tidy(" ".join(self.texts))

    def having(self, name):
        """The attributes of every tag of this name."""
        return [attributes for tag, attributes in self.tags if tag == name]

    def values(self, attribute):
        return [a[attribute] for _, a in self.tags if attribute in a]

    def measure(self, name):
        """The value of a number of the summary."""
        pattern = rf"<dt>{re.escape(name)}</dt>\s*<dd class=\"value\"[^>]*>([^<]*)</dd>"
        return re.search(pattern, self.html).group(1)


class _Reader(HTMLParser):
    VOID = frozenset({"meta", "link", "img", "br", "wbr", "hr", "input"})

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.page = Page(html)
        self.open = []
        self.table = None
        self.section = None

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        assert len(attributes) == len(attrs), f"an attribute stands twice in {tag} {attrs}"
        self.page.tags.append((tag, attributes))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "section":
            self.section = self.page.sections.setdefault(attributes["id"], [])
        elif tag == "table":
            self.table = self.page.tables.setdefault(attributes["class"].split()[0], [])
        elif tag == "tr":
            self.table.append([])
        elif tag in ("td", "th"):
            self.table[-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.page.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another element at {self.getpos()}"
        if tag == "section":
            self.section = None

    def handle_data(self, data):
        if {"style", "script"} & set(self.open):
            return
        self.page.texts.append(data)
        if self.section is not None:
            self.section.append(data)
        if {"td", "th"} & set(self.open):
            self.table[-1][-1] = _tidy(f"{self.table[-1][-1]} {data}")


def _tidy(text):
    return " ".join(text.split())


def read(html) -> Page:
    """Read a page; fails where its elements are not properly nested."""
    reader = _Reader(html)
    reader.feed(html)
    reader.close()
    assert not reader.open, f"never closed: {reader.open}"
    page = reader.page
    page.sections = {name: _tidy(" ".join(texts)) for name, texts in page.sections.items()}
    return page

"""Scores with hostile names, and what becomes of them in the files."""

import re
from typing import get_args

import numpy as np
from hypothesis import strategies as st

from batchclf.core.choices import Format
from batchclf.core.types import BatchScores, ImageRef
from batchclf.storage.predictions.write import PredictionFiles

FORMATS = get_args(Format)
NASTY = ["NA", "nan", "null", "None", "001", "1e5", "true", "prob:x", "x.1", "'", "''", "'=a", " ", "\n", "\r", "\r\n"]
WORDS = st.sampled_from(NASTY) | st.builds(
    "".join, st.lists(st.sampled_from([*"=+-@\t\r\n'\",;{}\\ ax0é猫", "\u2028", "\ufeff"]), min_size=1, max_size=5)
)
FILE_NAMES = WORDS | st.binary(min_size=1, max_size=6).map(
    lambda raw: raw.replace(b"\0", b"0").decode("utf-8", "surrogateescape")
)


def escaped(text):
    """What a file name that is no UTF-8 becomes: its bytes as escapes."""
    return re.sub("[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text)


@st.composite
def scored(draw, least_rows=1):
    """Class names, some batches (references with and without labels, probabilities), topk and whether all are kept."""
    names = tuple(draw(st.lists(WORDS, min_size=2, max_size=5, unique=True)))
    batches = []
    sizes = draw(st.lists(st.integers(1, 4), min_size=least_rows, max_size=4))
    left = draw(st.lists(FILE_NAMES, min_size=sum(sizes), max_size=sum(sizes), unique_by=escaped))
    for rows in sizes:
        paths, left = left[:rows], left[rows:]
        labels = draw(st.lists(st.sampled_from([None, *names]), min_size=rows, max_size=rows))
        weights = st.lists(st.sampled_from([0.0, 1e-9, 0.1, 1.0, 3.0]), min_size=len(names), max_size=len(names))
        matrix = np.array(draw(st.lists(weights.filter(any), min_size=rows, max_size=rows)))
        matrix = (matrix / matrix.sum(axis=1, keepdims=True)).astype(np.float32)
        batches.append(BatchScores(tuple(map(ImageRef, paths, labels)), matrix))
    return names, batches, {"topk": draw(st.integers(1, len(names))), "probabilities": draw(st.booleans())}


def plain_batches(sizes, classes=3, seed=0):
    """Class names and batches of the given sizes; a fifth of the images has no label."""
    rng = np.random.default_rng(seed)
    names = tuple(f"class {number}" for number in range(classes))
    batches = []
    for number, rows in enumerate(sizes):
        labels = [None if rng.random() < 0.2 else names[rng.integers(classes)] for _ in range(rows)]
        refs = tuple(ImageRef(f"{number:03d}/{row:04d}.png", label) for row, label in enumerate(labels))
        batches.append(BatchScores(refs, rng.dirichlet(np.full(classes, 0.5), rows).astype(np.float32)))
    return names, batches


def write(folder, names, batches, *, formats=FORMATS, split="test", **options):
    """Write a whole run's predictions."""
    folder.mkdir(exist_ok=True)
    with PredictionFiles(folder, names, formats=formats, **options) as files:
        for batch in batches:
            files.write(batch, split)
        files.finish()
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}

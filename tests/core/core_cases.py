"""Prediction rows at random, as Hypothesis strategies, for the tests of the core."""

import numpy as np
from hypothesis import strategies as st

from batchclf.core.metrics.evaluation import Tally
from batchclf.core.types import PredictionRows


def make_rows(probabilities, labels, *, split="test", with_probabilities=True, topk=3):
    """Rows as scoring would give them: the prediction is the class of the highest probability."""
    probabilities = np.asarray(probabilities, np.float64)
    labels = np.asarray(labels, np.int64)
    count, classes = probabilities.shape
    top = np.sort(probabilities, axis=1)
    ranked = np.argsort(-probabilities, axis=1, kind="stable")
    return PredictionRows(
        class_names=tuple(f"class {i}" for i in range(classes)),
        paths=tuple(f"{split}/{i:05d}.png" for i in range(count)),
        splits=(split,) * count,
        labels=labels,
        predictions=probabilities.argmax(axis=1).astype(np.int64),
        confidence=top[:, -1],
        margin=top[:, -1] - top[:, -2],
        probabilities=probabilities if with_probabilities else None,
        ranked=ranked[:, :topk],
    )


def predicted_rows(labels, predictions, classes):
    """Rows with these labels and predictions, each predicted with the probability 0.9."""
    probabilities = np.full((len(labels), classes), 0.1 / (classes - 1))
    probabilities[np.arange(len(labels)), predictions] = 0.9
    return make_rows(probabilities, labels)


@st.composite
def random_probabilities(draw, rows, classes):
    # Few distinct values, so that ties of confidence are common.
    sharpness = draw(st.sampled_from([0.5, 3.0, 30.0]))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    logits = random.integers(0, 4, (rows, classes)) * sharpness / 3
    shares = np.exp(logits)
    return shares / shares.sum(axis=1, keepdims=True)


@st.composite
def random_rows(draw, *, unknown=False, most=120):
    """Rows of 2 to 6 classes, some of which may never be a label or a prediction."""
    count, classes = draw(st.integers(1, most)), draw(st.integers(2, 6))
    probabilities = draw(random_probabilities(count, classes))
    seed = draw(st.integers(0, 2**32 - 1))
    used = draw(st.integers(1, classes))
    labels = np.random.default_rng(seed).integers(-1 if unknown else 0, used, count)
    return make_rows(probabilities, labels)


def tally_of(rows):
    tally = Tally("test", rows.class_names)
    tally.update(rows)
    return tally


def evaluate(rows):
    return tally_of(rows).evaluation()

"""Confident learning; the judge is cleanlab."""

import warnings

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from batchclf.core.metrics.label_issues import find_issues


@pytest.fixture(scope="module")
def judge():
    """What cleanlab finds, with a sort that keeps equal numbers in order: numpy's own leaves that to the processor."""
    filters = pytest.importorskip("cleanlab.filter")
    sort = np.argsort

    def found(labels, probabilities):
        with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
            patch.setattr(np, "argsort", lambda values, **options: sort(values, **{**options, "kind": "stable"}))
            warnings.simplefilter("ignore")
            issues = filters.find_label_issues(
                labels, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1
            )
            return issues.tolist()

    return found


def drawn(seed, classes, images, right, sure, digits):
    """Probabilities of so many images, and labels of which a part is by chance."""
    random = np.random.default_rng(seed)
    rows = random.dirichlet(np.full(classes, sure), images)
    if digits is not None:
        rows = rows.round(digits)
    chance = random.integers(0, classes, images)
    return np.where(random.random(images) < right, rows.argmax(axis=1), chance), rows


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(2, 30),
    st.integers(2, 400),
    st.floats(0, 1),
    st.sampled_from([0.1, 0.5, 1.0, 5.0]),
    st.none() | st.integers(1, 3),
)
@example(seed=362, classes=22, images=114, right=0.1, sure=0.5, digits=None)
@example(seed=1, classes=2, images=3, right=0.0, sure=1.0, digits=1)
def test_it_finds_what_cleanlab_finds_in_the_same_order(judge, seed, classes, images, right, sure, digits):
    labels, rows = drawn(seed, classes, images, right, sure, digits)
    if len(np.unique(labels)) > 1:
        assert find_issues(labels, rows).tolist() == judge(labels, rows)


def test_of_ten_thousand_images_it_finds_the_wrong_labels(judge):
    labels, rows = drawn(3, 10, 10_000, 0.95, 0.3, None)
    found = find_issues(labels, rows)
    assert found.tolist() == judge(labels, rows)
    assert (labels[found] != rows[found].argmax(axis=1)).all()
    assert len(found) > 0.8 * (labels != rows.argmax(axis=1)).sum()


def test_one_image_of_a_class_keeps_its_label():
    rows = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]])
    assert find_issues(np.array([0, 0, 1]), rows).tolist() == []

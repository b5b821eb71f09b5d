"""The sentences of the report, the comparison, the index and the training page, all in one text that is reviewed."""

import ast
import re
from pathlib import Path

import pytest
from golden_cases import GOLDEN, golden

import batchclf.report

ROOMS = [Path(batchclf.report.__file__).parent / name for name in ("sections", "parts", "pages")]
NOT_RENDERED = {
    "- Left out by suffix",
    "Better overall, but",
    "Confidence minus accuracy (points)",
    "First run of this job. From the second run on, accuracy and gap over the runs appear here",
    "No earlier run of this job has labels for this subset",
    "No gap: the two splits were not scored with the same model and classes",
    "No overall difference, but",
    "Not part of a job, so there are no earlier runs. The reports of a job show the gap over its runs",
    "Nothing was selected on them",
    "One with a larger error than",
    "Overfitting gap, in points",
    "SHA-256 of the model",
    "The gap in log loss needs at least two images in each split",
    "The gap in log loss needs the probabilities of all classes: score with --probabilities",
    "The model was trained for one epoch, so there is no curve",
    "The overfitting gap is accuracy on training images minus accuracy on new ones. It needs a column that gives the "
    "split of each row, train or test",
    "The runs scored different sources",
    "Training ran for all",
    "all are right",
    "batchclf evaluate",
    "best on validation)",
    "classes have",
    "for other reasons",
    "image scored by both runs",
    "images are matched by their paths within them",
    "is left out, in",
    "largest changes of",
    "model of",
    "more reasons",
    "new model",
    "no labels are used",
    "none raised",
    "other or unknown",
    "pictures must be PNG, JPEG or WebP bytes",
    "that counts as failed",
    "that counts as passed",
    "the log has no error",
    "the newest",
    "the report has no section '",
    "the weights are those after it",
    "when it was fitted",
    "which changes almost nothing",
}
"""Pieces of texts that no case has: the tests of their sections do, or they are no sentences for a reader."""


def test_all_sentences_are_those_that_were_reviewed():
    hint = "read the difference; if it is meant: python tests/report/golden_cases.py > tests/report/golden.txt"
    assert golden().splitlines() == GOLDEN.read_text(encoding="utf-8").splitlines(), hint


def pieces(file):
    """The constant parts of a file's texts that have two words or more, docstrings and annotations aside."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    apart = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            apart |= {id(each) for each in ast.walk(annotation)} if annotation else set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in apart:
            for text in node.value.splitlines():
                if re.search(r"[a-z]{2,} [a-z]{2,}", text) and not re.search(r"[{}_]|[a-z]\.[a-z]", text):
                    yield " ".join(text.split()).strip(" ;:,.(")


@pytest.mark.parametrize("room", ROOMS, ids=lambda path: path.name)
def test_every_text_of_a_section_is_in_it(room):
    known = " ".join(GOLDEN.read_text(encoding="utf-8").split()).lower()
    missing = {piece for file in room.glob("*.py") for piece in pieces(file) if piece.lower() not in known}
    assert missing - set(NOT_RENDERED) == set()

"""Slices and thresholds of rows that lack something."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from batchclf.core.types import PredictionRows
from batchclf.jobs.evaluate.predictions import Studying
from batchclf.storage.images.facts import COLUMNS


def rows_without(n=200, *, labelled=True):
    """Rows of two classes; a tenth of the predictions is wrong."""
    random = np.random.default_rng(1)
    labels = random.integers(0, 2, n)
    given = np.where(random.random(n) < 0.9, labels, 1 - labels)
    confidence = random.uniform(0.5, 1, n)
    labels = labels if labelled else np.full(n, -1)
    paths = tuple(f"{i:05}.{'png' if i % 2 else 'jpg'}" for i in range(n))
    return PredictionRows(("no", "yes"), paths, ("",) * n, labels, given, confidence, confidence, None, given[:, None])


def studied(tmp_path, *pieces):
    studying = Studying(tmp_path / "images.csv")
    for rows in pieces:
        studying.take(rows)
    return studying.studies(pytest.fail)


def test_without_a_confidence_there_are_slices_and_no_thresholds(tmp_path):
    rows = rows_without()
    unknown = replace(rows, confidence=np.where(np.arange(200) == 7, np.nan, rows.confidence))
    found = studied(tmp_path, unknown)
    assert found.thresholds[""].missing == "The predictions have no confidence, so no threshold can be set."
    assert (found.thresholds[""].two_classes, found.thresholds[""].refusal) == (None, None)
    assert [each.name for each in found.slices[""].slices] == ["format=jpg", "format=png"]


def test_rows_without_a_label_before_the_first_one_change_nothing(tmp_path):
    rows = rows_without()
    before = replace(rows_without(labelled=False), paths=tuple(f"0{path}" for path in rows.paths))
    with (tmp_path / "images.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(COLUMNS)
        for number, path in enumerate([*before.paths, *rows.paths]):
            writer.writerow([path, "", 640, 480 + number % 2, "rgb", f"{number / 2:.2f}", "20.00", "0" * 32, "1" * 32])
    (late,) = studied(tmp_path, before, rows).slices.values()
    assert late.missing == ()
    assert {each.column for each in late.slices} == {"brightness", "size", "format"}
    assert late.slices[0].words == "brightness 100 to 124.5 (darkest quarter)"
    (tmp_path / "images.csv").unlink()
    late, alone = studied(tmp_path, before, rows), studied(tmp_path, rows)
    assert (late.slices, late.thresholds) == (alone.slices, alone.thresholds)


def test_nothing_is_studied_without_labels(tmp_path):
    assert studied(tmp_path, rows_without(labelled=False)) is None


def test_how_the_rows_are_cut_changes_nothing(tmp_path):
    rows = rows_without()
    pieces = [rows.only((np.arange(200) >= start) & (np.arange(200) < start + 30)) for start in range(0, 200, 30)]
    whole, cut = studied(tmp_path, rows), studied(tmp_path, *pieces)
    assert (cut.slices, cut.thresholds) == (whole.slices, whole.thresholds)

"""Numbers that users see: within what a metric can be, never -0."""

import csv
import json
import re

import pytest

from batchclf.cli.main import main

ONE_CLASS = [("ok", 0.8), ("ok", 0.1), ("ok", 0.8), ("ok", 0.8), ("ok", 0.1), ("ok", 0.7), ("ok", 0.6)]
FEW = [("ok", 0.99), ("defect", 0.02), ("ok", 0.03)]
"""(true class, probability of ok) of each row."""


@pytest.mark.parametrize("rows", [ONE_CLASS, FEW])
def test_losses_of_few_images_stay_within_what_they_can_be(rows, tmp_path, capsys):
    table = tmp_path / "rows.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "prediction", "confidence", "prob:ok", "prob:defect"])
        for number, (label, ok) in enumerate(rows):
            other = round(1 - ok, 2)
            writer.writerow([f"{number}.png", label, "ok" if ok > other else "defect", max(ok, other), ok, other])
    assert main(["evaluate", str(table), "--out", str(tmp_path / "out")]) == 0
    text = (tmp_path / "out" / "metrics.json").read_text()
    metrics = next(iter(json.loads(text)["splits"].values()))
    assert not re.search(r"-0\.0\b(?!\d)", text)
    for name, most in (("log_loss", 36.05), ("brier", 2)):
        assert 0 < metrics[name]["low"] < metrics[name]["value"] < metrics[name]["high"] < most

"""Drift of small folders, as `score` and its report say it."""

import json
from collections import Counter

import pandas as pd
import pytest
from PIL import Image
from scipy import stats


@pytest.fixture(scope="module")
def folders(digits, tmp_path_factory):
    """38 images of one class, 38 of all classes in turn, and 3."""
    root = tmp_path_factory.mktemp("small")
    threes = digits.test.images[digits.test.labels == 3]
    mixed = [digits.test.images[digits.test.labels == label][number] for number in range(4) for label in range(10)]
    for name, images in {"threes": [*threes, *threes][:38], "mixed": mixed[:38], "few": mixed[:3]}.items():
        (root / name).mkdir()
        for number, image in enumerate(images):
            Image.fromarray(image.squeeze()).save(root / name / f"{number}.png")
    return root


@pytest.mark.parametrize(("name", "verdict"), [("threes", "drift"), ("mixed", "none"), ("few", "not checked")])
def test_a_small_folder_has_drifted_or_not_or_is_too_small(cli, job_reports, folders, tmp_path, name, verdict):
    model = next(job_reports.rglob("model.json")).parent
    code, printed, _ = cli("score", folders / name, "--model", model, "--out", tmp_path / "run")
    assert code == 0
    assert cli("report", tmp_path / "run", "--format", "json,md", "--out", tmp_path)[0] == 0
    drift = {each["quantity"]: each for each in json.loads((tmp_path / "report.json").read_text())["drift"]}
    of_classes = drift["predicted class"]
    page = (tmp_path / "run/report.html").read_text()
    # The verdict is the same everywhere: on the terminal, first on the page, and in the Markdown
    classes = Counter(pd.read_csv(tmp_path / "run/predictions.csv").prediction.astype(str))
    headline = {"none": "No drift", "not checked": "No labels, drift not checked"}.get(verdict, "Drift in ")
    headline = f"Every prediction is {next(iter(classes))}" if len(classes) == 1 else headline
    assert f"{headline}" in printed
    assert f"<h1>{headline}" in page
    assert headline in (tmp_path / "report.md").read_text().splitlines()[0]
    assert page.index('id="data"') < page.index('id="unlabelled"') < page.index('id="skipped"')
    share = f"{max(classes.values()) / classes.total():.2%}"
    assert f"predicted: {next(name for name, n in classes.items() if n == max(classes.values()))} {share}" in printed
    if verdict == "not checked":
        assert {each["p_value"] for each in drift.values()} == {None}
        assert "not checked: too few images: 3 scored, the test needs " in of_classes["sentence"]
        assert "not checked" in page
        return
    assert of_classes["drifted"] == (verdict == "drift")
    rows = [of_classes["scored"]["counts"], of_classes["expected"]["counts"]]
    assert of_classes["test"] == "chi-squared (Monte Carlo)"
    expected = stats.chi2_contingency(rows, correction=False)
    assert of_classes["statistic"] == pytest.approx(expected.statistic)
    assert (of_classes["p_value"] < 0.01) == (expected.pvalue < 0.01)
    assert cli("report", tmp_path / "run", "--format", "json", "--out", tmp_path / "again.json")[0] == 0
    again = json.loads((tmp_path / "again.json").read_text())["drift"]
    assert {each["quantity"]: each["p_value"] for each in again} == {
        name: each["p_value"] for name, each in drift.items()
    }

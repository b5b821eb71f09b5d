"""`evaluate` on the tables of other tools: the right numbers, a page, and refusals of what is not clear."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, brier_score_loss, f1_score, log_loss, top_k_accuracy_score
from table_cases import (
    FRAME,
    NAMES,
    PREDICTED,
    SHARES,
    TABLES,
    TRUE,
    WITH_ALL_SHARES,
    WITH_CONFIDENCE,
    WITH_RANKS,
)


def metrics_of(run, split=""):
    return json.loads((run / "metrics.json").read_bytes())["splits"][split]


def rows_of(run):
    return pd.read_csv(run / "predictions.csv", dtype="str", keep_default_na=False)


@pytest.mark.parametrize("tool", TABLES)
def test_the_tables_of_tools_give_the_numbers_of_scikit_learn(cli, tmp_path, tool):
    name, options = TABLES[tool](tmp_path)
    code, result, said = cli.json("evaluate", name, *options, "--out", "run")
    assert (code, result["status"]) == (0, "ok")
    assert name in said
    found = metrics_of(tmp_path / "run")
    assert found["labelled"] == len(TRUE)
    assert found["accuracy"]["value"] == pytest.approx(accuracy_score(TRUE, PREDICTED), abs=1e-12)
    assert found["macro_f1"]["value"] == pytest.approx(f1_score(TRUE, PREDICTED, average="macro"), abs=1e-12)
    mean = pytest.approx(SHARES.max(axis=1).mean(), abs=1e-6) if tool in WITH_CONFIDENCE else None
    assert found["mean_confidence"] == mean
    assert (found["ece"] is None) == (tool not in WITH_CONFIDENCE)
    assert ("log_loss" in found) == ("brier" in found) == (tool in WITH_ALL_SHARES)
    numbers = [NAMES.index(label) for label in TRUE]
    if tool in WITH_ALL_SHARES:
        assert found["log_loss"]["value"] == pytest.approx(log_loss(numbers, SHARES), rel=1e-5)
        brier = brier_score_loss(numbers, SHARES, scale_by_half=False)
        assert found["brier"]["value"] == pytest.approx(brier, rel=1e-5)
    if tool in WITH_ALL_SHARES + WITH_RANKS:
        top2 = top_k_accuracy_score(numbers, SHARES, k=2)
        assert found["top2_accuracy"]["value"] == pytest.approx(top2, abs=1e-12)
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert ("The predictions have no confidence" in page) == (tool not in WITH_CONFIDENCE)
    assert "unknown: only predictions were read" in page


def test_two_columns_make_a_run_that_history_report_and_comparison_know(cli, tmp_path):
    name, _ = TABLES["two_columns"](tmp_path)
    code, said, _ = cli("evaluate", name)
    assert code == 0
    assert "label = y_true, prediction = y_pred" in said
    first = (tmp_path / "reports/evaluate/latest").resolve()
    assert cli("report", first, "--out", "again.html")[0] == 0
    page = (tmp_path / "again.html").read_text(encoding="utf-8")
    for left_out in (
        "Calibration error",
        "Log loss",
        "Brier score",
        "Calibration error, reliability diagram and coverage",
    ):
        assert left_out in page
    better = FRAME.assign(y_pred=[*TRUE[:20], *PREDICTED[20:]])
    better[["y_true", "y_pred"]].to_csv(tmp_path / name, index=False)
    assert cli("evaluate", name)[0] == 0
    second = (tmp_path / "reports/evaluate/latest").resolve()
    flips = pd.read_csv(second / "flips.csv")
    right, now = np.array(PREDICTED) == TRUE, np.array(better["y_pred"]) == TRUE
    assert len(flips) == int((np.array(PREDICTED) != better["y_pred"]).sum()) > 0
    code, _, _ = cli.json("report", first, second, "--format", "json", "--out", "compared.json")
    assert code == 0
    compared = json.loads((tmp_path / "compared.json").read_bytes())["comparison"]
    assert compared["only_second_right"] == int((now & ~right).sum())
    assert compared["images"] == len(TRUE)
    shuffled = better.sample(frac=1, random_state=1)
    shuffled[["y_true", "y_pred"]].to_csv(tmp_path / "shuffled.csv", index=False)
    assert cli("evaluate", "shuffled.csv", "--out", "shuffled")[0] == 0
    code, _, error = cli("report", second, "shuffled")
    assert code == 1
    assert "tables without paths" in error


def test_empty_and_unknown_predictions_are_a_class_of_their_own(cli, tmp_path):
    frame = FRAME.copy()
    frame.loc[[1, 4, 9], "y_pred"] = ["", "unicorn", ""]
    frame.to_csv(tmp_path / "p.csv", index=False)
    (tmp_path / "classes.json").write_text(json.dumps(NAMES))
    code, _, said = cli("evaluate", "p.csv", "--classes", "classes.json", "--out", "run")
    assert code == 0
    assert "3 of 60 images have no prediction, or one that is no class" in said
    assert "unicorn" in said
    given = frame["y_pred"].where(frame["y_pred"].isin(NAMES), "(no class)")
    found = metrics_of(tmp_path / "run")
    assert found["predicted"]["(no class)"] == 3
    assert found["accuracy"]["value"] == pytest.approx(accuracy_score(TRUE, given))
    assert found["macro_f1"]["value"] == pytest.approx(f1_score(TRUE, given, average="macro"))
    record = json.loads((tmp_path / "run" / "run.json").read_bytes())
    assert record["model"]["source"] == "predictions"
    assert record["model"]["class_names"] == [*NAMES, "(no class)"]
    assert "no class" in record["subsets"][0]["warnings"][0]


def test_rows_without_a_confidence_are_left_out_of_what_needs_one(cli, tmp_path):
    confidence = SHARES.max(axis=1).round(6)
    known = np.arange(len(TRUE)) % 3 > 0
    FRAME.assign(conf=np.where(known, confidence, np.nan)).to_csv(tmp_path / "p.csv", index=False)
    code, _, said = cli("evaluate", "p.csv", "--out", "run")
    assert code == 0
    assert "20 of 60 images have no confidence" in said
    found = metrics_of(tmp_path / "run")
    right = np.array(TRUE) == PREDICTED
    assert found["mean_confidence"] == pytest.approx(confidence[known].mean())
    assert found["overconfidence"] == pytest.approx(confidence[known].mean() - right[known].mean())
    bins = np.minimum((confidence * 20).astype(int), 19)
    gaps = [abs(right[known & (bins == b)].sum() - confidence[known & (bins == b)].sum()) for b in range(20)]
    assert found["ece"] == pytest.approx(sum(gaps) / known.sum())
    assert "Of 60 labelled images 20 have no confidence" in (tmp_path / "run/report.html").read_text()
    assert cli("report", "run", "--format", "json", "--out", "r.json")[0] == 0
    document = json.loads((tmp_path / "r.json").read_bytes())
    schema = json.loads((Path(__file__).parents[2] / "docs" / "report.schema.json").read_bytes())
    pytest.importorskip("jsonschema").validate(document, schema)
    errors = document["splits"][0]["labelled"]["worst_errors"]
    assert None in [each["confidence"] for each in errors]
    assert errors[0]["confidence"] is not None  # the first, those without a confidence last


def test_class_numbers_become_names_by_a_class_file_and_stay_numbers_without(cli, tmp_path):
    numbers = FRAME.assign(y_true=[NAMES.index(name) for name in TRUE], y_pred=[NAMES.index(n) for n in PREDICTED])
    numbers["y_true"] = numbers["y_true"].astype("float").where(numbers.index != 5)  # as pandas writes them: 2.0
    numbers.to_csv(tmp_path / "n.csv", index=False)
    assert cli("evaluate", "n.csv", "--out", "refused")[0] == 1  # 2.0 is never predicted
    assert cli("evaluate", "n.csv", "--classes", "cat,dog,eel", "--out", "run")[0] == 0
    rows = rows_of(tmp_path / "run")
    assert rows["label"].tolist() == ["" if at == 5 else name for at, name in enumerate(TRUE)]
    assert rows["prediction"].tolist() == PREDICTED
    numbers.assign(y_true=numbers["y_true"].astype("Int64")).to_csv(tmp_path / "m.csv", index=False)
    assert cli("evaluate", "m.csv", "--out", "kept")[0] == 0
    assert json.loads((tmp_path / "kept/run.json").read_bytes())["model"]["class_names"] == ["0", "1", "2"]
    (tmp_path / "odd.txt").write_text("0\n2\n1\n")
    code, _, error = cli("evaluate", "m.csv", "--classes", "odd.txt", "--out", "odd")
    assert code == 2
    assert "'2' is the name of class number 1" in error


TOKENS = ["NA", "null", "nan", "None", "true", "007", "7", "-1", "=1+1", "'a", "a", " a", "1e5", "N/A", ""]


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_texts_are_not_mangled(cli, tmp_path, form):
    labels = [*TOKENS, *reversed(TOKENS)]
    frame = pd.DataFrame({"label": labels, "prediction": [each or "7" for each in labels]}, dtype="object")
    if form == "csv":
        with (tmp_path / "t.csv").open("w", newline="", encoding="utf-8") as handle:
            csv.writer(handle).writerows([frame.columns, *frame.itertuples(index=False)])
    elif form == "jsonl":
        frame.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    else:
        frame.to_parquet(tmp_path / "t.parquet")
    assert cli("evaluate", f"t.{form}", "--out", "run")[0] == 0
    rows = rows_of(tmp_path / "run")
    assert [re.sub(r"^'(?=['=+@-])", "", cell) for cell in rows["label"]] == labels
    assert metrics_of(tmp_path / "run")["accuracy"]["value"] == 1


CASES = {
    "two labels": ("label,target,prediction\na,a,a\n", [], "--label-column label"),
    "two predictions": ("label,pred,prediction\na,a,a\n", [], "--prediction-column pred"),
    "two prefixes": ("label,prob_a,prob_b,p_a,p_b\na,1,0,0,1\n", [], "--probability-prefix prob_"),
    "no prediction": ("label,loss\na,0.1\n", [], "--prediction-column NAME"),
    "only one image": ("name,class,confidence\ndog,1,0.7\ncat,0,0.3\n", [], "a row for each class of one image"),
    "no such column": ("label,prediction\na,a\n", ["--label-column", "lable"], "did you mean 'label'"),
    "a column twice": ("label,label,prediction\na,a,a\n", ["--label-column", "label"], "'label' twice"),
    "a row too long": ("label,prediction\na,a\nb,b,c\n", [], "line 3: the row has 3 cells, and the header 2"),
    "a row cut off": ("path,label,prediction\nx,a,a\ny,b\n", [], "line 3: the row has 2 cells, and the header 3"),
    "no probability": ("label,prob_a,prob_b\na,0.9,0.1\nb,0.5,x\n", [], "line 3: prob:b is 'x'"),
    "a sum of 2": (
        "label,prob_a,prob_b\na,0.91,0.09\nb,0.95,0.95\n",
        [],
        "line 3: the probabilities sum to 1.9, not to 1",
    ),
    "of one class": ("y_true,y_pred,score\na,a,0.9\nb,b,0.2\n", [], "score is 0.2"),
    "another best": ("label,prediction,prob_a,prob_b\na,b,0.9,0.1\n", [], "the prediction is 'b'"),
    "never the same": ("label,prediction\na,x\nb,y\n", [], "no label in"),
    "nothing": ("label,prediction\n", [], "has no rows"),
    "empty": ("", [], "is empty"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_not_clear_is_refused_with_the_way_out(cli, tmp_path, case):
    content, options, expected = CASES[case]
    (tmp_path / "p.csv").write_text(content, encoding="utf-8")
    code, _, error = cli("evaluate", "p.csv", *options)
    assert code in (1, 2)
    assert expected in error
    assert not list((tmp_path / "reports").glob("evaluate/2*"))


def test_options_settle_what_is_not_clear(cli, tmp_path):
    frame = FRAME.assign(label="x", split=["test", "val"] * 30, score=np.linspace(0.5, 1, 60), conf=0.1)
    frame.to_csv(tmp_path / "p.csv", index=False)
    options = ["--label-column", "y_true", "--confidence-column", "score", "--split-column", "split"]
    code, said, _ = cli("evaluate", "p.csv", *options, "--path-column", "none", "--out", "run")
    assert code == 0
    assert "label = y_true, prediction = y_pred, confidence = score, split = split, not used: file, label, conf" in said
    of = np.array(frame["split"]) == "val"
    found = metrics_of(tmp_path / "run", "val")
    assert found["accuracy"]["value"] == pytest.approx(accuracy_score(np.array(TRUE)[of], np.array(PREDICTED)[of]))
    assert found["mean_confidence"] == pytest.approx(frame["score"][of].mean(), abs=1e-6)
    assert rows_of(tmp_path / "run")["path"].sort_values().tolist()[:2] == ["row 01", "row 02"]


def test_labels_from_a_csv_and_pictures_from_a_folder(cli, tmp_path):
    random = np.random.default_rng(0)
    for path in FRAME["file"][:10]:
        (tmp_path / "photos" / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (9, 9, 3), np.uint8)).save(tmp_path / "photos" / path)
    few = FRAME[:10].drop(columns="y_true")
    few.assign(file=[f"{tmp_path}/photos/{path}" for path in few["file"]]).to_csv(tmp_path / "p.csv", index=False)
    pd.DataFrame({"path": FRAME["file"], "label": TRUE}).to_csv(tmp_path / "labels.csv", index=False)
    options = ["--labels", "labels.csv", "--images", "photos", "--out"]
    assert cli("evaluate", "p.csv", *options, "run")[0] == 0
    assert metrics_of(tmp_path / "run")["accuracy"]["value"] == accuracy_score(TRUE[:10], PREDICTED[:10])
    assert rows_of(tmp_path / "run")["path"].tolist() == FRAME["file"].tolist()[:10]
    assert (tmp_path / "run/report.html").read_text().count("data:image/") > 0
    assert cli("evaluate", "p.csv", "--no-pictures", *options, "bare")[0] == 0
    assert (tmp_path / "bare/report.html").read_text().count("data:image/") == 0


def test_the_predictions_of_a_run_are_evaluated_as_before(cli, tmp_path):
    name, _ = TABLES["shares"](tmp_path)
    assert cli("evaluate", name, "--out", "run")[0] == 0
    before = json.loads((tmp_path / "run/metrics.json").read_bytes())
    assert cli("evaluate", "run/predictions.csv", "--out", "again")[0] == 0
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == [
        "confusion.csv",
        "metrics.json",
        "per_class.csv",
        "slices.csv",
    ]
    assert json.loads((tmp_path / "again/metrics.json").read_bytes()) == before
    code, _, error = cli("evaluate", "run/predictions.csv", "--label-column", "prediction")
    assert code == 2
    assert "--label-column is about tables of other tools" in error

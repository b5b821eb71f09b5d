"""Run directories, skipped.csv, the metric files and the reports folder."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    precision_recall_fscore_support,
    roc_auc_score,
)

from batchclf.core.records.run import RUN_FORMAT, ModelRecord, RunRecord, SubsetRecord
from batchclf.core.types import BatchScores, ImageRef, SkippedImage
from batchclf.errors import BatchclfError, RunError
from batchclf.jobs.evaluate.predictions import evaluate_predictions
from batchclf.storage.predictions.write import PredictionFiles
from batchclf.storage.run.directory import RunLog, failed_log, new_run_directory, read_record, write_record
from batchclf.storage.run.metrics import METRICS_FORMAT, read_metrics, write_metrics
from batchclf.storage.run.published import new_run_id, publish_latest, published_models
from batchclf.storage.run.skipped import SkippedWriter, read_skipped


@pytest.fixture
def record():
    model = ModelRecord(
        path="m",
        digest="0" * 64,
        recipe="mlp",
        settings={"epochs": 3},
        class_names=["a", "b"],
        input_shape=(8, 8, 1),
        color_mode="grayscale",
        parameters=10,
        trained_on="digits",
        created="2026-01-01T00:00:00+00:00",
        history={"loss": [1.0, 0.5]},
    )
    return RunRecord(
        run_id="r",
        job="j",
        command=["batchclf", "run"],
        status="ok",
        started="2026-01-01T00:00:00+00:00",
        seconds=1.5,
        runtime="onnx",
        batch_size=32,
        topk=2,
        probabilities=False,
        model=model,
        subsets=[SubsetRecord("test", "split", "digits", "labels", 5, 4, 1, 0, 0.1)],
    )


def test_run_json_round_trip(tmp_path, record):
    write_record(tmp_path, record)
    assert read_record(tmp_path) == record
    assert json.loads((tmp_path / "run.json").read_text())["format"] == RUN_FORMAT


@pytest.mark.parametrize(
    ("change", "named", "hint"),
    [
        (lambda text: text[:40], "is damaged", "score again"),
        (lambda text: text.replace('"format": 2', '"format": 3'), "format 3", "update batchclf"),
        (lambda text: text.replace('"format": 2', '"format": 0'), "format 0", "score again"),
        (lambda text: text.replace('"seconds": 1.5', '"seconds": "long"'), "seconds", "score again"),
    ],
)
def test_damaged_run_json(tmp_path, record, change, named, hint):
    write_record(tmp_path, record)
    path = tmp_path / "run.json"
    text = path.read_text()
    assert change(text) != text
    path.write_text(change(text))
    with pytest.raises(RunError) as caught:
        read_record(tmp_path)
    assert named in caught.value.message
    assert "run.json" in caught.value.message
    assert hint in caught.value.hint


def test_no_run_directory(tmp_path):
    with pytest.raises(RunError, match="there is no run directory"):
        read_record(tmp_path / "none")
    with pytest.raises(RunError, match="is not a run directory"):
        read_record(tmp_path)


def test_run_directory_appears_whole(tmp_path):
    target = tmp_path / "job" / "run"
    with new_run_directory(target) as folder:
        (folder / "a").write_text("whole")
        assert not target.exists()
    assert (target / "a").read_text() == "whole"
    assert [path.name for path in target.parent.iterdir()] == ["run"]


def test_failed_run_leaves_only_its_log(tmp_path):
    target = tmp_path / "run"

    def fail(error):
        with new_run_directory(target) as folder:
            (folder / "predictions.csv").write_text("half")
            log = RunLog(folder / "log.jsonl")
            log.write("began\nhere")
            try:
                raise error
            except Exception as raised:
                log.failure(raised)
                raise
            finally:
                log.close()

    with pytest.raises(BatchclfError):
        fail(BatchclfError("expected"))
    lines = [json.loads(line) for line in failed_log(target).read_text().splitlines()]
    assert [(line["level"], line["message"]) for line in lines] == [
        ("info", "began\nhere"),
        ("error", "BatchclfError: expected"),
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["failed-run.log.jsonl"]
    with pytest.raises(ZeroDivisionError):
        fail(ZeroDivisionError("unexpected"))
    told = json.loads(failed_log(target).read_text().splitlines()[-1])["message"]
    assert told.startswith("Traceback (most recent call last):")
    assert "test_run_files.py" in told
    assert told.endswith("ZeroDivisionError: unexpected\n")


def test_log_takes_any_text(tmp_path):
    log = RunLog(tmp_path / "log.jsonl")
    log.write("caf\udce9 猫 \x00")
    log.close()
    entry = json.loads((tmp_path / "log.jsonl").read_text())
    assert entry["message"] == "caf\udce9 猫 \x00"
    assert entry["time"].endswith("+00:00")


def test_existing_target_is_kept(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "a").write_text("kept")
    with pytest.raises(RunError, match="is there already"), new_run_directory(tmp_path / "run"):
        pytest.fail("must not begin")
    assert (tmp_path / "run" / "a").read_text() == "kept"
    (tmp_path / "nowhere").symlink_to("gone")
    with pytest.raises(RunError, match="is there already"), new_run_directory(tmp_path / "nowhere"):
        pytest.fail("must not begin")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["nowhere", "run"]


def test_skipped_csv_round_trip(tmp_path):
    skips = [
        SkippedImage(ImageRef("=a,b.png", "cat"), 'damaged: "quoted", with\nline'),
        SkippedImage(ImageRef("c.png", None), "-1 is no size"),
    ]
    with SkippedWriter(tmp_path / "skipped.csv") as writer:
        for skip in skips:
            writer.write(skip, "")
        assert writer.rows == 2
    assert list(read_skipped(tmp_path / "skipped.csv")) == skips
    table = pd.read_csv(tmp_path / "skipped.csv", keep_default_na=False)
    assert list(table.columns) == ["path", "split", "label", "reason"]
    assert list(table["path"]) == ["'=a,b.png", "c.png"]


def test_skipped_csv_damage(tmp_path):
    with pytest.raises(RunError, match="cannot be read"):
        list(read_skipped(tmp_path / "skipped.csv"))
    whole = b"path,split,label,reason\r\na.png,test,,broken\r\n"
    for content, named in (
        (b"path,why\na,b\n", "its first line is not path,split,label,reason"),
        (b"", "its first line is not path,split,label,reason"),
        (whole[:35], "line 2 lacks a cell"),
        (whole + b"b\xff.png,test,,broken\r\n", "is damaged"),
        (whole + b'"c.png,test,,broken\r\n', "is damaged"),
    ):
        (tmp_path / "skipped.csv").write_bytes(content)
        with pytest.raises(RunError, match=named):
            list(read_skipped(tmp_path / "skipped.csv"))


def test_split_names_of_a_foreign_csv_are_no_formulas_either(tmp_path):
    (tmp_path / "p.csv").write_text('path,split,label,prediction,confidence\na,"=1+1",x,x,1\nb,-dev,,x,0.5\n')
    write_metrics(tmp_path, *evaluate_predictions(tmp_path / "p.csv"))
    assert list(pd.read_csv(tmp_path / "per_class.csv")["split"]) == ["'=1+1", "'-dev"]
    assert list(pd.read_csv(tmp_path / "confusion.csv")["split"]) == ["'=1+1"]
    assert set(json.loads((tmp_path / "metrics.json").read_text())["splits"]) == {"=1+1", "-dev"}


def test_without_labels_the_metric_files_hold_only_predictions(tmp_path):
    (tmp_path / "p.csv").write_text("path,label,prediction,confidence\na,,x,0.25\nb,,y,0.75\nc,,x,0.5\n")
    write_metrics(tmp_path, *evaluate_predictions(tmp_path / "p.csv"))
    per_class = pd.read_csv(tmp_path / "per_class.csv").dropna(axis="columns", how="all")
    assert per_class.to_dict("list") == {"class": ["x", "y"], "predicted": [2, 1]}
    assert (tmp_path / "confusion.csv").read_bytes() == b"split,label,predicted:x,predicted:y\r\n"
    (split,) = json.loads((tmp_path / "metrics.json").read_text())["splits"].values()
    assert split == {
        "images": 3,
        "mean_confidence": 0.5,
        "predicted": {"x": 2, "y": 1},
        "labelled": 0,
        "accuracy": None,
    }


@pytest.fixture
def scored(tmp_path):
    """predictions.csv of both splits, with probability columns."""
    names = ("a", "b", "c")
    rng = np.random.default_rng(6)
    with PredictionFiles(tmp_path, names, topk=2, probabilities=True) as writer:
        for split, count in (("test", 40), ("train", 90)):
            scores = rng.dirichlet(np.ones(3), count).astype(np.float32)
            refs = tuple(ImageRef(f"{split}/{i:02d}", names[i % 2]) for i in range(count))
            writer.write(BatchScores(refs, scores), split)
    return tmp_path, evaluate_predictions(tmp_path / "predictions.csv", names)


def test_metrics_json_holds_every_metric_with_interval_and_baseline(scored):
    folder, (evaluations, gap) = scored
    write_metrics(folder, evaluations, gap)
    values = read_metrics(folder)
    assert values["format"] == METRICS_FORMAT
    for evaluation in evaluations:
        of_split = values["splits"][evaluation.split]
        for metric in evaluation.labelled.overall:
            low, high = (metric.interval.low, metric.interval.high) if metric.interval else (None, None)
            expected = {"value": metric.value, "low": low, "high": high, "baseline": metric.baseline}
            assert of_split[metric.name] == expected
        assert of_split["ece"] == evaluation.labelled.calibration.ece
        assert of_split["overconfidence"] == evaluation.labelled.calibration.overconfidence
    assert set(values["gap"]["log_loss_gap"]) == {"value", "low", "high"}
    assert values["gap"]["gap"]["value"] == gap.gap.value


def test_metrics_json_is_json_whatever_cannot_be_known(tmp_path):
    content = "path,split,label,prediction,confidence\na,test,x,x,1\nb,train,y,x,0.5\n"
    (tmp_path / "p.csv").write_text(content)
    write_metrics(tmp_path, *evaluate_predictions(tmp_path / "p.csv"))

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    values = json.loads((tmp_path / "metrics.json").read_text(), parse_constant=refuse)
    assert values["gap"]["log_loss_gap"] is None
    assert "log_loss" not in values["splits"]["test"]


@pytest.mark.parametrize(
    ("content", "named", "hint"),
    [
        (None, "cannot be read", "batchclf evaluate"),
        ("{", "is damaged", "batchclf evaluate"),
        ("[]", "is damaged", "batchclf evaluate"),
        ("{}", "is damaged", "batchclf evaluate"),
        ('{"format": "2"}', "is damaged", "batchclf evaluate"),
        ('{"format": 1}', "too old", "batchclf evaluate"),
        ('{"format": 99}', "newer than this batchclf", "update batchclf"),
    ],
)
def test_metrics_json_that_cannot_be_used(tmp_path, content, named, hint):
    folder = tmp_path / "a run"
    folder.mkdir()
    if content is not None:
        (folder / "metrics.json").write_text(content)
    with pytest.raises(RunError) as caught:
        read_metrics(folder)
    assert "metrics.json" in caught.value.message
    assert named in caught.value.message
    assert hint in caught.value.hint
    assert "evaluate" not in hint or f"'{folder / 'predictions.csv'}'" in caught.value.hint


def test_per_class_csv_ranks_where_there_are_probabilities(scored):
    folder, (evaluations, gap) = scored
    write_metrics(folder, evaluations, gap)
    table = pd.read_csv(folder / "per_class.csv")
    rows = pd.read_csv(folder / "predictions.csv")
    of_test = rows[rows["split"] == "test"]
    for _, row in table[(table["split"] == "test") & (table["class"] != "c")].iterrows():
        is_class, scores = of_test["label"] == row["class"], of_test[f"prob:{row['class']}"]
        assert row["auc"] == pytest.approx(roc_auc_score(is_class, scores), abs=1e-12)
        assert row["average_precision"] == pytest.approx(average_precision_score(is_class, scores), abs=1e-12)
        assert (row["auc_error"], row["average_precision_error"]) == (0, 0)
        assert row["auc_low"] <= row["auc"] <= row["auc_high"]
    without_images = table[table["class"] == "c"]
    assert without_images[["auc", "auc_low", "auc_high", "average_precision"]].isna().all(axis=None)


def test_metric_files_against_scikit_learn(tmp_path):
    """Three classes, one without images and one never predicted in test; a third of the rows without a label."""
    names = ("=up", "down", "left, right")
    rng = np.random.default_rng(5)
    with PredictionFiles(tmp_path, names, topk=1, probabilities=False) as writer:
        for split in ("test", "train"):
            scores = rng.random((90, 3)).astype(np.float32)
            if split == "test":
                scores[:, 2] = 0
            labels = [None if i % 3 == 0 else names[i % 2] for i in range(90)]
            refs = tuple(ImageRef(f"{split}/{i:02d}", label) for i, label in enumerate(labels))
            writer.write(BatchScores(refs, scores / scores.sum(axis=1, keepdims=True)), split)
    write_metrics(tmp_path, *evaluate_predictions(tmp_path / "predictions.csv", names))
    table = pd.read_csv(tmp_path / "predictions.csv", keep_default_na=False)
    per_class = pd.read_csv(tmp_path / "per_class.csv")
    confusion = pd.read_csv(tmp_path / "confusion.csv")
    safe = ["'=up", "down", "left, right"]
    assert list(confusion.columns) == ["split", "label", *(f"predicted:{name}" for name in names)]
    for split in ("test", "train"):
        rows = table[(table["split"] == split) & (table["label"] != "")]
        assert len(rows) == 60
        precision, recall, f1, support = precision_recall_fscore_support(
            rows["label"], rows["prediction"], labels=safe, zero_division=np.nan
        )
        of_split = per_class[per_class["split"] == split]
        assert list(of_split["class"]) == safe
        for column, expected in (("precision", precision), ("recall", recall), ("support", support)):
            np.testing.assert_allclose(of_split[column], expected, err_msg=column)
        known = of_split["f1"].notna()
        np.testing.assert_allclose(of_split["f1"][known], np.nan_to_num(f1)[known.to_numpy()])
        counts = confusion[confusion["split"] == split].drop(columns=["split", "label"]).to_numpy()
        assert (counts == confusion_matrix(rows["label"], rows["prediction"], labels=safe)).all()
    gaps = per_class[per_class["split"] == "test"].set_index("class")["gap"]
    recalls = per_class.pivot_table(index="class", columns="split", values="recall", dropna=False)
    np.testing.assert_allclose(gaps["down"], recalls.loc["down", "train"] - recalls.loc["down", "test"])
    assert np.isnan(gaps["left, right"])


def test_run_ids_are_unique_and_sort_by_age(tmp_path):
    seen = []
    for _ in range(12):
        seen.append(new_run_id(tmp_path))
        (tmp_path / seen[-1]).mkdir()
    assert len(set(seen)) == 12
    assert sorted(seen) == seen


def test_latest_points_to_the_newest(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        publish_latest(tmp_path / name, good=name == "one")
        assert (tmp_path / "latest").resolve() == tmp_path / name
        assert (tmp_path / "last-good").resolve() == tmp_path / "one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last-good", "latest", "one", "two"]


def test_published_models(tmp_path):
    assert published_models(tmp_path / "none") == []
    for job in ("b", "a"):
        (tmp_path / job / "model").mkdir(parents=True)
    (tmp_path / "c").mkdir()
    assert [path.parent.name for path in published_models(tmp_path)] == ["a", "b"]

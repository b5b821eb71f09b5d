"""A job that reads predictions in place of scoring; runs whose images were renamed."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, f1_score

from batchclf.cli.main import main
from batchclf.errors import ExitCode

NAMES = np.array(["cat", "dog", "eel"])


def table(path, seed, *, skill=0.8, n=40):
    """Write predictions without labels, and give the true and predicted classes."""
    truth = NAMES[np.random.default_rng(0).integers(0, 3, 2 * n)]
    random = np.random.default_rng(seed)
    given = np.where(random.random(2 * n) < skill, truth, NAMES[random.integers(0, 3, 2 * n)])
    path.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame({"file": [f"{number:03}.png" for number in range(2 * n)], "pred": given})
    for part, name in enumerate("ab"):
        frame[part * n : (part + 1) * n].to_csv(path / f"{name}.csv", index=False)
    labels = pd.DataFrame({"path": frame["file"], "label": truth})
    labels.to_csv(path.parent / "labels.csv", index=False)
    return truth, given


JOB = """
[predictions]
files = ["predictions/{date}/*.csv"]
labels = "predictions/labels.csv"

[[gate.rules]]
metric = "macro_f1"
min = 0.6

[[gate.rules]]
metric = "accuracy"
against = "last-good"
max_drop = 0.05
when_uncertain = "value"

[retention]
keep_runs = 2

[publish]
reports = "reports"
"""


@pytest.fixture
def job(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job.toml").write_text(JOB)
    return tmp_path


def run(folder, date, *more):
    code = main(["run", str(folder / "job.toml"), "--date", date, "--quiet", *more])
    return code, (folder / "reports" / "job" / "latest").resolve()


def test_a_job_reads_the_tables_of_its_date_and_is_held_to_its_gate(job, capfd):
    truth, given = table(job / "predictions" / "2026-11-01", 1)
    for part in "ab":
        assert (job / "predictions" / "2026-11-01" / f"{part}.csv").is_file()
    code, first = run(job, "2026-11-01")
    assert code == 0
    found = json.loads((first / "metrics.json").read_bytes())["splits"][""]
    assert found["labelled"] == len(truth)
    assert found["accuracy"]["value"] == pytest.approx(accuracy_score(truth, given))
    assert found["macro_f1"]["value"] == pytest.approx(f1_score(truth, given, average="macro"))
    record = json.loads((first / "run.json").read_bytes())
    assert (record["job"], record["run_date"], record["status"]) == ("job", "2026-11-01", "ok")
    assert record["subsets"][0]["kind"] == "predictions"

    table(job / "predictions" / "2026-11-02", 2, skill=0.1)
    code, second = run(job, "2026-11-02")
    assert code == ExitCode.GATE_FAILED
    record = json.loads((second / "run.json").read_bytes())
    assert record["status"] == "gate failed"
    assert [gate["passed"] for gate in record["gates"]] == [False, False]
    assert len(pd.read_csv(second / "flips.csv")) > 20
    assert (job / "reports" / "job" / "last-good").resolve() == first

    code, _ = run(job, "2026-11-03")
    assert code == 1
    assert "no file matches" in capfd.readouterr().err
    main(["history", "list", "--reports", str(job / "reports"), "--json"])
    (listed,) = json.loads(capfd.readouterr().out)["jobs"]
    assert (listed["runs"], listed["failed"], listed["newest"]["run_date"]) == (2, 1, "2026-11-02")


def test_job_check_sees_missing_files_and_what_columns_are(job, capfd):
    def checks(*more):
        main(["job", "check", str(job / "job.toml"), "--json", "--date", "2026-11-01", *more])
        return {each["topic"]: each for each in json.loads(capfd.readouterr().out)["checks"]}

    assert checks()["predictions"]["state"] == "warning"
    table(job / "predictions" / "2026-11-01", 1)
    found = checks()
    assert found["predictions"]["state"] == "ok"
    assert "prediction = pred, path = file" in found["predictions"]["message"]
    assert {each["state"] for each in found.values()} == {"ok"}
    (job / "job.toml").write_text(JOB.replace("{date}/*", "fixed"))
    found = checks()["predictions"]
    assert (found["state"], found["key"]) == ("error", "predictions.files")
    (job / "job.toml").write_text(JOB.replace("[publish]", "[scoring]\ntopk = 2\n\n[publish]"))
    assert "scoring does not go with [predictions]" in checks()["job file"]["message"]
    (job / "job.toml").write_text(f'deadline = "1h"\n{JOB}')
    assert "deadline does not go with [predictions]" in checks()["job file"]["message"]
    (job / "job.toml").write_text(JOB)
    assert main(["run", str(job / "job.toml"), "--deadline", "1h"]) == ExitCode.USAGE
    assert "--deadline does not go with [predictions]" in capfd.readouterr().err
    (job / "job.toml").write_text(JOB.replace('"macro_f1"\nmin', '"drift"\nmax'))
    assert "drift needs a model" in checks()["job file"]["message"]


def test_runs_whose_images_were_renamed_are_matched_by_content(tmp_path, monkeypatch, capfd):
    onnx_cases = pytest.importorskip("onnx_cases")
    pytest.importorskip("onnx")
    monkeypatch.chdir(tmp_path)
    bundle = onnx_cases.import_rows(tmp_path, 1, size=8)
    pixels = np.random.default_rng(1).integers(0, 256, (12, 8, 8), np.uint8)
    pixels[5] = pixels[4]  # the same content twice
    order = np.random.default_rng(2).permutation(12)
    for folder, names in (("before", range(12)), ("after", order + 50)):
        (tmp_path / folder).mkdir()
        for image, name in zip(pixels, names, strict=True):
            Image.fromarray(image).save(tmp_path / folder / f"{name:02}.png")
        assert main(["score", folder, "--model", str(bundle), "--labels", "none", "--out", f"run-{folder}"]) == 0
    capfd.readouterr()
    assert main(["report", "run-before", "run-after", "--format", "json", "--out", "c.json"]) == 0
    assert "matched by content" in capfd.readouterr().err
    compared = json.loads((tmp_path / "c.json").read_bytes())["comparison"]
    assert (compared["images"], compared["changed"], compared["only_first"], compared["only_second"]) == (12, 0, 0, 0)
    (tmp_path / "run-after" / "images.csv").unlink()
    assert main(["report", "run-before", "run-after", "--format", "json", "--out", "d.json"]) == 1

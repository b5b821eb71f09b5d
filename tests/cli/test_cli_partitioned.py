"""All that reads a run reads one whose predictions are in parts, and finds the same."""

import io
import json
import re
import shutil

import pandas as pd
import pytest

import batchclf
from batchclf.cli.main import main

SQL = "SELECT label, prediction, count(*) AS images, avg(confidence) AS mean FROM predictions GROUP BY ALL ORDER BY ALL"


@pytest.fixture(scope="module")
def runs(digits_bundle, tmp_path_factory):
    """The same split scored twice, into one reports folder: as a CSV, and in four parts."""
    folder = tmp_path_factory.mktemp("partitioned") / "reports"
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("batchclf.jobs.score.score_subsets.files_per_block", lambda *arguments: 64)
        monkeypatch.setattr("batchclf.storage.predictions.parts.FILES_A_PART", 128)
        for name, how in (("csv", ()), ("parts", ("--partitioned",))):
            command = ["score", "--split", "test", "--model", str(digits_bundle), "--out", str(folder / "job" / name)]
            assert main([*command, "--no-pictures", *how]) == 0
    return folder / "job" / "csv", folder / "job" / "parts"


@pytest.fixture
def copied(runs, tmp_path):
    """A copy of the run in parts that a test may damage."""
    return shutil.copytree(runs[1], tmp_path / "job" / "copy")


def test_the_run_says_where_its_rows_are(runs):
    csv, parts = runs
    assert len(list((parts / "predictions").glob("*.parquet"))) > 2
    assert not (parts / "predictions.csv").exists()
    for name in ("metrics.json", "images.csv", "per_class.csv", "slices.csv", "confusion.csv", "duplicates.csv"):
        assert (parts / name).read_bytes() == (csv / name).read_bytes(), name
    assert json.loads((parts / "run.json").read_text())["formats"] == ["parquet"]
    page, readme = (parts / "report.html").read_text(), (parts / "README.md").read_text()
    assert '<a href="predictions/">predictions/</a>' in page
    assert "predictions.csv" not in readme
    snippet = re.search(r"```python\n(.*?)```", readme, re.DOTALL)[1]
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(parts)
        exec(snippet, names := {})
    schema = json.loads((parts / "predictions.schema.json").read_text())
    assert [field["name"] for field in schema["fields"]] == list(names["rows"])
    assert len(names["rows"]) == schema["rows"]


def test_evaluate_query_and_report_find_the_same(cli, runs, tmp_path):
    found = []
    for run in runs:
        code, _, err = cli("evaluate", run, "--out", tmp_path / run.name)
        assert code == 0, err
        again = {name: (tmp_path / run.name / name).read_bytes() for name in ("metrics.json", "slices.csv")}
        assert again == {name: (run / name).read_bytes() for name in again}
        code, out, err = cli("query", run, SQL, "--format", "csv")
        assert code == 0, err
        rows = pd.read_csv(io.StringIO(out))
        assert cli("report", run, "--format", "json", "--out", tmp_path / f"{run.name}.json")[0] == 0
        report = json.loads((tmp_path / f"{run.name}.json").read_text())
        found.append((rows, report["label_issues"], report["duplicates"]))
    pd.testing.assert_frame_equal(found[0][0], found[1][0], check_exact=False, rtol=1e-6)
    assert found[0][1:] == found[1][1:]
    assert found[0][1]["method"]


def test_runs_are_compared_whatever_their_form(cli, runs, tmp_path):
    for name, compared in (("both", runs), ("same", (runs[1], runs[1]))):
        assert cli("report", *compared, "--format", "json", "--out", tmp_path / f"{name}.json")[0] == 0
    both, same = (json.loads((tmp_path / f"{name}.json").read_text())["comparison"] for name in ("both", "same"))
    assert both["images"] == same["images"] > 300
    assert both["metrics"] == same["metrics"]


def test_python_reads_them(runs):
    csv, parts = map(batchclf.load_run, runs)
    pd.testing.assert_frame_equal(parts.predictions, csv.predictions, check_exact=False, rtol=1e-6)
    assert parts.evaluation.metrics == csv.evaluation.metrics
    pd.testing.assert_frame_equal(batchclf.read_predictions(runs[1] / "predictions"), parts.predictions)
    assert csv.compare(parts).images == len(parts.predictions)


def test_the_history_has_them(cli, runs):
    code, _, err = cli("history", "rebuild", "--reports", runs[1].parents[1])
    assert code == 0, err
    assert cli("history", "list", "--reports", runs[1].parents[1])[0] == 0


@pytest.mark.parametrize("verb", ["evaluate", "report", "query"])
def test_parts_that_are_not_those_of_the_run_are_refused(cli, copied, verb):
    more = {"query": (SQL,), "report": ("--out", "r.md"), "evaluate": ("--out", "again")}[verb]
    lost = copied / "predictions" / "part-000001.parquet"
    content = lost.read_bytes()
    lost.unlink()
    code, _, err = cli(verb, copied, *more)
    assert code == 1
    assert "part-000001.parquet is missing" in err
    lost.write_bytes(content)
    (copied / "predictions" / "part-000003.parquet").write_bytes(content)
    code, _, err = cli(verb, copied, *more)
    assert code == 1
    assert "part-000003.parquet is" in err
    (copied / "predictions" / "part-000003.parquet").unlink()
    frame = pd.read_parquet(lost)
    frame[:-1].to_parquet(lost)
    code, _, err = cli(verb, copied, *more)
    assert code == 1
    assert "part-000001.parquet has 127 rows, and the run wrote 128" in err


def test_a_row_that_contradicts_itself_is_named(cli, copied):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = copied / "predictions" / "part-000001.parquet"
    table = pq.read_table(path)
    confidence = table.column("confidence").to_pylist()
    confidence[5] = 0.001
    place = table.column_names.index("confidence")
    pq.write_table(table.set_column(place, "confidence", pa.array(confidence, pa.float32())), path)
    code, _, err = cli("evaluate", copied, "--out", "again")
    assert code == 1
    assert "part-000001.parquet was edited since the run wrote it" in err
    assert "predictions, part-000001.parquet, row 6: confidence is '0.001', but the probability of" in err


def test_what_does_not_go_with_parts_is_refused_before_scoring(cli, digits_bundle, monkeypatch):
    command = ("score", "--split", "test", "--model", digits_bundle, "--out", "run", "--partitioned")
    code, _, err = cli(*command, "--format", "jsonl")
    assert code == 2
    assert "--partitioned and --format jsonl do not go together" in err
    monkeypatch.setattr("batchclf.storage.predictions.parquet.is_pyarrow_there", lambda: False)
    code, _, err = cli(*command)
    assert code == 1
    assert "pip install 'batchclf[parquet]'" in err


def test_a_job_writes_parts_of_each_subset(cli, digits_bundle, tmp_path):
    job = '[data]\ndataset = "digits"\n[model]\nbundle = "{}"\n[scoring]\nsplits = ["train", "test"]\n{}'
    (tmp_path / "jobs").mkdir()
    for name, more in (("csv", ""), ("parts", "partitioned = true\n")):
        (tmp_path / "jobs" / f"{name}.toml").write_text(job.format(digits_bundle, more))
        code, _, err = cli("run", tmp_path / "jobs" / f"{name}.toml")
        assert code == 0, err
    csv, parts = (tmp_path / "reports" / name / "latest" for name in ("csv", "parts"))
    for name in ("metrics.json", "images.csv", "slices.csv", "duplicates.csv"):
        assert (parts / name).read_bytes() == (csv / name).read_bytes(), name
    of_parts = [set(pd.read_parquet(path)["split"]) for path in sorted((parts / "predictions").iterdir())]
    assert of_parts == [{"test"}, {"train"}]

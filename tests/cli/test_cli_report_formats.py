"""The report for programs of others: GitHub's job summary, the Hub's model index, DVC's metrics file."""

import json
import math
import os
import subprocess
import venv
from pathlib import Path

import pytest
import yaml
from run_cases import NAMES, drawn, write_run

READERS = ("huggingface_hub==2.4.0", "dvc==3.67.1", "cmarkgfm==2025.10.22")
HOSTILE = ("a|b", "</details>@team", "`c`: #1")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with both splits and probabilities."""
    folder = tmp_path_factory.mktemp("runs") / "20261130T010203Z"
    rows = [
        row
        for seed, split in ((1, "train"), (2, "test"))
        for row in drawn(NAMES, 80, seed=seed, skill=0.8, split=split)
    ]
    write_run(folder, rows)
    return folder


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile") / "20261130T010203Z"
    write_run(folder, drawn(HOSTILE, 60, seed=3, skill=0.6, split="test"), names=HOSTILE)
    return folder


def of_metrics(run):
    return json.loads((run / "metrics.json").read_text())


def flat_by_hand(metrics):
    """Every number of metrics.json by the name that the file for DVC gives it."""
    found = {}
    for split, values in metrics["splits"].items():
        for name, value in values.items():
            if isinstance(value, dict) and "value" in value:
                found |= {f"{split}.{name}": value["value"]}
                found |= {f"{split}.{name}_{end}": value[end] for end in ("low", "high") if value[end] is not None}
            elif isinstance(value, int | float):
                found[f"{split}.{name}"] = value
    return found


def test_dvc_gets_every_number_of_metrics_json_and_nothing_else(run, cli, tmp_path):
    assert cli("report", run, "--format", "dvc", "--out", tmp_path / "metrics.json")[0] == 0
    values = json.loads((tmp_path / "metrics.json").read_text())
    assert all(type(value) is float and math.isfinite(value) for value in values.values())
    expected = flat_by_hand(of_metrics(run))
    expected = {name: value for name, value in expected.items() if "mean_confidence" not in name}
    of_splits = {name: value for name, value in values.items() if "." in name}
    assert of_splits == pytest.approx(expected)
    gap = of_metrics(run)["gap"]["gap"]
    assert [values[name] for name in ("gap", "gap_low", "gap_high")] == [gap["value"], gap["low"], gap["high"]]


def test_the_model_index_is_one_model_with_plain_numbers(run, cli, tmp_path):
    assert cli("report", run, "--format", "model-index", "--out", tmp_path)[0] == 0
    text = (tmp_path / "report.model-index.md").read_text()
    assert text.startswith("---\n")
    assert text.endswith("\n---\n")
    (model,) = yaml.safe_load(text.strip("-\n"))["model-index"]
    assert [each["dataset"]["split"] for each in model["results"]] == list(of_metrics(run)["splits"])
    for result in model["results"]:
        of_split = of_metrics(run)["splits"][result["dataset"]["split"]]
        assert result["task"]["type"] == "image-classification"
        values = {(each["type"], each.get("args", {}).get("average")): each["value"] for each in result["metrics"]}
        assert all(type(value) is float for value in values.values())
        assert values["accuracy", None] == of_split["accuracy"]["value"]
        assert values["f1", "macro"] == of_split["macro_f1"]["value"]
        assert values["ece", None] == of_split["ece"]


def test_numbers_and_names_of_any_kind_are_read_back(tmp_path):
    from batchclf.report.formats.model_index import _number, _text

    for value in (1e-05, 1e16, 0.1 + 0.2, 0.0, 1.0, 5e-324, 1.7e308, -0.25):
        assert yaml.safe_load(_number(value)) == value
        assert type(yaml.safe_load(_number(value))) is float
    for name in ("plain", "yes", "12", "a: b #c", '"q"', "ü'\\", "---", "{x}"):
        assert yaml.safe_load(_text(name)) == name


def test_github_gets_the_short_report_and_tables(run, hostile, cli, tmp_path):
    assert cli("report", run, "--format", "github,md", "--out", tmp_path / "forms")[0] == 0
    text, short = ((tmp_path / "forms" / name).read_text() for name in ("report.github.md", "report.md"))
    assert text.splitlines()[0] == short.splitlines()[0]
    assert text.count("<details><summary>") == text.count("</details>") == 4
    accuracy = of_metrics(run)["splits"]["test"]["accuracy"]
    assert f"| Accuracy | {accuracy['value']:.2%} | {accuracy['low']:.2%} to {accuracy['high']:.2%} |" in text
    assert cli("report", hostile, "--format", "github", "--out", tmp_path / "hostile.md")[0] == 0
    text = (tmp_path / "hostile.md").read_text()
    assert text.count("</details>") == 2
    assert "@team" not in text


def test_many_classes_stay_within_what_github_takes(cli, tmp_path):
    names = tuple(f"class {number} {'x' * 70}" for number in range(300))
    write_run(tmp_path / "run", drawn(names, 900, seed=1, skill=0.5, split="test"), names=names)
    assert cli("report", tmp_path / "run", "--format", "github", "--out", tmp_path / "many.md")[0] == 0
    assert (tmp_path / "many.md").stat().st_size < 2**20 / 10
    assert "The 200 worst of " in (tmp_path / "many.md").read_text()


def test_two_runs_have_no_metrics_of_their_own(run, hostile, cli):
    code, _, err = cli("report", run, hostile, "--format", "dvc")
    assert code == 2
    assert "--format dvc has the metrics of one run, and two are compared" in err


def test_a_run_writes_the_forms_that_its_job_asks_for(run, cli, tmp_path):
    code, _, err = cli("report", run, "--format", "html,md,github,json,model-index,dvc", "--out", tmp_path / "all")
    assert (code, err) == (0, "")
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == [
        *("report.dvc.json", "report.github.md", "report.html", "report.json", "report.md", "report.model-index.md")
    ]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """The Python of an environment with the programs that these forms are for; BATCHCLF_READERS names one."""
    if ready := os.environ.get("BATCHCLF_READERS"):
        return Path(ready) / "bin/python"
    folder = tmp_path_factory.mktemp("readers")
    venv.create(folder, with_pip=True)
    installed = subprocess.run([folder / "bin/python", "-m", "pip", "install", "-q", *READERS], check=False)
    if installed.returncode:
        pytest.skip("the packages cannot be installed here")
    return folder / "bin/python"


@pytest.mark.slow
def test_the_hub_dvc_and_githubs_own_markdown_read_them(run, hostile, elsewhere, cli, tmp_path):
    forms = tmp_path / "forms"
    assert cli("report", run, "--format", "github,model-index,dvc", "--out", forms)[0] == 0
    assert cli("report", hostile, "--format", "github", "--out", forms / "hostile.md")[0] == 0

    def read(what, file):
        script = Path(__file__).with_name("formats_elsewhere.py")
        done = subprocess.run([elsewhere, script, what, forms / file], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    hub = read("hub", "report.model-index.md")
    assert len(hub["names"]) == 1
    splits = of_metrics(run)["splits"]
    found = {(each[3], each[0]): each[1] for each in hub["results"]}
    assert {each[4] for each in hub["results"]} == {"image-classification"}
    for split, values in splits.items():
        assert found[split, "accuracy"] == values["accuracy"]["value"]
    for file, classes in (("report.github.md", NAMES), ("hostile.md", HOSTILE)):
        html = read("github", file)["html"]
        assert html.count("<details>") == html.count("</details>")
        assert html.count("<table>") >= html.count("<details>") > 0
        assert html.count("<tr>") >= len(classes)

    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "metrics.json").write_bytes((forms / "report.dvc.json").read_bytes())
    (repository / "dvc.yaml").write_text("metrics:\n- metrics.json\n")
    home = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "DVC_NO_ANALYTICS": "1"}
    dvc = [elsewhere, "-m", "dvc"]
    for command in (["init", "-q", "--no-scm"], ["metrics", "show", "--json"]):
        done = subprocess.run([*dvc, *command], cwd=repository, env=home, capture_output=True, text=True, check=True)
    (shown,) = json.loads(done.stdout).values()
    assert shown["data"]["metrics.json"]["data"] == json.loads((forms / "report.dvc.json").read_text())

"""The JSON schema of job files, and the starter file, which is made from the same words."""

import json
import re
import subprocess
import sys
import tomllib

import jsonschema
import pytest

from batchclf.errors import BatchclfError
from batchclf.jobs.config.keys import keys_of
from batchclf.jobs.config.load import load_job
from batchclf.jobs.config.schema import job_schema
from batchclf.jobs.config.starter import new_job, starter
from batchclf.jobs.setup.check import check_job


@pytest.fixture(scope="module")
def validator():
    schema = job_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_published_schema_is_the_programs(repo_root):
    done = subprocess.run(
        [sys.executable, "-m", "batchclf.jobs.config.schema"], capture_output=True, text=True, check=True
    )
    hint = "make it again: python -m batchclf.jobs.config.schema > docs/job.schema.json"
    assert (repo_root / "docs" / "job.schema.json").read_text() == done.stdout, hint
    assert json.loads(done.stdout) == job_schema()


def test_the_jobs_that_people_copy_fit_it(repo_root, validator):
    files = sorted((repo_root / "jobs").glob("*.toml"))
    assert files
    for path in files:
        validator.validate(tomllib.loads(path.read_text()))
        (line,) = [line for line in path.read_text().splitlines() if line.startswith("#:schema ")]
        assert (path.parent / line.split()[1]).resolve() == (repo_root / "docs" / "job.schema.json")


@pytest.mark.parametrize(
    "text",
    [
        "nmae = 'x'",
        "name = 'a/b'",
        "data.dataset = 'mnist'",
        "model.epochs = 0",
        "model.epochs = 1.5",
        "model.retrain = 'no'",
        "scoring.splits = ['dev']",
        "scoring.directories.a.lables = 'x'",
        "scoring.directories.a = {}",
        "scoring.directories.'a b'.path = 'x'",
        "gate.rules = [{min = 1}]",
        "gate.rules = [{metric = 'f1', class_name = 'a'}]",
        "gate.alarms.one_class = 2",
        "gate.max_gap = -1",
        "baselines.x = 3",
        "notify.on_failure = 'mail'",
        "notify.on_failure = []",
        "retention.keep_runs = 0",
    ],
)
def test_what_is_wrong_is_refused(validator, tmp_path, text):
    """The schema and the program refuse the same."""
    assert not validator.is_valid(tomllib.loads(text))
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(BatchclfError):
        load_job(tmp_path / "x.toml")


def descriptions(schema):
    if isinstance(schema, dict):
        if isinstance(schema.get("description"), str):
            yield schema["description"]
        for value in schema.values():
            yield from descriptions(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from descriptions(value)


def test_the_schema_explains_every_key():
    said = set(descriptions(job_schema()))
    assert said >= {key.option.sentence for key in keys_of()}
    properties = [name for of in job_schema()["$defs"].values() for name in of["properties"]]
    assert "class" in properties
    assert "class_name" not in properties


class TestStarter:
    """`job new` writes a file that loads, as it is and with all keys set."""

    def text(self, tmp_path, **arguments):
        path = tmp_path / "jobs" / "nightly.toml"
        new_job(path, **{"dataset": None, "data": None, "score": None, "model": None, **arguments})
        return path, path.read_text()

    def test_as_it_is(self, tmp_path, monkeypatch, validator):
        monkeypatch.chdir(tmp_path)
        path, text = self.text(tmp_path, dataset="digits")
        job, checks = check_job(path)
        assert {check.state for check in checks} <= {"ok", "warning"}
        assert job.spec == load_job(path).spec
        assert tomllib.loads(text)["data"] == {"dataset": "digits"}
        assert job.reports == tmp_path / "reports"
        validator.validate(tomllib.loads(text))
        assert all(len(line) <= 120 for line in text.splitlines())

    def test_defaults_are_those_of_the_program(self, tmp_path, monkeypatch):
        """Setting every key that is shown with its default changes nothing."""
        monkeypatch.chdir(tmp_path)
        path, text = self.text(tmp_path, dataset="digits")
        before = load_job(path).spec
        keys = (
            "seed",
            "retrain",
            "topk",
            "probabilities",
            "runtime",
            "precision",
            "resize",
            "format",
            "cache",
        )
        more = ("off", "count_fell_by", "one_class", "webhook_on", "timeout", "splits")
        path.write_text(re.sub(rf"^#(?=(?:{'|'.join(keys + more)}) = )", "", text, flags=re.MULTILINE))
        after = load_job(path)
        assert path.read_text() != text
        assert after.splits == ["test", "train"]
        assert after.spec.model == before.model
        assert (after.spec.gate, after.spec.notify, after.spec.report) == (before.gate, before.notify, before.report)

    def test_with_every_key_set(self, tmp_path, monkeypatch, validator):
        monkeypatch.chdir(tmp_path)
        path, text = self.text(tmp_path, data="photos")
        # dataset is there instead of directory, recipe instead of base and pad instead of like, so both cannot be set.
        path.write_text(re.sub(r"^#(?=[\w\[-]+)(?!#?(?:dataset|recipe|pad) )", "", text, flags=re.MULTILINE))
        content = tomllib.loads(path.read_text())
        # So do the predictions of something else and a model of one's own.
        path.write_text(re.sub(r"^\[predictions\]\n(?:(?!\[).*\n)*", "", path.read_text(), flags=re.MULTILINE))
        load_job(path)
        validator.validate(content)
        assert {*flat(content), "data.dataset", "data.pad", "model.recipe"} == {
            key.dotted for key in keys_of() if key.kind is not None
        }

    def test_folders_and_a_model(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        path, _ = self.text(tmp_path, score="in/{date:%Y}", model="models/a 'b' \"c\"\x7f")
        job = load_job(path)
        assert job.spec.data is None
        assert job.bundle == tmp_path / "models" / "a 'b' \"c\"\x7f"
        assert job.directories["photos"].source.root == tmp_path / "in" / f"{job.run_date:%Y}"
        path.unlink()
        path, _ = self.text(tmp_path, data="/photos", score="${HOME}/x")
        assert (load_job(path).spec.data.directory, load_job(path).splits) == ("/photos", ["test", "train"])

    def test_outside_of_jobs_the_reports_lie_beside_it(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        path = tmp_path / "nightly.toml"
        new_job(path, dataset="digits", data=None, score=None, model=None)
        assert load_job(path).reports == tmp_path / "reports"

    def test_it_names_the_schema(self, repo_root, tmp_path):
        line = starter(repo_root / "jobs" / "x" / "nightly.toml", {}).splitlines()[0]
        assert line == "#:schema ../../docs/job.schema.json"


def flat(content, above=""):
    """Each key of a job file, dotted as `keys_of` has them."""
    for key, value in content.items():
        name = "NAME" if above in ("baselines.", "scoring.directories.") else key
        for each in value if isinstance(value, list) and value and isinstance(value[0], dict) else [value]:
            if isinstance(each, dict):
                yield from flat(each, f"{above}{name}.")
            else:
                yield above + name

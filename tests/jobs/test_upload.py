"""Runs copied into an object store: a reader with another client sees whole runs only."""

import hashlib
import json

import pytest
from object_stores import object_store, picture

from batchclf.cli.main import main


@pytest.fixture(scope="module")
def store():
    with object_store() as store:
        for number in range(3):
            store.client().put_object(Bucket="photos", Key=f"shop/{number}.png", Body=picture(number))
        yield store


class Reader:
    """Reads what is published with boto3, before the server answers any request that writes."""

    def __init__(self, store):
        self.client = store.client()
        self.seen = []
        self._reading = False
        self._whole = set()

    def before_answer(self, method, path):
        """Look at the newest run, and at the last good one."""
        if method in ("PUT", "POST") and not self._reading:
            self._reading = True
            try:
                self.seen.append([self.newest(name) for name in ("latest", "last-good")])
            finally:
                self._reading = False

    def read(self, key):
        """Read an object under the job's prefix; None if it is not there."""
        try:
            return self.client.get_object(Bucket="photos", Key=f"reports/nightly/{key}")["Body"].read()
        except self.client.exceptions.NoSuchKey:
            return None

    def newest(self, name="latest"):
        """Check that the run is whole that a name leads to; give its id and status, None if there is none yet."""
        latest = self.read(f"{name}.json")
        if latest is None:
            return None
        latest = json.loads(latest)
        marker = json.loads(self.read(latest["marker"]))
        assert marker["run_id"] == latest["run_id"]
        # Nothing is removed there, so what is whole when it is first named stays so
        files = [] if latest["run_id"] in self._whole else marker["files"]
        self._whole.add(latest["run_id"])
        for file in files:
            content = self.read(f"{latest['run_id']}/{file['path']}")
            assert (len(content), hashlib.sha256(content).hexdigest()) == (file["bytes"], file["sha256"])
        return latest["run_id"], latest["status"]


@pytest.fixture
def run(tmp_path, capfd, digits_bundle):
    """Run the job; gives its exit code, standard error and the run directories."""
    file = tmp_path / "nightly.toml"
    file.write_text(
        f'[model]\nbundle = "{digits_bundle}"\n[scoring.directories.shop]\npath = "s3://photos/shop"\n'
        'labels = "none"\n[gate.alarms]\noff = ["no-new-images", "same-images", "one-class"]\n'
        '[publish]\nreports = "reports"\nto = "s3://photos/reports/"\n'
    )

    def run():
        capfd.readouterr()
        code = main(["run", str(file)])
        runs = [path for path in (tmp_path / "reports" / "nightly").iterdir() if (path / "run.json").is_file()]
        return code, capfd.readouterr().err, sorted(path for path in runs if not path.is_symlink())

    return run


def test_a_reader_sees_whole_runs_only_and_the_next_run_copies_what_is_missing(run, store, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    reader = Reader(store)
    monkeypatch.setattr(store, "before_answer", reader.before_answer)
    code, err, (first,) = run()
    assert code == 0, err
    assert reader.newest() == reader.newest("last-good") == (first.name, "ok")
    marker = json.loads(reader.read(f"{first.name}/complete.json"))
    names = sorted(path.relative_to(first).as_posix() for path in first.rglob("*") if path.is_file())
    assert [file["path"] for file in marker["files"]] == names
    assert {"report.html", "predictions.csv", "metrics.json", "run.json"} <= set(names)
    page = reader.client.head_object(Bucket="photos", Key=f"reports/nightly/{first.name}/report.html")
    assert page["ContentType"] == "text/html; charset=utf-8"

    monkeypatch.setattr(store, "fails", lambda method, path: method == "PUT" and path.endswith("/run.json"))
    code, err, runs = run()
    assert code == 1
    second = runs[1]
    assert f"{second.name}/run.json cannot be written: the store fails (503 SlowDown)" in err
    assert (second / "report.html").is_file()
    assert (second.parent / "latest").resolve() == second
    assert reader.newest() == (first.name, "ok")
    assert reader.read(f"{second.name}/complete.json") is None

    monkeypatch.setattr(store, "fails", lambda method, path: False)
    code, err, runs = run()
    assert code == 0, err
    assert reader.newest() == reader.newest("last-good") == (runs[2].name, "ok")
    assert json.loads(reader.read(f"{second.name}/complete.json"))["run_id"] == second.name
    # While objects were written, each of the runs was seen, whole, and the names never led back
    latest = [seen[0][0] if seen[0] else "" for seen in reader.seen]
    assert latest == sorted(latest)
    assert {*latest} == {"", first.name, second.name}
    assert len(latest) >= 3 * len(names)


def test_a_latest_that_is_not_ours_is_not_replaced(run, store):
    client = store.client()
    client.put_object(Bucket="photos", Key="reports/nightly/latest.json", Body=b"[]")
    try:
        code, err, _ = run()
        assert code == 1
        assert "s3://photos/reports/nightly/latest.json cannot be read: it is not what batchclf writes" in err
        assert client.get_object(Bucket="photos", Key="reports/nightly/latest.json")["Body"].read() == b"[]"
    finally:
        client.delete_object(Bucket="photos", Key="reports/nightly/latest.json")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('[publish]\nto = "reports"', "publish.to is no address in an object store: reports"),
        ('[publish]\nto = "gs://b/c"', "publish.to is no address in an object store: gs://b/c"),
        ('[publish]\nto = "s3://b//c"', "publish.to: s3://b//c has a part '' between two slashes"),
        ('[publish]\nreports = "s3://b/c"', "publish.reports takes a path, not an address"),
        ('[report]\ntemplates = "s3://b/c"', "report.templates takes a path, not an address"),
        ('[baselines]\nold = "s3://b/c"', "baselines.old takes a path, not an address"),
        (
            '[scoring.directories.b]\npath = "ftp://b/c"',
            "scoring.directories.b.path: addresses ftp:// are not supported",
        ),
    ],
)
def test_a_key_that_cannot_take_an_address_is_named_with_its_line(tmp_path, capfd, lines, said):
    file = tmp_path / "job.toml"
    file.write_text(f'{lines}\n[model]\nbundle = "s3://b/m"\n[scoring.directories.a]\npath = "s3://b/a"\n')
    assert main(["run", "--dry-run", str(file)]) == 1
    err = capfd.readouterr().err
    assert said in err
    assert f"{file.name}, line {len(lines.splitlines())}" in err


def test_a_bundle_at_an_address_is_not_trained(tmp_path, capfd):
    file = tmp_path / "job.toml"
    file.write_text('[data]\ndataset = "digits"\n[model]\nretrain = true\nbundle = "s3://b/m"\n')
    assert main(["run", "--dry-run", str(file)]) == 1
    assert "model.retrain writes the bundle, which an address does not allow" in capfd.readouterr().err


def test_a_store_that_cannot_be_used_ends_a_job_before_the_first_image(tmp_path, capfd, store, digits_bundle):
    file = tmp_path / "job.toml"
    file.write_text(
        f'[model]\nbundle = "{digits_bundle}"\n[scoring.directories.a]\npath = "s3://nowhere/a"\n'
        '[scoring.directories.b]\npath = "s3://photos/shop"\nlabels = "none"\n'
    )
    assert main(["run", str(file)]) == 1
    assert "s3://nowhere/a cannot be listed: there is no such bucket" in capfd.readouterr().err
    assert main(["job", "check", str(file)]) == 1
    assert "s3://nowhere/a cannot be listed: there is no such bucket" in capfd.readouterr().out

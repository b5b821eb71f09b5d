"""A job from data to published run: whole or not at all, and never two at once."""

import json
import os
import re
import subprocess
import sys

import pytest
from job_cases import Watching, run_job

from batchclf.core.types import Split
from batchclf.data.export import export_split
from batchclf.errors import AlreadyRunningError, BatchclfError, DataError
from batchclf.jobs.config.load import load_job
from batchclf.jobs.history.runs import job_history
from batchclf.jobs.report.rewrite import report_again
from batchclf.jobs.run import job_run as runner
from batchclf.jobs.run import publish as finish
from batchclf.jobs.run import scheduled
from batchclf.jobs.run import train_model as training
from batchclf.jobs.run.scheduled import run_scheduled
from batchclf.models.bundle import load_bundle
from batchclf.storage.run.directory import read_record
from batchclf.storage.run.job_lock import job_lock

RUN_FILES = {
    *("duplicates.csv", "flips.csv", "images.csv", "junit.xml", "predictions.schema.json", "README.md"),
    *("run.json", "predictions.csv", "skipped.csv", "metrics.json", "per_class.csv", "confusion.csv"),
    *("report.html", "log.jsonl", "slices.csv"),
}
COMMAND = ["batchclf", "run", "nightly.toml"]


def write_job(folder, text, name="nightly"):
    path = folder / f"{name}.toml"
    path.write_text(text + '\n[publish]\nreports = "reports"\n')
    return load_job(path)


def listing(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith(".lock"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory, digits_bundle):
    """A job that has run once and trained: job, record, run directory, watcher. Skipped as `digits_bundle` is."""
    folder = tmp_path_factory.mktemp("job")
    job = write_job(
        folder, '[data]\ndataset = "digits"\n[model]\nepochs = 2\nseed = 5\n[gate]\nmin_test_accuracy = 0.2'
    )
    watching = Watching()
    record, run = run_job(job, watching, COMMAND)
    return job, record, run, watching


@pytest.fixture
def loading(tmp_path, digits_bundle):
    """A job over the digits that only loads, and has been published once."""
    job = write_job(tmp_path, f'[data]\ndataset = "digits"\n[model]\nbundle = "{digits_bundle}"')
    return job, run_job(job, Watching(), COMMAND)[1]


def test_a_whole_run_is_published(trained):
    job, record, run, _ = trained
    assert run == job.folder / record.run_id
    assert {path.name for path in run.iterdir()} == RUN_FILES
    assert (job.folder / "latest").resolve() == run.resolve()
    assert (job.folder / "last-good").resolve() == run.resolve()
    assert listing(job.folder) == sorted([record.run_id, "last-good", "latest", "model"])
    assert load_bundle(job.bundle).digest == record.model.digest


def test_the_record_says_how_it_came_about(trained):
    _, record, run, _ = trained
    assert read_record(run) == record
    assert (record.job, record.command, record.status) == ("nightly", COMMAND, "ok")
    assert record.model.trained_in_this_run
    assert record.model.settings.items() >= {"epochs": 2, "batch_size": 32, "seed": 5}.items()
    assert [len(values) for values in record.model.history.values()] == [2] * 4
    assert [(t.split, t.kind, t.source, t.found, t.scored) for t in record.subsets] == [
        ("test", "split", "digits", 355, 355),
        ("train", "split", "digits", 1442, 1442),
    ]
    assert (record.dataset.train_images, record.dataset.test_images) == (1442, 355)
    assert list(record.timings) == ["load data", "train model", "score", "evaluate", "images", "compare", "report"]
    assert 0 < sum(record.timings.values()) <= record.seconds + record.timings["report"] + 0.01
    (gate,) = record.gates
    assert gate.passed
    metrics = json.loads((run / "metrics.json").read_text())
    assert gate.value == metrics["splits"]["test"]["accuracy"]["value"]
    assert record.versions["python"].startswith("3.")


def test_what_was_said_is_in_the_log(trained):
    _, _, run, watching = trained
    logged = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [entry["message"] for entry in logged] == watching.lines
    assert {entry["level"] for entry in logged} == {"info"}
    for part in ("training recipe mlp on 1,442 images", "epoch 2: loss", "test accuracy", "gate passed"):
        assert any(part in line for line in watching.lines), part
    assert watching.steps["scoring the train split"] == 1442
    assert watching.steps["training mlp, images"] == 2 * 1442


def test_the_second_run_loads_and_writes_the_same_numbers(trained):
    job, first, run, _ = trained
    record, second = run_job(job, Watching(), COMMAND)
    assert not record.model.trained_in_this_run
    assert (record.model.digest, record.model.created) == (first.model.digest, first.model.created)
    assert "load model" in record.timings
    assert second != run
    assert (job.folder / "latest").resolve() == second.resolve()
    for name in ("predictions.csv", "metrics.json", "per_class.csv", "confusion.csv"):
        assert (second / name).read_bytes() == (run / name).read_bytes()


def test_a_failed_gate_is_a_status_and_the_run_is_published(tmp_path, digits_bundle):
    bounds = "[gate]\nmin_test_accuracy = 0.5\nmax_gap = 0.0"
    job = write_job(tmp_path, f'[data]\ndataset = "digits"\n[model]\nbundle = "{digits_bundle}"\n{bounds}')
    watching = Watching()
    record, run = run_job(job, watching, COMMAND)
    assert record.status == read_record(run).status == "gate failed"
    assert [(gate.name, gate.passed) for gate in record.gates] == [("min_test_accuracy", True), ("max_gap", False)]
    assert any(line.startswith("gate FAILED: the overfitting gap") for line in watching.lines)
    assert (job.folder / "latest").resolve() == run.resolve()
    assert not (job.folder / "last-good").exists()


@pytest.mark.parametrize(
    ("where", "step"),
    [
        (runner, "load_dataset"),
        (runner, "open_bundle"),
        (runner, "score_subsets"),
        (runner, "RunTally"),
        (finish, "write_metrics"),
        (finish, "write_record"),
        (finish, "look_at_images"),
        (finish, "write_formats"),
    ],
)
def test_a_failure_in_any_step_publishes_nothing(loading, monkeypatch, where, step):
    job, before = loading

    def fail(*arguments, **settings):
        raise RuntimeError(f"{step} broke")

    monkeypatch.setattr(where, step, fail)
    with pytest.raises(RuntimeError, match=f"{step} broke"):
        run_job(job, Watching(), COMMAND)
    assert (job.folder / "latest").resolve() == before.resolve()
    (log,) = job.folder.glob("failed-*.log.jsonl")
    left = [path.name for path in job.folder.glob(".*.partial")]
    assert len(left) == (1 if where is finish else 0)  # the scores, for the next run
    assert listing(job.folder) == sorted([before.name, "last-good", "latest", log.name, *left])
    last = json.loads(log.read_text().splitlines()[-1])
    assert last["level"] == "error"
    assert last["message"].startswith("Traceback")
    assert f"RuntimeError: {step} broke" in last["message"]


@pytest.mark.parametrize(
    ("error", "told"),
    [(BatchclfError("no luck"), "BatchclfError: no luck"), (KeyboardInterrupt(), "KeyboardInterrupt: ")],
)
def test_what_is_no_fault_of_ours_is_logged_without_a_traceback(loading, monkeypatch, error, told):
    job, before = loading

    def fail(*arguments, **settings):
        raise error

    monkeypatch.setattr(runner, "score_subsets", fail)
    with pytest.raises(type(error)):
        run_job(job, Watching(), COMMAND)
    (log,) = job.folder.glob("failed-*.log.jsonl")
    assert json.loads(log.read_text().splitlines()[-1])["message"] == told
    assert (job.folder / "latest").resolve() == before.resolve()


def test_a_failed_training_keeps_the_old_model(trained, tmp_path, monkeypatch):
    job, record, _, _ = trained
    again = write_job(
        job.path.parent,
        '[data]\ndataset = "digits"\n[model]\nepochs = 1\nretrain = true\nbundle = "reports/nightly/model"',
        "retrain",
    )
    assert again.bundle == job.bundle

    def fail(epoch, metrics):
        raise OSError(28, "No space left on device")

    real = training.train
    monkeypatch.setattr(training, "train", lambda *job, on_epoch, **follow: real(*job, on_epoch=fail, **follow))
    with pytest.raises(OSError, match="No space left"):
        run_job(again, Watching(), COMMAND)
    assert load_bundle(job.bundle).digest == record.model.digest
    assert not (again.folder / "latest").exists()


class TestLock:
    """One run of a job at a time, told across processes; it ends with its process."""

    @pytest.fixture
    def holder(self, loading):
        code = (
            "import pathlib, sys\nfrom batchclf.storage.run.job_lock import job_lock\n"
            "with job_lock(pathlib.Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code, str(loading[0].folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout.readline() == "held\n"
            yield process
            process.kill()

    def test_the_second_is_refused_and_told_of_the_first(self, loading, holder):
        job, before = loading
        with pytest.raises(AlreadyRunningError) as caught:
            run_scheduled(job, Watching(), COMMAND)
        assert f"process {holder.pid} since 2" in caught.value.message
        assert re.search(r"for (< 0.01|\d+\.\d|\d+) s; lock ", caught.value.message)
        assert str(job.folder) in caught.value.message
        assert listing(job.folder) == sorted([before.name, "last-good", "latest"])
        holder.communicate("")
        assert holder.returncode == 0
        assert run_scheduled(job, Watching(), COMMAND).outcome.status == "ok"
        assert not (job.folder / ".lock.holder").exists()

    def test_a_killed_holder_holds_no_lock(self, loading, holder):
        holder.kill()
        holder.wait()
        with job_lock(loading[0].folder):
            assert f"process {os.getpid()} " in (loading[0].folder / ".lock.holder").read_text()

    def test_a_holder_that_has_not_said_who_it_is(self, loading, holder):
        (loading[0].folder / ".lock.holder").unlink()
        with pytest.raises(AlreadyRunningError, match="another process"), job_lock(loading[0].folder):
            pytest.fail("must not begin")

    def test_other_jobs_are_not_held_up(self, loading, holder, tmp_path):
        with job_lock(tmp_path / "another"):
            pass


def test_a_job_over_class_folders(tmp_path, digits, digits_bundle):
    """Trains on a folder, loads in the next run, and the report does without the images when they are gone."""
    few = Split("train", digits.train.images[:120], digits.train.labels[:120], digits.train.paths[:120])
    photos = tmp_path / "photos"
    export_split(few, digits.class_names, photos, say=lambda line: None)
    job = write_job(tmp_path, '[data]\ndirectory = "photos"\n[model]\nepochs = 1')
    first, run = run_job(job, Watching(), COMMAND)
    assert sum(subset.scored for subset in first.subsets) == 120
    assert {subset.source for subset in first.subsets} == {str(photos)}
    second, _ = run_job(job, Watching(), COMMAND)
    assert second.model.digest == first.model.digest
    page = (run / "report.html").read_text()
    assert "data:image/png;base64," in page
    report_again(run, {"html": tmp_path / "again.html"}, say=lambda line: None)
    assert (tmp_path / "again.html").read_text().count("data:image/png") == page.count("data:image/png")
    photos.rename(tmp_path / "elsewhere")
    said = []
    report_again(run, {"html": tmp_path / "again.html"}, say=said.append)
    assert "data:image/png" not in (tmp_path / "again.html").read_text()
    assert any("goes without pictures" in line for line in said)
    with pytest.raises(DataError, match="photos"):
        run_job(job, Watching(), COMMAND)
    assert len(list(job.folder.glob("failed-*.log.jsonl"))) == 1


def test_interrupted_after_publishing(loading, monkeypatch):
    """The run is whole by then: it stays, and whoever interrupts is told so."""
    job, _ = loading

    def interrupted(reports, folder):
        raise KeyboardInterrupt

    monkeypatch.setattr(scheduled, "record_run", interrupted)
    outcomes = []
    with pytest.raises(KeyboardInterrupt) as caught:
        run_scheduled(job, Watching(), COMMAND, on_failure=outcomes.append)
    newest = (job.folder / "latest").resolve()
    assert read_record(newest).status == "ok"
    assert caught.value.__notes__ == [f"the run was published all the same: {newest}"]
    assert outcomes[0].message == f"interrupted; the run was published all the same: {newest}"
    monkeypatch.undo()
    again = run_scheduled(job, Watching(), COMMAND)
    assert job_history(job.folder).failed == ()
    assert [run.folder for run in job_history(job.folder).runs][-2:] == [newest.name, again.outcome.folder.name]

"""`batchclf run`: the job from data to published report, as cron would start it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

RUN_FILES = {
    "README.md",
    "predictions.schema.json",
    "duplicates.csv",
    "images.csv",
    "junit.xml",
    "run.json",
    "predictions.csv",
    "skipped.csv",
    "metrics.json",
    "per_class.csv",
    "confusion.csv",
    "slices.csv",
    "report.html",
    "flips.csv",
    "log.jsonl",
}


def write_job(folder, text):
    (folder / "jobs").mkdir(exist_ok=True)
    path = folder / "jobs" / "digits.toml"
    path.write_text(text)
    return path


QUICK = '[data]\ndataset = "digits"\n[model]\nepochs = 2\n'


def test_job_publishes_a_whole_run(job_reports):
    latest = job_reports / "digits" / "latest"
    assert latest.is_symlink()
    assert {path.name for path in latest.iterdir()} == RUN_FILES
    assert (job_reports / "digits" / "model" / "model.json").exists()
    record = json.loads((latest / "run.json").read_text())
    assert record["status"] == "ok"
    assert record["model"]["trained_in_this_run"] is True
    assert [subset["split"] for subset in record["subsets"]] == ["test", "train"]
    assert all(t["found"] == t["scored"] + t["skipped"] + t["excluded"] for t in record["subsets"])
    hidden = [path.name for path in (job_reports / "digits").iterdir() if path.name.endswith(".partial")]
    assert hidden == []


def test_second_run_loads(cli, tmp_path):
    job = write_job(tmp_path, QUICK)
    code, first, _ = cli.json("run", job)
    assert (code, first["trained"]) == (0, True)
    code, second, _ = cli.json("run", job)
    assert (code, second["trained"]) == (0, False)
    assert first["run"] != second["run"]
    assert Path(second["run"]) == (tmp_path / "reports" / "digits" / "latest").resolve()
    # The same model over the same images writes the same bytes.
    one, two = (Path(run["files"]["predictions.csv"]).read_bytes() for run in (first, second))
    assert one == two


def test_retrain_trains_again(cli, tmp_path):
    job = write_job(tmp_path, QUICK + "retrain = true\n")
    assert cli.json("run", job)[1]["trained"] is True
    assert cli.json("run", job)[1]["trained"] is True


def test_gate_failed_is_exit_code_3_and_still_published(cli, tmp_path):
    job = write_job(tmp_path, QUICK + "[gate]\nmin_test_accuracy = 1.0\n")
    code, out, err = cli("run", job, "--quiet")
    assert (code, out) == (3, "")
    assert "gate failed: test accuracy" in err
    report = tmp_path / "reports" / "digits" / "latest" / "report.html"
    assert "the minimum of 100%" in report.read_text()


def test_dry_run_writes_nothing(cli, tmp_path):
    job = write_job(tmp_path, QUICK)
    code, out, err = cli("run", job, "--dry-run")
    assert (code, err) == (0, "")
    assert "train mlp" in out
    assert "dry run: nothing was trained" in out
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["digits.toml", "jobs"]


def test_cron_hears_nothing_of_a_good_run(process, tmp_path, job_reports):
    """No HOME, another working directory, a narrow umask, no terminal: nothing on either stream."""
    model = job_reports / "digits" / "model"
    job = write_job(tmp_path, f'[data]\ndataset = "digits"\n[model]\nbundle = "{model}"\n')
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        ["sh", "-c", f"umask 077; exec {sys.executable} -m batchclf run {job} --quiet"],
        cwd=elsewhere,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "reports" / "digits" / "latest" / "report.html").exists()
    assert list(elsewhere.iterdir()) == []


def test_no_bar_and_no_colour_outside_a_terminal(process, tmp_path, job_reports):
    model = job_reports / "digits" / "model"
    done = process("-m", "batchclf", "score", "--split", "test", "--model", model, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == ""
    assert "\x1b" not in done.stdout


def on_terminal(folder, *arguments):
    """Run a command whose standard error is a terminal: exit code, standard output, what the terminal got."""
    import pty

    main, child = pty.openpty()
    shown = b""
    with (folder / "stdout").open("wb") as out:
        command = [sys.executable, "-m", "batchclf", *map(str, arguments)]
        environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "1"}
        with subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=child
        ) as running:
            os.close(child)
            while True:
                try:
                    piece = os.read(main, 65536)
                except OSError:  # Linux' way to say that no one holds the other end any more
                    break
                if not piece:
                    break
                shown += piece
            os.close(main)
    return running.returncode, (folder / "stdout").read_text(), shown


def test_progress_bar_on_a_terminal(tmp_path, job_reports):
    model = job_reports / "digits" / "model"
    code, out, shown = on_terminal(tmp_path, "score", "--split", "train", "--model", model, "--batch-size", "16")
    assert code == 0
    assert b"scoring the train split" in shown
    assert b"1442/1442" in shown
    assert b"\x1b[3" not in shown  # NO_COLOR: no foreground colours
    assert "the train split: found 1,442" in out


def test_lines_go_to_the_file_while_the_bar_is_on_the_terminal(tmp_path):
    code, out, shown = on_terminal(
        tmp_path, "train", "--dataset", "digits", "--recipe", "mlp", "--epochs", "3", "--out", "bundle"
    )
    assert code == 0
    assert [line.split(":")[0] for line in out.splitlines() if line.startswith("epoch")] == [
        "epoch 1",
        "epoch 2",
        "epoch 3",
    ]
    assert b"4326/4326" in shown  # images
    assert b"epoch 1" not in shown


def stop_while_training(tmp_path, sign):
    """Start a job that trains without end, and send it a signal after the second epoch: its exit code and errors."""
    job = write_job(tmp_path, '[data]\ndataset = "digits"\n[model]\nepochs = 100000\n')
    with subprocess.Popen(
        [sys.executable, "-m", "batchclf", "run", str(job)],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if line.startswith("epoch 2:"):
                break
        running.send_signal(sign)
        _, err = running.communicate(timeout=60)
    return running.returncode, err


@pytest.mark.parametrize("sign", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM])
def test_interrupted_run_publishes_nothing(tmp_path, sign):
    code, err = stop_while_training(tmp_path, sign)
    assert code == 130
    assert "interrupted; nothing was published" in err
    assert "Traceback" not in err
    left = sorted(path.name for path in (tmp_path / "reports" / "digits").iterdir())
    assert [name for name in left if not name.startswith((".lock", "failed-"))] == []


def test_killed_run_leaves_nothing_for_long(tmp_path, cli):
    """kill -9 in the middle: nothing is published, and the next run clears up and goes through."""
    assert stop_while_training(tmp_path, signal.SIGKILL)[0] == -signal.SIGKILL
    folder = tmp_path / "reports" / "digits"
    assert list(folder.glob(".*.partial"))
    assert not (folder / "latest").exists()
    code, out, err = cli("run", write_job(tmp_path, QUICK))
    assert (code, err) == (0, "")
    assert "a run was killed before this one" in out
    assert list(folder.glob(".*.partial")) == []
    (log,) = folder.glob("failed-*.log.jsonl")
    assert json.loads(log.read_text().splitlines()[-1])["message"].startswith("the run was killed")
    _, history, _ = cli.json("history", "list", "digits", "--reports", tmp_path / "reports")
    assert "the run was killed" in json.dumps(history)
    assert (folder / "latest" / "report.html").exists()


def test_two_at_once(tmp_path, cli):
    job = write_job(tmp_path, '[data]\ndataset = "digits"\n[model]\nepochs = 100000\n')
    with subprocess.Popen(
        [sys.executable, "-m", "batchclf", "run", str(job), "--quiet"], cwd=tmp_path, stdin=subprocess.DEVNULL
    ) as first:
        try:
            holder = tmp_path / "reports" / "digits" / ".lock.holder"
            deadline = time.monotonic() + 60
            while not holder.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            code, out, err = cli("run", job)
        finally:
            first.kill()
    assert code == 75
    assert out == ""
    assert f"process {first.pid}" in err

"""Run the command line in this process or in a new one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from batchclf.cli.main import main


class Cli:
    """Calls `batchclf` in this process."""

    def __init__(self, capfd):
        self._capfd = capfd

    def __call__(self, *arguments):
        """Run one command: its exit code, standard output and standard error."""
        self._capfd.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as error:  # argparse's own way to end
            code = error.code
        out, err = self._capfd.readouterr()
        return code, out, err

    def json(self, *arguments):
        """Run one command with --json: its exit code, the object and standard error."""
        code, out, err = self(*arguments, "--json")
        return code, json.loads(out), err


@pytest.fixture
def cli(capfd, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return Cli(capfd)


@pytest.fixture
def process():
    """Run `python ARGUMENTS` in a new process."""

    def run(*arguments, cwd, env=None):
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=300,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def job_reports(tmp_path_factory):
    """A reports folder in which the digits job has run once, in a process of its own."""
    folder = tmp_path_factory.mktemp("job")
    (folder / "jobs").mkdir()
    (folder / "jobs" / "digits.toml").write_text(
        '[data]\ndataset = "digits"\n[model]\nepochs = 8\n[gate]\nmin_test_accuracy = 0.5\n'
    )
    command = [sys.executable, "-m", "batchclf", "run", "jobs/digits.toml"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return Path(folder / "reports")

"""What runs leave in an empty home folder and an empty TMPDIR, and which sockets their processes open.

ONNX Runtime 1.32 keeps an identifier and a queue of events in the first and a file in the second, unless it is switched
off before it is imported.
"""

import configparser
import fnmatch
import os
import re
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
from doc_pages import ROOT, first_column, read, section
from PIL import Image

HOOK = """
import os, sys

def write(line):
    with open(os.environ["HEARD"], "a") as file:
        print(line, file=file)

def hear(event, arguments):
    if event.startswith("socket.") and event not in ("socket.__new__", "socket.gethostname"):
        write(f"{event} {arguments[1:] if event in ('socket.bind', 'socket.connect') else arguments}")
    elif event == "import" and arguments[0].startswith("onnxruntime.capi."):
        write(f"{os.environ.get('ORT_DISABLE_TELEMETRY')} at import")

sys.addaudithook(hear)
"""
"""A sitecustomize that writes down, for each Python process, what it does with sockets and how it loads the runtime."""

AT_HOME = (".cache/batchclf/*", ".cache/matplotlib/fontlist-v*.json", ".keras/keras.json")
"""docs/security.md lists these."""

ASKS_FOR_IPV6 = {
    "audit hook": r"socket\.bind \(\('::1', 0\),\)",
    "strace": r'socket\(AF_INET6, SOCK_STREAM\|.*|bind\(\d+, \{sa_family=AF_INET6, sin6_port=htons\(0\), .*"::1".*',
}
"""urllib3 binds a socket to no port of this machine and closes it, as TensorFlow or tf2onnx import it."""


STRACE = ["strace", "--follow-forks", "--seccomp-bpf", "--trace=network"]


def traces():
    """Say whether strace works here: a container may forbid it."""
    return shutil.which("strace") is not None and subprocess.run([*STRACE, "-o", os.devnull, "true"]).returncode == 0


class Empty:
    """Runs commands with an empty home folder and an empty TMPDIR, with nothing of this process' environment."""

    def __init__(self, folder, repo_root):
        self.home, self.tmp, self.work = (folder / name for name in ("home", "tmp", "work"))
        for each in (self.home, self.tmp, self.work, folder / "site"):
            each.mkdir(parents=True)
        (folder / "site" / "sitecustomize.py").write_text(HOOK)
        self._heard, self._trace = folder / "heard", folder / "trace"
        self.traced = traces()
        # A variable of a CI service, such as GITHUB_ACTIONS, would switch the telemetry off, too.
        self._environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join([str(folder / "site"), str(repo_root)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(self.home),
            "TMPDIR": str(self.tmp),
            "HEARD": str(self._heard),
        }

    def __call__(self, *arguments, expect=0, **environment):
        """Run `python ARGUMENTS` and give its standard output."""
        strace = [*STRACE, "--output-append-mode", "-o", self._trace] if self.traced else []
        done = subprocess.run(
            [*strace, sys.executable, *map(str, arguments)],
            cwd=self.work,
            env={**self._environment, **environment},
            capture_output=True,
            text=True,
            timeout=300,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode == expect, done.stderr
        return done.stdout

    def left(self):
        """The files in the home folder and in TMPDIR that are not listed."""
        listed = [str(self.home / pattern) for pattern in AT_HOME]
        found = [str(path) for folder in (self.home, self.tmp) for path in folder.rglob("*") if not path.is_dir()]
        return [path for path in found if not any(fnmatch.fnmatch(path, pattern) for pattern in listed)]

    def heard(self):
        """What the Python processes did with sockets, the search for IPv6 aside; and how they loaded the runtime."""
        lines = self._heard.read_text().splitlines() if self._heard.exists() else []
        imports = [line for line in lines if line.endswith(" at import")]
        calls = [line for line in lines if line not in imports]
        return unknown(calls, "audit hook"), imports

    def sockets(self):
        """Calls of any process that name a kind of socket, pairs within a machine and the search for IPv6 aside."""
        calls = [line.split(maxsplit=1)[1] for line in self._trace.read_text().splitlines() if "AF_" in line]
        return unknown([call for call in calls if not call.startswith("socketpair(AF_UNIX,")], "strace")


def unknown(calls, source):
    return [call for call in calls if not re.fullmatch(ASKS_FOR_IPV6[source], call)]


def draw_folders(folder):
    """Forty images in two class folders, from two writers."""
    pixels = np.random.default_rng(3).integers(0, 256, (40, 8, 8), np.uint8)
    for number, image in enumerate(pixels):
        path = folder / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number % 4 < 2:
            Image.fromarray(image).save(path)
        else:
            cv2.imwrite(str(path), image)


def check(empty):
    """No file that is not listed, and no socket."""
    assert empty.left() == []
    calls, imports = empty.heard()
    assert calls == []
    assert imports
    assert set(imports) == {"1 at import"}
    if empty.traced:
        assert empty.sockets() == []


@pytest.fixture
def empty(tmp_path, repo_root):
    return Empty(tmp_path / "empty", repo_root)


def test_scoring_and_reading_a_run_leave_and_send_nothing(tmp_path, empty):
    pytest.importorskip("onnx")
    from onnx_cases import import_rows

    bundle = import_rows(tmp_path, 1, size=8)
    draw_folders(empty.work / "photos")
    (empty.work / "labels.csv").write_text("path,label\n" + "".join(f"a/{4 * n}.png,{n}\n" for n in range(10)))
    score = ["-m", "batchclf", "score", "photos", "--model", bundle, "--labels", "labels.csv", "--out", "scored"]
    empty(*score, "--workers", "2")
    empty("-c", "import batchclf; print(len(batchclf.read_predictions('scored')))")
    check(empty)


@pytest.mark.slow
def test_training_and_what_follows_leave_and_send_nothing(empty):
    """The data is bundled with scikit-learn; TensorFlow trains on it, and ONNX Runtime runs the same graph."""
    pytest.importorskip("tensorflow")
    pytest.importorskip("duckdb")
    empty("-m", "batchclf", "train", "--dataset", "digits", "--recipe", "mlp", "--epochs", "1", "--out", "model")
    draw_folders(empty.work / "photos")
    empty("-m", "batchclf", "score", "photos", "--model", "model", "--runtime", "tensorflow", "--out", "scored")
    (empty.work / "nightly.toml").write_text(
        "[data]\ndataset = 'digits'\n[model]\nbundle = 'model'\n[publish]\nreports = 'reports'\n"
    )
    empty("-m", "batchclf", "run", "nightly.toml")
    empty("-m", "batchclf", "query", "reports/nightly/latest", "SELECT count(*) FROM predictions")
    check(empty)


@pytest.mark.parametrize("value", ["0", "", "1"])
def test_a_value_of_the_user_stays(empty, value):
    printed = empty(
        "-c", "import os, batchclf; print(os.environ['ORT_DISABLE_TELEMETRY'])", ORT_DISABLE_TELEMETRY=value
    )
    assert printed == f"{value}\n"


def test_importing_the_package_switches_it_off_for_this_process_and_its_children(empty):
    """The variable itself, as C code sees it."""
    script = "import batchclf, subprocess; print(subprocess.check_output(['env'], text=True))"
    assert "ORT_DISABLE_TELEMETRY=1" in empty("-c", script).splitlines()


def test_the_page_lists_every_file_of_the_home_folder_and_every_library():
    page = read("docs/security.md")
    assert [name for name in AT_HOME if f"`~/{name}`" not in page] == []
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = [text for name, text in setup["options.extras_require"].items() if name != "test"]
    lines = "\n".join([setup["options"]["install_requires"], *extras]).split()
    listed = {name.split()[0] for name in first_column(section(page, "What libraries write and send"))}
    assert {*(re.split("[<>=]", line)[0] for line in lines), "keras"} == listed  # which comes with TensorFlow

"""A cluster of a run's own leaves nothing behind, and the end of a node or of the run itself loses nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from onnx_cases import import_rows
from PIL import Image

pytest.importorskip("ray")

PARTS = ("ray::", "raylet", "gcs_server", "dashboard", "log_monitor", "default_worker.py")


@pytest.fixture
def photos(digits, tmp_path):
    """A model for images of 28x28, and 3,000 digits by 200 links each: three blocks or more."""
    import_rows(tmp_path, 1, size=28)
    for number in range(15):
        (tmp_path / "photos" / f"{number:02d}").mkdir(parents=True)
        first = tmp_path / "photos" / f"{number:02d}" / "000.png"
        Image.fromarray(digits.test.images[number][..., 0]).save(first)
        for copy in range(1, 200):
            os.link(first, first.with_name(f"{copy:03d}.png"))
    return tmp_path / "photos"


class Started:
    """`batchclf score` as a process with a home and a folder for temporary files of its own."""

    def __init__(self, folder, out, *more, env=()):
        self.home, self.temporary = folder / "home", folder / "t"
        for each in (self.home, self.temporary):
            each.mkdir(exist_ok=True)
        self.before = set(Path("/tmp").glob("batchclf-*"))  # of killed processes, maybe with this one's number
        command = ["score", "photos", "--model", "rows", "--out", out, "--engine", "ray", "--workers", "2", *more]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")} | dict(env)
        environment |= {"HOME": str(self.home), "TMPDIR": str(self.temporary)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "batchclf", *map(str, command)],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self):
        out, err = self.process.communicate(timeout=300)
        return self.process.returncode, out, err

    def left(self):
        """Processes of this machine that speak of the temporary folder or descend from Ray's, and files."""
        listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
        of_ray = [line for line in listed.splitlines() if any(part in line for part in PARTS)]
        ours = [line for line in of_ray if _has(int(line.split()[0]), str(self.temporary))]
        # Ray's folder lies in /tmp if the paths of sockets would be too long elsewhere.
        files = [path for path in self.home.iterdir() if path.name not in (".cache", ".config")]  # matplotlib's
        files += [*self.temporary.iterdir(), *({*Path("/tmp").glob(f"batchclf-{self.process.pid}-*")} - self.before)]
        return ours, files


def _has(pid, text):
    """Whether a process was started with a text in its environment."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as handle:  # noqa: PTH123 (a Path says the same)
            return text.encode() in handle.read()
    except OSError:
        return False


def test_a_cluster_of_its_own_leaves_nothing_behind(photos, tmp_path):
    run = Started(tmp_path, "run", "--json", "--quiet")
    code, out, err = run.end()
    assert (code, err) == (0, "")
    assert json.loads(out)["status"] == "ok"
    assert run.left() == ([], [])
    log = [json.loads(line)["message"] for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert any(line.startswith("started Ray 2.") and "on this machine with 2 cores" in line for line in log)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("at", ["scoring /", "started Ray", ""])
def test_a_signal_ends_it_cleanly_at_any_time(photos, tmp_path, number, at):
    run = Started(tmp_path, "run")
    while at and at not in run.process.stdout.readline():
        pass
    time.sleep(0.5 if at else 6)
    run.process.send_signal(number)
    code, _, err = run.end()
    assert code in ((130,) if at else (130, 0)), err
    assert run.left() == ([], [])


@pytest.mark.slow
def test_a_killed_run_is_resumed_and_its_cluster_ends(photos, tmp_path):
    run = Started(tmp_path, "run")
    journal = []
    while not journal:
        time.sleep(0.05)
        journal = [path for path in tmp_path.glob(".run.*/journal*") if path.stat().st_size > 1000]
        assert run.process.poll() is None
    run.process.kill()
    run.end()
    for _ in range(900):
        if not run.left()[0]:
            break
        time.sleep(0.1)
    assert run.left()[0] == []
    code, _, err = Started(tmp_path, "run", "--resume").end()
    assert (code, err) == (0, "")
    command = ["score", "photos", "--model", "rows", "--out", "here"]
    subprocess.run([sys.executable, "-m", "batchclf", *command], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "run" / "predictions.csv").read_bytes() == (tmp_path / "here" / "predictions.csv").read_bytes()


@pytest.mark.slow
def test_a_node_that_is_killed_costs_nothing_but_time(photos, tmp_path):
    """A cluster of three nodes, of which the two with the workers' cores are killed one after the other."""
    script = (
        "import os, sys\n"
        "from ray.cluster_utils import Cluster\n"
        "cluster = Cluster(initialize_head=True, head_node_args={'num_cpus': 1})\n"
        "nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]\n"
        "from batchclf.jobs.score.run_files import Results\n"
        "real, written = Results.write, []\n"
        "def write(self, block):\n"
        "    written.append(block)\n"
        "    if len(written) == 2:\n"
        "        cluster.remove_node(nodes[0], allow_graceful=False)\n"
        "    real(self, block)\n"
        "Results.write = write\n"
        "import batchclf.jobs.score.score_subsets as subsets\n"
        "subsets.files_per_block = lambda *arguments: 40\n"
        "from batchclf.cli.main import main\n"
        "code = main(['score', 'photos', '--model', 'rows', '--out', 'run', '--engine', 'ray', '--ray-address',\n"
        "             cluster.address])\n"
        "cluster.shutdown()\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "had to be replaced" in done.stderr
    command = ["score", "photos", "--model", "rows", "--out", "here"]
    subprocess.run([sys.executable, "-m", "batchclf", *command], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "run" / "predictions.csv").read_bytes() == (tmp_path / "here" / "predictions.csv").read_bytes()

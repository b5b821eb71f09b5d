"""Long runs decode in processes of their own: the same pixels, no process left over, a crash costs one file."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from worker_cases import FirstPixel, runs, setup_of

from batchclf.child import ChildDiedError
from batchclf.core.types import ImageRef
from batchclf.scoring import processes as processes_module
from batchclf.scoring import worker as worker_module
from batchclf.scoring.decoder import Decoder
from batchclf.scoring.engines.local import DecodePool, LocalEngine
from batchclf.scoring.model_run import ModelRun
from batchclf.scoring.processes import PROCESSES_FROM, WorkerProcesses, holds_many_files
from batchclf.scoring.stream import StreamTimes, blocks_of, score_blocks
from batchclf.scoring.worker import RemoteDecoder


@pytest.fixture
def folder(tmp_path):
    """40 grey images, a text, an empty file and a name that is not UTF-8."""
    for number in range(40):
        Image.new("L", (6, 5), number).save(tmp_path / f"{number:02}.png")
    (tmp_path / "50.png").write_text("text")
    (tmp_path / "51.png").touch()
    (tmp_path / os.fsdecode(b"60\xff.png")).write_bytes((tmp_path / "07.png").read_bytes())
    return tmp_path


def _paths(folder):
    return [*sorted(path.name for path in folder.iterdir()), "gone.png"]


@pytest.fixture
def processes():
    with WorkerProcesses() as processes:
        yield processes


@pytest.fixture
def remote(folder, processes):
    return RemoteDecoder(setup_of(folder), processes.take())


def test_a_process_replies_as_a_decoder_in_this_process(folder, remote):
    here, paths = Decoder(setup_of(folder)), _paths(folder)
    for ask in (
        lambda decoder: decoder.decode(paths),
        lambda decoder: decoder.read(paths),
        lambda decoder: decoder.decode_read([3, 41, 7]),
        lambda decoder: decoder.decode([]),
    ):
        expected, actual = ask(here), ask(remote)
        assert actual.digests == expected.digests
        assert actual.reasons == expected.reasons
        np.testing.assert_array_equal(actual.images, expected.images)
    assert set(here.decode(paths).reasons) == {40, 41, 43}


def test_huge_contents_are_read_again_rather_than_kept(folder, monkeypatch):
    monkeypatch.setattr("batchclf.scoring.decoder.KEPT_BYTES", 100)
    decoder, paths = Decoder(setup_of(folder)), _paths(folder)
    decoder.read(paths)
    decoded = decoder.decode_read(range(len(paths)))
    np.testing.assert_array_equal(decoded.images, Decoder(setup_of(folder)).decode(paths).images)
    # What has changed since is told by its digest.
    before = decoder.read(paths).digests[5]
    (folder / paths[5]).write_bytes((folder / paths[6]).read_bytes())
    assert decoder.decode_read([5]).digests == [decoder.read([paths[6]]).digests[0]] != [before]


def _blocks(found, folder, workers, size=64):
    times = StreamTimes()
    with DecodePool(setup_of(folder), workers) as pool:
        model = ModelRun(FirstPixel, 64, say=lambda line: None)
        for block in score_blocks(LocalEngine(pool, model).columns(blocks_of(found, size, times)), times=times):
            yield block, pool.processes.pids()


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_a_long_run_starts_processes_and_gives_what_a_short_one_gives(folder, workers):
    found = [ImageRef(path, None) for path in _paths(folder)]
    ((short, pids),) = _blocks(found, folder, workers)
    assert pids == []
    times = -(-PROCESSES_FROM // len(found))
    blocks, pids = zip(*_blocks(found * times, folder, workers, size=len(found)), strict=True)
    assert 1 <= len(set(pids[-1])) <= workers
    for block in blocks:
        assert block.digest == short.digest
        assert block.skipped == short.skipped
        assert block.scores.refs == short.scores.refs
        np.testing.assert_array_equal(block.scores.probabilities, short.scores.probabilities)
    assert not any(runs(pid) for pid in pids[-1])


def test_a_killed_process_costs_nothing(folder):
    found = [ImageRef(f"{number:02}.png", None) for number in range(40)] * (PROCESSES_FROM // 40 * 2)
    killed, values = 0, []
    for number, (block, pids) in enumerate(_blocks(found, folder, 2)):
        assert block.skipped == ()
        values += block.scores.probabilities[:, 0].tolist()
        if number % 20 == 5:
            os.kill(pids[0], signal.SIGKILL)
            killed += 1
    assert killed > 3
    np.testing.assert_allclose(np.array(values) * 255, [number % 40 for number in range(len(found))], atol=1e-4)


def test_a_file_that_crashes_the_decoder_is_skipped_and_the_rest_is_scored(folder, monkeypatch):
    class Crashing(RemoteDecoder):
        """Dies on one file, as a decoder with a fault in its C code does."""

        def decode(self, paths):
            if "13.png" in paths:
                self.process.kill()
            return super().decode(paths)

    monkeypatch.setattr(worker_module, "RemoteDecoder", Crashing)
    found = [ImageRef(f"{number:02}.png", None) for number in range(40)]
    with DecodePool(setup_of(folder), 2) as pool:
        pool.use_processes()
        model = ModelRun(FirstPixel, 64, say=lambda line: None)
        (block,) = score_blocks(LocalEngine(pool, model).columns([found]), times=StreamTimes())
    assert [(each.ref.path, each.reason) for each in block.skipped] == [
        ("13.png", "the decoder crashed on it twice (signal 9)")
    ]
    assert [ref.path for ref in block.scores.refs] == [f"{number:02}.png" for number in range(40) if number != 13]


def test_a_process_that_died_says_so(remote, processes):
    os.kill(processes.pids()[0], signal.SIGKILL)
    with pytest.raises(ChildDiedError, match="signal 9"):
        remote.decode(["01.png"])
    with pytest.raises(ChildDiedError, match="signal 9"):
        remote.decode(["01.png"])


PARENT = """
import os, sys, time
from pathlib import Path
from batchclf.data.sources.folder import Folder
from batchclf.scoring.decoder import DecodeSetup
from batchclf.scoring.processes import WorkerProcesses
from batchclf.scoring.worker import RemoteDecoder
processes = WorkerProcesses()
processes.start(1)
remote = RemoteDecoder(DecodeSetup(Folder(Path(sys.argv[1])), (5, 6, 1), "grayscale", "fast"), processes.take())
remote.decode(["01.png"])
print(*processes.pids(), flush=True)
time.sleep(60)
"""


def test_a_process_ends_when_its_parent_is_killed(folder):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(folder)], stdout=subprocess.PIPE, text=True)
    with parent:
        pid = int(parent.stdout.readline())
        assert runs(pid)
        parent.kill()
    for _ in range(200):
        if not runs(pid) or _is_zombie(pid):
            break
        time.sleep(0.05)
    assert not runs(pid) or _is_zombie(pid)


def _is_zombie(pid):
    """Nobody may have waited for it, where the tests run without an init process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_ctrl_c_is_left_to_the_parent(remote, processes):
    remote.decode(["01.png"])
    os.kill(processes.pids()[0], signal.SIGINT)
    assert len(remote.decode(["01.png"]).images) == 1


def test_what_a_library_prints_does_not_garble_the_replies(folder, monkeypatch, processes):
    """A worker's standard output carries its replies; printing goes to standard error."""
    noisy = (
        "from batchclf.data.decoding.decode import PixelReader\n"
        "real = PixelReader.read\n"
        "def noisy(*arguments):\n"
        "    print('libfoo warning', flush=True)\n"
        "    return real(*arguments)\n"
        "PixelReader.read = noisy\n"
    )
    monkeypatch.setattr(processes_module, "_MAIN", f"exec({noisy!r}); {processes_module._MAIN}")
    remote = RemoteDecoder(setup_of(folder), processes.take())
    assert len(remote.decode(["01.png", "02.png"]).images) == 2


def test_processes_started_early_are_used_and_end_with_the_pool(folder):
    processes = WorkerProcesses()
    processes.start(2)
    started = processes.pids()
    assert len(started) == 2
    found = [ImageRef(f"{number:02}.png", None) for number in range(40)]
    with DecodePool(setup_of(folder), 2, processes=processes) as pool:
        pool.use_processes()
        model = ModelRun(FirstPixel, 64, say=lambda line: None)
        blocks = list(score_blocks(LocalEngine(pool, model).columns([found] * 20), times=StreamTimes()))
        assert processes.pids() == started
    assert len(blocks) == 20
    assert not any(runs(pid) for pid in started)
    with pytest.raises(RuntimeError, match="ending"):
        processes.take()


@pytest.mark.parametrize(("files", "many"), [(0, False), (PROCESSES_FROM - 1, False), (PROCESSES_FROM, True)])
def test_many_files_are_seen_at_a_glance(tmp_path, files, many):
    for number in range(4):
        (tmp_path / "a" / str(number)).mkdir(parents=True)
    for number in range(files):
        (tmp_path / "a" / str(number % 4) / f"{number}.png").touch()
    assert holds_many_files(tmp_path) is many
    assert holds_many_files(tmp_path / "none") is False

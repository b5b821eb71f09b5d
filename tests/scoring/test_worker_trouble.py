"""Decoding processes that do not start, die, or fail: what the run makes of it."""

import errno
import os
from pathlib import Path

import pytest
from PIL import Image
from worker_cases import FirstPixel, engine_of, setup_of

from batchclf.core.types import ImageRef
from batchclf.scoring import processes as processes_module
from batchclf.scoring import worker as worker_module
from batchclf.scoring.decoder import Decoder
from batchclf.scoring.engines.local import DecodePool, LocalEngine
from batchclf.scoring.model_run import ModelRun
from batchclf.scoring.processes import WorkerProcesses
from batchclf.scoring.stream import StreamTimes, count_unchanged, score_blocks
from batchclf.scoring.worker import RemoteDecoder


@pytest.fixture
def folder(tmp_path):
    for number in range(40):
        Image.new("L", (6, 5), number).save(tmp_path / f"{number:02}.png")
    return tmp_path


@pytest.fixture
def found(folder):
    return [ImageRef(path.name, None) for path in sorted(folder.iterdir())]


def _score(pool, blocks):
    model = ModelRun(FirstPixel, 64, say=lambda line: None)
    return list(score_blocks(LocalEngine(pool, model).columns(blocks), times=StreamTimes()))


def _open_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def _no_processes(*arguments, **more):
    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))


@pytest.mark.parametrize("fault", ["none given", "die at once"])
def test_where_no_process_can_be_had_threads_decode_by_themselves(folder, found, monkeypatch, fault):
    if fault == "none given":
        monkeypatch.setattr(processes_module.subprocess, "Popen", _no_processes)
    else:
        monkeypatch.setattr(processes_module, "_MAIN", "sys.exit(3)")
    said = []
    processes = WorkerProcesses()
    processes.start(2)
    with DecodePool(setup_of(folder), 2, processes=processes, say=said.append) as pool:
        pool.use_processes()
        blocks = _score(pool, [found] * 5)
        pool.use_processes()
        blocks += _score(pool, [found])
    for block in blocks:
        assert block.skipped == ()
        assert len(block.scores.refs) == 40
    why = "Resource temporarily unavailable|not as many" if fault == "none given" else "exit status 3"
    (line,) = set(said)
    assert "decoding without processes" in line
    assert any(each in line for each in why.split("|"))


def test_processes_are_started_all_or_none(monkeypatch):
    real, started = processes_module.subprocess.Popen, []

    def three(*arguments, **more):
        if len(started) == 3:
            _no_processes()
        started.append(real(*arguments, **more))
        return started[-1]

    monkeypatch.setattr(processes_module.subprocess, "Popen", three)
    before = _open_descriptors()
    with WorkerProcesses() as processes:
        processes.start(8)
        assert processes.pids() == []
        assert [process.returncode for process in started] == [-9] * 3
        assert _open_descriptors() == before
        with pytest.raises(OSError, match="not as many"):
            processes.take()


class Crashing(RemoteDecoder):
    """Dies on each file whose number ends in 3, as a decoder with a fault in its C code does."""

    def decode(self, paths):
        if any(path.endswith("3.png") for path in paths):
            self.process.kill()
        return super().decode(paths)


def test_processes_that_died_hold_no_descriptors(folder, found, monkeypatch):
    monkeypatch.setattr(worker_module, "RemoteDecoder", Crashing)
    with DecodePool(setup_of(folder), 1) as pool:
        pool.use_processes()
        (block,) = _score(pool, [found[:4]])
        before = _open_descriptors()
        (block,) = _score(pool, [found])
        assert [each.ref.path for each in block.skipped] == ["03.png", "13.png", "23.png", "33.png"]
        assert _open_descriptors() <= before + 2  # a process more may be alive at the end
        assert len(pool.processes.pids()) <= 1


def test_a_file_that_crashed_the_decoder_is_unchanged_for_a_resumed_run(folder, found, monkeypatch):
    monkeypatch.setattr(worker_module, "RemoteDecoder", Crashing)
    with DecodePool(setup_of(folder), 1) as pool:
        pool.use_processes()
        (block,) = _score(pool, [found])
        assert len(block.skipped) == 4
        same, rest = count_unchanged(iter([found]), [[block.digest]], engine_of(pool).digests)
    assert (same, list(rest)) == (1, [])


def test_the_want_of_a_process_is_no_fault_of_the_file(folder, found, monkeypatch):
    """What ends a run where threads decode ends it where processes do, too; the file is not skipped."""
    failing = (
        "import batchclf.data.sources.folder as folder\n"
        "def failing(path):\n"
        "    raise OSError(24, 'Too many open files', path)\n"
        "folder.read_content = failing\n"
    )
    monkeypatch.setattr(processes_module, "_MAIN", f"exec({failing!r}); {processes_module._MAIN}")
    with DecodePool(setup_of(folder), 2) as pool:
        pool.use_processes()
        with pytest.raises(OSError, match="Too many open files"):
            _score(pool, [found])


def test_too_many_open_files_are_no_reason_to_skip(folder, monkeypatch):
    def full(*arguments):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr("batchclf.data.decoding.decode.os.open", full)
        with pytest.raises(OSError, match="Too many open files"):
            Decoder(setup_of(folder)).decode(["01.png"])

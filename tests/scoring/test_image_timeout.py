"""An image that takes too long is skipped with the reason, and only for now; all others are scored."""

import time

import numpy as np
import pytest
from PIL import Image
from worker_cases import FirstPixel, engine_of, runs, setup_of

from batchclf.core.types import ImageRef
from batchclf.data.decoding import aside
from batchclf.data.decoding.limits import Limits
from batchclf.scoring import processes as processes_module
from batchclf.scoring.cache import ScoreCache
from batchclf.scoring.decoder import DecodeSetup
from batchclf.scoring.engines.local import DecodePool, LocalEngine
from batchclf.scoring.model_run import ModelRun
from batchclf.scoring.stream import StreamTimes, count_unchanged, score_blocks

REASON = "took longer than 0.5 s to read and decode (--image-timeout)"

HANG = """
import ctypes, {module}
def hanging(content, *arguments, real={module}.{function}, **more):
    if bytes(content).endswith(b"hang"):
        mutex, libc = ctypes.create_string_buffer(64), ctypes.PyDLL(None)
        libc.pthread_mutex_lock(mutex)
        libc.pthread_mutex_lock(mutex)
    return real(content, *arguments, **more)
{module}.{function} = hanging
"""
"""A decoder that hangs in C code, with Python's lock, on the files that end so: no handler of Python's would run."""


@pytest.fixture(params=["threads", "processes"])
def way(request):
    return request.param


@pytest.fixture
def hanging(way, monkeypatch):
    """Let OpenCV hang in the decoding processes, and Pillow in those beside the threads."""
    of, module, function = (
        (processes_module, "cv2", "imdecode")
        if way == "processes"
        else (aside, "batchclf.data.decoding.pillow", "decode")
    )
    main = f"exec({HANG.format(module=module, function=function)!r}); {of._MAIN}"
    with monkeypatch.context() as patch:
        patch.setattr(of, "_MAIN", main)
        aside.close()
        yield patch
    aside.close()


@pytest.fixture
def folder(tmp_path, way):
    """40 images of which number 13 makes the decoder hang; in threads that is one for Pillow."""
    for number in range(40):
        Image.new("L", (6, 5), number).save(tmp_path / f"{number:02}.png")
    Image.new("L", (6, 5), 13).save(tmp_path / "13.png", "PNG" if way == "processes" else "PPM")
    with (tmp_path / "13.png").open("ab") as file:
        file.write(b"hang")
    return tmp_path


@pytest.fixture
def found(folder):
    return [ImageRef(path.name, None) for path in sorted(folder.iterdir())]


def _pool(folder, way, cache=None):
    setup = setup_of(folder)
    limits = Limits(seconds=0.5)
    pool = DecodePool(
        DecodeSetup(setup.source, setup.input_shape, setup.color_mode, setup.resize, limits), 2, cache=cache
    )
    if way == "processes":
        pool.use_processes()
    return pool


def _score(pool, blocks, cache=None, times=None):
    model = ModelRun(FirstPixel, 64, say=lambda line: None)
    return list(score_blocks(LocalEngine(pool, model).columns(blocks), cache=cache, times=times or StreamTimes()))


def test_it_is_skipped_and_all_others_are_scored(folder, found, way, hanging):
    with _pool(folder, way) as pool:
        blocks = _score(pool, [found] * 3)
        pids = [*pool.processes.pids(), *aside.pids()]
        assert len(pids) <= 2
    for block in blocks:
        assert [(each.ref.path, each.reason) for each in block.skipped] == [("13.png", REASON)]
        assert [ref.path for ref in block.scores.refs] == [ref.path for ref in found if ref.path != "13.png"]
        values = block.scores.probabilities[:, 0] * 255
        np.testing.assert_allclose(values, [number for number in range(40) if number != 13], atol=1e-4)
    assert not any(runs(pid) for pid in pids)


def test_a_resumed_run_tries_it_again(folder, found, way, hanging):
    others = [ref for ref in found if ref.path != "13.png"]
    with _pool(folder, way) as pool:
        before, slow = _score(pool, [others, found])
        hanging.undo()
    aside.close()
    with _pool(folder, way) as pool:
        assert count_unchanged(iter([others, found]), [[before.digest], [slow.digest]], engine_of(pool).digests)[0] == 1
        (block,) = _score(pool, [found])
    assert block.skipped == ()
    np.testing.assert_allclose(block.scores.probabilities[:, 0] * 255, range(40), atol=1e-4)


def test_the_cache_holds_nothing_of_it(folder, found, way, hanging, tmp_path_factory):
    cache = ScoreCache(tmp_path_factory.mktemp("cache"), "key", 2, say=pytest.fail)
    with _pool(folder, way, cache) as pool:
        (slow,) = _score(pool, [found], cache)
        assert [each.reason for each in slow.skipped] == [REASON]
        hanging.undo()
    aside.close()
    times = StreamTimes()
    with _pool(folder, way, cache) as pool:
        (block,) = _score(pool, [found], cache, times)
    cache.close()
    assert (block.skipped, times.cached) == ((), 39)
    np.testing.assert_allclose(block.scores.probabilities[:, 0] * 255, range(40), atol=1e-4)


@pytest.mark.parametrize("way", ["processes"], indirect=True)
def test_many_quick_images_take_longer_together(folder, found, way, monkeypatch):
    """The time is that of one image, not of all that a process is given at once; nor does it run between requests."""
    slowly = "import time, cv2\nreal = cv2.imdecode\ncv2.imdecode = lambda *of: time.sleep(0.05) or real(*of)"
    monkeypatch.setattr(processes_module, "_MAIN", f"exec({slowly!r}); {processes_module._MAIN}")
    with _pool(folder, way) as pool:
        first = _score(pool, [found])
        pids = pool.processes.pids()
        time.sleep(0.8)
        (block,) = _score(pool, [found])
        assert first[0].skipped == block.skipped == ()
        assert pool.processes.pids() == pids


@pytest.mark.parametrize("way", ["processes"], indirect=True)
def test_a_file_that_cannot_be_read_in_time_is_skipped_too(folder, found, way, monkeypatch):
    """A file server that does not answer; what was read of it before is not taken for unchanged."""
    silent = (
        "import os, time\nreal = os.open\n"
        "def silent(path, *more):\n"
        "    if str(path).endswith('13.png'): os.read(os.pipe()[0], 1)\n"
        "    return real(path, *more)\n"
        "os.open = silent\n"
    )
    with _pool(folder, way) as pool:
        (block,) = _score(pool, [found])
        assert block.skipped == ()
    monkeypatch.setattr(processes_module, "_MAIN", f"exec({silent!r}); {processes_module._MAIN}")
    with _pool(folder, way) as pool:
        assert count_unchanged(iter([found]), [[block.digest]], engine_of(pool).digests)[0] == 0
        (slow,) = _score(pool, [found])
    assert [(each.ref.path, each.reason) for each in slow.skipped] == [("13.png", REASON)]

"""Pixels in memory and on disk: the same arrays, nothing left behind, want of space told."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from image_cases import noise, write_image

from batchclf.data import available_memory as memory
from batchclf.data import pixel_store
from batchclf.data.folders import load_class_folders
from batchclf.errors import DataError

FULL = Path("/dev/full")
CHOSEN = {"size": (5, 4), "color_mode": "rgb", "group": r"(\d)\.png"}


@pytest.fixture
def photos(tmp_path):
    """Class folders of 150 images of odd sizes, some of them unreadable."""
    for number in range(150):
        path = tmp_path / "photos" / "ab"[number % 2] / f"{number:03d}.png"
        write_image(path, noise(3 + number % 7, 2 + number % 5, seed=number))
        if number % 20 == 3:
            path.write_bytes(b"broken")
    return tmp_path / "photos"


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """The user's cache folder of batchclf; not there at first."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "batchclf"


def _load(root, **options):
    said = []
    return load_class_folders(root, say=said.append, **options), said


def test_disk_and_memory_hold_the_same(photos, cache):
    (on_disk, said), (in_memory, _) = (_load(photos, store=store, **CHOSEN) for store in ("disk", "memory"))
    assert f"the pixels go to disk: 9.00 kB in {cache}, until the process ends" in said
    for split in ("train", "test"):
        one, other = on_disk.splits[split], in_memory.splits[split]
        assert isinstance(one.images, np.memmap)
        assert not isinstance(other.images, np.memmap)
        assert (one.images.shape, one.images.dtype) == (other.images.shape, np.uint8)
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.labels, other.labels)
        np.testing.assert_array_equal(one.groups, other.groups)
        assert one.paths == other.paths
    assert list(cache.iterdir()) == []


def test_images_larger_than_a_piece_keep_their_order(photos, cache, monkeypatch):
    monkeypatch.setattr("batchclf.data.read_parts._PIECE_BYTES", 100)
    few, _ = _load(photos, store="disk", **CHOSEN)
    monkeypatch.undo()
    many, _ = _load(photos, store="memory", **CHOSEN)
    np.testing.assert_array_equal(few.train.images, many.train.images)
    assert few.train.paths == many.train.paths


def test_no_readable_image_of_a_split_is_no_trouble_for_the_disk(tmp_path, cache):
    for number, name in enumerate(("train/a/1", "train/b/1", "test/a/1", "test/b/1")):
        write_image(tmp_path / "photos" / f"{name}.png", noise(2, 2, seed=number))
    for path in (tmp_path / "photos" / "test").rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match="none of the test images"):
        _load(tmp_path / "photos", store="disk", **{**CHOSEN, "group": None})


@pytest.mark.parametrize(("available", "mapped"), [(18_000, False), (17_999, True)])
def test_auto_takes_the_disk_where_half_of_the_memory_is_too_little(photos, cache, monkeypatch, available, mapped):
    # 150 images of 5 x 4 x 3 bytes are 9,000 bytes.
    monkeypatch.setattr(pixel_store, "available_memory", lambda: available)
    dataset, said = _load(photos, **CHOSEN)
    assert isinstance(dataset.train.images, np.memmap) == mapped
    assert any("are available" in line for line in said) == mapped


def test_auto_stays_in_memory_where_nobody_knows_how_much_there_is(photos, cache, monkeypatch):
    monkeypatch.setattr(pixel_store, "available_memory", lambda: None)
    assert not isinstance(_load(photos, **CHOSEN)[0].train.images, np.memmap)


def test_too_little_space_is_told_before_an_image_is_read(photos, cache, monkeypatch):
    usage = shutil.disk_usage(photos)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage._replace(free=8_999))
    said = []
    with pytest.raises(DataError) as caught:
        load_class_folders(photos, say=said.append, store="disk", **CHOSEN)
    assert caught.value.message == f"the pixels take 9.00 kB on disk, and {cache} has 9.00 kB free"
    assert "--input-size" in caught.value.hint
    assert "XDG_CACHE_HOME" in caught.value.hint
    assert not any("left out" in line for line in said)


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
def test_a_disk_that_fills_up_meanwhile_is_told(photos, cache, monkeypatch):
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: FULL.open("r+b", buffering=0))
    with pytest.raises(DataError) as caught:
        _load(photos, store="disk", **CHOSEN)
    assert "after 0 bytes: No space left on device" in caught.value.message
    assert str(cache) in caught.value.message


def test_a_cache_folder_that_cannot_be_made_is_told(photos, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(DataError, match="cannot be written: Not a directory") as caught:
        _load(photos, store="disk", **CHOSEN)
    assert "XDG_CACHE_HOME" in caught.value.hint


def test_more_than_the_memory_holds_is_told():
    new_pixels = pixel_store.choose_store("memory", 10_000_000, (99_999, 99_999, 3), say=lambda line: None)
    with pytest.raises(DataError, match="which the memory does not hold") as caught:
        new_pixels(10_000_000)
    assert "--store disk" in caught.value.hint


PROGRAM = """
import sys, time
from pathlib import Path
from batchclf.data.folders import load_class_folders
dataset = load_class_folders(Path(sys.argv[1]), say=lambda line: None, store="disk", size=(5, 4), color_mode="rgb")
print(int(dataset.train.images.sum()), flush=True)
if len(sys.argv) > 2:
    time.sleep(600)
"""


def test_nothing_is_left_after_the_process_or_a_kill(photos, cache):
    command = [sys.executable, "-c", PROGRAM, str(photos)]
    assert int(subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout) > 0
    assert list(cache.iterdir()) == []
    with subprocess.Popen([*command, "wait"], stdout=subprocess.PIPE, text=True) as killed:
        assert int(killed.stdout.readline()) > 0
        killed.send_signal(signal.SIGKILL)
    assert list(cache.iterdir()) == []


# How much memory is available


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A made /proc and /sys/fs/cgroup: write(path, text) puts a file there."""
    monkeypatch.setattr(memory, "PROC", tmp_path / "proc")
    monkeypatch.setattr(memory, "CGROUPS", tmp_path / "cgroup")

    def write(path, text):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    write("proc/meminfo", "MemTotal:       16000 kB\nMemFree:    100 kB\nMemAvailable:   8000 kB\n")
    return write


def test_without_cgroups_it_is_what_the_machine_has(machine):
    assert memory.available_memory() == 8000 * 1024
    machine("proc/self/cgroup", "0::/\n")
    assert memory.available_memory() == 8000 * 1024


def test_the_tightest_cgroup_of_version_2_counts(machine):
    machine("proc/self/cgroup", "0::/user/job\n")
    machine("cgroup/user/job/memory.max", "max\n")
    machine("cgroup/user/job/memory.current", "1\n")
    machine("cgroup/user/memory.max", "5000000\n")
    machine("cgroup/user/memory.current", "3000000\n")
    machine("cgroup/user/memory.stat", "anon 1\nactive_file 7\ninactive_file 1000000\n")
    assert memory.available_memory() == 3_000_000


def test_a_cgroup_of_version_1_counts(machine):
    machine("proc/self/cgroup", "5:cpu:/\n4:memory:/of/the/host\n0::/\n")
    machine("cgroup/memory/memory.limit_in_bytes", "2000000\n")
    machine("cgroup/memory/memory.usage_in_bytes", "2500000\n")
    machine("cgroup/memory/memory.stat", "inactive_file 5\ntotal_inactive_file 100\n")
    assert memory.available_memory() == 0


def test_a_version_1_cgroup_without_a_limit_leaves_what_the_machine_has(machine):
    machine("proc/self/cgroup", "4:memory:/a\n")
    machine("cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712\n")
    machine("cgroup/memory/a/memory.usage_in_bytes", "2500000\n")
    assert memory.available_memory() == 8000 * 1024


def test_without_proc_it_is_the_machines_memory(machine, tmp_path):
    shutil.rmtree(tmp_path / "proc")
    assert memory.available_memory() == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")

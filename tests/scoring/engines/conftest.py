"""A local cluster of Ray for all tests of a module, images of several writers, and pictures that end their decoder."""

import os
import shutil

import cv2
import numpy as np
import pytest
from engine_cases import CRASH, DAMAGE, HANG
from PIL import Image


@pytest.fixture(scope="module")
def damaged_decoders(tmp_path_factory):
    """Every decoding process of this machine, those of Ray's workers among them, falls for CRASH and HANG."""
    folder = tmp_path_factory.mktemp("site")
    patch = f"import batchclf.scoring.processes as p\np._MAIN = {f'exec({DAMAGE!r}); '!r} + p._MAIN\n"
    (folder / "sitecustomize.py").write_text(patch)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
        from batchclf.scoring import processes

        monkeypatch.setattr(processes, "_MAIN", f"exec({DAMAGE!r}); {processes._MAIN}")
        yield


@pytest.fixture(scope="module")
def cluster(damaged_decoders):
    """Ray on this machine with two cores, which this process stays connected to."""
    pytest.importorskip("ray")
    from batchclf.scoring.engines.cluster import ray_cluster

    said = []
    with ray_cluster(None, 2, 0, say=said.append, log=said.append) as cluster:
        yield cluster
    assert not cluster.folder.exists()


@pytest.fixture(params=["local", "ray"])
def engine(request, monkeypatch):
    """The options that choose an engine; blocks of 8 files, and decoding processes from the first file on."""
    if request.param == "ray":
        request.getfixturevalue("cluster")
    return ("--engine", request.param)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch, damaged_decoders):
    # Blocks of so few images come with large inputs only, processes with thousands of files.
    monkeypatch.setattr("batchclf.jobs.score.score_subsets.files_per_block", lambda *arguments: 8)
    monkeypatch.setattr("batchclf.scoring.engines.local.PROCESSES_FROM", 1)


@pytest.fixture(scope="module")
def photos(digits, tmp_path_factory):
    """Class folders with images by two writers: gray, colour, one bit and 16 bit, WebP and .jfif among them.

    Some cannot be read, some files are no images.
    """
    root = tmp_path_factory.mktemp("engines") / "photos"
    split = digits.test
    for number in range(60):
        folder = root / digits.class_names[split.labels[number]]
        folder.mkdir(parents=True, exist_ok=True)
        gray = split.images[number][..., 0]
        name = folder / f"v1.2 {number:03d}"
        match number % 6:
            case 0:
                assert cv2.imwrite(f"{name}.png", gray)
            case 1:
                Image.fromarray(np.stack([gray, gray, gray // 2], axis=-1)).save(f"{name}.PNG", format="PNG")
            case 2:
                assert cv2.imwrite(f"{name}.webp", gray, [cv2.IMWRITE_WEBP_QUALITY, 101])
            case 3:
                Image.fromarray(gray).save(f"{name}.jfif", format="JPEG")
            case 4:
                Image.fromarray(gray > 128).save(f"{name}.png")
            case 5:
                Image.fromarray(gray.astype(np.uint16) * 257).save(f"{name}.png")
    whole = next(root.rglob("*.png")).read_bytes()
    (root / "3" / "text.png").write_text("no image")
    (root / "3" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (root / "3" / "note.txt").write_text("excluded")
    (root / "4" / ".hidden.png").write_bytes(whole)
    return root


@pytest.fixture(scope="module")
def troubled(photos, tmp_path_factory):
    """The same with an image that crashes its decoder, and one in the first block that never ends."""
    root = tmp_path_factory.mktemp("troubled") / "photos"
    shutil.copytree(photos, root)
    whole = next(root.rglob("*.png")).read_bytes()
    (root / "5" / "crash.png").write_bytes(whole + CRASH)
    (root / "0" / "a.png").write_bytes(whole + HANG)
    return root


@pytest.fixture
def copied(photos, tmp_path):
    """A copy of the photos that a test may change."""
    shutil.copytree(photos, tmp_path / "photos")
    return tmp_path / "photos"

"""A machine of which the tests know what it holds, and a user who may not read everything."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from fashion_cases import made_contents, use_files

from batchclf.data import providers


@pytest.fixture
def contents(monkeypatch):
    made = made_contents()
    use_files(monkeypatch, made)
    return made


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine without any of the places: an empty home, no apt-get, no TensorFlow."""
    for name in ("home", "cache", "programs"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "programs"))
    for name in ("KERAS_HOME", "BATCHCLF_DATA_DIR", "BATCHCLF_OFFLINE", "APT_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(providers, "SYSTEM_FOLDER", tmp_path / "system")
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    return tmp_path


@pytest.fixture
def cache(bare):
    return bare / "cache" / "batchclf" / "fashion-mnist"


@pytest.fixture
def other_user():
    """A folder of a user to whom permissions apply: root, to whom they do not, becomes `nobody` for the test."""
    folder = Path(tempfile.mkdtemp(prefix="batchclf-test-"))
    as_root = os.geteuid() == 0
    if as_root:
        os.chown(folder, 65534, -1)
        os.seteuid(65534)
    try:
        if not os.access(folder, os.W_OK, effective_ids=True):
            pytest.skip("the folder for temporary files is closed to other users")
        yield folder
    finally:
        if as_root:
            os.seteuid(0)
        for parent, folders, _ in os.walk(folder):
            for name in folders:
                (Path(parent) / name).chmod(0o755)
        shutil.rmtree(folder)

"""A machine of which the tests know what it holds, for those that look for Fashion MNIST."""

import sys

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

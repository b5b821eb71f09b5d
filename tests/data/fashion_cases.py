"""Made-up files of Fashion MNIST, where the tests put them, and how they load them."""

import gzip
import hashlib
import os
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from batchclf.data import fashion_mnist
from batchclf.data.catalog import load_dataset
from batchclf.errors import DataError

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "fashion-mnist"
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = fashion_mnist.FILE_SET.digests
REAL_FILE_SET = fashion_mnist.FILE_SET
REAL_PATH = os.environ.get("PATH", "")


def idx_file(array, *, type_code=0x08):
    header = struct.pack(f">HBB{array.ndim}I", 0, type_code, array.ndim, *array.shape)
    return gzip.compress(header + array.tobytes(), mtime=0)


def made_contents(train=7, test=3, *, side=28):
    random = np.random.default_rng(5)
    return {
        TRAIN_IMAGES: idx_file(random.integers(0, 256, (train, side, side), np.uint8)),
        TRAIN_LABELS: idx_file(np.arange(train, dtype=np.uint8)),
        TEST_IMAGES: idx_file(random.integers(0, 256, (test, side, side), np.uint8)),
        TEST_LABELS: idx_file(np.array([9, 0, 4][:test], np.uint8)),
    }


def use_files(monkeypatch, contents):
    """Take these files for the data set, by their checksums."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    monkeypatch.setattr(fashion_mnist, "FILE_SET", replace(REAL_FILE_SET, digests=digests))


def put(folder, contents):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


def damage(folder, name=TEST_LABELS):
    file = folder / name
    file.write_bytes(file.read_bytes()[:-1] + b"?")


def load_fashion(data_dir=None):
    said = []
    return load_dataset("fashion-mnist", data_dir=data_dir, say=said.append), said


def fail_fashion(data_dir=None):
    said = []
    with pytest.raises(DataError) as caught:
        load_dataset("fashion-mnist", data_dir=data_dir, say=said.append)
    return caught.value, said

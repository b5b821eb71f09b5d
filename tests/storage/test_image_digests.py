"""The digests of images.csv, read alone: as the reader of all columns gives them, and damage is told."""

import csv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchclf.errors import RunError
from batchclf.storage.images.facts import COLUMNS, read_image_digests, read_image_rows

PATHS = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=6), min_size=1, max_size=30)


def write(path, paths, digests):
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(COLUMNS)
        for name, digest in zip(paths, digests, strict=True):
            writer.writerow([name, "test", 28, 28, "grayscale", "1.00", "2.00", "0" * 32, digest])


@given(PATHS, st.sampled_from([60, 200, 2**20]), st.randoms())
@settings(max_examples=60, deadline=None)
def test_they_are_those_of_the_file(tmp_path_factory, paths, block, random):
    path = tmp_path_factory.mktemp("digests") / "images.csv"
    digests = [f"{random.getrandbits(128):032x}" for _ in paths]
    write(path, paths, digests)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("batchclf.storage.images.facts._BLOCK", block)
        found = np.concatenate(list(read_image_digests(path)))
    assert found.tolist() == [int(digest[:16], 16) for digest in digests]
    assert found.tolist() == np.concatenate([rows.digest for rows in read_image_rows(path)]).tolist()


@pytest.mark.parametrize("old, new", [("f" * 32, "g" * 32), ("f" * 32, "f" * 31), ("f" * 32, " " * 32), ("path,", "")])
def test_damage_is_told(tmp_path, old, new):
    path = tmp_path / "images.csv"
    write(path, ["a.png", "b.png"], ["0" * 32, "f" * 32])
    path.write_bytes(path.read_bytes().replace(old.encode(), new.encode()))
    with pytest.raises(RunError, match=r"images\.csv"):
        list(read_image_digests(path))


def test_a_file_that_breaks_off_or_is_not_there(tmp_path):
    path = tmp_path / "images.csv"
    write(path, ["a.png", "b.png"], ["0" * 32, "f" * 32])
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(RunError, match="its last line breaks off"):
        list(read_image_digests(path))
    with pytest.raises(RunError, match="cannot be read"):
        list(read_image_digests(tmp_path / "none.csv"))

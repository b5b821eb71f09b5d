"""The cache of scores: exact, shared, and never the end of a run."""

import os
import sqlite3
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from batchclf.core.images.facts import FACTS, content_digest
from batchclf.scoring.cache import UNUSED_DAYS, ScoreCache, cache_key


def _cache(folder, *, key="k", classes=3, said=None):
    return ScoreCache(folder, key, classes, say=(said if said is not None else []).append)


def _rows(count, classes=3, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(classes), count).astype(np.float32)


def _facts(count, seed=0):
    """Any bytes are facts."""
    return np.frombuffer(np.random.default_rng(seed).bytes(count * FACTS.itemsize), FACTS)


def _digests(count, start=0):
    return [content_digest(str(number).encode()) for number in range(start, start + count)]


def test_what_was_added_is_found_exactly_by_another_process_s_connection(tmp_path):
    rows = _rows(1000)
    first = _cache(tmp_path)
    first.add(_digests(1000), _facts(1000), rows)
    second = _cache(tmp_path)
    found = second.find(_digests(1200))
    assert found.places.tolist() == list(range(1000))
    np.testing.assert_array_equal(found.rows["probabilities"], rows)
    assert found.rows["facts"].tobytes() == _facts(1000).tobytes()
    for cache in (first, second):
        cache.close()


@settings(deadline=None, max_examples=30)
@given(arrays(np.float32, st.tuples(st.integers(1, 5), st.just(4)), elements=st.floats(0, 1, width=32)))
def test_every_float_comes_back_to_the_bit(tmp_path_factory, rows):
    cache = _cache(tmp_path_factory.mktemp("cache"), classes=4)
    digests = _digests(len(rows))
    cache.add(digests, _facts(len(rows)), rows)
    found = cache.find(digests)
    assert found.places.tolist() == list(range(len(rows)))
    assert found.rows["probabilities"].tobytes() == rows.tobytes()
    cache.close()


def test_keys_do_not_mix(tmp_path):
    one, other = _cache(tmp_path, key=cache_key({"model": "a"})), _cache(tmp_path, key=cache_key({"model": "b"}))
    one.add(_digests(5), _facts(5), _rows(5))
    assert not len(other.find(_digests(5)).places)
    assert cache_key({"a": "1", "b": "2"}) == cache_key({"b": "2", "a": "1"}) != cache_key({"a": "12"})
    for cache in (one, other):
        cache.close()


def test_rows_of_another_number_of_classes_are_not_taken(tmp_path):
    three, four = _cache(tmp_path), _cache(tmp_path, classes=4)
    three.add(_digests(5), _facts(5), _rows(5))
    assert not len(four.find(_digests(5)).places)
    for cache in (three, four):
        cache.close()


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\0" + bytes(500)])
def test_a_damaged_file_is_told_and_not_the_end(tmp_path, content):
    (tmp_path / "scores-k.sqlite").write_bytes(content)
    said = []
    cache = _cache(tmp_path, said=said)
    cache.add(_digests(5), _facts(5), _rows(5))
    assert not len(cache.find(_digests(5)).places)
    assert len(said) == 1
    assert "going on without the cache" in said[0]
    assert (tmp_path / "scores-k.sqlite").read_bytes() == content
    cache.close()


def test_a_newer_format_is_left_alone(tmp_path):
    with sqlite3.connect(tmp_path / "scores-k.sqlite") as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    said = []
    _cache(tmp_path, said=said).close()
    assert "format 99" in said[0]


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    said = []
    cache = _cache(tmp_path / "file" / "cache", said=said)
    assert not len(cache.find(_digests(2)).places)
    assert len(said) == 1


def test_a_full_disk_is_told_once(tmp_path):
    """SQLite's own limit on the size of the file stands for the disk."""
    said = []
    cache = _cache(tmp_path, said=said)
    cache._connection.execute("PRAGMA max_page_count = 4")
    for start in range(0, 4000, 400):
        cache.add(_digests(400, start), _facts(400), _rows(400))
    assert len(said) == 1
    assert "full" in said[0]


def test_files_that_nobody_has_used_for_long_are_removed(tmp_path):
    _cache(tmp_path, key="old").close()
    _cache(tmp_path, key="recent").close()
    long_ago = time.time() - (UNUSED_DAYS + 1) * 86400
    os.utime(tmp_path / "scores-old.sqlite", (long_ago, long_ago))
    _cache(tmp_path, key="new").close()
    assert sorted(path.name for path in tmp_path.glob("*.sqlite")) == ["scores-new.sqlite", "scores-recent.sqlite"]

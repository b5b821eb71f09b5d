"""Scores and facts of images scored before, found again by the content of the image; one SQLite file a model."""

import hashlib
import json
import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batchclf import atomic
from batchclf.core.images.facts import FACTS
from batchclf.core.types import Known, Say

FORMAT = 2
"""To be raised, too, whenever an image would get other facts."""

UNUSED_DAYS = 30
"""A file that no run has opened for so long is removed: a new model begins a new file, the old one stays behind."""

_BUSY_SECONDS = 30
_AT_ONCE = 256


def cache_key(parts: Mapping[str, str]) -> str:
    """Name what rows depend on beside the image: 32 hex digits over the format and all of `parts`."""
    return hashlib.blake2b(json.dumps([FORMAT, parts], sort_keys=True).encode(), digest_size=16).hexdigest()


class ScoreCache:
    """Maps the digest of an image (16 bytes) to its facts and probabilities, exactly as they were computed.

    Its rows have the fields `facts` (FACTS) and `probabilities`, (classes,) float32.

    A cache never stops a run: where its file cannot be opened, is damaged or the disk is full, that is said once and
    the run goes on without it. Safe to use from several threads; several processes may share a folder.
    """

    def __init__(self, folder: Path, key: str, classes: int, *, say: Say) -> None:
        self.place = folder, key, classes
        self._row = np.dtype([("facts", FACTS), ("probabilities", "<f4", (classes,))])
        self._say = say
        self._lock = threading.Lock()
        self._path = folder / f"scores-{key}.sqlite"
        self._connection: sqlite3.Connection | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _remove_unused(folder)
            self._path.touch()
            atomic.try_lock(self._path)
            self._connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, check_same_thread=False)
            self._open_table(self._connection)
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)

    def find(self, digests: Sequence[bytes]) -> Known:
        """Give what is known; its places are indices into `digests`."""
        found = self._stored(digests)
        size = self._row.itemsize
        places = [i for i, digest in enumerate(digests) if len(found.get(digest, b"")) == size]
        rows = np.frombuffer(b"".join([found[digests[i]] for i in places]), self._row)
        return Known(np.array(places, np.int64), rows)

    def _stored(self, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        with self._lock:
            if self._connection is None:
                return found
            try:
                for start in range(0, len(digests), _AT_ONCE):
                    some = digests[start : start + _AT_ONCE]
                    marks = ",".join("?" * len(some))
                    query = f"SELECT digest, row FROM scores WHERE digest IN ({marks})"
                    found.update(self._connection.execute(query, some))
            except sqlite3.Error as error:
                self._give_up(error)
                return {}
        return found

    def add(self, digests: Sequence[bytes], facts: NDArray[np.void], probabilities: NDArray[np.float32]) -> None:
        """Keep n FACTS and (n, classes) float32; all of them or, where the run is killed meanwhile, none."""
        with self._lock:
            if self._connection is None:
                return
            table = np.empty(len(digests), self._row)
            table["facts"], table["probabilities"] = facts, probabilities
            content, size = table.tobytes(), self._row.itemsize
            cut = [content[start : start + size] for start in range(0, len(content), size)]
            rows = zip(digests, cut, strict=True)
            try:
                with self._connection:
                    self._connection.executemany("INSERT OR IGNORE INTO scores VALUES (?, ?)", rows)
            except sqlite3.Error as error:
                self._give_up(error)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _open_table(self, connection: sqlite3.Connection) -> None:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, FORMAT):
            raise sqlite3.DatabaseError(f"it has format {version}, this batchclf writes {FORMAT}")
        # A cache may lose its newest rows to a power cut; waiting for the disk after each batch would cost more.
        connection.execute("PRAGMA synchronous = OFF")
        # Not WAL, which is not safe on network file systems (decision 036)
        connection.execute("PRAGMA journal_mode = TRUNCATE")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS scores (digest BLOB PRIMARY KEY, row BLOB NOT NULL) WITHOUT ROWID"
        )
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        self._path.touch()

    def _give_up(self, error: Exception) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._say(f"going on without the cache {self._path}: {error}; remove the file if it is damaged")


def _remove_unused(folder: Path) -> None:
    oldest = time.time() - UNUSED_DAYS * 86400
    for path in folder.glob("scores-*.sqlite"):
        if path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)

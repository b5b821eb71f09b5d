"""history.sqlite: open, check, make and migrate it; a file in which something is wrong is left as it is."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from batchclf import atomic
from batchclf.core.text import duration
from batchclf.errors import HistoryError
from batchclf.storage.history.schema import APPLICATION_ID, MIGRATIONS, NEWEST, statements

BUSY_SECONDS = 30.0
"""So long one process waits for another that is writing."""

_MAGIC = b"SQLite format 3\0"
_HEADER = 100
_UNWRITABLE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR)


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection that only reads; an older file is brought to the newest schema before.

    Raises HistoryError where the file is missing, is not ours, newer, locked, or where damage is met.
    """
    with _told(path, "read"):
        check_header(path)
        connection = _open_to_read(path)
        try:
            if _version(connection, path) < NEWEST:
                connection.close()
                with writing(path):
                    pass
                connection = _open_to_read(path)
            yield connection
        finally:
            connection.close()


@contextmanager
def writing(path: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection within a transaction, which ends with the block: all of it is kept or, on an error, nothing.

    A file that is missing is made. One that is there is checked first (`check`), and not touched where that fails.
    Raises HistoryError.
    """
    with _told(path, "written"):
        if not _is_there(path):
            _make(path)
        check(path)
        with closing(_connect(path, "rw")) as connection:
            _migrate(connection, path)
            with _transaction(connection):
                yield connection


def check(path: Path, *, full: bool = False) -> None:
    """Check a file without changing it: its header, its version, and by SQLite that it is whole.

    `full` also compares indexes and foreign keys, which takes longer. Raises HistoryError.
    """
    with _told(path, "read"):
        check_header(path)
        with closing(_open_to_read(path)) as connection:
            _version(connection, path)
            found = [row[0] for row in connection.execute(f"PRAGMA {'integrity' if full else 'quick'}_check(10)")]
            if full and found == ["ok"]:
                found += [
                    f"a row of {row[0]} belongs to no run" for row in connection.execute("PRAGMA foreign_key_check")
                ]
            if (trouble := [each for each in found if each != "ok"]) or not found:
                raise HistoryError(f"{path} is damaged: {'; '.join(trouble[:3])}", hint=_rebuild(path))


def check_header(path: Path) -> None:
    """Look whether a file is a history by its first bytes, before SQLite sees it. Raises HistoryError."""
    try:
        with path.open("rb") as handle:
            header = handle.read(_HEADER)
    except FileNotFoundError as error:
        raise HistoryError(
            f"there is no {path}",
            hint=f"the next `batchclf run` makes it, or: batchclf history rebuild --reports {path.parent}",
        ) from error
    except OSError as error:
        raise HistoryError(f"{path} cannot be read: {error.strerror}", hint="check its permissions") from error
    if len(header) < _HEADER or not header.startswith(_MAGIC):
        what = "is empty" if not header else "is not a SQLite file, or its beginning is damaged"
        raise HistoryError(f"{path} {what}", hint=_rebuild(path))
    # The first bytes before SQLite sees the file; nothing is written before it is checked (decision 104)
    if int.from_bytes(header[68:72], "big") != APPLICATION_ID:
        raise HistoryError(f"{path} is a SQLite file of another application", hint=_rebuild(path))
    _require_locks(path, path)


def _require_locks(file: Path, path: Path) -> None:
    """Raise HistoryError if `file`, which is or will be the history `path`, cannot be locked."""
    try:
        atomic.try_lock(file)
    except OSError as error:
        raise HistoryError(
            f"{path} cannot be used: {error.strerror}, so two processes may damage it",
            hint="name another reports folder, or mount this one with locks (NFS: its lock service, CIFS: nobrl); run "
            "directories are whole without it",
        ) from error


def _is_there(path: Path) -> bool:
    return os.path.lexists(path)


def _rebuild(path: Path) -> str:
    again = f"batchclf history rebuild --reports {path.parent}"
    return f"it was left as it is; move it away (`mv {path} {path}.old`), then make a new one: {again}"


def _version(connection: sqlite3.Connection, path: Path) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if not 1 <= version <= NEWEST:
        newer = version > NEWEST
        raise HistoryError(
            f"{path} has schema version {version}; this batchclf knows versions 1 to {NEWEST}",
            hint="update batchclf; the file was left as it is" if newer else _rebuild(path),
        )
    return version


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"file:{quote(os.fsencode(path.absolute()))}?{mode if '=' in mode else 'mode=' + mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _open_to_read(path: Path) -> sqlite3.Connection:
    """Open a file that may lie on a read-only disk.

    Where a killed process has left a write-ahead log, closing a connection that may write would move it into the file.
    """
    log = path.with_name(path.name + "-wal")
    pending = log.exists() and log.stat().st_size > 0
    for mode in ("ro",) if pending else ("rw", "ro", "mode=ro&immutable=1"):
        connection = _connect(path, mode)
        try:
            connection.execute("PRAGMA query_only = ON")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            connection.close()
            if _primary(error) not in _UNWRITABLE or pending or "immutable" in mode:
                raise
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise AssertionError("one of the modes opens or raises")


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _make(path: Path) -> None:
    """Make an empty history beside its place, then link it there: of two that do so at once one wins, none is lost."""
    log = path.with_name(path.name + "-wal")
    if log.exists() and not _is_there(path):
        # SQLite would move it into whatever file stands there.
        raise HistoryError(
            f"{log} is left of a history that is no longer there", hint=f"move it away, too: mv {log} {log}.old"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = atomic.beside(path)
        try:
            partial.touch()
            _require_locks(partial, path)
            with closing(sqlite3.connect(partial, isolation_level=None)) as connection:
                with _transaction(connection):
                    for number in range(NEWEST):
                        _step(connection, number)
                    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                # On a file system that cannot do it SQLite stays with a rollback journal.
                connection.execute("PRAGMA journal_mode = WAL").fetchone()
            try:
                # Linked, not renamed: of two processes that begin at once none overwrites the other (decision 104)
                os.link(partial, path)
            except FileExistsError:
                return
            except OSError:  # a file system without hard links
                if not _is_there(path):
                    partial.rename(path)
            atomic.flush_path(path.parent)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise HistoryError(f"{path} cannot be made: {error.strerror}", hint=_CHECK_DISK) from error


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring an older file to the newest schema, step by step, each in a transaction; keep a copy of the old one."""
    version = _version(connection, path)
    if version == NEWEST:
        return
    copy = path.with_name(f"{path.stem}.v{version}{path.suffix}")
    if not copy.exists():
        partial = atomic.beside(copy)
        try:
            with closing(sqlite3.connect(partial)) as copied:
                connection.backup(copied)
            partial.rename(copy)
            atomic.flush_path(copy.parent)
        finally:
            partial.unlink(missing_ok=True)
    while version < NEWEST:
        with _transaction(connection):
            # Another process may have taken the step meanwhile.
            version = _version(connection, path)
            if version < NEWEST:
                _step(connection, version)
                version += 1


def _step(connection: sqlite3.Connection, version: int) -> None:
    for statement in statements(MIGRATIONS[version]):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {version + 1}")


_CHECK_DISK = "check the disk's free space and the permissions; run directories are whole without it"


@contextmanager
def _told(path: Path, done: str) -> Iterator[None]:
    """Turn SQLite's errors into what a person can do about them."""
    try:
        yield
    except sqlite3.Error as error:
        code = _primary(error)
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise HistoryError(f"{path} is damaged: {error}", hint=_rebuild(path)) from error
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise HistoryError(
                f"{path} is locked: another process has been writing to it for {duration(BUSY_SECONDS)}",
                hint="see who has it open (`fuser -v` with the file); what it lacks is added by the next run",
            ) from error
        if code in (*_UNWRITABLE, sqlite3.SQLITE_FULL):
            raise HistoryError(f"{path} cannot be {done}: {error}", hint=_CHECK_DISK) from error
        raise HistoryError(f"{path} cannot be {done}: {error}", hint=_rebuild(path)) from error
    except OSError as error:
        raise HistoryError(f"{path} cannot be {done}: {error.strerror or error}", hint=_CHECK_DISK) from error


def _primary(error: sqlite3.Error) -> int:
    """Give SQLite's primary result code; extended ones have more in the upper bits."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF

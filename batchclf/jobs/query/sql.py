"""SQL over the files of a run directory, with DuckDB.

The tables are copied into DuckDB's memory before the query; by then DuckDB may open no file any more. Leave to read the
run's own files would not do: a query may write with COPY, within a SELECT too, and DuckDB's leave to read is leave to
write.
"""

import csv
import difflib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from batchclf.core.text import GUARDED_STARTS
from batchclf.core.types import Say
from batchclf.errors import PredictionsError, QueryError, RunError
from batchclf.storage.predictions.read import read_header
from batchclf.storage.predictions.read_parts import PartsTable
from batchclf.storage.predictions.write import PARQUET_FILE, predictions_in
from batchclf.storage.run.tables import PREDICTIONS, TABLES, CellType, cell_type, tables_in
from batchclf.storage.run.written import check_written

if TYPE_CHECKING:
    import duckdb

_SQL_TYPES: dict[CellType, str] = {"text": "VARCHAR", "number": "DOUBLE", "whole": "BIGINT", "boolean": "BOOLEAN"}
_MISSING = re.compile(r'(?:Table|Function) with name (.+) does not exist|column (?:named )?"(.+?)"')
_SUGGESTION = re.compile(r"^(?:Did you mean|Candidate bindings:) .*$", re.MULTILINE)
_CANDIDATE = re.compile(r'"([^"\n]+)"')
_ROWS_AT_A_TIME = 10_000
_MOST_COLUMNS = 1_000_000
_MOMENT = 0.02
_READ_ONLY = "a query is one SELECT over the tables of the run; it reads no other file and writes none"


@dataclass(frozen=True, eq=False)
class QueryResult:
    """What a query gives: names and DuckDB's types of its columns; the rows come as they are asked for."""

    columns: list[str]
    types: list[str]
    rows: Iterator[tuple[Any, ...]]


@contextmanager
def run_query(run: Path, sql: str, *, warn: Say) -> Iterator[QueryResult]:
    """Run a query over a run directory; use as a context manager, which the rows are read within.

    The tables are those of `storage/run/tables.py` whose files are there. `predictions` is read from
    predictions.parquet or the parts if they are there, else from predictions.csv. Texts have no `'` in front, an empty
    cell is NULL, but an empty `split` is ''. `warn` gets what was edited since the run wrote it. Raises RunError if
    `run` is no run directory, a file of the query has other rows than the run wrote, or DuckDB is not installed,
    PredictionsError if a file is damaged, QueryError if the query makes no sense or asks for more than it may.
    """
    folder = _run_directory(run)
    if find_spec("duckdb") is None:
        raise RunError(
            "queries need duckdb, which is not installed", hint="install it with: pip install 'batchclf[query]'"
        )
    import duckdb

    tables = {name: _Source(folder, name) for name in tables_in(folder)}
    if PREDICTIONS not in tables:
        tables[PREDICTIONS] = _Source(folder, PREDICTIONS)
    with TemporaryDirectory() as spill, ThreadPoolExecutor(1) as pool:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "temp_directory": spill,
        }
        database = _Database(duckdb.connect(":memory:", config=settings), pool)
        try:
            _check_statement(database, sql, tables)
            for name, source in tables.items():
                # A table that is not loaded stays a view, whose file is out of reach.
                load = re.search(rf"\b{name}\b", sql, re.IGNORECASE) is not None
                if load:
                    check_written(folder, [source.path.name], warn=warn)
                source.put_into(database, load=load)
            # Only now, after the copies: a file that DuckDB may read it may also overwrite (decision 085)
            database.execute("SET enable_external_access = false; SET lock_configuration = true")
            yield _run(database, sql, tables)
        finally:
            pool.submit(database.connection.close)


@dataclass(frozen=True, eq=False)
class _Database:
    """A connection that is used in a thread: DuckDB in the main thread would not end at Ctrl-C or SIGTERM."""

    connection: "duckdb.DuckDBPyConnection"
    pool: ThreadPoolExecutor

    def execute(self, sql: str) -> None:
        """Run SQL. Raises duckdb.Error."""
        self._in_thread(self.connection.execute, sql)

    def fetch(self, count: int) -> list[tuple[Any, ...]]:
        """Give the next rows of what was run. Raises duckdb.Error."""
        rows: list[tuple[Any, ...]] = self._in_thread(self.connection.fetchmany, count)
        return rows

    def _in_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        # In a thread: in the main thread Ctrl-C would not end the query (decision 084)
        future = self.pool.submit(work, *arguments)
        try:
            return future.result()
        except KeyboardInterrupt:
            while not future.done():
                self.connection.interrupt()
                time.sleep(_MOMENT)
            raise


def _run_directory(run: Path) -> Path:
    """Follow `latest` once, so that a run that is published meanwhile changes nothing."""
    if not run.is_dir():
        raise RunError(f"there is no run directory {run}", hint="give a folder that `batchclf run` or `score` made")
    folder = run.resolve()
    if not (predictions_in(folder).exists() or (folder / PARQUET_FILE).is_file()):
        raise RunError(
            f"{run} is not a run directory: it holds no {TABLES[PREDICTIONS].file}",
            hint="give a folder that `batchclf run` or `batchclf score` made",
        )
    return folder


class _Source:
    """A file of the run as a table."""

    def __init__(self, folder: Path, table: str) -> None:
        self.table, self.path, self.columns = table, folder / TABLES[table].file, list[str]()
        self._parquet: list[Path] = []
        """The files with the rows, if they are Parquet."""
        if table == PREDICTIONS:
            predictions, parquet = predictions_in(folder), folder / PARQUET_FILE
            if predictions.is_dir():
                self.path, self._parquet = predictions, PartsTable(predictions).files
            elif parquet.is_file():
                self.path, self._parquet = parquet, [parquet]

    def put_into(self, database: _Database, *, load: bool) -> None:
        """Make a table of the file, or a view, which shows no more than its columns. Raises PredictionsError."""
        with _damage_of(self.path):
            if self._parquet:
                first = _literal(self._parquet[0])
                database.execute(f"SELECT name FROM parquet_schema({first}) WHERE num_children IS NULL")
                self.columns = [name for (name,) in database.fetch(_MOST_COLUMNS)]
            else:
                self.columns = read_header(self.path) if self.table == PREDICTIONS else _header(self.path)
            database.execute(f"CREATE {'TABLE' if load else 'VIEW'} {_quoted(self.table)} AS {self._select()}")

    def _select(self) -> str:
        places = [f"c{number}" for number in range(len(self.columns))]
        types = [cell_type(self.table, name) for name in self.columns]
        if self._parquet:
            files = ", ".join(map(_literal, self._parquet))
            source = f"read_parquet([{files}], hive_partitioning = false)"
            values: Sequence[str] = places
        else:
            of_cells = ", ".join(f"{place}: '{_SQL_TYPES[kind]}'" for place, kind in zip(places, types, strict=True))
            source = (
                f"read_csv({_literal(self.path)}, auto_detect = false, header = true, delim = ',', quote = '\"', "
                f"escape = '\"'{_new_line(self.path)}, nullstr = '', hive_partitioning = false, "
                f"columns = {{{of_cells}}})"
            )
            values = [_value(place, kind) for place, kind in zip(places, types, strict=True)]
        shown = [
            f"{_filled(value) if name.endswith('split') else value} AS {_quoted(alias)}"
            for value, name, alias in zip(values, self.columns, _aliases(self.columns), strict=True)
        ]
        return f"SELECT {', '.join(shown)} FROM {source} AS file({', '.join(places)})"


def _new_line(path: Path) -> str:
    """Name the line end of a CSV as an option of `read_csv`; nothing if its header has none."""
    header = b""
    with path.open("rb") as handle:
        while (line := handle.readline()) and (header := header + line).count(b'"') % 2:
            pass
    # Without it DuckDB gives a table without rows if a name in the header has a line break (decision 153)
    if not header.endswith(b"\n"):
        return ""
    return r", new_line = '\r\n'" if header.endswith(b"\r\n") else r", new_line = '\n'"


def _value(place: str, kind: CellType) -> str:
    if kind != "text":
        return place
    starts = ", ".join(f"chr({ord(start)})" for start in GUARDED_STARTS)
    return f"CASE WHEN starts_with({place}, '''') AND {place}[2] IN ({starts}) THEN {place}[2:] ELSE {place} END"


def _filled(value: str) -> str:
    # Tables are joined by split and path, and NULL = NULL is not true.
    return f"coalesce({value}, '')"


def _aliases(columns: Sequence[str]) -> Iterator[str]:
    """Name columns so that they differ even without regard to capitals, as SQL needs it: `prob:a`, `prob:A_2`."""
    taken: set[str] = set()
    for name in columns:
        alias, number = name, 1
        while alias.lower() in taken:
            number += 1
            alias = f"{name}_{number}"
        taken.add(alias.lower())
        yield alias


def _check_statement(database: _Database, sql: str, tables: Mapping[str, _Source]) -> None:
    import duckdb

    try:
        statements = database.connection.extract_statements(sql)
    except duckdb.Error as error:
        raise _query_error(error, tables) from error
    # PIVOT is made of several statements; INSERT and the like would change no more than a copy in memory.
    if len(statements) != 1 or statements[0].type.name not in ("SELECT", "EXPLAIN", "MULTI"):
        what = f"a {statements[0].type.name}" if len(statements) == 1 else f"{len(statements)} statements"
        raise QueryError(f"the query is {what}; one SELECT is expected", hint=_READ_ONLY)


def _run(database: _Database, sql: str, tables: Mapping[str, _Source]) -> QueryResult:
    import duckdb

    try:
        database.execute(sql)
    except duckdb.Error as error:
        raise _query_error(error, tables) from error
    described = database.connection.description or []
    types = [str(column[1]) for column in described]
    return QueryResult([column[0] for column in described], types, _rows(database, types, tables))


def _rows(database: _Database, types: Sequence[str], tables: Mapping[str, _Source]) -> Iterator[tuple[Any, ...]]:
    import duckdb

    short = [place for place, kind in enumerate(types) if kind == "FLOAT"]
    while True:
        try:
            rows = database.fetch(_ROWS_AT_A_TIME)
        except duckdb.Error as error:
            raise _query_error(error, tables) from error
        if not rows:
            return
        yield from ([_shortened(row, short) for row in rows] if short else rows)


def _shortened(row: tuple[Any, ...], places: list[int]) -> tuple[Any, ...]:
    """Give float32 values as few digits as give them, not those of the float64 that they become in Python."""
    values = list(row)
    for place in places:
        if values[place] is not None:
            values[place] = float(str(np.float32(values[place])))
    return tuple(values)


def _header(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as handle:
        header = next(csv.reader(handle), [])
    if not header:
        raise ValueError("it has no header line")
    return header


@contextmanager
def _damage_of(path: Path) -> Iterator[None]:
    """Turn what is wrong with a file of the run into a PredictionsError."""
    import duckdb

    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise _out_of_memory(error) from error
    except (duckdb.Error, OSError, ValueError, csv.Error) as error:
        raise PredictionsError(
            f"{path} is damaged: {_one_line(error)}", hint="score again, or repair the line"
        ) from error


def _query_error(error: "duckdb.Error", tables: Mapping[str, _Source]) -> QueryError:
    import duckdb

    if isinstance(error, duckdb.OutOfMemoryException):
        return _out_of_memory(error)
    if isinstance(error, duckdb.PermissionException):
        return QueryError(f"the query may not do that: {_one_line(error)}", hint=_READ_ONLY)
    wrong = QueryError(f"the query cannot be run: {_one_line(error)}", hint=_meant(str(error), tables))
    _, line, place = str(error).partition("LINE ")
    # DuckDB puts its mark as if a tab had no width
    wrong.excerpt = tuple(f"{line}{place}".replace("\t", "").splitlines())
    return wrong


def _meant(said: str, tables: Mapping[str, _Source]) -> str:
    """Say which table, column or function may have been meant, or which there are."""
    if missing := _MISSING.search(said):
        suggested = _CANDIDATE.findall("".join(_SUGGESTION.findall(said)))
        # DuckDB would name tables of its own, and columns that come nowhere near
        known = tables if missing[0].startswith("Table") else suggested
        if near := difflib.get_close_matches(missing[1] or missing[2], known, 2):
            return f"did you mean {' or '.join(near)}?"
    return f"the tables are {', '.join(tables)}; DESCRIBE {PREDICTIONS} lists the columns of {PREDICTIONS}"


def _out_of_memory(error: Exception) -> QueryError:
    return QueryError(f"out of memory: {_one_line(error)}", hint="ask for fewer rows or columns at once")


def _one_line(error: Exception) -> str:
    """Take what DuckDB says up to what it suggests and to where it shows the query."""
    text = _SUGGESTION.sub("", str(error)).partition("\n\nLINE ")[0].partition("\n\n  file = ")[0]
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"

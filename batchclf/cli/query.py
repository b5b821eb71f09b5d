"""`batchclf query`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchclf.cli.options import describe, file_path, keep_output_free, positive, run_path, shown

if TYPE_CHECKING:
    from batchclf.cli.console import Console

FORMATS = ("table", "csv", "jsonl")
SHOWN_ROWS = 40
EXAMPLES = """\
examples:
  batchclf query reports/score/latest "SELECT prediction, count(*) FROM predictions GROUP BY ALL ORDER BY 2 DESC"
  batchclf query reports/fashion-mnist/latest "SELECT path, label, prediction, confidence FROM predictions \\
      WHERE split = 'test' AND NOT correct ORDER BY confidence DESC LIMIT 20"
  batchclf query reports/score/latest "SELECT path, brightness, confidence FROM predictions JOIN images \\
      USING (split, path) WHERE confidence < 0.5" --out unsure.csv
  batchclf query reports/score/latest "DESCRIBE predictions"

tables, each if its file is there: predictions, images, per_class, confusion, slices, skipped,
duplicates, flips
"""


def add(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verb's parser."""
    parser = verbs.add_parser(
        "query",
        parents=[common],
        help="query a run's files with SQL",
        description="Run a SQL query (DuckDB's dialect) over the predictions of a run directory and its other CSVs. "
        "It only reads. Needs: pip install 'batchclf[query]'",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=run_path, metavar="RUN_DIR", help="what `run` or `score` wrote")
    parser.add_argument("sql", metavar="SQL", help="one SELECT")
    form = parser.add_argument("--format", choices=FORMATS, help="form of the rows: for people, CSV, an object a row")
    describe(form, unset="by the suffix of --out, else table")
    rows = parser.add_argument("--rows", type=positive, metavar="N", help="at most N rows")
    describe(rows, unset=f"{SHOWN_ROWS} in a table, else all")
    describe(
        parser.add_argument("-o", "--out", type=file_path, metavar="FILE", help="file to write"),
        unset="standard output",
    )
    parser.set_defaults(handle=handle)


def handle(args: argparse.Namespace, console: "Console") -> int:
    """Run the query."""
    from batchclf.cli.query_output import json_rows, print_rows, write_rows
    from batchclf.errors import UsageError
    from batchclf.jobs.query.sql import run_query

    out: Path | None = args.out
    if console.as_json and args.format and out is None:
        raise UsageError("--json prints one JSON object, and --format asks for another form", hint="leave one out")
    if out is not None and out.exists() and out.resolve().parent == args.run.resolve():
        raise UsageError(f"{out} is a file of the run", hint="give another --out; a query changes nothing in a run")
    from batchclf.core.text import counted

    suffix = "" if out is None else out.suffix.lower().lstrip(".")
    form = args.format or (suffix if suffix in FORMATS else "table")
    if out is not None:
        keep_output_free([out], console)
    elif form != "table":
        console.lines_to_stderr()
    limit = args.rows or (SHOWN_ROWS if form == "table" and not console.as_json else None)
    with run_query(args.run, args.sql, warn=console.warn) as result:
        summary: dict[str, Any] = {"columns": result.columns, "types": result.types}
        if out is not None:
            written, more = write_rows(out, result, form, limit)
            console.say(f"wrote {counted(written, 'row')} to {shown(out)}{_more(more)}")
            summary |= {"out": str(out), "written": written}
        elif console.as_json:
            summary["rows"], more = json_rows(result, limit)
        else:
            _, more = print_rows(result, form, limit)
            if more:
                console.say(_more(more).removeprefix("; "))
    return console.result({**summary, "more": more})


def _more(more: int) -> str:
    return f"; {more:,} more {'row' if more == 1 else 'rows'}: ask for them with --rows" if more else ""

"""README.md of a run directory: for an analyst who has never seen batchclf."""

from collections.abc import Sequence

from batchclf.core.choices import FORMAT_WORDS
from batchclf.core.records.run import RunRecord, SubsetRecord
from batchclf.core.text import count, counted
from batchclf.errors import Status
from batchclf.report.parts.markdown_text import code

README_FILE = "README.md"
SHOWN_CLASSES = 100

FILES = {
    "README.md": "this file",
    "report.html": "the report; open it in a browser",
    "report.md": "the report in short, as Markdown",
    "report.github.md": "the same with tables, for the summary of a GitHub Actions run",
    "report.json": "the numbers of the report, for programs",
    "report.model-index.md": "the metrics as metadata of a model card of the Hugging Face Hub",
    "report.dvc.json": "the metrics as plain numbers, for DVC",
    "predictions.csv": "one row per image, see below",
    "predictions": "one row per image, in Parquet files, in order of their names, see below",
    "predictions.schema.json": "the columns of the predictions for programs: a Table Schema of the Data Package "
    "standard",
    **{f"predictions.{name}": f"the same rows as {words}" for name, words in FORMAT_WORDS.items() if name != "csv"},
    "images.csv": "each of these images: size, mode, brightness, contrast, hash, digest",
    "duplicates.csv": "images that occur more than once, above all in both train and test",
    "flips.csv": "the images whose prediction differs from the previous run",
    "skipped.csv": "the images that could not be read, with reasons",
    "metrics.json": "the metrics of each split, and the gap between train and test",
    "per_class.csv": "the metrics of each class",
    "confusion.csv": "images of each true class by predicted class",
    "slices.csv": "accuracy by what is known of the images: brightness, size, metadata; and the weakest slices",
    "run.json": "how the run came about: command, status, model, counts, timings, versions, gate results",
    "junit.xml": "the job's rules and alarms as JUnit test cases, for build servers",
    "log.jsonl": "the log of the run, one JSON object per line",
}
"""The files that a run directory can hold, in the order they are listed in."""

_TYPES = {"string": "text", "number": "number", "boolean": "true or false"}
_STATUS: dict[Status, str] = {
    "ok": "It succeeded.",
    "gate failed": "**The gate failed: a rule failed or an alarm was raised.** The report says which.",
    "partial": "**The run is partial: not all images were scored.** The report says why.",
}

_READING = """\
### In a spreadsheet

Do not double-click the file: a spreadsheet that guesses types turns a class named `2026-11-24` or `1-2` into a
date, `001` into 1, `1e5` into 100000, shortens long digits, and garbles letters such as `ö`. Import the text columns
as text instead.

- **LibreOffice Calc**: *File > Open*. In the dialog choose *Character set* Unicode (UTF-8), *Language* English (USA),
  *Separated by* Comma, *String delimiter* `"`, and leave *Detect special numbers* off. Then click the header of each
  column that is "text" in the table above, with Ctrl for several, and set *Column type* to Text.
- **Excel**: *Data > From Text/CSV*. Choose *File origin* 65001: Unicode (UTF-8) and *Delimiter* Comma, then *Transform
  Data*, and set the type of each text column to Text.

### In Python, with pandas

```python
import json
from pathlib import Path

import pandas as pd

schema = json.loads(Path("predictions.schema.json").read_text(encoding="utf-8"))
types = {"string": "str", "number": "float64", "boolean": "boolean"}
rows = pd.read_csv(
    "predictions.csv",
    dtype={field["name"]: types[field["type"]] for field in schema["fields"]},
    keep_default_na=False,  # a class may be named "NA"
    na_values=schema["missingValues"],
)
for field in schema["fields"]:
    if field["type"] == "string":
        rows[field["name"]] = rows[field["name"]].str.removeprefix("'")
```

If batchclf is installed, `batchclf.read_predictions(".")` does all of this.

### In R

```r
rows <- read.csv("predictions.csv", check.names = FALSE, colClasses = "character", na.strings = "",
                 encoding = "UTF-8")
number <- grepl("^margin$|confidence$|^prob:", names(rows))
rows[number] <- lapply(rows[number], as.numeric)
rows$correct <- rows$correct == "true"
text <- grepl("^(path|split|label|(top[0-9]+_)?prediction)$", names(rows))
rows[text] <- lapply(rows[text], function(column) sub("^'", "", column))
```

### In SQL

With batchclf and its extra `query` installed, queries can use the tables `predictions`, `images`, `per_class`,
`confusion`, `slices`, `skipped`, `duplicates` and `flips`; its texts have no `'` in front.

```console
$ batchclf query . "SELECT label, prediction, count(*) AS images FROM predictions WHERE NOT correct GROUP BY ALL"
```

## The `'` at the beginning of a text

A spreadsheet takes a text that begins with `=`, `+`, `-`, `@`, a tab or a carriage return for a formula. In all CSV
files here such a text, and one that begins with `'`, has a `'` in front. To get the text back, remove one leading `'`;
the snippets for pandas and R do so. In LibreOffice, this formula does it for the cell A2:
`=IF(LEFT(A2;1)="'";MID(A2;2;32767);A2)`, in an English Excel with commas instead of semicolons.
"""


_READING_PARTS = """\
The files `part-000000.parquet`, `part-000001.parquet`, … hold the rows in the order of the paths.
Unknown values are null.

### In Python, with pandas and pyarrow

```python
from pathlib import Path

import pandas as pd

rows = pd.concat(map(pd.read_parquet, sorted(Path("predictions").glob("*.parquet"))), ignore_index=True)
```

If batchclf is installed, `batchclf.read_predictions(".")` does this, too.

### In SQL

With batchclf and its extra `query` installed, queries can use the tables `predictions`, `images`, `per_class`,
`confusion`, `slices`, `skipped`, `duplicates` and `flips`.

```console
$ batchclf query . "SELECT label, prediction, count(*) AS images FROM predictions WHERE NOT correct GROUP BY ALL"
```

## The `'` at the beginning of a text in a CSV file

A spreadsheet takes a text that begins with `=`, `+`, `-`, `@`, a tab or a carriage return for a formula. In all CSV
files here such a text, and one that begins with `'`, has a `'` in front. To get the text back, remove one leading `'`.
"""


def run_readme(record: RunRecord, columns: Sequence[tuple[str, str, str]], files: Sequence[str]) -> str:
    """Describe what a run directory holds and how to open it, as Markdown.

    `columns` are name, type (as in a Table Schema) and meaning of each column of the predictions; a single `prob:CLASS`
    stands for all probability columns. `files` are the names of the files that are there. All names from outside stand
    as code.
    """
    classes = record.model.class_names
    listed = [f"| {code(name)} | {_TYPES[kind]} | {meaning} |" for name, kind, meaning in columns]
    shown = ", ".join(map(code, classes[:SHOWN_CLASSES]))
    more = f" and {count(len(classes) - SHOWN_CLASSES)} more" if len(classes) > SHOWN_CLASSES else ""
    lines = [
        "# The predictions of an image classifier",
        "",
        f"{_made_by(record)} This folder holds its predictions and, if labels are known, how good they are.",
        "",
        *_facts(record),
        "",
        "## The files",
        "",
        "| file | what it holds |",
        "|---|---|",
        *(f"| `{name}` | {what} |" for name, what in FILES.items() if name in files),
        "",
        "CSV files are UTF-8 with a header line and commas; a cell may hold commas, quotes and line breaks, and is "
        "then in double quotes. The decimal sign is a point. Shares are 0 to 1.",
        "",
        "## predictions, in parts" if record.is_partitioned else "## predictions.csv",
        "",
        "One row per image. The columns are always in this order:",
        "",
        "| column | type | what it holds |",
        "|---|---|---|",
        *listed,
        "",
        f"The {counted(len(classes), 'class', 'classes')}, in the model's order: {shown}{more}. "
        "`predictions.schema.json` has them, too.",
        "",
        _READING_PARTS if record.is_partitioned else _READING,
    ]
    return "\n".join(lines)


def _made_by(record: RunRecord) -> str:
    if record.is_of_predictions:
        return "Another program predicted the class of each image; batchclf read its predictions."
    return "batchclf scored images with a model, which predicts the class of each."


def _facts(record: RunRecord) -> list[str]:
    """List when, what and how."""
    job = f" of the job {code(record.job)}" if record.job else ""
    model = record.model
    known = f"{code(model.path, longest=None)}, recipe {code(model.recipe)}, trained on {code(model.trained_on)}"
    if record.is_of_predictions:
        known = "unknown, only predictions were read"
    return [
        f"- Run: {code(record.run_id)}{job}, started {code(record.started)}. {_STATUS[record.status]}",
        f"- Model: {known}",
        *map(_subset, record.subsets),
    ]


def _subset(subset: SubsetRecord) -> str:
    name = f" ({code(subset.split)})" if subset.split else ""
    return (
        f"- Images: {code(subset.source, longest=None)}{name}: {count(subset.scored)} scored, "
        f"{count(subset.skipped)} could not be read, {count(subset.excluded)} left out"
    )

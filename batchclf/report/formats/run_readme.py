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
    "README.md": "this text",
    "report.html": "the report, for reading: open it in a browser",
    "report.md": "the report in short, as Markdown",
    "report.github.md": "the same with tables, for the page of a run of GitHub Actions",
    "report.json": "the numbers of the report, for programs",
    "report.model-index.md": "the metrics as metadata of a model card of the Hugging Face Hub",
    "report.dvc.json": "the metrics as plain numbers, for DVC",
    "predictions.csv": "one row an image, see below",
    "predictions": "one row an image, in Parquet files that follow one another by name, see below",
    "predictions.schema.json": "the columns of the predictions for programs: a Table Schema of the Data Package "
    "standard",
    **{f"predictions.{name}": f"the same rows as {words}" for name, words in FORMAT_WORDS.items() if name != "csv"},
    "images.csv": "facts of each of these images: size, mode, brightness, contrast, hash, digest",
    "duplicates.csv": "images that occur more than once, above all in both train and test",
    "flips.csv": "the images whose prediction is another one than in the run before",
    "skipped.csv": "the images that could not be read, with the reason",
    "metrics.json": "the metrics of each split, and the gap between train and test",
    "per_class.csv": "the metrics of each class",
    "confusion.csv": "how many images of each true class were predicted as each class",
    "slices.csv": "accuracy by what is known of the images: brightness, size, metadata; and the weakest slices",
    "run.json": "how the run came about: command, status, model, counts, timings, versions, gate results",
    "junit.xml": "the bounds and alarms of the job as test cases, for build servers",
    "log.jsonl": "what the run said, one JSON object a line",
}
"""The files that a run directory can hold, in the order they are listed in."""

_TYPES = {"string": "text", "number": "number", "boolean": "true or false"}
_STATUS: dict[Status, str] = {
    "ok": "All went well.",
    "gate failed": "**A rule of the gate was broken or an alarm was raised.** The report says which.",
    "partial": "**The run is partial: not all images that were wanted are in it.** The report says why.",
}

_READING = """\
### In a spreadsheet

Do not open the file by a double click: a spreadsheet that guesses turns a class named `2026-11-24` or `1-2` into a
date, `001` into 1, `1e5` into 100000, shortens long digits, and spoils letters such as `ö`. Have it import the text
columns as text.

- **LibreOffice Calc**: *File > Open*. In the dialogue take *Character set* Unicode (UTF-8), *Language* English (USA),
  *Separated by* Comma, *String delimiter* `"`, and leave *Detect special numbers* off. Then click the head of each
  column that is "text" in the table above, with Ctrl for several, and set *Column type* to Text.
- **Excel**: *Data > From Text/CSV*. Take *File origin* 65001: Unicode (UTF-8) and *Delimiter* Comma, then *Transform
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

Where batchclf is installed, `batchclf.read_predictions(".")` does all of this.

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

Where batchclf is installed with its extra `query`, a query may name the tables `predictions`, `images`, `per_class`,
`confusion`, `slices`, `skipped`, `duplicates` and `flips`; its texts have no `'` in front.

```console
$ batchclf query . "SELECT label, prediction, count(*) AS images FROM predictions WHERE NOT correct GROUP BY ALL"
```

## The `'` at the beginning of a text

A spreadsheet would take a text that begins with `=`, `+`, `-`, `@`, a tab or a carriage return for a formula. So a
`'` stands in front of such a text in all CSV files here, and of one that begins with `'` itself. To get the text back
take one leading `'` away; the snippets for pandas and R do so. In LibreOffice this makes it in another column, for
the cell A2: `=IF(LEFT(A2;1)="'";MID(A2;2;32767);A2)`, in an English Excel with commas in place of the semicolons.
"""


_READING_PARTS = """\
The files `part-000000.parquet`, `part-000001.parquet`, … have the rows one after the other, in the order of the paths.
Unknown values are null.

### In Python, with pandas and pyarrow

```python
from pathlib import Path

import pandas as pd

rows = pd.concat(map(pd.read_parquet, sorted(Path("predictions").glob("*.parquet"))), ignore_index=True)
```

Where batchclf is installed, `batchclf.read_predictions(".")` does this, too.

### In SQL

Where batchclf is installed with its extra `query`, a query may name the tables `predictions`, `images`, `per_class`,
`confusion`, `slices`, `skipped`, `duplicates` and `flips`.

```console
$ batchclf query . "SELECT label, prediction, count(*) AS images FROM predictions WHERE NOT correct GROUP BY ALL"
```

## The `'` at the beginning of a text in a CSV file

A spreadsheet would take a text that begins with `=`, `+`, `-`, `@`, a tab or a carriage return for a formula. So a
`'` stands in front of such a text in all CSV files here, and of one that begins with `'` itself. To get the text back
take one leading `'` away.
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
        f"{_made_by(record)} This folder has its predictions, and how good they are where the true classes are known.",
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
        "One row an image. The columns always come in this order:",
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
        return "Something other than batchclf has named the class of each image, and batchclf has read that."
    return "batchclf has shown images to a model, which names the class of each."


def _facts(record: RunRecord) -> list[str]:
    """List when, what and how."""
    job = f" of the job {code(record.job)}" if record.job else ""
    model = record.model
    known = f"{code(model.path, longest=None)}, recipe {code(model.recipe)}, trained on {code(model.trained_on)}"
    if record.is_of_predictions:
        known = "not known, only predictions"
    return [
        f"- Run: {code(record.run_id)}{job}, begun {code(record.started)}. {_STATUS[record.status]}",
        f"- Model: {known}",
        *map(_subset, record.subsets),
    ]


def _subset(subset: SubsetRecord) -> str:
    name = f" ({code(subset.split)})" if subset.split else ""
    return (
        f"- Images: {code(subset.source, longest=None)}{name}: {count(subset.scored)} scored, "
        f"{count(subset.skipped)} could not be read, {count(subset.excluded)} left out"
    )

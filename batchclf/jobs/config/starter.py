"""A commented job file to start from, in which every key is explained."""

import json
import os
import tempfile
import textwrap
from collections.abc import Mapping
from pathlib import Path

from batchclf import atomic
from batchclf.core.options import choices
from batchclf.errors import BatchclfError, JobFileError, UsageError
from batchclf.jobs.config.keys import NAME, Key, keys_of
from batchclf.jobs.config.load import load_job

SCHEMA = Path(__file__).parents[3] / "docs" / "job.schema.json"
"""The published schema, in a checkout."""

_DIRECTORY, _BASELINE = "photos", "golden"
"""The names that the user may change."""

_RULES = (
    ("macro_f1", ("subset", "slice", "min", "max", "min_support", "when_uncertain")),
    ("recall", ("class", "against", "max_drop", "max_rise")),
)
"""The metrics and further keys of two rules that show all of them: one bounds a value, one a change."""

_OPTIONAL = ("data", "predictions", f"scoring.directories.{NAME}", "baselines")
"""Tables that are not there unless a key of them is set."""

_HEAD = """\
# Check this file with: batchclf job check {name}
# A line that begins with # and no space is a key that is not set, with its default or an example. Paths are relative
# to this file. In texts ${{NAME}} and ${{NAME:-default}} are environment variables, {{date:%Y-%m-%d}} is the run date
# and {{yesterday:%Y-%m-%d}} the day before it; commands get theirs as they stand.
"""


def starter(path: Path, set_keys: Mapping[str, str | bool]) -> str:
    """Write the text of a job file for `path` in which the keys of `set_keys` (dotted → value) are set.

    All other keys stand there as comments `#key = value`, with an explanation in comments `# …` above each.
    """
    keys = list(keys_of())
    parts = [_schema_line(path) + _HEAD.format(name=path.name)]
    for table in dict.fromkeys(key.table for key in keys):
        within = [key for key in keys if key.table == table and key.kind is not None]
        lines = [line for key in keys if key.dotted == table and key.kind is None for line in _about(key)]
        if table == "gate.rules":
            lines += _rules({key.option.name: key for key in within})
        else:
            if table:
                optional = table in _OPTIONAL and not any(key.dotted in set_keys for key in within)
                lines.append(f"{'#' if optional else ''}[{table.replace(NAME, _DIRECTORY)}]")
            for key in within:
                lines += _key(key, set_keys.get(key.dotted))
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _about(key: Key) -> list[str]:
    """Write what a key or a table is about, as comments."""
    values = f" One of: {json.dumps(choices(key.kind))[1:-1]}." if choices(key.kind) else ""
    return textwrap.wrap(key.option.sentence + values, 118, initial_indent="# ", subsequent_indent="# ")


def _key(key: Key, value: str | bool | None) -> list[str]:
    """Write a key and what it is about; the key itself is a comment if it has no value of its own."""
    last = key.dotted.rpartition(".")[2].replace(NAME, _BASELINE)
    comment = "#" if value is None else ""
    shown = json.dumps(key.option.example if value is None else value, ensure_ascii=False)
    return [*_about(key), f"{comment}{last} = {shown}".replace("\x7f", "\\u007f")]


def _rules(keys: Mapping[str, Key]) -> list[str]:
    """Write example rules as comments."""
    lines = []
    for metric, names in _RULES:
        lines += ["#[[gate.rules]]", *_about(keys["metric"]), f'#metric = "{metric}"']
        for name in names:
            lines += _key(keys[name], None)
    return lines


def _schema_line(path: Path) -> str:
    """Name the schema for editors that know Taplo's directive, if it lies in a checkout; else say how to get it."""
    if SCHEMA.is_file():
        return f"#:schema {Path(os.path.relpath(SCHEMA, path.parent.resolve())).as_posix()}\n"
    return (
        "# For an editor's help: python -m batchclf.jobs.config.schema > job.schema.json, and above this line\n"
        "# #:schema job.schema.json\n"
    )


def new_job(path: Path, *, dataset: str | None, data: str | None, score: str | None, model: str | None) -> None:
    """Write a starter file; paths among the arguments are relative to the working directory, or hold placeholders.

    If `path` is `atomic.STDOUT`, the text is that of a file job.toml in the working directory.

    Raises UsageError if a file is there already or nothing could train or load the model, JobFileError if the
    arguments give no valid job, OSError if the file cannot be written.
    """
    out, path = path, Path("job.toml") if path == atomic.STDOUT else path
    if path.suffix != ".toml":
        raise UsageError(f"{path} does not end in .toml", hint=f"write: batchclf job new {path.name}.toml")
    if out == path and os.path.lexists(path):
        raise UsageError(f"{path} is there already", hint="give another name, or remove it first")
    keys: dict[str, str | bool] = {"scoring.cache": True}
    if data is not None:
        keys["data.directory"] = _beside(path, data)
    elif dataset is not None or score is None:
        keys["data.dataset"] = dataset or "fashion-mnist"
    if score is not None:
        keys[f"scoring.directories.{NAME}.path"] = _beside(path, score)
    if model is not None:
        keys["model.bundle"] = _beside(path, model)
    elif "data.dataset" not in keys and "data.directory" not in keys:
        raise UsageError(
            "--score without --dataset or --data needs a model: nothing could train one",
            hint="give --model BUNDLE too, or --dataset or --data to train on",
        )
    if path.parent.resolve().name != "jobs":
        keys["publish.reports"] = "reports"
    text = starter(path, keys)
    _check(text, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_bytes(out, text.encode())


def _beside(path: Path, given: str) -> str:
    """Turn a path into one relative to the job file, unless it is absolute or begins with a variable."""
    try:
        given.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{given!a} is not UTF-8, so it cannot stand in a job file", hint="rename it") from error
    if given.startswith(("/", "${")) or not given:
        return given
    return Path(os.path.relpath(Path.cwd() / given, path.parent.resolve())).as_posix()


def _check(text: str, path: Path) -> None:
    """Load the text as it will be; raises JobFileError in words about the arguments."""
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / path.name
        try:
            draft.write_text(text, encoding="utf-8")
            load_job(draft)
        except JobFileError as error:
            message = error.message.replace(str(draft), str(path))
            raise JobFileError(message, hint="give other arguments; braces in a path are written {{ and }}") from error
        except OSError as error:
            raise BatchclfError(f"{path.name} cannot be a file's name: {error.strerror}") from error

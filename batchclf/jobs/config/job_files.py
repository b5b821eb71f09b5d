"""Job files by the names of their jobs, and those that are there: in the current folder and in its folder jobs/."""

import difflib
import os
import tomllib
from pathlib import Path
from typing import Any

from batchclf.errors import UsageError

FOLDER = Path("jobs")


def job_file(path: Path) -> Path:
    """Give the job file that is there, or the one of the job that is called so: NAME.toml, or `name = "NAME"` in one.

    What is no name, or that of no job, is given back. Raises UsageError if several jobs have the name.
    """
    name = str(path)
    if os.path.isfile(path) or path.name != name or path.suffix == ".toml":  # noqa: PTH113 (Path's raises for long names)
        return path
    of_name = [file for file in job_files() if file.stem == name or _content(file).get("name") == name]
    if len(of_name) > 1:
        files = " and ".join(map(str, of_name))
        raise UsageError(f"'{name}' may be {files}", hint="give the path of the job file")
    return of_name[0] if of_name else path


def job_files() -> list[Path]:
    """List the files that may be job files; of the current folder only those that are."""
    here = [
        file for file in sorted(Path().glob("*.toml")) if {"data", "scoring", "predictions"} & _content(file).keys()
    ]
    return here + sorted(FOLDER.glob("*.toml"))


def instead_of(path: Path) -> str:
    """Say, for a job file that is not there, which may be meant, or how to make one."""
    files = {file.stem: file for file in (*job_files(), *sorted(path.parent.glob("*.toml")))}
    near = difflib.get_close_matches(path.stem, files, 1)
    if near:
        return f"did you mean {files[near[0]]}?"
    there = f"; job files here: {', '.join(map(str, job_files()))}" if job_files() else ""
    return f"`batchclf job new FILE.toml` writes one{there}"


def how_to_train() -> str:
    """Say how to come by a model; names a job file only if it is there."""
    training = [file for file in job_files() if "data" in _content(file)]
    by_job = f"batchclf run {training[0]}, " if training else ""
    return f"give --model BUNDLE; make one with: {by_job}batchclf train, or batchclf model import"


def _content(file: Path) -> dict[str, Any]:
    """Read a TOML file; nothing if it is none."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return {}

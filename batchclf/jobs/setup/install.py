"""Have a job run every night: by cron, by systemd, by GitHub Actions."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from platformdirs import user_config_path, user_state_path

from batchclf import atomic
from batchclf.core.types import Say
from batchclf.data.providers import DATA_DIR_VARIABLE, OFFLINE_VARIABLE
from batchclf.errors import BatchclfError, UsageError
from batchclf.jobs.config.load import Job, load_job, read_job, texts_of
from batchclf.jobs.config.placeholders import variables
from batchclf.jobs.setup.check_subsets import needed_extras
from batchclf.jobs.setup.schedules import Entry, begin_mark, crontab_entry, end_mark, service_unit, timer_unit, workflow

_PROGRAM_SECONDS = 60


def plan(path: Path, at: str) -> Entry:
    """Make the entry of a job file for `at`, HH:MM, with the Python that runs now.

    Raises JobFileError if the file is wrong, UsageError for another time, BatchclfError if this Python would not
    find batchclf elsewhere.
    """
    time = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", at, re.ASCII)
    if time is None:
        raise UsageError(f"'{at}' is no time of day", hint="write for example --at 03:30")
    read = read_job(path)
    job = read.checked()
    notify = job.spec.notify
    return Entry(
        name=re.sub(r"[^A-Za-z0-9._-]", "-", job.name),
        job=_absolute(path),
        python=_interpreter(),
        hour=int(time[1]),
        minute=int(time[2]),
        deadline=job.deadline,
        # Those that have a default need not be there.
        variables=sorted({name for text in texts_of(read.raw) for name in variables(text, needed=True)}),
        environment=_environment(),
        commands=notify.on_success is not None or notify.on_failure is not None,
    )


def _absolute(path: Path) -> Path:
    """Make a path absolute, and leave links such as `current` as they are."""
    return Path(os.path.abspath(path))  # noqa: PTH100 (Path.resolve follows links, Path.absolute keeps `..`)


def _interpreter() -> Path:
    """Give this Python's path; raises BatchclfError if it needs the working directory or PYTHONPATH."""
    python = Path(sys.executable)
    found = subprocess.run(
        [sys.executable, "-P", "-c", "import batchclf"],
        cwd="/",
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=_PROGRAM_SECONDS,
    )
    if found.returncode != 0:
        raise BatchclfError(
            f"{python} finds batchclf only here or by PYTHONPATH, neither of which a scheduled run has",
            hint=f"install it there: {python} -m pip install batchclf",
        )
    return python


def _environment() -> dict[str, str]:
    """Give batchclf's own variables as they are now, paths made absolute."""
    found = {}
    if folder := os.environ.get(DATA_DIR_VARIABLE):
        found[DATA_DIR_VARIABLE] = str(_absolute(Path(folder)))
    if offline := os.environ.get(OFFLINE_VARIABLE):
        found[OFFLINE_VARIABLE] = offline
    return found


def install_cron(entry: Entry, *, dry_run: bool, say: Say) -> list[str]:
    """Put the entry into this user's crontab, in place of the job's earlier one; returns no files.

    All other lines stay, and the crontab as it was is kept in the user's state folder.
    """
    text = crontab_entry(entry)
    if dry_run:
        _show(text, say)
        return []
    if shutil.which("crontab") is None:
        raise BatchclfError("there is no program crontab", hint="install cron (on Debian: apt-get install cron)")
    before = _crontab()
    after = with_entry(before, text, entry.job)
    _say_variables(entry, say)
    if after == before:
        say("the crontab has this entry already")
        return []
    if before.strip():
        kept = _of_home(user_state_path) / "batchclf" / "crontab.old"
        kept.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_bytes(kept, before.encode("utf-8", "surrogateescape"))
        say(f"the crontab as it was: {kept}")
    _run_crontab("-", given=after)
    say(f"the crontab runs {entry.job} at {entry.hour:02}:{entry.minute:02}")
    return []


def with_entry(crontab: str, text: str, job: Path) -> str:
    """Put a job's entry in place of its earlier one, else at the end. Raises BatchclfError if its end is missing."""
    lines = crontab.splitlines(keepends=True)
    plain = [line.rstrip("\n") for line in lines]
    # Between two marks, so that the entry can be replaced or removed (decision 109)
    begin, end = begin_mark(job), end_mark(job)
    if begin not in plain:
        gap = "" if not crontab or crontab.endswith("\n") else "\n"
        return crontab + gap + text
    first = plain.index(begin)
    if end not in plain[first:]:
        raise BatchclfError(
            f"the crontab has the line '{begin}' and not the one that ends the entry, '{end}'",
            hint="remove what is left of the entry by hand: crontab -e",
        )
    return "".join([*lines[:first], text, *lines[plain.index(end, first) + 1 :]])


def _crontab() -> str:
    done = _run_crontab("-l", may_fail=True)
    said = done.stderr.decode("utf-8", "backslashreplace").strip()
    if done.returncode != 0 and "no crontab" not in said:
        raise BatchclfError(f"crontab -l failed: {said}", hint="see whether this user may use cron")
    return done.stdout.decode("utf-8", "surrogateescape") if done.returncode == 0 else ""


def _run_crontab(
    argument: str, *, given: str | None = None, may_fail: bool = False
) -> "subprocess.CompletedProcess[bytes]":
    try:
        done = subprocess.run(
            ["crontab", argument],
            input=b"" if given is None else given.encode("utf-8", "surrogateescape"),
            capture_output=True,
            env={**os.environ, "LC_ALL": "C"},
            timeout=_PROGRAM_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BatchclfError(f"crontab was stopped after {_PROGRAM_SECONDS} seconds") from None
    if done.returncode != 0 and not may_fail:
        said = done.stderr.decode("utf-8", "backslashreplace").strip()
        raise BatchclfError(f"the crontab was refused: {said}", hint="nothing was changed")
    return done


def install_systemd(entry: Entry, *, dry_run: bool, say: Say) -> list[str]:
    """Write a service and a timer into the user's units, and say how to start them; returns the files.

    Units of the same name that batchclf did not write are left alone: raises BatchclfError.
    """
    folder = _of_home(user_config_path) / "systemd" / "user"
    units = {
        folder / f"batchclf-{entry.name}.service": service_unit(entry),
        folder / f"batchclf-{entry.name}.timer": timer_unit(entry),
    }
    for file, text in units.items():
        if dry_run:
            say(f"# {file}")
            _show(text, say)
        elif os.path.lexists(file) and not file.read_text("utf-8", "replace").startswith("# Written by: batchclf "):
            raise BatchclfError(f"{file} is there and was not written by batchclf", hint="move it away")
    if not dry_run:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in units.items():
            atomic.write_text(file, text)
            say(f"wrote {file}")
    _say_variables(entry, say)
    for line in (
        "systemctl --user daemon-reload",
        f"systemctl --user enable --now batchclf-{entry.name}.timer",
        "loginctl enable-linger    # once, so that it runs while nobody is logged in",
    ):
        say(f"{'# then' if dry_run else 'now'}: {line}")
    return [str(file) for file in units]


def install_github(entry: Entry, *, dry_run: bool, say: Say) -> list[str]:
    """Write a workflow into the Git repository that the job file lies in; returns the file.

    Raises BatchclfError if there is no repository, nothing says how to install batchclf, the reports lie outside,
    or another workflow of the name is there.
    """
    job = load_job(entry.job)
    root = next((folder for folder in entry.job.parents if (folder / ".git").exists()), None)
    if root is None:
        raise BatchclfError(
            f"{entry.job} lies in no Git repository", hint="put it into the repository that is to run it"
        )
    if not job.reports.is_relative_to(root.resolve()):
        raise BatchclfError(
            f"the reports folder {job.reports} lies outside of the repository {root}",
            hint="correct reports in [publish]",
        )
    text = workflow(
        entry,
        job=entry.job.relative_to(root).as_posix(),
        reports=job.reports.relative_to(root.resolve()).as_posix(),
        install=_install_command(root, job),
        python_version=f"{sys.version_info.major}.{sys.version_info.minor}",
    )
    file = root / ".github" / "workflows" / f"batchclf-{entry.name}.yml"
    if dry_run:
        say(f"# {file}")
        _show(text, say)
    elif os.path.lexists(file):
        if file.read_text("utf-8", "replace") != text:
            raise BatchclfError(f"{file} is there already", hint="remove it first, or change it by hand")
        say(f"{file} is there already")
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(file, text)
        say(f"wrote {file}; commit and push it")
    for name in entry.variables:
        say(f"{'# ' if dry_run else ''}add the repository's secret {name}")
    return [str(file)]


def _install_command(root: Path, job: Job) -> str:
    setup, requirements = root / "setup.cfg", root / "requirements.txt"
    if setup.is_file() and re.search(r"^name\s*=\s*batchclf\s*$", setup.read_text("utf-8", "replace"), re.MULTILINE):
        extras = ",".join(sorted(needed_extras(job)))
        return f"python -m pip install -c constraints.txt '.{f'[{extras}]' if extras else ''}'"
    if requirements.is_file() and re.search(r"^batchclf\b", requirements.read_text("utf-8", "replace"), re.MULTILINE):
        return "python -m pip install -r requirements.txt"
    raise BatchclfError(
        f"nothing in {root} says how to install batchclf",
        hint="name batchclf, with the extras that the job needs, in a requirements.txt there",
    )


def _say_variables(entry: Entry, say: Say) -> None:
    if entry.variables:
        say(f"# the job needs {', '.join(entry.variables)}: write lines of NAME=value into {entry.environment_file}")


def _show(text: str, say: Say) -> None:
    for line in text.splitlines():
        say(line)


def _of_home(locate: Any) -> Path:
    try:
        folder = Path(locate())
    except RuntimeError:
        folder = Path("~")
    if folder.parts[:1] == ("~",):
        raise BatchclfError("this user has no home folder", hint="set HOME")
    return folder

"""The texts that have a job run every night: a crontab's entry, systemd's units, a workflow of GitHub Actions."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from batchclf.errors import BatchclfError, ExitCode
from batchclf.jobs.config.limits import parse_duration

DEADLINE = "6h"
"""How long a job may score whose file has no deadline."""

_AFTER_DEADLINE = 1800
"""Seconds from the deadline until systemd ends a run: evaluation and report come after the deadline."""
_WORKFLOW_DEADLINE = "5h"
_WORKFLOW_MINUTES = 360
"""The longest that GitHub lets a job take."""
_DELAY_MINUTES = 5
_LONGEST_ENTRY = 998
"""Bytes that Debian's cron takes as a command."""


@dataclass(frozen=True)
class Entry:
    """A job to be run every night at `hour`:`minute` by the interpreter `python`, with absolute paths.

    `name` is that of units and workflows: letters, digits, `.`, `_` and `-`. `deadline` is the job file's, None for
    none. `variables` are the environment variables that the file needs, read from `environment_file`; `environment`
    are those of batchclf that are set now. `commands` says whether the job runs commands of the user's.
    """

    name: str
    job: Path
    python: Path
    hour: int
    minute: int
    deadline: float | None = None
    variables: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    commands: bool = False

    @property
    def environment_file(self) -> Path:
        """Where the variables' values are kept: lines of NAME=value beside the job file."""
        return self.job.with_suffix(".env")

    @property
    def arguments(self) -> list[str]:
        """The command: nothing is looked for in the working directory (-P), and a good run is silent."""
        deadline = [] if self.deadline is not None else ["--deadline", DEADLINE]
        return [str(self.python), "-P", "-m", "batchclf", "run", str(self.job), "--quiet", *deadline]

    @property
    def seconds(self) -> float:
        """How long the run may score."""
        return self.deadline if self.deadline is not None else parse_duration(DEADLINE)


def begin_mark(job: Path) -> str:
    """Make the comment line above a job's entry in a crontab."""
    return f"# batchclf job install: {job}"


def end_mark(job: Path) -> str:
    """Make the comment line below it."""
    return f"# batchclf job install: end of {job}"


def crontab_entry(entry: Entry) -> str:
    """Write the lines for a crontab, marks included. Raises BatchclfError if a crontab cannot hold the paths."""
    _check_text(entry)
    settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in sorted(entry.environment.items()))
    command = shlex.join(["nice", "-n", "10", *entry.arguments])
    if settings:
        command = f"{settings} {command}"
    if entry.variables:
        file = shlex.quote(str(entry.environment_file))
        command = f"set -a; . {file}; set +a; {command}"
    command = crontab_escaped(command)
    if len(command.encode()) > _LONGEST_ENTRY:
        raise BatchclfError(
            f"the command is too long for a crontab ({_LONGEST_ENTRY} bytes): {command}",
            hint="put the job file or the Python environment at a shorter path, or use --systemd",
        )
    line = f"{entry.minute} {entry.hour} * * * {command}"
    return "\n".join([begin_mark(entry.job), line, end_mark(entry.job), ""])


def crontab_escaped(command: str) -> str:
    r"""Escape a shell command for a crontab, where a bare `%` ends the command and `\%` is a `%`.

    A backslash before the `%` would be taken for its escape. It can stand only within single quotes here (see
    `shlex.quote`), so closing and opening them keeps the two apart.
    """
    return re.sub(r"(\\?)%", lambda found: "\\''\\%" if found[1] else "\\%", command)


def service_unit(entry: Entry) -> str:
    """Write the service: ends cleanly at its deadline, is ended a while later, leaves the machine to others.

    Raises BatchclfError if a unit cannot hold the paths.
    """
    _check_text(entry)
    if any(character in str(entry.python) for character in "\"'\\"):
        raise BatchclfError(
            f"systemd starts no program whose path holds quotes or backslashes: {entry.python}",
            hint="install the Python environment elsewhere, or use --cron",
        )
    lines = [
        f"# Written by: batchclf job install {shlex.quote(str(entry.job))} --systemd",
        "[Unit]",
        f"Description=batchclf job {entry.name}",
        "",
        "[Service]",
        "Type=oneshot",
        f"ExecStart={exec_line(entry.arguments)}",
        "# Another run of the job is under way: it does the work.",
        f"SuccessExitStatus={ExitCode.ALREADY_RUNNING}",
        f"TimeoutStartSec={round(entry.seconds + _AFTER_DEADLINE)}",
        "TimeoutStopSec=120",
        "KillMode=mixed",
        "Nice=10",
        "IOSchedulingClass=best-effort",
        "IOSchedulingPriority=7",
    ]
    lines += [f"Environment={_quoted(f'{name}={value}')}" for name, value in sorted(entry.environment.items())]
    if entry.variables:
        lines += [f"# Lines of NAME=value for {', '.join(entry.variables)}; for your eyes only: chmod 600"]
        lines += [f"EnvironmentFile={_pattern(entry.environment_file)}"]
    # No hardening that a job could trip over (decision 110)
    if entry.commands:
        lines += ["# No NoNewPrivileges: programs that send mail often run as a group of their own."]
    else:
        lines += ["NoNewPrivileges=yes", "RestrictSUIDSGID=yes", "RestrictRealtime=yes", "LockPersonality=yes"]
    return "\n".join([*lines, ""])


def timer_unit(entry: Entry) -> str:
    """Write the timer: every night, later if the machine was off, at a slightly different time on each machine."""
    # A run that began after midnight would be that of the next run date.
    delay = min(_DELAY_MINUTES, 23 * 60 + 59 - (entry.hour * 60 + entry.minute))
    lines = [
        f"# Written by: batchclf job install {shlex.quote(str(entry.job))} --systemd",
        "[Unit]",
        f"Description=batchclf job {entry.name}, every night",
        "",
        "[Timer]",
        f"OnCalendar=*-*-* {entry.hour:02}:{entry.minute:02}:00",
        "Persistent=true",
        *([f"RandomizedDelaySec={delay}min"] if delay else []),
        "",
        "[Install]",
        "WantedBy=timers.target",
    ]
    return "\n".join([*lines, ""])


def exec_line(arguments: Sequence[str]) -> str:
    """Quote a command for ExecStart=; with the prefix `:` systemd leaves every `$` as it is."""
    words = [word if re.fullmatch(r"[\w@+=:,./-]+", word, re.ASCII) else _quoted(word) for word in arguments]
    return (":" if any("$" in word for word in arguments) else "") + " ".join(words)


def _quoted(text: str) -> str:
    """Quote a word for a unit file: double quotes with C's escapes, and `%%` for a `%`."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t").replace("%", "%%")
    return f'"{escaped}"'


def _pattern(path: Path) -> str:
    """Write a path for EnvironmentFile=, which takes a pattern of a shell."""
    return re.sub(r"([\\*?\[])", r"\\\1", str(path)).replace("%", "%%")


def workflow(entry: Entry, *, job: str, reports: str, install: str, python_version: str) -> str:
    """Write the workflow; `job` and `reports` are relative to the repository, `install` is the shell's command.

    Raises BatchclfError if a path holds what GitHub would take for an expression.
    """
    if "${{" in job + reports:
        raise BatchclfError(f"a workflow cannot name the path {job} or {reports}", hint="take the braces away")
    seconds = min(entry.seconds, parse_duration(_WORKFLOW_DEADLINE))
    minutes = min(round((seconds + _AFTER_DEADLINE) / 60), _WORKFLOW_MINUTES)
    shorter = entry.deadline is not None and entry.deadline <= seconds
    deadline = "" if shorter else f" --deadline {_WORKFLOW_DEADLINE}"
    return f"""\
# Written by: batchclf job install {shlex.quote(job)} --github
name: {json.dumps(f"batchclf {entry.name}")}
on:
  schedule:
    - cron: "{entry.minute} {entry.hour} * * *" # in UTC
  workflow_dispatch:
permissions:
  contents: read
concurrency:
  group: {json.dumps(f"batchclf-{entry.name}")}
  cancel-in-progress: false
jobs:
  run:
    runs-on: ubuntu-latest
    timeout-minutes: {minutes}
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "{python_version}"
      - name: Install batchclf
        run: {install}
{_workflow_run(entry, job, reports, deadline)}"""


def _workflow_run(entry: Entry, job: str, reports: str, deadline: str) -> str:
    """Write the steps of the run itself: what it needs of earlier runs comes before it, what others need after it."""
    secrets = "".join(f"          {name}: ${{{{ secrets.{name} }}}}\n" for name in entry.variables)
    path, cache = json.dumps(reports), f"batchclf-{entry.name}-"
    key = json.dumps(f"{cache}${{{{ github.run_id }}}}")
    return f"""\
      - name: Bring back the model, the earlier runs and the history
        uses: actions/cache/restore@v4
        with:
          path: {path}
          key: {key}
          restore-keys: {json.dumps(cache)}
      - name: Run the job
        env:
          JOB: {json.dumps(job)}
{secrets}        run: python -m batchclf run "$JOB"{deadline} --json > "$RUNNER_TEMP/run.json"
      - name: Show the result on the page of this run
        if: always()
        run: |
          folder='import json, sys; print(json.load(open(sys.argv[1])).get("run") or "")'
          run=$(python -c "$folder" "$RUNNER_TEMP/run.json" || true)
          if [ -n "$run" ]; then
            python -m batchclf report "$run" --format github --out - >> "$GITHUB_STEP_SUMMARY"
          else
            echo "Nothing was published; the log of the step before says why." >> "$GITHUB_STEP_SUMMARY"
          fi
      - name: Keep them, after a bad run too
        if: always()
        uses: actions/cache/save@v4
        with:
          path: {path}
          key: {key}
      - name: Publish the reports
        if: always()
        uses: actions/upload-artifact@v4
        with:
          name: {json.dumps(f"reports-{entry.name}")}
          path: |
            {reports}
            !{reports}/cache
            !{reports}/*/latest
            !{reports}/*/last-good
          retention-days: 30
"""


def _check_text(entry: Entry) -> None:
    for text in (*entry.arguments, *entry.environment.values()):
        if "\n" in text or "\r" in text or not text.isprintable():
            raise BatchclfError(f"{text!a} holds characters that no entry can hold", hint="rename the folder or file")

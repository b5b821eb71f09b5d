"""Run the commands that a page of docs/ shows, in order, and compare what they print with what the page shows."""

import contextlib
import io
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from doc_pages import blocks

from batchclf.cli import main as cli_main

_NUMBER = r"[+−-]?\d[\d,]*(?:\.\d+)?%?"


@dataclass(frozen=True)
class Ran:
    """A command of a page, the lines that the page shows for it, those that it printed, and the page's exit code."""

    command: str
    shown: list[str]
    printed: list[str]


def run_page(text: str, folder: Path, replaced: dict[str, str]) -> list[Ran]:
    """Run every command in the page's console blocks inside `folder`, the current one.

    `replaced` maps texts of commands to what is run in their place. `$ echo $?` gives the exit code of the command
    before it; any other code than 0 must be shown that way, or by a line `batchclf: error:`. A TOML block whose first
    line is a comment with a file's name is that file.
    """
    for block in blocks(text, "toml"):
        if named := re.match(r"# (jobs/\S+\.toml)", block):
            (folder / named[1]).parent.mkdir(exist_ok=True)
            (folder / named[1]).write_text(block, encoding="utf-8")
    ran: list[Ran] = []
    code = 0
    for block in blocks(text, "console"):
        for part in block.removeprefix("$ ").split("\n$ "):
            command, *shown = part.splitlines()
            wanted = command
            for old, new in replaced.items():
                wanted = wanted.replace(old, new)
            if command == "echo $?":
                printed = [str(code)]
            elif wanted.startswith("batchclf "):
                code, printed = _batchclf(shlex.split(wanted)[1:])
                failing = any(line.startswith("batchclf: error:") for line in shown)
                assert (code != 0) == failing, (wanted, code, printed)
            else:
                done = subprocess.run(["bash", "-c", wanted], cwd=folder, capture_output=True, text=True, check=False)
                assert done.returncode == 0, (wanted, done.stderr)
                printed = done.stdout.splitlines()
            ran.append(Ran(command, shown, printed))
    return ran


def _batchclf(arguments: list[str]) -> tuple[int, list[str]]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = cli_main.main(arguments)
    return code, out.getvalue().splitlines()


def shape(line: str, also: dict[str, str]) -> str:
    """A line without its numbers, times and paths; `also` maps regular expressions to what takes their place."""
    for pattern, name in also.items():
        line = re.sub(pattern, name, line)
    line = re.sub(r"(^|[ (])[^ (]*/[^ ):,]*", r"\1PATH", line)
    line = re.sub(r"\d{4}-\d\d-\d\dT[\d:+.]+|\b\d{8}T\d{6}Z(?:-\d+)?|\d{4}-\d\d-\d\d", "DATE", line)
    line = re.sub(r"< \d\S*|\b\d+(\.\d+)?(?= (s|min|ms|kB|MB|GB|bytes)\b)", "SIZE", line)
    return " ".join(re.sub(_NUMBER, "#", line).split())


def numbers(line: str) -> list[tuple[float, str]]:
    """The numbers of a line that a run on another machine comes near to, each with its unit: "%", "." or ""."""
    line = re.sub(r"\S*/\S*|\d{4}-\d\d-\d\d\S*|\b\d{8}T\d{6}Z(?:-\d+)?|\b\S+ (s|min|ms|kB|MB|GB|bytes)\b", " ", line)
    found = re.findall(rf"(?<![\w.]){_NUMBER}(?![\w])", line)
    return [
        (float(each.replace(",", "").replace("−", "-").rstrip("%")), "%" if "%" in each else "." * ("." in each))
        for each in found
    ]


def not_printed(ran: Ran, also: dict[str, str] | None = None, within: dict[str, float] | None = None) -> list[str]:
    """The shown lines that were not printed, in their order and, unless `…` stands between, one after the other.

    Lines must be the same in `shape`. With `within`, the largest difference by unit, so must their numbers nearly be.
    """
    place, loose, missing = 0, False, []
    for line in ran.shown:
        if line == "…":
            loose = True
            continue
        fitting = [
            index
            for index, printed in enumerate(ran.printed[place:], start=place)
            if shape(printed, also or {}) == shape(line, also or {}) and _near(line, printed, within)
        ]
        if not fitting or (not loose and fitting[0] != place):
            missing.append(line)
        else:
            place = fitting[0] + 1
        loose = False
    if ran.shown and ran.shown[-1] != "…" and not missing and place != len(ran.printed):
        missing.append(f"and nothing more, but there is: {ran.printed[place]}")
    return missing


def _near(line: str, printed: str, within: dict[str, float] | None) -> bool:
    if within is None:
        return True
    pairs = zip(numbers(line), numbers(printed), strict=True)
    return all(unit == other and abs(one - two) <= within.get(unit, 0) for (one, unit), (two, other) in pairs)

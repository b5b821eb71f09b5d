"""What a power cut may cost: the system calls of a whole command say what is on the disk before a name says it is."""

import re
import shutil
import subprocess
import sys

import pytest

from batchclf.data.export import export_split

_CALL = re.compile(r"(?P<name>fsync|rename|renameat|renameat2|link|linkat)\((?P<arguments>.*)\)\s+= (?P<result>-?\d+)")
_PATH = re.compile(r'"((?:[^"\\]|\\.)*)"')
_UNFINISHED = re.compile(r"(?P<start>.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>(?P<end>.*)$")


@pytest.fixture
def photos(tmp_path, digits):
    folder = tmp_path / "photos"
    export_split(digits.test, digits.class_names, folder, say=lambda line: None)
    return folder


def traced(folder, *arguments):
    """Run a command under strace: its calls that flush or rename and were granted, in the order of their ends."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    out = folder / "trace.txt"
    which = "trace=fsync,rename,renameat,renameat2,link,linkat"
    strace = ["strace", "-f", "--seccomp-bpf", "-y", "-s", "4096", "-o", str(out), "-e", which]
    done = subprocess.run(
        [*strace, sys.executable, "-m", "batchclf", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if not out.exists() or "ptrace" in done.stderr:
        pytest.skip(f"strace may not look: {done.stderr[:200]}")
    assert done.returncode == 0, done.stderr
    calls, begun = [], {}
    for line in out.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        process, _, text = line.partition(" ")
        text = text.strip()
        if found := _UNFINISHED.match(text):
            begun[process] = found["start"]
            continue
        if found := _RESUMED.match(text):
            text = begun.pop(process) + found["end"]
        if (found := _CALL.match(text)) and found["result"] == "0":
            if found["name"] == "fsync":
                calls.append(("fsync", re.fullmatch(r"\d+<(.*?)(?: \(deleted\))?>", found["arguments"])[1]))
            else:
                calls.append((found["name"].rstrip("at2"), *_PATH.findall(found["arguments"])))
    return calls


def flushed(calls, start, end):
    return {call[1] for call in calls[start:end] if call[0] == "fsync"}


def unsafe(calls, root):
    """What a rename within `root` has published before it was on the disk, and what was not flushed after it."""
    found = []
    for place, (name, *paths) in enumerate(calls):
        if name == "fsync" or not all(path.startswith(f"{root}/") for path in paths):
            continue
        before, after = flushed(calls, 0, place), flushed(calls, place, len(calls))
        source, target = paths
        there = root.__class__(target)
        if not there.exists():  # what was moved aside to be removed
            continue
        if name == "rename" and not there.is_symlink():
            needed = {source}
            if there.is_dir():
                later = {paths[-1] for _, *paths in calls[place + 1 :]}
                inside = (
                    each.relative_to(there)
                    for each in there.rglob("*")
                    if not each.is_symlink() and str(each) not in later
                )
                needed |= {f"{source}/{each}" for each in inside}
            found += [f"{each} was renamed before it was flushed" for each in sorted(needed - before)]
        if str(there.parent) not in after:
            found.append(f"{there.parent} was not flushed after {target} came to be")
    return found


def renamed(calls, target):
    return [paths[1] for name, *paths in calls if name == "rename"].count(str(target))


def test_a_scored_folder(photos, tmp_path, digits_bundle):
    out = tmp_path / "out" / "run"
    calls = traced(
        tmp_path, "score", photos, "--model", digits_bundle, "--labels", "folders", "--out", out, "--quiet"
    )  # fmt: skip
    assert renamed(calls, out) == 1
    names = {path.name for path in out.iterdir()}
    assert {"predictions.csv", "images.csv", "skipped.csv", "run.json", "metrics.json", "report.html"} <= names
    assert unsafe(calls, tmp_path) == []


def test_a_job_with_its_links_and_its_history(photos, tmp_path, digits_bundle):
    job = tmp_path / "nightly.toml"
    job.write_text(
        f"[model]\nbundle = '{digits_bundle}'\n[scoring.directories.incoming]\npath = 'photos'\nlabels = 'folders'\n"
        "[publish]\nreports = 'reports'\n"
        "[[gate.rules]]\nmetric = 'accuracy'\nsubset = 'incoming'\nmin = 0.5\n"
    )
    calls = traced(tmp_path, "run", job, "--quiet")
    reports = tmp_path / "reports"
    for target in (*("latest", "last-good"), (reports / "nightly" / "latest").resolve()):
        assert renamed(calls, reports / "nightly" / target) == 1
    assert renamed(calls, reports / "index.html") == 1
    made = [name for name, *paths in calls if paths[-1] == str(reports / "history.sqlite") and name != "fsync"]
    assert made == ["link"]
    assert unsafe(calls, tmp_path) == []


def test_a_bundle(tmp_path, digits_bundle):
    """Made anew over an old one, which goes only when the new one is on the disk."""
    out = tmp_path / "model"
    shutil.copytree(digits_bundle, out)
    calls = traced(
        tmp_path, "train", "--dataset", "digits", "--recipe", "mlp", "--epochs", "1", "--out", out, "--quiet"
    )
    assert renamed(calls, out) == 1
    assert unsafe(calls, tmp_path) == []


def test_single_files(photos, tmp_path, digits_bundle):
    run = tmp_path / "run"
    subprocess.run(
        [sys.executable, "-m", "batchclf", "score", photos, "--model", digits_bundle, "--out", run, "--quiet"],
        check=True,
    )
    page, table = tmp_path / "page" / "report.html", tmp_path / "rows.csv"
    for out, arguments in {
        page: ("report", run, "--out", page),
        table: ("query", run, "SELECT path FROM predictions", "--out", table),
        tmp_path / "apart" / "metrics.json": ("evaluate", run / "predictions.csv", "--out", tmp_path / "apart"),
    }.items():
        calls = traced(tmp_path, *arguments, "--quiet")
        assert renamed(calls, out) == 1
        assert unsafe(calls, tmp_path) == []

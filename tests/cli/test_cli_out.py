"""`--out` and its like: what is written to, and that nothing but a regular file is ever replaced.

Devices are nodes that the tests make, and links stand for /dev/stdout: what fails here breaks no machine.
"""

import argparse
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from run_cases import NAMES, drawn, write_run

from batchclf.cli import options
from batchclf.cli.main import build_parser

SQL = "SELECT path, confidence FROM predictions WHERE split = 'test' ORDER BY path"
VERBS = {
    "report": ("report", "reports/nightly/run", "--format", "md", "--out"),
    "comparison": ("report", "reports/nightly/run", "reports/nightly/other", "--format", "json", "--out"),
    "query": ("query", "reports/nightly/run", SQL, "--format", "csv", "--out"),
    "table": ("query", "reports/nightly/run", SQL, "--out"),
    "export": ("history", "export", "--format", "json", "--out"),
    "grid": ("data", "describe", "digits", "--grid"),
}
"""All that write one file, which may be there already; last the name of the file is missing."""

BEGINNINGS = {
    "report": b"# ",
    "comparison": b"{",
    "query": b"path,",
    "table": b"path",
    "export": b"{",
    "grid": b"\x89PNG",
}
every_verb = pytest.mark.parametrize("verb", VERBS)


@pytest.fixture(autouse=True)
def reports(tmp_path):
    folder = tmp_path / "reports" / "nightly"
    for name, seed in (("run", 1), ("other", 2)):
        write_run(folder / name, drawn(NAMES, 60, seed=seed, skill=0.8))
    return folder


def is_whole(verb, content):
    """Whether this is the file that a verb writes, from its beginning to its end."""
    ends = {"grid": b"IEND\xaeB`\x82"}
    return content.startswith(BEGINNINGS[verb]) and content.endswith(ends.get(verb, b"\n")) and b"wrote" not in content


def node(path, major, minor):
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(major, minor))
        path.open("wb").close()
    except PermissionError:
        pytest.skip("only root may make a device, on a file system that has them")
    return path


def ended(verb, out, cwd, **streams):
    """Run a verb in a process of its own; gives its exit code and what came out of those streams that are pipes."""
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    command = [sys.executable, "-m", "batchclf", *VERBS[verb], str(out)]
    done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, timeout=300, check=False, **given)
    return done.returncode, done.stdout, done.stderr


def test_every_option_for_a_file_or_folder_to_write_is_read_in_one_place():
    readers = {options.file_path, options.folder_path}
    found = []

    def look(parser):
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for each in action.choices.values():
                    look(each)
            elif (action.help or "").startswith(("file to write", "folder to write")) or action.dest in (
                "out",
                "grid",
                "onnx",
            ):
                found.append((parser.prog.removeprefix("batchclf "), action.dest, action.type in readers))

    look(build_parser())
    assert sorted(name for name, _, _ in found) == [
        *("data describe", "data export", "evaluate", "history export", "job new", "model export", "model import"),
        *("pack", "query", "report", "score", "train"),
    ]
    # A file or a folder: what it is depends on the number of formats.
    assert [name for name, _, known in found if not known] == ["report"]


@every_verb
def test_a_link_stays_and_the_file_that_it_leads_to_is_written(cli, tmp_path, verb):
    (tmp_path / "far" / "deep").mkdir(parents=True)
    real = tmp_path / "far" / "deep" / "real"
    real.write_text("old")
    (tmp_path / "far" / "second").symlink_to("deep/real")
    (tmp_path / "link").symlink_to(tmp_path / "far" / "second")
    code, _, err = cli(*VERBS[verb], tmp_path / "link")
    assert (code, err) == (0, "")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "far" / "second").is_symlink()
    assert not real.is_symlink()
    assert is_whole(verb, real.read_bytes())
    assert list(real.parent.iterdir()) == [real]


def test_a_link_to_nothing_yet_makes_the_file_there(cli, tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to("far/new")
    assert cli(*VERBS["query"], tmp_path / "link")[0] == 0
    assert is_whole("query", (tmp_path / "far" / "new").read_bytes())
    assert (tmp_path / "link").is_symlink()


def test_links_in_a_circle_are_an_error(cli, tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    code, _, err = cli(*VERBS["query"], tmp_path / "a")
    assert code == 1
    assert "symbolic links" in err
    assert str(tmp_path / "a") in err
    assert (tmp_path / "a").is_symlink()


@every_verb
def test_a_device_stays_one(cli, tmp_path, verb):
    null = node(tmp_path / "null", 1, 3)
    code, _, err = cli(*VERBS[verb], null)
    assert (code, err) == (0, "")
    assert stat.S_ISCHR(null.stat().st_mode)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["null", "reports"]


def test_a_device_that_refuses_is_named(cli, tmp_path):
    full = node(tmp_path / "full", 1, 7)
    code, _, err = cli(*VERBS["export"], full)
    assert code == 1
    assert f"No space left on device): {full}" in err
    assert stat.S_ISCHR(full.stat().st_mode)


@every_verb
def test_a_fifo_gets_the_file(tmp_path, verb):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with (tmp_path / "got").open("wb") as got, subprocess.Popen(["cat", fifo], stdout=got) as reader:
        code, _, errors = ended(verb, fifo, tmp_path)
        if code != 0 or not stat.S_ISFIFO(fifo.stat().st_mode):
            reader.kill()  # it would wait for ever
    assert (code, errors) == (0, b"")
    assert is_whole(verb, (tmp_path / "got").read_bytes())
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_a_fifo_that_nobody_reads_any_more_is_named(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    many = "SELECT range FROM range(1000000)"
    command = [
        sys.executable,
        "-m",
        "batchclf",
        "query",
        "reports/nightly/run",
        many,
        "--format",
        "csv",
        "--out",
        "fifo",
    ]
    with subprocess.Popen(["head", "-c", "10", fifo], stdout=subprocess.DEVNULL) as reader:
        with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE) as process:
            _, errors = process.communicate(timeout=300)
        reader.kill()
    assert process.returncode == 1
    assert b"Broken pipe): fifo" in errors


@every_verb
@pytest.mark.parametrize("name", ["-", "link"])
def test_standard_output_carries_the_file_and_nothing_else(tmp_path, verb, name):
    (tmp_path / "link").symlink_to("/proc/self/fd/1")
    code, output, errors = ended(verb, name, tmp_path)
    assert code == 0
    assert is_whole(verb, output)
    assert (b"standard output" if name == "-" else b"link") in errors
    assert (tmp_path / "link").is_symlink()
    assert not os.path.lexists(tmp_path / "-")


def test_what_is_in_the_file_behind_standard_output_stays(tmp_path):
    (tmp_path / "link").symlink_to("/proc/self/fd/1")
    log = tmp_path / "log"
    log.write_bytes(b"before\n")
    with log.open("ab") as handle:
        code, _, errors = ended("query", "link", tmp_path, stdout=handle)
    assert code == 0
    assert b"wrote 60 rows" in errors
    assert log.read_bytes().startswith(b"before\npath,confidence")
    assert is_whole("query", log.read_bytes().removeprefix(b"before\n"))


def test_standard_error_and_other_descriptors_are_written_to(tmp_path):
    (tmp_path / "error").symlink_to("/proc/self/fd/2")
    code, output, errors = ended("query", "error", tmp_path)
    assert (code, output) == (0, b"wrote 60 rows to error\n")
    assert is_whole("query", errors)
    read, write = os.pipe()
    (tmp_path / "other").symlink_to(f"/proc/self/fd/{write}")
    code, output, errors = ended("query", "other", tmp_path, pass_fds=(write,))
    os.close(write)
    with os.fdopen(read, "rb") as reader:
        assert is_whole("query", reader.read())
    assert (code, output, errors) == (0, b"wrote 60 rows to other\n", b"")


def test_a_terminal_gets_the_file(tmp_path):
    ours, theirs = os.openpty()
    code, _, errors = ended("table", os.ttyname(theirs), tmp_path, stdout=theirs)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:  # Linux's end of a terminal
        pass
    os.close(ours)
    assert code == 0
    assert shown.startswith(b"path")
    assert b"wrote" not in shown
    assert b"wrote 40 rows" in errors


def test_rows_on_standard_output_are_all_that_is_there(process, tmp_path):
    done = process("-m", "batchclf", *VERBS["query"][:-1], "--rows", "3", cwd=tmp_path)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 4
    assert done.stderr == "57 more rows: ask for them with --rows\n"


def test_the_json_object_and_a_file_do_not_share_standard_output(cli, tmp_path):
    (tmp_path / "link").symlink_to("/proc/self/fd/1")
    for name in ("-", "link"):
        code, values, err = cli.json(*VERBS["report"], name)
        assert code == 2
        assert "standard output, too" in err
        assert values["exit_code"] == 2


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in ("report", "comparison")])
@pytest.mark.parametrize("name", ["there", "there/", "new/"])
def test_a_folder_in_place_of_a_file_is_refused_before_the_work(cli, tmp_path, verb, name):
    (tmp_path / "there").mkdir()
    (tmp_path / "reports" / "nightly" / "run" / "predictions.csv").write_text("cannot be read\n")
    code, out, err = cli(*VERBS[verb], name)
    assert (code, out) == (2, "")
    assert f"'{name}' is a folder, and a file is expected" in err
    assert list((tmp_path / "there").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["reports", "there"]


@pytest.mark.parametrize("name", ["there", "there/", "new/"])
def test_a_report_goes_into_a_folder_that_is_named_as_one(cli, tmp_path, name):
    (tmp_path / "there").mkdir()
    assert cli(*VERBS["report"], name)[0] == 0
    assert is_whole("report", (tmp_path / name / "report.md").read_bytes())


def test_several_formats_need_a_folder(cli, tmp_path):
    null = node(tmp_path / "null", 1, 3)
    for out in ("-", null):
        code, _, err = cli("report", "reports/nightly/run", "--format", "md,json", "--out", out)
        assert code == 2
        assert "is one file" in err
    assert stat.S_ISCHR(null.stat().st_mode)


FOLDERS = {
    "train": ("train", "--dataset", "digits", "--recipe", "mlp", "--epochs", "1", "--out"),
    "import": ("model", "import", "x.onnx", "--classes", "a,b", "--out"),
    "score": ("score", "photos", "--out"),
    "evaluate": ("evaluate", "reports/nightly/run/predictions.csv", "--out"),
    "data export": ("data", "export", "digits"),
}


@pytest.mark.parametrize("verb", FOLDERS)
def test_standard_output_is_no_folder(cli, tmp_path, verb):
    code, out, err = cli(*FOLDERS[verb], "-")
    assert (code, out) == (2, "")
    assert "'-' is standard output, and a folder is expected" in err
    assert not os.path.lexists(tmp_path / "-")


def test_evaluate_refuses_what_is_no_folder_before_the_work(cli, tmp_path):
    null = node(tmp_path / "null", 1, 3)
    code, _, err = cli("evaluate", "missing.csv", "--out", null)
    assert code == 2
    assert f"--out {null} is no folder" in err
    assert stat.S_ISCHR(null.stat().st_mode)


def test_a_file_of_that_name_is_written_with_its_folder(cli, tmp_path):
    assert cli(*VERBS["query"], "./-")[0] == 0
    assert is_whole("query", (tmp_path / "-").read_bytes())
    assert cli("evaluate", "reports/nightly/run/predictions.csv", "--out", "./-/")[0] == 2  # a file is there now
    assert is_whole("query", (tmp_path / "-").read_bytes())


def test_a_starter_on_standard_output_is_that_of_a_file_here(process, cli, tmp_path):
    done = process("-m", "batchclf", "job", "new", "-", "--score", "photos", "--model", "shoes", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "wrote standard output\n")
    assert cli("job", "new", "job.toml", "--score", "photos", "--model", "shoes")[0] == 0
    assert done.stdout == (tmp_path / "job.toml").read_text()


def test_files_of_an_evaluation_follow_links_too(cli, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "metrics.json").symlink_to("../metrics-of-today.json")
    assert cli("evaluate", "reports/nightly/run/predictions.csv", "--out", out)[0] == 0
    assert (out / "metrics.json").is_symlink()
    assert Path(tmp_path / "metrics-of-today.json").read_text().startswith("{")

"""What a person meets at the prompt: commands, near misses, short options, colours, names in place of paths."""

import os
import pty
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from doc_pages import script
from PIL import Image

from batchclf import __version__
from batchclf.cli.main import VERBS, main
from batchclf.models.bundle import load_bundle

COMMANDS = script("docs/tables.py").commands()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A bundle of a small ONNX model with 10 classes, and the file that it was made of beside it."""
    pytest.importorskip("onnx")
    from onnx_cases import import_rows

    return import_rows(tmp_path_factory.mktemp("model"), 1, size=8)


def put_images(folder, *, good=3, bad=0):
    folder.mkdir()
    for number in range(good):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    for number in range(bad):
        (folder / f"bad{number}.png").write_bytes(b"x")
    return folder


def test_alone_it_lists_the_commands_with_an_example(cli):
    code, out, err = cli()
    assert (code, out) == (2, "")
    assert all(re.search(rf"^ +{verb} +\S", err, re.MULTILINE) for verb in VERBS)
    assert "  batchclf score photos/ " in err.partition("examples:")[2]
    code, out, err = cli("history")
    assert (code, out) == (2, "")
    assert all(action in err for action in ("list", "prune", "rebuild"))


def test_help_and_version(cli):
    assert cli("help") == cli("--help")
    assert cli("help", "score") == cli("score", "--help") == cli("score", "-h")
    assert cli("help", "history", "list") == cli("history", "list", "--help")
    assert cli("help", "help")[0] == 0
    assert cli("-V") == (0, f"batchclf {__version__}\n", "")


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "help"])
def test_short_options_mean_the_same_everywhere(name):
    short = {
        text: action.option_strings[-1]
        for action in COMMANDS[name]._actions
        for text in action.option_strings
        if len(text) == len("-x")
    }
    known = {"-h": "--help", "-q": "--quiet", "-v": "--verbose", "-o": "--out"}
    assert short.items() <= known.items()
    assert short.keys() >= {"-h", "-q", "-v"}
    assert ("-o" in short) == ("--out" in COMMANDS[name]._option_string_actions)


def test_short_options_are_read(cli, tmp_path, bundle):
    put_images(tmp_path / "photos", bad=1)
    assert cli("score", "photos", "--model", bundle, "-q", "-o", "run") == (0, "", "")
    code, out, _ = cli("score", "photos", "--model", bundle, "-v", "-o", "again")
    assert code == 0
    assert out.count("bad0.png") == 1


@pytest.mark.parametrize(
    ("arguments", "message", "hint", "usage"),
    [
        (["scoer"], "there is no command 'scoer'", "did you mean: batchclf score", "batchclf [options] COMMAND ..."),
        (["job", "chekc"], "there is no command 'chekc'", "batchclf job check", "batchclf job [options] ACTION ..."),
        (["photos/"], "'photos/'", "did you mean: batchclf score photos/", "batchclf [options] COMMAND ..."),
        (["a.csv"], "'a.csv'", "did you mean: batchclf evaluate a.csv", "batchclf [options] COMMAND ..."),
        (["a.toml"], "'a.toml'", "did you mean: batchclf run a.toml", "batchclf [options] COMMAND ..."),
        (["s3://b/p"], "'s3://b/p'", "did you mean: batchclf score s3://b/p", "batchclf [options] COMMAND ..."),
        (["zzz"], "'zzz'", "the commands are: run, train, score", "batchclf [options] COMMAND ..."),
        (["score", "--modle", "m", "x"], "unknown option --modle", "did you mean --model?", "score [options] [DIR]"),
        (["score", "x", "--qqq=1"], "unknown option --qqq", "batchclf score --help", "score [options] [DIR]"),
        (["train", "--otu", "x"], "unknown option --otu", "did you mean --out?", "train [options] --out BUNDLE"),
        (["-q", "score", "x"], "unknown option -q", "options follow the command", "batchclf [options] COMMAND ..."),
        (["--foo"], "unknown option --foo", "batchclf --help", "batchclf [options] COMMAND ..."),
        (["score", "x", "y"], "unexpected argument: y", "batchclf score --help", "score [options] [DIR]"),
        (
            ["score", "--split", "tset"],
            "--split: invalid choice: 'tset'",
            "did you mean test?",
            "score [options] [DIR]",
        ),
        (["score", "-o"], "--out: expected one argument", "batchclf score --help", "score [options] [DIR]"),
        (["train"], "required: --out", "batchclf train --help", "train [options] --out BUNDLE"),
        (["data", "fetch", "digit"], "invalid choice: 'digit'", "digits?", "fetch [options] {fashion-mnist,digits}"),
    ],
)
def test_the_message_comes_first_then_a_hint_then_one_line_of_usage(cli, arguments, message, hint, usage):
    code, out, err = cli(*arguments)
    assert (code, out) == (2, "")
    said, meant, how = err.splitlines()
    assert said.startswith("batchclf: error: ")
    assert message in said
    assert meant.startswith("  hint: ")
    assert hint in meant
    assert how.startswith("  usage: batchclf")
    assert how.endswith(usage)


def test_wrong_usage_is_an_object_with_json(cli):
    code, result, err = cli.json("score", "--modle", "x")
    assert code == result["exit_code"] == 2
    assert (result["error"], result["hint"]) == ("unknown option --modle", "did you mean --model?")
    assert err.startswith("batchclf: error: unknown option")


def on_terminal(*arguments, cwd, **variables):
    """Run batchclf in a process with a terminal of its own; gives the exit code and what it has shown."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_COLOR")}
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "batchclf", *map(str, arguments)],
        cwd=cwd,
        env={**environment, "TERM": "xterm", "COLUMNS": "200", **variables},
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    shown = b""
    try:
        while part := os.read(leader, 65536):
            shown += part
    except OSError:  # Linux' way to say that nobody holds the terminal any more
        pass
    os.close(leader)
    return process.wait(60), shown.decode()


@pytest.mark.parametrize(
    ("variables", "coloured"), [({}, True), ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colours_are_for_terminals(tmp_path, variables, coloured):
    code, shown = on_terminal("score", "a", "b", cwd=tmp_path, **variables)
    assert code == 2
    assert shown.startswith(
        "\x1b[1;31mbatchclf: error:\x1b[0m unexpected" if coloured else "batchclf: error: unexpected"
    )


def test_colours_elsewhere_are_asked_for_and_never_in_json(cli, tmp_path, monkeypatch):
    (tmp_path / "j.toml").write_text('[data]\ndataset = "digits"\n')
    assert "\x1b" not in "".join(map(str, cli("job", "check", "j.toml")))
    monkeypatch.setenv("FORCE_COLOR", "1")
    code, out, _ = cli("job", "check", "j.toml")
    assert code == 0
    assert out.startswith("\x1b[1;32mok\x1b[0m       ")
    assert "\x1b" not in "".join(map(str, cli("run", "none.toml", "--json")))


def test_the_bar_comes_to_know_the_total(tmp_path, bundle):
    put_images(tmp_path / "photos", good=40)
    code, shown = on_terminal("score", "photos", "--model", bundle, "-o", "run", cwd=tmp_path)
    assert code == 0
    assert re.search(r"40/40", shown)


def test_the_first_skipped_images_are_named(cli, tmp_path, bundle):
    put_images(tmp_path / "photos", bad=7)
    code, out, err = cli("score", "photos", "--model", bundle, "-o", "run")
    assert (code, err) == (0, "")
    named = re.findall(r"^skipped (\S+): not an image: .+$", out, re.MULTILINE)
    assert named == [f"bad{number}.png" for number in range(5)]
    assert "\nand 2 more: see run/skipped.csv\n" in out


@pytest.mark.parametrize("classes", ["classes.txt", None])
def test_a_model_that_is_no_bundle_is_imported_first_by_this_command(cli, tmp_path, bundle, classes):
    shutil.copy(bundle.with_name("rows.onnx"), tmp_path / "my net.onnx")
    put_images(tmp_path / "photos")
    if classes:
        (tmp_path / classes).write_text("\n".join(f"c{number}" for number in range(10)))
    code, _, err = cli("score", "photos", "--model", "my net.onnx")
    assert code == 1
    assert "my net.onnx is a model, but not a model bundle" in err
    expected = f"batchclf model import 'my net.onnx' --classes {classes or 'FILE'} --out 'models/my net'"
    assert err.endswith(f"  hint: import it first: {expected}\n")
    (tmp_path / "net.pt").write_bytes(b"")
    assert "batchclf model import net.pt" in cli("score", "photos", "--model", "net.pt")[2]


def test_a_jobs_name_stands_for_its_file(cli, tmp_path):
    job = '[data]\ndataset = "digits"\n'
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "nightly.toml").write_text(job)
    (tmp_path / "jobs" / "other.toml").write_text(f'name = "weekly"\n{job}')
    for name, shown in (("nightly", "nightly"), ("weekly", "weekly"), ("other", "weekly")):
        code, plan, _ = cli.json("run", name, "--dry-run")
        assert (code, plan["job"].partition(",")[0]) == (0, shown)
    assert cli("run", "nightli")[2].endswith("  hint: did you mean jobs/nightly.toml?\n")
    (tmp_path / "weekly.toml").write_text(job)
    code, _, err = cli("job", "check", "weekly")
    assert code == 2
    assert "'weekly' may be weekly.toml and jobs/other.toml; give the path of the job file" in err


def test_hints_name_job_files_only_if_they_are_there(cli, tmp_path):
    (tmp_path / "photos").mkdir()
    assert ".toml" not in cli("score", "photos")[2]
    assert cli("run", "jobs/none.toml")[2].endswith("  hint: `batchclf job new FILE.toml` writes one\n")
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "mine.toml").write_text('[data]\ndataset = "digits"\n')
    assert "batchclf run jobs/mine.toml" in cli("score", "photos")[2]


@pytest.fixture(scope="module")
def latest(tmp_path_factory, bundle):
    """The link to a run over three labelled images."""
    folder = tmp_path_factory.mktemp("reports")
    put_images(folder / "photos")
    rows = "".join(f"{number}.png,{name}\n" for number, name in enumerate(load_bundle(bundle).info.class_names[:3]))
    (folder / "labels.csv").write_text(f"path,label\n{rows}")
    score = ("score", str(folder / "photos"), "--model", str(bundle), "--labels", str(folder / "labels.csv"), "-q")
    assert main([*score, "--reports", str(folder / "reports")]) == 0
    return folder / "reports" / "score" / "latest"


@pytest.mark.parametrize("file", [".", "report.html", "metrics.json"])
def test_a_file_of_a_run_stands_for_the_run(cli, tmp_path, latest, file):
    place = latest / file
    code, result, _ = cli.json("query", place, "SELECT count(*) FROM predictions")
    assert (code, result["rows"]) == (0, [[3]])
    assert cli("report", place, "-o", tmp_path / "again.html")[0] == 0
    code, result, _ = cli.json("evaluate", place, "-o", tmp_path / "evaluation")
    assert code == 0
    assert (tmp_path / "evaluation" / "per_class.csv").is_file()


@pytest.mark.parametrize(
    ("sql", "place", "hint"),
    [
        (
            "SELECT predicton FROM predictions",
            ["LINE 1: SELECT predicton", "        " + " " * 7 + "^" * 9],
            "prediction",
        ),
        ("SELECT path,\n\tcorect\nFROM predictions", ["LINE 2: corect", "        ^^^^^^"], "correct"),
        ("SELECT * FROM prediction", ["LINE 1: SELECT * FROM prediction", " " * 22 + "^" * 10], "predictions"),
    ],
)
def test_an_error_of_sql_shows_its_place_and_what_comes_near(cli, latest, sql, place, hint):
    code, out, err = cli("query", latest, sql)
    assert (code, out) == (1, "")
    _, *shown, meant = err.splitlines()
    assert all(line.startswith(f"    {expected}") for line, expected in zip(shown, place, strict=True))
    assert meant.startswith(f"  hint: did you mean {hint}")


def test_a_percentage_for_a_share(cli, tmp_path):
    (tmp_path / "j.toml").write_text('[data]\ndataset = "digits"\n[gate]\nmin_test_accuracy = 86\n')
    code, _, err = cli("run", "j.toml", "--dry-run")
    assert code == 1
    assert "line 4: gate.min_test_accuracy: a number from 0 to 1 is expected, not 86" in err
    assert err.endswith("  hint: did you mean 0.86?\n")
    for text, meant in (("20", "0.2"), ("12.5%", "0.125")):
        _, _, err = cli("train", "--dataset", "digits", "--recipe", "mlp", "-o", "x", "--test-size", text)
        assert f"'{text}' is not a number above 0 and below 1; did you mean {meant}?" in err
    assert "did you mean" not in cli("train", "--data", "x", "--recipe", "mlp", "-o", "x", "--dropout", "1")[2]

"""--help, --version and usage errors: what a person meets first."""

import sys

import pytest

from batchclf import __version__

HEAVY = (
    "tensorflow",
    "keras",
    "numpy",
    "pandas",
    "sklearn",
    "matplotlib",
    "cv2",
    "onnxruntime",
    "duckdb",
    "ray",
    "rich",
    "jinja2",
)
VERBS = ("run", "train", "score", "evaluate", "report", "query", "history", "data")


def test_help_imports_nothing_heavy(process, tmp_path):
    script = (
        "import sys; sys.argv = ['batchclf', '--help']\n"
        "from batchclf.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = process("-c", script, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.strip().endswith("[]")


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_help_with_examples(cli, verb):
    code, out, err = cli(verb, "--help")
    assert code == 0
    assert "examples:" in out
    assert f"batchclf {verb}" in out.split("examples:")[1]
    assert err == ""


def test_help_lists_verbs_and_exit_codes(cli):
    code, out, _ = cli("--help")
    assert code == 0
    assert all(f"\n    {verb} " in out for verb in VERBS)
    assert "75 already running" in out


def test_version(cli):
    assert cli("--version")[:2] == (0, f"batchclf {__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "COMMAND"),
        (["scoer"], "scoer"),
        (["train", "--dataset", "mnist", "--recipe", "mlp", "--out", "x"], "mnist"),
        (["train", "--dataset", "digits", "--recipe", "mlp", "--out", "x", "--epochs", "0"], "'0'"),
        (["train", "--dataset", "digits", "--recipe", "mlp", "--out", "x", "--seed", "-1"], "--seed"),
        (["train", "--dataset", "digits", "--recipe", "mlp", "--out", "x", "--seed", "4294967296"], "4294967295"),
        (["score"], "--split"),
        (["score", "a", "--split", "test"], "--split"),
        (["score", "a", "--max-skipped", "many"], "many"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_named(cli, arguments, named):
    code, out, err = cli(*arguments)
    assert code == 2
    assert named in err
    assert "Traceback" not in out + err


def test_console_script_and_module_are_the_same_program(process, tmp_path):
    from pathlib import Path

    script = Path(sys.executable).with_name("batchclf")
    if not script.exists():
        pytest.skip("the console script is not installed beside this Python")
    by_script = process(script, "--help", cwd=tmp_path)
    by_module = process("-m", "batchclf", "--help", cwd=tmp_path)
    assert by_script.stdout == by_module.stdout
    assert by_script.returncode == by_module.returncode == 0

"""`batchclf completion`, by the shells themselves."""

import shutil
import subprocess

import pytest

pytest.importorskip("shtab")
CASES = [
    ("batchclf sc", {"score"}),
    ("batchclf job ", {"check", "install", "new"}),
    ("batchclf help his", {"history"}),
    ("batchclf score --mo", {"--model"}),
    ("batchclf score --split ", {"test", "train"}),
    ("batchclf completion ", {"bash", "zsh", "fish"}),
    ("batchclf data fetch d", {"digits"}),
    ("batchclf score ph", {"photos"}),
    ("batchclf score photos --model mo", {"models"}),
    ("batchclf train -o ph", {"photos"}),
    ("batchclf run no", {"notes.toml"}),
    ("batchclf evaluate pr", {"predictions.csv"}),
    ("batchclf report photos/re", {"photos/report.html"}),
]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "models").mkdir()
    for name in ("photos/report.html", "predictions.csv", "notes.toml", "photo.png", "model.txt"):
        (tmp_path / name).touch()
    return tmp_path


def shell(name, commands, folder):
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    done = subprocess.run([name, "-c", commands], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    return [set(line.split()) for line in done.stdout.splitlines()]


def test_bash_completes(cli, folder):
    code, script, err = cli("completion", "bash")
    assert (code, err) == (0, "")
    (folder / "script").write_text(script)
    ask = (
        "complete_line() { COMP_WORDS=($1); [[ $1 == *' ' ]] && COMP_WORDS+=(''); "
        "COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 )); $function; echo ${COMPREPLY[@]}; }\n"
    )
    lines = "".join(f"complete_line '{line}'\n" for line, _ in CASES)
    function = "function=$(complete -p batchclf | sed 's/.*-F \\([^ ]*\\).*/\\1/')\n"
    assert shell("bash", f"source ./script\n{function}{ask}{lines}", folder) == [meant for _, meant in CASES]


def test_fish_completes(cli, folder):
    (folder / "script").write_text(cli("completion", "fish")[1])
    lines = "".join(f"complete -C '{line}' | cut -f1 | string trim -r -c / | string join ' '\n" for line, _ in CASES)
    assert shell("fish", f"source ./script\n{lines}", folder) == [meant for _, meant in CASES]


def test_zsh_reads_its_script(cli, folder):
    (folder / "_batchclf").write_text(cli("completion", "zsh")[1])
    commands = "fpath=($PWD $fpath); autoload -Uz compinit; compinit -D -u; echo ${_comps[batchclf]}"
    assert shell("zsh", f"zsh -n _batchclf; {commands}", folder) == [{"_batchclf"}]


def test_the_script_as_json(cli):
    code, result, _ = cli.json("completion", "bash")
    assert (code, result["script"]) == (0, cli("completion", "bash")[1].removesuffix("\n"))


def test_only_these_shells(cli):
    assert cli("completion", "tcsh")[2].splitlines()[1] == "  hint: choose from: bash, zsh, fish"

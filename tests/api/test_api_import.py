"""`import batchclf`: what it gives, what it loads, and what a type checker sees of it."""

import importlib.util
import inspect
import json
import subprocess
import sys

import pytest

import batchclf


def python(code, cwd):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=cwd, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_loads_nothing_but_itself(tmp_path):
    code = (
        "import json, sys\nbefore = set(sys.modules)\nimport batchclf\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "ours = [name for name in sys.modules if name.startswith('batchclf')]\n"
        "print(json.dumps([sorted(new - set(sys.stdlib_module_names)), sorted(ours), dir(batchclf)]))"
    )
    new, ours, names = python(code, tmp_path)
    assert new == ["batchclf"]
    assert ours == ["batchclf", "batchclf.libraries"]
    assert set(batchclf.__all__) <= set(names)


def test_every_name_is_there_and_documented():
    for name in batchclf.__all__:
        value = getattr(batchclf, name)
        if name == "__version__":
            continue
        assert inspect.getdoc(value), name
        assert inspect.signature(value), name
        assert getattr(batchclf, name) is value
        for method, of in (
            vars(value).items() if inspect.isclass(value) and value.__module__.startswith("batchclf.api") else ()
        ):
            if not method.startswith("_"):
                assert inspect.getdoc(of), f"{name}.{method}"
    with pytest.raises(AttributeError, match="module 'batchclf' has no attribute 'evalute'"):
        _ = batchclf.evalute


SCRIPT = """
import batchclf

evaluation = batchclf.evaluate([0, 1], probabilities=[[0.9, 0.1], [0.2, 0.8]], classes=["a", "b"])
accuracy: float = evaluation.accuracy
low: float = evaluation.accuracy.low
text: str = evaluation.classification_report()
table: dict[str, object] = evaluation.classification_report(output_dict=True)
run: batchclf.Run = batchclf.score("photos", model=batchclf.load_model("model"), workers=2)
p_value: float | None = batchclf.compare(run, batchclf.load_run("run")).p_value
reveal_type(evaluation.log_loss)
reveal_type(run.predictions)
try:
    batchclf.read_predictions("run")
except batchclf.BatchclfError as error:
    hint: str = error.hint
evaluation.acuracy
batchclf.evalute
batchclf.score("photos", workers="two")
batchclf.score("photos", wrokers=2)
batchclf.load_model("model", scale="0..2")
"""


@pytest.mark.slow
def test_a_type_checker_sees_names_arguments_and_results(tmp_path, repo_root):
    pytest.importorskip("mypy")
    (tmp_path / "script.py").write_text(SCRIPT)
    found = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--config-file",
            "",
            "--strict",
            "--ignore-missing-imports",
            "--no-warn-unused-ignores",
            "script.py",
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"MYPYPATH": str(repo_root), "PATH": "/usr/bin"},
        check=False,
    )
    lines = [line.partition(":")[2] for line in found.stdout.splitlines() if line.startswith("script.py")]
    first = SCRIPT.splitlines().index("evaluation.acuracy") + 1
    errors = {int(line.partition(":")[0]): line for line in lines if ": error:" in line}
    assert list(errors) == [first, first + 1, first + 2, first + 3, first + 4], found.stdout
    assert "Revealed type is" in found.stdout
    assert "Metric" in next(line for line in lines if "Revealed" in line)
    assert importlib.util.find_spec("batchclf") is not None

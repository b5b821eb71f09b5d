"""Faults at system calls: a command that is killed, or whose call fails, loses and spoils nothing."""

import shutil
from pathlib import Path

import pytest
from fault_cases import (
    Injector,
    check_history,
    leftovers,
    make_home,
    make_older,
    said_codes,
    whole_runs,
)
from preloaded import compile_shim

COMMANDS = {
    "run": ("run", "night.toml"),
    "score": ("score", "photos", "--model", "rows", "--out", "out", "--resume"),
    "report": ("report", "reports/night/latest", "--format", "html,json", "--out", "again"),
    "prune": ("history", "prune", "night", "--keep-runs", "1"),
}
A_FEW = 2
"""Faults of each command and kind in the short sweep."""

SLOW = {"run": 200, "score": 61, "report": 30, "prune": 40}
"""Faults of each command and kind in the long one; one at every call if there are so many or fewer."""


@pytest.fixture(scope="module")
def injector(tmp_path_factory):
    return Injector(compile_shim(Path(__file__).with_name("shim.c"), tmp_path_factory.mktemp("shim")))


@pytest.fixture(scope="module")
def home(injector, tmp_path_factory):
    """A folder in which the job has run twice."""
    pytest.importorskip("onnx")
    from onnx_cases import import_rows

    folder = tmp_path_factory.mktemp("faults") / "home"
    make_home(folder, import_rows)
    for _ in range(2):
        done = injector.run(folder, *COMMANDS["run"])
        assert done.code == 0, done.said
    assert said_codes(folder) == [0, 0]
    return folder


@pytest.fixture(scope="module")
def expected(injector, home, tmp_path_factory):
    """For each command how many calls it makes, and the predictions that a run without a fault writes."""
    calls, content = {}, b""
    for name, command in COMMANDS.items():
        folder = copy(home, tmp_path_factory.mktemp("expected") / "home")
        done = injector.run(folder, *command)
        assert done.code == 0, done.said
        calls[name] = len(done.calls)
        if name == "score":
            content = (folder / "out/predictions.csv").read_bytes()
    assert min(calls.values()) >= 15
    return calls, content


def copy(home: Path, to: Path) -> Path:
    shutil.copytree(home, to, symlinks=True)
    return to


def swept(injector, home, expected, tmp_path, name, kind, faults, record):
    """Run a command with a fault at so many of its calls, spread evenly, and check what is there after each."""
    calls, predictions = expected
    command = COMMANDS[name]
    number = min(faults, calls[name])
    for place in sorted({1 + round(step * (calls[name] - 1) / max(number - 1, 1)) for step in range(number)}):
        folder = copy(home, tmp_path / f"{place}")
        before = whole_runs(folder / "reports")
        done = injector.run(folder, *command, at=place, kind=kind)
        call = done.calls[place - 1] if len(done.calls) >= place else "not reached"
        try:
            check_after(folder, name, kind, done, before)
            again = injector.run(folder, *command)
            published = name == "score" and again.code == 1 and "out is there already" in again.said
            assert again.code == 0 or published, again.said
            check_again(folder, name, before, predictions)
            make_older(folder)
            shutil.rmtree(folder / "out", ignore_errors=True)
            for later in {COMMANDS["run"], command}:
                last = injector.run(folder, *later)
                assert last.code == 0, last.said
            assert leftovers(folder) == []
        except AssertionError as error:
            what = f"{name}, {kind} at call {place} of {calls[name]}: {call}"
            raise AssertionError(f"{what}\nexit code {done.code}\n{done.said}\n{error}") from error
        record.append((name, kind, place, done.code))
        shutil.rmtree(folder)


def check_after(folder, name, kind, done, before):
    """What was published is whole, and notifications say what the exit code does."""
    reports = folder / "reports"
    runs = whole_runs(reports)
    if name != "prune":
        assert set(before) <= set(runs)
    assert runs[-1:] >= before[-1:]
    assert (reports / "night/latest").resolve() in runs
    check_history(reports)
    said = said_codes(folder)
    if done.code >= 0:
        assert "Traceback" not in done.said
        assert said == ([done.code] if name == "run" else [])
    else:
        assert kind == "kill"
    if name == "report" and (folder / "again/report.html").exists():
        assert (folder / "again/report.html").read_text().rstrip().endswith("</html>")


def check_again(folder, name, before, predictions):
    """The command without a fault does what it would have done."""
    runs = whole_runs(folder / "reports")
    check_history(folder / "reports")
    said_codes(folder)
    if name == "run":
        assert len(runs) > len(before)
        assert (folder / "reports/night/latest").resolve() == runs[-1]
        assert (runs[-1] / "predictions.csv").read_bytes() == (before[-1] / "predictions.csv").read_bytes()
    if name == "score":
        assert (folder / "out/predictions.csv").read_bytes() == predictions
    if name == "prune":
        assert runs == before[-1:]
    if name == "report":
        assert {"report.html", "report.json"} <= {each.name for each in (folder / "again").iterdir()}


@pytest.mark.parametrize("kind", ["kill", "EIO"])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_few_faults(injector, home, expected, tmp_path, name, kind):
    record = []
    swept(injector, home, expected, tmp_path, name, kind, A_FEW, record)
    assert len(record) == A_FEW


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["kill", "EIO", "ENOSPC"])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_thousand_faults(injector, home, expected, tmp_path, name, kind):
    record = []
    swept(injector, home, expected, tmp_path, name, kind, SLOW[name], record)
    codes = [code for _, _, _, code in record]
    counted = ", ".join(f"{code}: {codes.count(code)}" for code in sorted(set(codes)))
    print(f"\n{name:8} {kind:7} {len(record):4} faults, exit codes {counted}")

"""Faults at system calls: a command that is killed, or whose call fails, loses and spoils nothing."""

import json
import re
import shutil
import time
from collections import Counter
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
from fault_cases import (
    CASES,
    Injector,
    check_history,
    leftovers,
    make_home,
    make_older,
    said_codes,
    whole_runs,
)
from preloaded import compile_shim


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
        done = injector.run(folder, *CASES["run"].command)
        assert done.code == 0, done.said
        time.sleep(1)  # runs of one second are of the same age: `prune` keeps both
    assert said_codes(folder) == [0, 0]
    assert leftovers(folder) == []
    return folder


@dataclass(frozen=True)
class Faultless:
    """What a command does without a fault: the number of its calls that change something, and what it writes."""

    calls: int
    content: dict[str, bytes]


@pytest.fixture(scope="module")
def expected(injector, home, tmp_path_factory):
    """Give what a command does without a fault, by the name of its case."""
    known = {}

    def of(name):
        if name not in known:
            folder = copy(home, tmp_path_factory.mktemp("expected") / "home")
            done = injector.run(folder, *CASES[name].command)
            assert done.code == 0, done.said
            assert leftovers(folder) == []
            known[name] = Faultless(len(done.calls), {file: (folder / file).read_bytes() for file in CASES[name].files})
        return known[name]

    return of


def copy(home: Path, to: Path) -> Path:
    shutil.copytree(home, to, symlinks=True)
    return to


def sweep(injector, home, expected, tmp_path, name, kind, faults, record):
    """Run a command with a fault at so many of its calls, spread evenly, and check what is there after each."""
    of = expected(name)
    number = min(faults, of.calls)
    places = [1 + (2 * step + 1) * of.calls // (2 * number) for step in range(number)]
    count, troubles = Counter(), []
    for place in places:
        folder = copy(home, tmp_path / f"{place}")
        before = whole_runs(folder / "reports")
        done = injector.run(folder, *CASES[name].command, at=place, kind=kind)
        call = done.calls[place - 1].split(" ")[0] if len(done.calls) >= place else "not reached"
        count[call, "faults"] += 1
        try:
            check_after(folder, name, kind, done, before)
            count[call, "promised"] += 1
            rerun(injector, folder, name, before, of.content, aged=place % 2 == 0)
            count[call, "right"] += 1
        except AssertionError as error:
            troubles.append(f"{name}, {kind} at call {place} of {of.calls}: {done.calls[place - 1 : place]}\n"
                            f"exit code {done.code}\n{done.said}\n{error}")  # fmt: skip
        shutil.rmtree(folder)
    for call in sorted({call for call, _ in count}):
        row = (name, kind, call, *(count[call, what] for what in ("faults", "promised", "right")))
        record("row of faults", json.dumps(row))
    assert troubles == [], "\n\n".join(troubles)
    return len(places)


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
    for page in (folder / "again/report.html", folder / "both.html"):
        if page.exists():
            assert page.read_text().rstrip().endswith("</html>")


def rerun(injector, folder, name, before, content, *, aged):
    """The command without a fault does what it would have done, and removes what is left, if that is old enough."""
    if aged:
        make_older(folder)
    case = CASES[name]
    again = injector.run(folder, *case.command)
    if case.taken and again.code in (1, 2) and re.search(rf"\b{case.taken} is (there already|not empty)", again.said):
        if not (folder / case.files[0]).exists():  # an export was begun: the message says how to see that
            shutil.rmtree(folder / case.taken)
            again = injector.run(folder, *case.command)
            assert again.code == 0, again.said
    else:
        assert again.code == 0, again.said
    assert {file: (folder / file).read_bytes() for file in content} == content
    runs = whole_runs(folder / "reports")
    check_history(folder / "reports")
    said_codes(folder)
    if name == "run":
        assert len(runs) > len(before)
        assert (folder / "reports/night/latest").resolve() == runs[-1]
        assert (runs[-1] / "predictions.csv").read_bytes() == (before[-1] / "predictions.csv").read_bytes()
    if name == "prune":
        assert runs == before[-1:]
    if name == "report":
        assert {"report.html", "report.json"} <= {each.name for each in (folder / "again").iterdir()}
    if aged:
        assert leftovers(folder) == []


@pytest.fixture(params=CASES)
def name(request):
    if request.param == "train" and find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed")
    if request.param == "query":
        pytest.importorskip("duckdb")
    return request.param


@pytest.mark.parametrize("kind", ["kill", "EIO"])
def test_a_few_faults(injector, home, expected, tmp_path, name, kind, record_property):
    few = CASES[name].few
    assert sweep(injector, home, expected, tmp_path, name, kind, few, record_property) == few


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["kill", "EIO", "ENOSPC"])
def test_a_thousand_faults(injector, home, expected, tmp_path, name, kind, record_property):
    sweep(injector, home, expected, tmp_path, name, kind, CASES[name].faults, record_property)

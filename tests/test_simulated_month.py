"""The simulated month in a shorter form: every fault is caught in its run, and no good run says anything."""

import json
import sqlite3

import pytest
from simulated_month import FIRST, GOOD, World, faults, live

pytest.importorskip("tensorflow")  # the engineer of the story trains

WANTED = {
    "a damaged file",
    "a class is gone",
    "a worse model",
    "a label mix-up",
    "a killed run",
    "a full disk",
    "an overlapping start",
    "the camera is stuck",
}


@pytest.mark.slow
def test_a_short_month(tmp_path):
    world = World(tmp_path / "month", "digits")
    # Of the good runs after a fault the first two stand for all, as does the stuck camera for its other faults, each
    # of which has a test of its own; the script lets all pass.
    groups = [group for group in faults() if WANTED & {run.title for run in group}]
    assert len(groups) == len(WANTED)
    runs = [FIRST, GOOD, *groups[0], *groups[1]]
    runs += [run for group in groups[2:] for run in group if run is not GOOD]
    runs.append(GOOD)
    lines = []
    assert live(world, runs, lines.append) == [], "\n".join(lines)

    with sqlite3.connect(world.folder / "reports" / "history.sqlite") as history:
        statuses = [status for (status,) in history.execute("SELECT status FROM runs ORDER BY run_date, started")]
        failures = [message for (message,) in history.execute("SELECT message FROM failures ORDER BY started")]
    history.close()
    caught = [run for run in runs if 3 in run.codes]
    assert statuses.count("gate failed") == len(caught)
    assert statuses.count("ok") == sum(0 in run.codes for run in runs)
    assert len(failures) == 2  # the killed run and the full disk; who comes second does not fail
    assert any("killed" in message for message in failures)

    kept = sorted(path.name for path in world.reports.iterdir() if path.is_dir() and not path.is_symlink())
    assert len(kept) == 12
    assert (world.reports / "latest").resolve().name == kept[-1]
    assert json.loads((world.reports / "last-good" / "run.json").read_text())["status"] == "ok"

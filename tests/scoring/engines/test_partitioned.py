"""`--partitioned`: the rows of predictions.csv in Parquet parts, the same to the byte whatever has scored them."""

import hashlib
import json
import shutil
from dataclasses import replace

import pandas as pd
import pytest
from test_engines import after_blocks, end_after, interrupt, score, subset_of, with_end_of_worker

from batchclf.jobs.score.run_files import Results

OTHERS = ("images.csv", "skipped.csv", "metrics.json", "confusion.csv", "per_class.csv", "slices.csv")


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Two blocks a part."""
    monkeypatch.setattr("batchclf.storage.predictions.parts.FILES_A_PART", 16)


def parts_of(run):
    return {path.name: path.read_bytes() for path in sorted((run / "predictions").iterdir())}


def rows_of(run):
    return pd.concat(map(pd.read_parquet, sorted((run / "predictions").iterdir())), ignore_index=True)


def check_rows(found, csv):
    """Let pandas read both: the same texts, and the same numbers as far as the CSV prints them."""
    texts = found.select_dtypes(exclude="number").columns
    expected = pd.read_csv(csv, dtype=dict.fromkeys(texts, str), keep_default_na=False)
    assert list(found) == list(expected)
    for name in found:
        if name in texts:
            shown = found[name].map({True: "true", False: "false"}) if name == "correct" else found[name].fillna("")
            assert list(shown) == list(expected[name])
        else:
            assert [f"{value:.7g}" for value in found[name]] == [f"{value:.7g}" for value in expected[name]]


def test_parts_have_the_rows_of_the_csv(engine, photos, digits_bundle, tmp_path):
    assert score(photos, digits_bundle, tmp_path / "csv") == 0
    for run, how in (("run", ("--workers", "2")), ("again", ("--workers", "1"))):
        assert score(photos, digits_bundle, tmp_path / run, "--partitioned", *how, engine=engine) == 0
    found = tmp_path / "run"
    assert not (found / "predictions.csv").exists()
    for name in OTHERS:
        assert (found / name).read_bytes() == (tmp_path / "csv" / name).read_bytes(), name
    check_rows(rows_of(found), tmp_path / "csv" / "predictions.csv")
    parts, record = parts_of(found), json.loads((found / "run.json").read_text())
    assert parts == parts_of(tmp_path / "again")
    assert list(parts) == [f"part-{number:06d}.parquet" for number in range(4)]
    for name, content in parts.items():
        written = record["files"][f"predictions/{name}"]
        assert written["sha256"] == hashlib.sha256(content).hexdigest()
    assert score(photos, digits_bundle, tmp_path / "here", "--partitioned") == 0
    assert parts == parts_of(tmp_path / "here")


def test_a_killed_run_goes_on_after_its_last_whole_part(
    engine, copied, digits_bundle, photos, tmp_path, monkeypatch, capsys
):
    """An image of the second part has changed, and a part that nobody has finished lies there."""
    more = ("--partitioned", "--workers", "1")
    with monkeypatch.context() as patch:
        # A worker of Ray gives a part at a time
        patch.setattr(Results, "write", after_blocks(2 if "ray" in engine else 5, interrupt))
        assert score(copied, digits_bundle, tmp_path / "run", *more, engine=engine) == 130
    assert "the scores of 32 files are kept" in capsys.readouterr().err
    (killed,) = tmp_path.glob(".run.*.partial")
    (killed / "predictions" / ".part-000002.parquet").write_bytes(b"half")
    changed = sorted(path for path in copied.rglob("*") if path.is_file())[25]
    changed.write_bytes(next(photos.rglob("*.png")).read_bytes())
    assert score(copied, digits_bundle, tmp_path / "run", *more, "--resume", engine=engine) == 0
    assert 0 < subset_of(tmp_path / "run")["resumed"] <= 16
    assert score(copied, digits_bundle, tmp_path / "anew", *more) == 0
    assert parts_of(tmp_path / "run") == parts_of(tmp_path / "anew")
    for name in OTHERS:
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "anew" / name).read_bytes(), name


@pytest.mark.parametrize("damage", ["removed", "cut"])
def test_a_part_that_a_power_cut_has_damaged_is_scored_again(photos, digits_bundle, tmp_path, monkeypatch, damage):
    with monkeypatch.context() as patch:
        patch.setattr(Results, "write", after_blocks(7, interrupt))
        assert score(photos, digits_bundle, tmp_path / "run", "--partitioned") == 130
    (killed,) = tmp_path.glob(".run.*.partial")
    part = killed / "predictions" / "part-000001.parquet"
    part.unlink() if damage == "removed" else part.write_bytes(part.read_bytes()[:-1])
    assert score(photos, digits_bundle, tmp_path / "run", "--partitioned", "--resume") == 0
    assert 0 < subset_of(tmp_path / "run")["resumed"] <= 16
    assert score(photos, digits_bundle, tmp_path / "anew", "--partitioned") == 0
    assert parts_of(tmp_path / "run") == parts_of(tmp_path / "anew")


def test_a_last_part_that_was_too_short_is_filled_by_files_that_came_since(
    copied, digits_bundle, photos, tmp_path, monkeypatch
):
    """The run was killed after it had scored everything."""

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("batchclf.jobs.run.folder_run.finish", killed)
        assert score(copied, digits_bundle, tmp_path / "run", "--partitioned") == 130
    for number in range(12):
        (copied / "9" / f"z{number}.png").write_bytes(next(photos.rglob("*.png")).read_bytes())
    assert score(copied, digits_bundle, tmp_path / "run", "--partitioned", "--resume") == 0
    assert subset_of(tmp_path / "run")["resumed"] > 0
    assert score(copied, digits_bundle, tmp_path / "anew", "--partitioned") == 0
    assert parts_of(tmp_path / "run") == parts_of(tmp_path / "anew")


def test_what_the_deadline_ends_has_the_first_rows(engine, photos, digits_bundle, tmp_path, monkeypatch):
    assert score(photos, digits_bundle, tmp_path / "whole", "--partitioned") == 0
    end_after(monkeypatch, 3)
    how = ("--workers", "2", "--deadline", "1h", "--max-skipped", "1", "--partitioned")
    assert score(photos, digits_bundle, tmp_path / "run", *how, engine=engine) == 4
    subset, found = subset_of(tmp_path / "run"), rows_of(tmp_path / "run")
    assert (subset["complete"], subset["over_budget"]) == (False, True)
    assert 0 < len(found) == subset["scored"] < 60
    assert all(name.startswith("part-") for name in parts_of(tmp_path / "run"))
    pd.testing.assert_frame_equal(found, rows_of(tmp_path / "whole")[: len(found)])


RAY = ("--engine", "ray", "--workers", "1", "--partitioned")


@pytest.fixture
def of_driver(monkeypatch):
    """How many images have come to the driver with their probabilities."""
    seen, real = [], Results.write

    def write(self, block):
        seen.append(0 if block.scores is None else len(block.scores.refs))
        real(self, block)

    monkeypatch.setattr(Results, "write", write)
    return lambda: sum(seen)


def test_what_a_worker_has_written_when_it_ended_counts_once(cluster, copied, digits_bundle, tmp_path, of_driver):
    with_end_of_worker(copied, "2/ends.png", tmp_path / "ended")
    assert score(copied, digits_bundle, tmp_path / "run", *RAY) == 0
    (warning,) = subset_of(tmp_path / "run")["warnings"]
    assert "1 worker of Ray ended" in warning
    assert of_driver() == 0
    assert score(copied, digits_bundle, tmp_path / "here", "--partitioned") == 0
    assert parts_of(tmp_path / "run") == parts_of(tmp_path / "here")


@pytest.mark.parametrize("why", ["the folder is not there", "the cache", "labels of some classes"])
@pytest.mark.slow
def test_rows_come_to_the_driver_where_they_must(
    cluster, copied, digits_bundle, tmp_path, monkeypatch, capsys, of_driver, why
):
    more = ()
    if why == "the folder is not there":
        from batchclf.scoring.engines.ray import RayEngine

        def parts(self, parts, size, writer):
            return real(self, parts, size, replace(writer, folder=writer.folder / "elsewhere"))

        real = RayEngine.parts
        monkeypatch.setattr(RayEngine, "parts", parts)
    elif why == "the cache":
        more = ("--cache", "--reports", tmp_path / "reports")
    else:
        for number in range(2, 10):
            shutil.rmtree(copied / str(number))
    assert score(copied, digits_bundle, tmp_path / "run", *RAY, *more) == 0
    assert ("does not see the run directory" in capsys.readouterr().out) == (not more and why[4] == "f")
    assert of_driver() == subset_of(tmp_path / "run")["scored"]
    assert score(copied, digits_bundle, tmp_path / "here", "--partitioned") == 0
    assert parts_of(tmp_path / "run") == parts_of(tmp_path / "here")
    assert subset_of(tmp_path / "run")["among_labelled"] == subset_of(tmp_path / "here")["among_labelled"]

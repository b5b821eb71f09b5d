"""What every engine does: the same rows, skips, accounts and exit codes on one machine and on workers of Ray."""

import json
import os
import re
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from engine_cases import END_WORKER
from PIL import Image
from sklearn.metrics import accuracy_score

from batchclf.cli.main import main
from batchclf.jobs.config import limits
from batchclf.jobs.score import ray_workers
from batchclf.jobs.score.run_files import Results
from batchclf.storage.run.directory import read_record

FILES = ("predictions.csv", "images.csv", "skipped.csv", "metrics.json", "confusion.csv")
TIMEOUT = ("--image-timeout", "1.5")
CRASHED = "the decoder crashed on it twice (signal 11)"
TOOK_TOO_LONG = "took longer than 1.5 s to read and decode (--image-timeout)"


def end_after(monkeypatch, blocks):
    """Let the deadline pass once it was asked for so often."""

    class After(limits.Deadline):
        asked = 0

        @property
        def passed(self):
            After.asked += 1
            return After.asked > blocks

    monkeypatch.setattr(limits, "Deadline", After)


def score(folder, bundle, run, *more, engine=("--engine", "local")):
    command = (
        "score",
        folder,
        "--model",
        bundle,
        "--out",
        run,
        "--batch-size",
        "4",
        "--no-pictures",
        *TIMEOUT,
        *engine,
        *more,
    )
    return main([str(each) for each in command])


def contents(run):
    return {name: (run / name).read_bytes() for name in FILES}


def subset_of(run):
    (subset,) = json.loads((run / "run.json").read_text())["subsets"]
    return subset


def here(folder, bundle, run, *more):
    """A run on this machine, undisturbed; the settings of `small_blocks` are those of a test."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("batchclf.jobs.score.score_subsets.files_per_block", lambda *arguments: 8)
        monkeypatch.setattr("batchclf.scoring.engines.local.PROCESSES_FROM", 1)
        assert score(folder, bundle, run, "--workers", "2", *more) == 0
    return run


def check_against_pillow(rows, folder, bundle):
    """Let another library read the gray images, and run the graph on each alone."""
    session = onnxruntime.InferenceSession(str(bundle / "model.onnx"))
    compared = 0
    for path in rows.index[rows.index.str.endswith(".png")]:
        with Image.open(folder / path) as picture:
            if picture.mode != "L":
                continue
            image = np.asarray(picture)[None, ..., None]
        compared += 1
        (expected,) = session.run(["probabilities"], {"image": image})[0]
        found = rows.loc[path, [f"prob:{number}" for number in range(10)]].to_numpy(float)
        np.testing.assert_allclose(found, expected, atol=2e-6)
    assert compared == 10


@pytest.fixture(scope="module")
def whole(photos, digits_bundle, damaged_decoders, tmp_path_factory):
    return here(photos, digits_bundle, tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture(scope="module")
def whole_troubled(troubled, digits_bundle, damaged_decoders, tmp_path_factory):
    return here(troubled, digits_bundle, tmp_path_factory.mktemp("troubled") / "run")


def test_rows_skips_and_accounts_are_the_same_to_the_byte(
    engine, troubled, digits_bundle, whole_troubled, tmp_path, capsys
):
    """Of two workers of Ray one is held up by the first block, so that later ones are done before it."""
    run = tmp_path / "run"
    workers = 2 if "ray" in engine else 1
    assert score(troubled, digits_bundle, run, "--workers", workers, "--explain-time", engine=engine) == 0
    assert contents(run) == contents(whole_troubled)
    record, subset = read_record(run), subset_of(run)
    assert (subset["found"], subset["scored"], subset["skipped"], subset["excluded"]) == (66, 60, 4, 2)
    keys = subset.keys() - {"seconds", "timings"}
    assert {key: subset[key] for key in keys} == {key: subset_of(whole_troubled)[key] for key in keys}
    skipped = pd.read_csv(run / "skipped.csv", index_col="path")["reason"]
    assert skipped["5/crash.png"] == CRASHED
    assert skipped["0/a.png"] == TOOK_TOO_LONG
    assert {"3/text.png", "3/cut.png"} < set(skipped.index)
    rows = pd.read_csv(run / "predictions.csv", dtype={"label": str, "prediction": str})
    # What Ray's own reader of images leaves out, or ends at: these suffixes, and gray beside colour.
    assert {".webp", ".jfif", ".png", ".PNG"} == {Path(path).suffix for path in rows["path"]}
    assert list(rows["path"]) == sorted(rows["path"])
    (measured,) = json.loads((run / "metrics.json").read_text())["splits"].values()
    assert measured["accuracy"]["value"] == pytest.approx(accuracy_score(rows["label"], rows["prediction"]))
    check_against_pillow(rows.set_index("path"), troubled, digits_bundle)
    said = capsys.readouterr().out
    assert "found 66 = scored 60 + skipped 4 + excluded 2" in said
    assert (engine[1] == "ray") == ("start" in record.subsets[0].timings) == ("starting Ray" in said)


def test_shards_give_the_rows_of_the_folder(engine, photos, digits_bundle, whole, tmp_path, monkeypatch):
    """They come block by block, and a second run appends none to them."""
    packed, steps = tmp_path / "packed", []
    assert main(["pack", str(photos), str(packed), "--shard-size", "9KB"]) == 0

    @contextmanager
    def progress(self, what, total):
        yield steps.append

    monkeypatch.setattr("batchclf.cli.console.Console.progress", progress)
    assert score(packed, digits_bundle, tmp_path / "run", engine=engine) == 0
    assert steps == [0, *(8,) * (len(steps) - 2), 62 % 8]
    for _ in range(2):
        for name in ("predictions.csv", "images.csv"):
            assert (tmp_path / "run" / name).read_bytes() == (whole / name).read_bytes()
        assert score(packed, digits_bundle, tmp_path / "run", engine=engine) == 1


def after_blocks(count, act):
    """Have something happen once so many blocks are written."""

    def write(self, block):
        write.blocks += 1
        real(self, block)
        if write.blocks == count:
            act()

    write.blocks, real = 0, Results.write
    return write


def interrupt():
    raise KeyboardInterrupt


def test_a_killed_run_is_gone_on_with(engine, copied, digits_bundle, photos, tmp_path, monkeypatch, capsys):
    """The images of its first blocks are read again; one of the later ones has changed, and is scored as it is now."""
    more = ("--workers", "1")
    with monkeypatch.context() as patch:
        patch.setattr(Results, "write", after_blocks(3, interrupt))
        assert score(copied, digits_bundle, tmp_path / "run", *more, engine=engine) == 130
    assert "the scores of 24 files are kept" in capsys.readouterr().err
    last = max(copied.rglob("*.png"))
    last.write_bytes(next(photos.rglob("*.png")).read_bytes())
    assert score(copied, digits_bundle, tmp_path / "run", *more, "--resume", engine=engine) == 0
    assert subset_of(tmp_path / "run")["resumed"] > 0
    assert score(copied, digits_bundle, tmp_path / "anew", *more) == 0
    assert contents(tmp_path / "run") == contents(tmp_path / "anew")


def test_the_deadline_ends_between_blocks_and_too_many_skips_are_partial(
    engine, photos, digits_bundle, whole, tmp_path, monkeypatch
):
    end_after(monkeypatch, 4)
    run = tmp_path / "run"
    how = ("--workers", "2", "--deadline", "1h", "--max-skipped", "1")
    assert score(photos, digits_bundle, run, *how, engine=engine) == 4
    subset = subset_of(run)
    assert (subset["complete"], subset["over_budget"], subset["found"]) == (False, True, 32)
    lines = (run / "predictions.csv").read_bytes().splitlines()
    assert lines == (whole / "predictions.csv").read_bytes().splitlines()[: len(lines)]
    assert len(lines) == subset["scored"] + 1


def test_engines_share_the_cache(engine, copied, digits_bundle, photos, tmp_path, capsys):
    """One fills a part, the other finds that part and adds the rest: scores are those of a run without a cache."""
    cached = ("--cache", "--reports", tmp_path / "reports", "--workers", "1")
    later = sorted(copied.rglob("*.webp"))
    for path in later:
        path.rename(path.with_suffix(".later"))
    other = ("--engine", "local")
    assert score(copied, digits_bundle, tmp_path / "first", *cached, engine=other) == 0
    for path in later:
        path.with_suffix(".later").rename(path)
    assert score(copied, digits_bundle, tmp_path / "second", *cached, engine=engine) == 0
    assert score(copied, digits_bundle, tmp_path / "third", *cached, engine=other) == 0
    assert [subset_of(tmp_path / run)["cached"] for run in ("second", "third")] == [50, 60]
    assert score(copied, digits_bundle, tmp_path / "anew", engine=other) == 0
    assert contents(tmp_path / "second") == contents(tmp_path / "third") == contents(tmp_path / "anew")


def with_end_of_worker(folder, name, marker):
    """Let an image end the worker that decodes it, if nothing lies at `marker`."""
    (folder / name).write_bytes(next(folder.rglob("*.png")).read_bytes() + END_WORKER + os.fsencode(marker))


def test_a_worker_that_ends_is_replaced_and_its_blocks_are_scored_again(
    cluster, copied, digits_bundle, tmp_path, capsys
):
    with_end_of_worker(copied, "2/ends.png", tmp_path / "ended")
    run = tmp_path / "run"
    assert score(copied, digits_bundle, run, "--workers", "1", engine=("--engine", "ray")) == 0
    said = capsys.readouterr()
    assert re.search(r"1 worker of Ray ended and had to be replaced; [12] blocks? sent again", said.err)
    (warning,) = subset_of(run)["warnings"]
    assert "1 worker of Ray ended" in warning
    log = [json.loads(line)["message"] for line in (run / "log.jsonl").read_text().splitlines()]
    (line,) = (line for line in log if line.startswith("a worker on "))
    assert re.fullmatch(r"a worker on \S+ ended; sending [12] blocks? again \(.{20,400}\)", line)
    assert "Ray" not in said.out.replace("using the cluster of Ray", "")
    # All of it is as if nothing had happened.
    assert score(copied, digits_bundle, tmp_path / "here") == 0
    assert contents(run) == contents(tmp_path / "here")


@pytest.mark.slow
def test_a_block_that_ends_one_worker_after_the_other_ends_the_run(cluster, copied, digits_bundle, tmp_path, capsys):
    """What was scored before is kept."""
    with_end_of_worker(copied, "2/ends.png", "")
    assert score(copied, digits_bundle, tmp_path / "run", "--workers", "1", engine=("--engine", "ray")) == 1
    err = capsys.readouterr().err
    assert "4 workers of Ray have ended while they scored the files from " in err
    assert "fewer --workers" in err
    kept = int(re.search(r"the scores of (\d+) files are kept", err)[1])
    assert kept > 0
    assert kept % 8 == 0
    (copied / "2" / "ends.png").unlink()
    assert score(copied, digits_bundle, tmp_path / "run", "--resume") == 0
    assert subset_of(tmp_path / "run")["resumed"] > 0


def test_a_folder_that_a_worker_does_not_see_is_refused(cluster, photos, digits_bundle, tmp_path, capsys):
    """A path through a descriptor leads somewhere in this process only."""
    descriptor = os.open(photos.parent, os.O_RDONLY)
    try:
        here = f"/proc/self/fd/{descriptor}/photos"
        assert score(here, digits_bundle, tmp_path / "run", "--workers", "1", engine=("--engine", "ray")) == 1
    finally:
        os.close(descriptor)
    err = capsys.readouterr().err
    assert f"cannot read {here}/0/" in err
    assert "this machine can: cannot be read: No such file or directory" in err
    assert "at the same path" in err


def test_a_worker_with_another_version_of_a_library_is_refused(
    cluster, photos, digits_bundle, tmp_path, monkeypatch, capsys
):
    real = ray_workers.versions_there
    monkeypatch.setattr(ray_workers, "versions_there", lambda *of: {**real(*of), "onnxruntime": "1.2.3"})
    assert score(photos, digits_bundle, tmp_path / "run", "--workers", "1", engine=("--engine", "ray")) == 1
    err = capsys.readouterr().err
    assert re.search(r"has onnxruntime \d\S*, this machine has 1\.2\.3; scores could be other ones there", err)
    assert "install the same versions" in err


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--ray-address", "auto"), 2, "--ray-address needs --engine ray"),
        (("--engine", "ray", "--precision", "bf16"), 2, "--engine ray and --precision bf16 do not go together"),
        (("--engine", "spark"), 2, "invalid choice: 'spark'"),
    ],
)
def test_options_that_do_not_go_together(photos, digits_bundle, tmp_path, capsys, options, code, words):
    try:
        found = score(photos, digits_bundle, tmp_path / "run", *options)
    except SystemExit as error:
        found = error.code
    assert found == code
    assert words in capsys.readouterr().err


def test_without_ray_the_extra_is_named(photos, digits_bundle, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert score(photos, digits_bundle, tmp_path / "run", engine=("--engine", "ray")) == 1
    err = capsys.readouterr().err
    assert "Ray is needed for --engine ray" in err
    assert "pip install 'batchclf[ray]'" in err


def test_a_job_scores_its_folders_on_one_set_of_workers_and_its_split_here(
    cluster, photos, digits_bundle, tmp_path, capsys
):
    job = (
        '[data]\ndataset = "digits"\n'
        f'[model]\nbundle = "{digits_bundle}"\n'
        '[scoring]\nsplits = ["test"]\nengine = "ray"\nworkers = 1\nimage_timeout = 1.5\n'
        f'[scoring.directories.all]\npath = "{photos}"\n'
        f'[scoring.directories.three]\npath = "{photos}"\nglob = ["3/*"]\n'
    )
    rows = {}
    for name in ("ray", "local"):
        path = tmp_path / name / "jobs" / "folders.toml"
        path.parent.mkdir(parents=True)
        path.write_text(job.replace('engine = "ray"', f'engine = "{name}"'))
        assert main(["run", str(path)]) == 0, capsys.readouterr().err
        run = tmp_path / name / "reports" / "folders" / "latest"
        rows[name] = (run / "predictions.csv").read_bytes()
        record = read_record(run)
    assert rows["ray"] == rows["local"]
    assert {subset.split for subset in record.subsets} == {"all", "three", "test"}

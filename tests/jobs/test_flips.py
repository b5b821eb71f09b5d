"""flips.csv and the comparisons with the run before, against pandas."""

import shutil
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from run_cases import NAMES, drawn, rows_of, write_images, write_run

from batchclf.core.records.run import SubsetRecord
from batchclf.jobs.evaluate.compare import compare_runs
from batchclf.jobs.evaluate.flips import write_flips
from batchclf.jobs.history.runs import earlier_runs
from batchclf.storage.predictions.flips import COLUMNS
from batchclf.storage.run.directory import read_record

pd = pytest.importorskip("pandas")


def two_runs(tmp_path, first, second, /, **changes):
    """A job's folder with the earlier run; that of the current run, which has no run.json yet."""
    write_run(tmp_path / "a", first, metrics=False, **changes.get("first", {}))
    record = write_run(tmp_path / "b", second, metrics=False, **changes.get("second", {}))
    (tmp_path / "b" / "run.json").unlink()
    return record


def flips(tmp_path, record):
    said = []
    found, _ = write_flips(tmp_path / "b", tmp_path, record, earlier_runs(tmp_path, "b"), say=said.append)
    return found, table(tmp_path), said


def table(tmp_path):
    return pd.read_csv(tmp_path / "b" / "flips.csv", keep_default_na=False)


def expected(tmp_path):
    """What pandas makes of both predictions.csv."""
    first, second = (
        pd.read_csv(tmp_path / run / "predictions.csv", dtype=str, keep_default_na=False).set_index(["split", "path"])
        for run in ("a", "b")
    )
    both = second.join(first, how="inner", suffixes=("", "_earlier")).reset_index()
    both = both[both["prediction"] != both["prediction_earlier"]]
    known = both["label"] == both["label_earlier"]
    kinds = np.select(
        [known & (both["label"] == both["prediction_earlier"]), known & (both["label"] == both["prediction"])],
        ["negative", "positive"],
        "changed",
    )
    both = both.assign(
        kind=kinds, earlier_prediction=both["prediction_earlier"], earlier_confidence=both["confidence_earlier"]
    )
    return both.sort_values(["split", "path"])[COLUMNS].reset_index(drop=True)


def test_flips_are_those_of_a_join_in_pandas(tmp_path):
    first = drawn(NAMES, 300, seed=1, skill=0.7) + drawn(NAMES, 300, seed=3, skill=0.9, split="train")
    second = drawn(NAMES, 300, seed=2, skill=0.8) + drawn(NAMES, 300, seed=4, skill=0.9, split="train")
    second[4]["label"] = second[5]["label"] = first[6]["label"] = ""
    del first[10:15], second[20]
    record = two_runs(tmp_path, first, second)
    found, rows, said = flips(tmp_path, record)
    assert rows.astype(str).equals(expected(tmp_path).astype(str))
    assert {"negative", "positive", "changed"} == set(rows["kind"])
    assert [each.split for each in found] == ["test", "train"]
    for each in found:
        assert each == compare_runs(tmp_path / "a", tmp_path / "b", each.split, record=record)
        of_split = rows[rows["split"] == each.split]
        assert len(of_split) == each.changed
        assert (of_split["kind"] == "negative").sum() == each.only_first_right
        assert (of_split["kind"] == "positive").sum() == each.only_second_right
    assert said == []


def test_cells_are_those_of_predictions_csv(tmp_path):
    """Confidences have the same digits, texts the same guard, whatever stands in them."""
    names = ("=1+1", "'quoted'", 'a,\n"b"')
    paths = sorted(["@x.png", "-5.png", "a,b.png", "line\nbreak.png", "é.png", "undecodable\udcff.png"])
    confidence = [0.1, 0.9999999, 1.0, 0.5000001, 0.0999999, 0.3333333]
    plain = {"probabilities": False}
    first = rows_of(names, [0, 1, 2, 0, 1, 2], [0, 1, 2, 0, 1, 2], paths=paths, confidence=confidence, **plain)
    second = rows_of(names, [0, 1, 2, 0, 1, 2], [1, 0, 0, 1, 2, 1], paths=paths, confidence=confidence[::-1], **plain)
    record = two_runs(tmp_path, first, second, first={"names": names}, second={"names": names})
    _, rows, _ = flips(tmp_path, record)
    assert list(rows["kind"]) == ["negative"] * 6
    rows = pd.read_csv(tmp_path / "b" / "flips.csv", keep_default_na=False, dtype=str)
    assert rows.equals(expected(tmp_path))
    assert (tmp_path / "b" / "flips.csv").read_bytes().count(b"\r\n") == 7


def test_unlabelled_images_have_changed(tmp_path):
    source = {"kind": "directory", "source": "/srv/in", "dataset": None}
    first = rows_of(NAMES, [None] * 4, [0, 1, 2, 0], split="incoming")
    second = rows_of(NAMES, [None] * 4, [0, 1, 1, 1], split="incoming")
    found, rows, _ = flips(tmp_path, two_runs(tmp_path, first, second, first=source, second=source))
    assert list(rows["kind"]) == ["changed"] * 2
    assert list(rows["label"]) == ["", ""]
    assert (found[0].changed, found[0].p_value) == (2, None)


def test_without_an_earlier_run_there_is_only_the_header(tmp_path):
    record = write_run(tmp_path / "b", drawn(NAMES, 20, seed=1, skill=0.7), metrics=False)
    found, rows, said = flips(tmp_path, record)
    assert (found, list(rows.columns), len(rows), said) == ((), COLUMNS, 0, [])


def test_the_last_run_that_is_still_there_counts(tmp_path):
    for name, seed in (("a", 1), ("aa", 3), ("ab", 5)):
        write_run(tmp_path / name, drawn(NAMES, 50, seed=seed, skill=0.7), metrics=False, status="gate failed")
    record = write_run(tmp_path / "b", drawn(NAMES, 50, seed=2, skill=0.7), metrics=False)
    history = earlier_runs(tmp_path, "b")
    shutil.rmtree(tmp_path / "ab")
    found, _ = write_flips(tmp_path / "b", tmp_path, record, history)
    assert [each.first_run for each in found] == ["aa"]


def test_subsets_that_both_have_scored(tmp_path):
    """A subset of another kind, or of one run only, is left out; the main one comes first."""
    of = {split: drawn(NAMES, 30, seed=5, skill=0.6, split=split) for split in ("apples", "pears", "test", "train")}
    first = of["apples"] + of["pears"] + of["test"]
    second = [*drawn(NAMES, 30, seed=6, skill=0.6, split="apples"), *drawn(NAMES, 30, seed=6, skill=0.6, split="pears")]
    second += [*drawn(NAMES, 30, seed=6, skill=0.6), *of["train"]]
    record = two_runs(tmp_path, first, second)
    subsets = [replace(each, kind="directory") if each.split == "pears" else each for each in record.subsets]
    found, rows, _ = flips(tmp_path, replace(record, subsets=subsets))
    assert [each.split for each in found] == ["test", "apples"]
    assert list(dict.fromkeys(rows["split"])) == ["apples", "test"]


@pytest.mark.parametrize(
    "spoil, why",
    [
        (lambda run: (run / "run.json").write_text("{"), ""),
        (lambda run: (run / "predictions.csv").unlink(), "cannot be read"),
        (
            lambda run: _append(run / "predictions.csv", "z.png,test,cat,yak,false,0.9,0.8,,,\r\n"),
            "'yak' is not one of",
        ),
        (lambda run: _append(run / "predictions.csv", "z.png,test,cat,cat,false,7,0.8,,,\r\n"), "confidence is '7'"),
    ],
)
def test_an_earlier_run_that_cannot_be_read_costs_only_itself(tmp_path, spoil, why):
    record = two_runs(tmp_path, drawn(NAMES, 6_000, seed=1, skill=0.7), drawn(NAMES, 6_000, seed=2, skill=0.7))
    history = earlier_runs(tmp_path, "b")
    spoil(tmp_path / "a")
    said = []
    assert write_flips(tmp_path / "b", tmp_path, record, history, say=said.append)[0] == ()
    assert len(table(tmp_path)) == 0
    assert len(said) == 1
    assert said[0].startswith("the predictions are not compared with those of a: ")
    assert why in said[0]


def _append(path, text):
    path.write_text(path.read_text() + text)


def test_a_model_with_other_classes_is_not_compared(tmp_path):
    first, second = drawn(NAMES, 30, seed=1, skill=0.7), drawn(("cat", "dog", "yak"), 30, seed=1, skill=0.7)
    record = two_runs(tmp_path, first, second, second={"names": ("cat", "dog", "yak")})
    found, rows, said = flips(tmp_path, record)
    assert (found, len(rows)) == ((), 0)
    assert "different classes" in said[0]


def test_another_picture_of_the_same_name_is_no_flip(tmp_path):
    rows = rows_of(NAMES, [0] * 6, [0] * 6)
    record = two_runs(tmp_path, rows, rows_of(NAMES, [0] * 6, [1] * 6))
    write_images(tmp_path / "a", [(row, i) for i, row in enumerate(rows)])
    write_images(tmp_path / "b", [(row, i + 9 * (i < 4)) for i, row in enumerate(rows)])
    (found,), table, _ = flips(tmp_path, record)
    assert (found.images, found.replaced, found.changed) == (2, 4, 2)
    assert list(table["path"]) == [row["path"] for row in rows[4:]]
    write_images(tmp_path / "b", [(row, i + 9) for i, row in enumerate(rows)])
    found, table, said = flips(tmp_path, record)
    assert (found, len(table)) == ((), 0)
    assert said == ["no image of test was scored by the last run, a, too; 6 have the name of another one"]


def test_rows_in_another_order(tmp_path):
    first = drawn(NAMES, 90, seed=1, skill=0.7) + drawn(NAMES, 90, seed=3, skill=0.7, split="train")
    second = drawn(NAMES, 90, seed=2, skill=0.7) + drawn(NAMES, 90, seed=4, skill=0.7, split="train")
    record = two_runs(tmp_path / "sorted", first, second)
    one = flips(tmp_path / "sorted", record)
    order = np.random.default_rng(0).permutation(180)
    record = two_runs(tmp_path / "turned", [first[i] for i in order], second)
    other = flips(tmp_path / "turned", replace(record, subsets=read_record(tmp_path / "turned" / "a").subsets))
    assert one[0] == other[0]
    assert one[1].equals(other[1])


def test_a_subset_without_any_image_in_this_run(tmp_path):
    """An empty directory has a record but no rows."""
    both = {split: drawn(NAMES, 30, seed=5, skill=0.6, split=split) for split in ("apples", "pears")}
    record = two_runs(tmp_path, both["apples"] + both["pears"], both["pears"])
    empty = SubsetRecord("apples", "split", "photos", "none", 0, 0, 0, 0, seconds=0.1)
    found, _, _ = flips(tmp_path, replace(record, subsets=[empty, *record.subsets]))
    assert [each.split for each in found] == ["pears"]


def test_memory_does_not_grow_with_the_flips(tmp_path):
    peaks = []
    for n in (4_000, 40_000):
        folder = tmp_path / str(n)
        first = drawn(NAMES, n, seed=1, skill=0.2, probabilities=False)
        record = two_runs(folder, first, drawn(NAMES, n, seed=2, skill=0.2, probabilities=False))
        tracemalloc.start()
        write_flips(folder / "b", folder, record, earlier_runs(folder, "b"))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(table(folder)) > n / 3
    assert peaks[1] < 2.5 * peaks[0]

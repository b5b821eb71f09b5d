"""Two run directories on the same images: matched by path and content, whatever else differs."""

import csv
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from run_cases import NAMES, drawn, rows_of, run_record, write_images, write_png, write_run

from batchclf.errors import ComparisonError, PredictionsError, RunError
from batchclf.jobs.evaluate.compare import compare_runs
from batchclf.jobs.report.rewrite import report_comparison

pd = pytest.importorskip("pandas")


def pair(tmp_path, first, second, /, **changes):
    for name, rows in (("first", first), ("second", second)):
        write_run(tmp_path / name, rows, metrics=False, **changes.get(name, {}))
    return tmp_path / "first", tmp_path / "second"


def test_counts_are_those_of_a_join_in_pandas(tmp_path):
    first, second = drawn(NAMES, 900, seed=1, skill=0.7), drawn(NAMES, 900, seed=2, skill=0.8)
    del first[5:15], second[700:703], second[40]
    folders = pair(tmp_path, first, second)
    found = compare_runs(*folders)
    tables = [pd.read_csv(folder / "predictions.csv").set_index("path") for folder in folders]
    both = tables[0].join(tables[1], how="inner", suffixes=("_a", "_b"))
    right = both["label_a"] == both["prediction_a"], both["label_b"] == both["prediction_b"]
    assert found.images == found.labelled == len(both) == 886
    assert (found.only_first, found.only_second) == (4, 10)
    assert found.both_right == (right[0] & right[1]).sum()
    assert found.only_first_right == (right[0] & ~right[1]).sum()
    assert found.only_second_right == (~right[0] & right[1]).sum()
    assert found.changed == (both["prediction_a"] != both["prediction_b"]).sum()
    surest = both[right[0] & ~right[1]].sort_values(["confidence_b", "path"], ascending=[False, True])
    assert [flip.path for flip in found.negative_flips] == list(surest.index[:24])
    assert (found.first_run, found.second_run, found.split) == ("first", "second", "test")


@pytest.mark.parametrize("gone", [[], range(300), range(0, 300, 2), range(299, 300)])
def test_any_overlap_in_files_of_many_pieces(tmp_path, monkeypatch, gone):
    monkeypatch.setattr("batchclf.storage.csv_files.read.ROWS_PER_PIECE", 50)
    rows = drawn(NAMES, 1_000, seed=1, skill=0.7)
    folders = pair(tmp_path, rows[200:], [row for i, row in enumerate(rows) if i not in gone])
    found = compare_runs(*folders)
    paths = {row["path"] for row in rows[200:]}, {row["path"] for i, row in enumerate(rows) if i not in gone}
    assert found.images == len(paths[0] & paths[1])
    assert (found.only_first, found.only_second) == (len(paths[0] - paths[1]), len(paths[1] - paths[0]))


@pytest.mark.parametrize("turned", ["first", "second", "both"])
def test_rows_in_another_order_are_matched_too(tmp_path, turned):
    first, second = drawn(NAMES, 200, seed=1, skill=0.7), drawn(NAMES, 200, seed=2, skill=0.8)
    expected = compare_runs(*pair(tmp_path / "sorted", first, second))
    shuffled = [first, second]
    for number, name in enumerate(("first", "second")):
        if turned in (name, "both"):
            order = np.random.default_rng(number).permutation(200)
            shuffled[number] = [shuffled[number][i] for i in order]
    assert compare_runs(*pair(tmp_path / "turned", *shuffled)) == expected


CONTENTS = st.dictionaries(st.integers(0, 30), st.integers(0, 3), max_size=25)


@given(CONTENTS, CONTENTS, st.sampled_from([1, 3, 100]))
@settings(max_examples=60, deadline=None)
def test_only_images_of_the_same_content_are_matched(tmp_path_factory, first, second, piece):
    """Whatever both runs hold: each path is compared, replaced, or in one run only."""
    common = {number for number in first if second.get(number) == first[number]}
    replaced = first.keys() & second.keys() - common
    tmp_path = tmp_path_factory.mktemp("contents")
    first, second = first | {99: 9}, second | {99: 9}  # which both have
    folders = []
    for name, contents in (("first", first), ("second", second)):
        paths = [f"{number:02}.png" for number in sorted(contents)]
        rows = rows_of(NAMES, [0] * len(paths), [0 if name == "first" else 1] * len(paths), paths=paths)
        write_run(tmp_path / name, rows, metrics=False)
        write_images(tmp_path / name, [(row, contents[n]) for row, n in zip(rows, sorted(contents), strict=True)])
        folders.append(tmp_path / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("batchclf.storage.csv_files.read.ROWS_PER_PIECE", piece)
        found = compare_runs(*folders)
    assert (found.images, found.replaced) == (len(common) + 1, len(replaced))
    assert found.only_first_right == found.changed == len(common) + 1
    assert found.only_first == len(first.keys() - second.keys())
    assert found.only_second == len(second.keys() - first.keys())
    assert {flip.path for flip in found.negative_flips} <= {f"{number:02}.png" for number in {*common, 99}}


def with_images(folders, *contents):
    for folder, of_run in zip(folders, contents, strict=True):
        with (folder / "predictions.csv").open(newline="", encoding="utf-8") as handle:
            write_images(folder, zip(list(csv.DictReader(handle)), of_run, strict=True))


def test_the_same_predictions_for_other_pictures_are_not_the_same(tmp_path):
    rows = drawn(NAMES, 30, seed=1, skill=0.7)
    folders = pair(tmp_path, rows, rows)
    with_images(folders, range(30), range(1, 31))
    with pytest.raises(ComparisonError, match="in common: 0 images only in the first, 0 only in the second, 30 have"):
        compare_runs(*folders)
    with_images(folders, range(30), [*range(20), *range(50, 60)])
    found = compare_runs(*folders)
    assert (found.images, found.replaced, found.changed) == (20, 10, 0)


def test_without_an_images_csv_the_path_decides(tmp_path):
    folders = pair(tmp_path, drawn(NAMES, 30, seed=1, skill=0.7), drawn(NAMES, 30, seed=2, skill=0.7))
    expected = compare_runs(*folders)
    with_images(folders, range(30), range(1, 31))
    for folder in reversed(folders):
        (folder / "images.csv").rename(folder / "gone.csv")
        assert compare_runs(*folders) == expected
        (folder / "gone.csv").rename(folder / "images.csv")


def test_contents_of_rows_in_another_order(tmp_path):
    first, second = drawn(NAMES, 60, seed=1, skill=0.7), drawn(NAMES, 60, seed=2, skill=0.7)
    folders = pair(tmp_path / "sorted", first, second)
    with_images(folders, range(60), [n + 100 * (n % 3 == 0) for n in range(60)])
    expected = compare_runs(*folders)
    assert expected.replaced == 20
    order = np.random.default_rng(0).permutation(60).tolist()
    turned = pair(tmp_path / "turned", [first[i] for i in order], second)
    with_images(turned, order, [n + 100 * (n % 3 == 0) for n in range(60)])
    assert compare_runs(*turned) == expected


@pytest.mark.parametrize("rows", [29, 31])
def test_an_images_csv_of_other_rows_is_refused(tmp_path, rows):
    folders = pair(tmp_path, drawn(NAMES, 30, seed=1, skill=0.7), drawn(NAMES, 30, seed=2, skill=0.7))
    with_images(folders, range(30), range(1, 31))
    row = {"path": "a.png", "split": "test"}
    write_images(folders[1], [(row, n) for n in range(rows)])
    with pytest.raises(RunError, match=r"second/images\.csv has not as many rows as the predictions\.csv"):
        compare_runs(*folders)


def test_directories_of_a_job_have_names(tmp_path):
    rows = drawn(NAMES, 30, seed=1, skill=0.7, split="train") + drawn(NAMES, 40, seed=1, skill=0.7, split="incoming")
    assert compare_runs(*pair(tmp_path, rows, rows)).split == "incoming"


def test_the_test_split_is_compared_and_the_others_are_not_mixed_in(tmp_path):
    first = drawn(NAMES, 80, seed=1, skill=0.7) + drawn(NAMES, 50, seed=3, skill=1.0, split="train")
    second = drawn(NAMES, 80, seed=2, skill=0.7) + drawn(NAMES, 50, seed=4, skill=0.1, split="train")
    folders = pair(tmp_path, first, second)
    assert compare_runs(*folders).images == 80
    assert compare_runs(*folders, "train").images == 50
    assert compare_runs(*folders, "train").both_right < 50


def test_the_same_file_is_read_once(tmp_path, monkeypatch):
    rows = drawn(NAMES, 80, seed=1, skill=0.7)
    folders = pair(tmp_path, rows, rows, second={"digest": "ff" * 32})
    read = []
    from batchclf.storage.predictions import read as prediction_reader

    real = prediction_reader.read_cells
    monkeypatch.setattr(prediction_reader, "read_cells", lambda path, *rest: read.append(path) or real(path, *rest))
    found = compare_runs(*folders)
    assert read == [folders[0] / "predictions.csv"]
    assert (found.changed, found.p_value, found.images) == (0, 1.0, 80)
    assert all(each.difference == 0 for each in found.metrics)


def test_classes_in_another_order_are_the_same_classes(tmp_path):
    rows = drawn(NAMES, 60, seed=1, skill=0.7)
    turned = tuple(reversed(NAMES))
    plain = [{key: row[key] for key in row if not key.startswith("prob:")} for row in rows]
    folders = pair(tmp_path, rows, plain, second={"names": turned})
    assert compare_runs(*folders).changed == 0


def test_hostile_names_and_paths(tmp_path):
    names = ("=1+1", "'quoted'", 'a,\n"b"')
    paths = ["@x.png", "-5.png", "a,b.png", "line\nbreak.png", "é.png", "undecodable\udcff.png"]
    paths = sorted(paths)
    rows = rows_of(names, [0, 1, 2, 0, 1, 2], [0, 1, 2, 0, 1, 2], paths=paths)
    other = rows_of(names, [0, 1, 2, 0, 1, 2], [1, 1, 2, 0, 1, 0], paths=paths)
    folders = pair(tmp_path, rows, other, first={"names": names}, second={"names": names})
    found = compare_runs(*folders)
    assert (found.images, found.only_first, len(found.negative_flips)) == (6, 0, 2)
    assert {flip.label for flip in found.negative_flips} == {names[0], names[2]}


def test_other_classes_are_refused_and_named(tmp_path):
    first, second = drawn(NAMES, 30, seed=1, skill=0.7), drawn(("cat", "cow", "yak"), 30, seed=1, skill=0.7)
    folders = pair(tmp_path, first, second, second={"names": ("cat", "cow", "yak")})
    with pytest.raises(ComparisonError, match="only the first has 'dog', 'eel'; only the second has 'cow', 'yak'"):
        compare_runs(*folders)
    many = tuple(f"c{i}" for i in range(20))
    write_run(tmp_path / "third", drawn(many, 30, seed=1, skill=1), names=many, metrics=False)
    with pytest.raises(ComparisonError, match="'c4' and 15 more"):
        compare_runs(folders[0], tmp_path / "third")


def test_nothing_in_common_is_refused(tmp_path):
    first, second = drawn(NAMES, 30, seed=1, skill=0.7), drawn(NAMES, 30, seed=1, skill=0.7, split="")
    folders = pair(tmp_path, first, second)
    with pytest.raises(ComparisonError, match="scored different things: first test, second a directory"):
        compare_runs(*folders)
    write_run(tmp_path / "third", rows_of(NAMES, [0], [0], paths=["else.png"]), metrics=False)
    with pytest.raises(ComparisonError, match="no image in common: 30 images only in the first, 1 only"):
        compare_runs(folders[0], tmp_path / "third")


def test_what_cannot_be_read_is_told(tmp_path):
    rows = drawn(NAMES, 30, seed=1, skill=0.7)
    folders = pair(tmp_path, rows, rows)
    (folders[1] / "predictions.csv").unlink()
    with pytest.raises(PredictionsError, match=r"second/predictions\.csv cannot be read"):
        compare_runs(*folders)
    with pytest.raises(RunError, match="no run directory"):
        compare_runs(tmp_path / "nowhere", folders[0])


def test_a_run_that_has_no_record_yet(tmp_path):
    rows = drawn(NAMES, 30, seed=1, skill=0.7)
    folders = pair(tmp_path, rows, drawn(NAMES, 30, seed=2, skill=0.7))
    expected = compare_runs(*folders)
    subsets = [subset for subset in _record(folders[1]).subsets]
    (folders[1] / "run.json").unlink()
    assert compare_runs(*folders, record=run_record("second", NAMES, subsets)) == expected


def _record(folder):
    from batchclf.storage.run.directory import read_record

    return read_record(folder)


def test_memory_does_not_grow_with_the_images(tmp_path):
    peaks = []
    for n in (4_000, 40_000):
        rows = drawn(NAMES, n, seed=1, skill=0.9, probabilities=False)
        other = drawn(NAMES, n, seed=2, skill=0.9, probabilities=False)
        folders = pair(tmp_path / str(n), rows, other)
        tracemalloc.start()
        compare_runs(*folders)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2.5 * peaks[0]


def test_report_of_a_comparison_in_every_format(tmp_path):
    source = tmp_path / "photos"
    paths = [f"{i:02d}.png" for i in range(20)]
    for number, path in enumerate(paths):
        write_png(source / path, value=10 * number)
    rows = rows_of(NAMES, [0] * 20, [0] * 20, split="", paths=paths)
    other = rows_of(NAMES, [0] * 20, [0] * 12 + [1] * 8, split="", paths=paths)
    of_folder = {"kind": "directory", "source": str(source), "dataset": None, "job": None}
    folders = pair(tmp_path, rows, other, first=of_folder, second=of_folder)
    outs = {kind: tmp_path / f"comparison.{kind}" for kind in ("html", "json", "md")}
    found = report_comparison(*folders, outs, say=print)
    page = outs["html"].read_text()
    assert page.count('href="data:image/png;base64,') == 8
    assert 'href="first/report.html"' in page
    assert found.sentence in page
    assert "40.0 points worse, beyond chance" in outs["md"].read_text()

"""`batchclf score DIR`: which files are scored, and where their labels come from."""

import io
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

CLASSES = "0123456789"


@pytest.fixture
def photos(cli, digits, tmp_path):
    """Twelve images of digits in two folders, one of them hidden, and a text file."""
    root = tmp_path / "photos"
    for number in range(12):
        folder = "2026-01" if number < 5 else "2026-02/late"
        name = f".{number:02}.png" if number == 11 else f"{number:02}.{'jpg' if number % 3 == 0 else 'png'}"
        (root / folder).mkdir(parents=True, exist_ok=True)
        Image.fromarray(digits.test.images[number, :, :, 0]).save(root / folder / name)
    (root / "notes.txt").write_text("no image")
    return root


@pytest.fixture
def score(cli, photos, digits_bundle):
    """Score the photos: the paths of the rows, the counts, and what was said."""

    def run(*options):
        code, result, err = cli.json("score", photos, "--model", digits_bundle, *options)
        assert code == 0, err
        rows = pd.read_csv(result["files"]["predictions.csv"], dtype=str, keep_default_na=False)
        counts = result["subsets"][str(photos)]
        assert counts["found"] == counts["scored"] + counts["skipped"] + counts["excluded"]
        assert counts["scored"] == len(rows)
        paths = list(rows["path"])
        assert paths == sorted(paths)
        return rows, counts, err

    return run


def relative(root):
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def images(root):
    return [path for path in relative(root) if path.endswith(("png", "jpg")) and "/." not in path]


# --files-from


def test_files_from_a_list(score, photos, tmp_path):
    listed = [
        "2026-02/late/07.png",
        "./2026-01/01.png",
        str(photos / "2026-01" / "00.jpg"),
        "2026-01/01.png",
        "",
        "x.png",
    ]
    (tmp_path / "list.txt").write_text("\n".join([*listed, "notes.txt", "2026-02/late/.11.png"]) + "\n")
    rows, counts, err = score("--files-from", tmp_path / "list.txt")
    assert list(rows["path"]) == ["2026-01/00.jpg", "2026-01/01.png", "2026-02/late/.11.png", "2026-02/late/07.png"]
    assert counts == {"found": 6, "scored": 4, "skipped": 1, "excluded": 1, "complete": True}
    skipped = pd.read_csv(Path(re.search(r"predictions: (.*)", err)[1]).with_name("skipped.csv"))
    assert list(skipped["path"]) == ["x.png"]
    assert skipped["reason"][0] == f"there is no such file under {photos}"


def test_files_from_standard_input_as_find_prints_them(cli, photos, digits_bundle, tmp_path):
    (photos / "new\nline.png").write_bytes((photos / "2026-01" / "01.png").read_bytes())
    found = subprocess.run(
        ["find", ".", "-name", "*.png", "-print0"], cwd=photos, check=True, capture_output=True
    ).stdout
    command = [sys.executable, "-m", "batchclf", "score", "photos", "--model", digits_bundle, "--files-from", "-"]
    done = subprocess.run([*command, "--out", "run"], cwd=tmp_path, input=found, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    rows = pd.read_csv(tmp_path / "run" / "predictions.csv", dtype=str)
    assert sorted(rows["path"]) == sorted(path for path in relative(photos) if path.endswith(".png"))
    assert "new\nline.png" in set(rows["path"])


def test_a_list_of_nothing_is_nothing_to_score(cli, photos, digits_bundle, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    code, _, err = cli("score", photos, "--model", digits_bundle, "--files-from", "-", "--quiet")
    assert code == 5
    assert "found 0 files" in err


# --glob and .batchclfignore


def test_globs(score, photos):
    rows, counts, err = score("--glob", "*.jpg", "--glob", "2026-02/**")
    assert list(rows["path"]) == [p for p in images(photos) if p.endswith("jpg") or p.startswith("2026-02")]
    assert counts["found"] == len(relative(photos))
    assert "3 not matched by --glob" in err


def test_ignored_files(score, photos):
    (photos / "2026-01" / "99.png").write_text("damaged, and never opened")
    (photos / ".batchclfignore").write_text("# not these\n99.png\n2026-02/late/*\n!07.png\n")
    rows, counts, err = score()
    late = [path for path in images(photos) if path.startswith("2026-02/late/")]
    assert "2026-02/late/07.png" in late
    assert set(images(photos)) - set(rows["path"]) == {"2026-01/99.png", *late} - {"2026-02/late/07.png"}
    assert (counts["found"], counts["skipped"]) == (len(relative(photos)), 0)
    assert f"{len(late)} ignored by .batchclfignore" in err
    (photos / ".batchclfignore").write_text("# not these\n99.png\n2026-02/late/\n!07.png\n")
    assert f"{len(late) + 1} ignored by .batchclfignore" in score()[2]


# --follow-symlinks


def test_links(score, photos, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (photos / "2026-01" / "01.png").rename(tmp_path / "elsewhere" / "far.png")
    (photos / "linked").symlink_to(tmp_path / "elsewhere")
    (photos / "linked.png").symlink_to(tmp_path / "elsewhere" / "far.png")
    (photos / "2026-01" / "up").symlink_to("..")
    before, _, _ = score()
    assert not before["path"].str.startswith("linked").any()
    rows, counts, err = score("--follow-symlinks")
    assert set(rows["path"]) - set(before["path"]) == {"linked/far.png", "linked.png"}
    assert "1 symbolic link to a folder above it" in err
    assert counts["scored"] == 12


# --sample and --shard


def test_a_sample_by_seed(score, photos):
    rows, _, err = score("--sample", "4")
    assert len(rows) == 4
    assert "7 not in the sample" in err
    assert list(score("--sample", "4", "--seed", "0")[0]["path"]) == list(rows["path"])
    assert {tuple(score("--sample", "4", "--seed", seed)[0]["path"]) for seed in range(4)} != {tuple(rows["path"])}
    assert list(score("--sample", "99")[0]["path"]) == images(photos)


@pytest.mark.parametrize("options", [(), ("--sample", "9")])
def test_shards_part_what_one_run_scores(score, options):
    whole, counts, _ = score(*options)
    parts = [score(*options, "--shard", f"{number}/3") for number in (1, 2, 3)]
    assert all(part[1]["found"] == counts["found"] for part in parts)
    together = pd.concat([part[0] for part in parts]).sort_values("path", ignore_index=True)
    pd.testing.assert_frame_equal(together, whole)


# --labels FILE


def test_labels_from_a_csv(score, photos, digits, tmp_path):
    paths = relative(photos)
    truth = {path: digits.class_names[digits.test.labels[int(Path(path).stem.lstrip("."))]] for path in images(photos)}
    table = pd.DataFrame({"taken by": "me", "label": truth.values(), "path": truth.keys()}).iloc[1:]
    table.loc[len(paths) + 1] = ["me", "3", "gone.jpg"]
    table.to_csv(tmp_path / "labels.csv", index=False, sep=";", encoding="utf-8-sig")
    rows, _, err = score("--labels", tmp_path / "labels.csv")
    assert list(rows["label"]) == ["", *list(truth.values())[1:]]
    assert (rows["correct"] == "").sum() == 1
    assert "labels of 11 files from labels.csv" in err
    assert "1 row of labels.csv names no file that was found: gone.jpg" in err


def test_the_labels_of_a_run_give_the_same_run_again(score, photos, tmp_path):
    (tmp_path / "labels.csv").write_text("path,label\n" + "".join(f"{path},1\n" for path in images(photos)))
    rows, _, err = score("--labels", tmp_path / "labels.csv", "--out", tmp_path / "run")
    again, _, _ = score("--labels", tmp_path / "run" / "predictions.csv")
    pd.testing.assert_frame_equal(rows, again)
    assert "name" not in err.split("labels of")[1].split("\n")[1]


# What is told as an error


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (["--seed", "1"], 2, "--sample N"),
        (["--shard", "0/3"], 2, "'0/3' is not I/N"),
        (["--shard", "4/3"], 2, "'4/3' is not I/N"),
        (["--shard", "3"], 2, "'3' is not I/N"),
        (["--sample", "0"], 2, "'0' is not a whole number"),
        (["--glob", "[abc"], 2, "--glob '[abc' is not a pattern"),
        (["--labels", "folder"], 2, "did you mean --labels folders?"),
        (["--labels", "nowhere.csv"], 2, "auto, folders, none or a CSV file; there is no file nowhere.csv"),
        (["--labels", "x" * 300], 2, "there is no file xxx"),
        (["--labels", "list.txt"], 1, "list.txt has no header"),
        (["--labels", "wrong.csv"], 1, "the label 'seven' in line 2 of wrong.csv is not a class"),
        (["--files-from", "list.txt"], 2, "line 2 of list.txt leads out of photos: ../b.png"),
        (["--files-from", "nowhere.txt"], 1, "nowhere.txt cannot be read: No such file"),
    ],
)
def test_errors(cli, photos, digits_bundle, tmp_path, options, code, told):
    (tmp_path / "list.txt").write_text("a.png\n../b.png\n")
    (tmp_path / "wrong.csv").write_text("path,label\na.png,seven\n")
    ended, out, err = cli("score", "photos", "--model", digits_bundle, *options)
    assert ended == code
    assert told in err
    assert "Traceback" not in out + err


def test_a_damaged_ignore_file(cli, photos, digits_bundle):
    (photos / ".batchclfignore").write_text("a.png\n[b\n")
    code, _, err = cli("score", photos, "--model", digits_bundle)
    assert code == 1
    assert f"line 2 of {photos / '.batchclfignore'} is not a pattern: [b" in err


@pytest.mark.parametrize(
    "options",
    [
        *(["--labels", "none"], ["--files-from", "-"], ["--glob", "*"], ["--sample", "5"], ["--seed", "5"]),
        *(["--shard", "1/2"], ["--follow-symlinks"]),
    ],
)
def test_options_about_files_do_not_go_with_a_split(cli, digits_bundle, options):
    code, _, err = cli("score", "--split", "test", "--model", digits_bundle, *options)
    assert code == 2
    assert f"{options[0]} is about the files of a folder" in err

"""Which files `batchclf score` takes for images, and what it says of the others."""

import json
import os
import sys

import pandas as pd
import pytest
from onnx_cases import import_rows
from suffix_cases import without, write_each, write_of_extras

from batchclf.core.suffixes import BUILT_IN, EXTRAS
from batchclf.errors import ExitCode

HEIF = "pip install 'batchclf[heif]'"
JXL = "pip install 'batchclf[jxl]'"
MIXED = (
    *("a.txt", "sub/b.TXT", "c.txt", "d.heic", "sub/E.HEIC", "f.jxl", "g.md", "h.md", "i.json", "j.py", "k.cfg"),
    *("README", "l. of June", "m.", ".hidden.txt", ".hidden/n.heic"),
)
WORDS = f"3 .txt, 2 .heic ({HEIF} reads them), 2 .md, 1 without a suffix, 1 .cfg, 1 .jxl ({JXL} reads it) and 4 others"
COUNTS = {".txt": 3, ".heic": 2, ".md": 2, "other": 2, "": 1, ".cfg": 1, ".json": 1, ".jxl": 1, ".py": 1}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return import_rows(tmp_path_factory.mktemp("suffixes"), 0, size=8)


@pytest.fixture
def bare(tmp_path):
    """The environment of a Python in which no extra of a format is installed."""
    return without(tmp_path / "bare", *(extra.module for extra in EXTRAS))


def fill(folder, names=MIXED):
    write_each(folder, [".png"])
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"no image")


def subset_of(run):
    (subset,) = json.loads((run / "run.json").read_text())["subsets"]
    assert subset["found"] == subset["scored"] + subset["skipped"] + subset["excluded"]
    return subset


def test_a_file_of_each_suffix_is_scored_whoever_wrote_it(cli, model, tmp_path):
    files = write_each(tmp_path / "photos", BUILT_IN)
    assert len(files) == 2 * len(BUILT_IN) - 1  # only Pillow writes MPO
    code, out, err = cli("score", "photos", "--model", model, "--out", "run")
    assert (code, err) == (0, "")
    assert "by suffix" not in out
    subset = subset_of(tmp_path / "run")
    assert (subset["scored"], subset["excluded"], subset["excluded_suffixes"]) == (len(files), 0, {})
    rows = pd.read_csv(tmp_path / "run" / "predictions.csv")
    # The model looks at the rows' brightness, so a picture that is turned or empty would have another class.
    assert sorted(rows["path"]) == sorted(file.name for file in files)
    assert rows["prediction"].nunique() == 1
    images = pd.read_csv(tmp_path / "run" / "images.csv")
    assert set(images["width"]) == set(images["height"]) == {32}


def test_what_is_left_out_is_counted_by_suffix(process, model, tmp_path, bare):
    fill(tmp_path / "photos")
    command = ("-m", "batchclf", "score", "photos", "--model", model)
    done = process(*command, "--out", "run", cwd=tmp_path, env=bare)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"photos: left out by suffix: {WORDS}\n" in done.stdout
    for words in (
        f"2 an HEIC image, which needs the extra heif: {HEIF}",
        f"1 a JPEG XL image, which needs the extra jxl: {JXL}",
        "2 hidden",
        "11 not an image by its suffix",
    ):
        assert words in done.stdout
    subset = subset_of(tmp_path / "run")
    assert (subset["found"], subset["scored"], subset["excluded"]) == (18, 2, 16)
    assert list(subset["excluded_suffixes"].items()) == list(COUNTS.items())
    assert sum(COUNTS.values()) == subset["excluded"] - 2  # the hidden ones have a reason of their own

    assert process("-m", "batchclf", "report", "run", "--format", "html,json,md", cwd=tmp_path).returncode == 0
    escaped = WORDS.replace("'", "&#39;")
    assert f"Left out by suffix: <bdi>{escaped}</bdi>." in (tmp_path / "run" / "report.html").read_text()
    markdown = WORDS.replace("[", r"\[").replace("]", r"\]")
    assert f"\n- Left out by suffix: {markdown}\n" in (tmp_path / "run" / "report.md").read_text()
    of_json = json.loads((tmp_path / "run" / "report.json").read_text())["run"]["subsets"][0]
    assert of_json["excluded_suffixes"] == COUNTS

    done = process(*command, "--out", "quiet", "--quiet", cwd=tmp_path, env=bare)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_files_of_an_extra_alone_end_with_the_command_that_installs_it(process, model, tmp_path, bare):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.heic").write_bytes(b"any")
    command = ("-m", "batchclf", "score", "photos", "--model", model, "--quiet")
    done = process(*command, cwd=tmp_path, env=bare)
    assert done.returncode == ExitCode.NOTHING_TO_SCORE
    assert HEIF in done.stderr
    assert "end in .png, .apng" in done.stderr
    assert ".heic or" not in done.stderr


def test_a_photo_of_an_extra_under_another_suffix_is_skipped_with_the_command(process, model, tmp_path, bare):
    write_of_extras(tmp_path / "made")
    (tmp_path / "photos").mkdir()
    (tmp_path / "made" / "a.heic").rename(tmp_path / "photos" / "phone.jpg")
    (tmp_path / "made" / "first.jxl").rename(tmp_path / "photos" / "small.png")
    write_each(tmp_path / "photos", [".png"])
    done = process("-m", "batchclf", "score", "photos", "--model", model, "--out", "run", cwd=tmp_path, env=bare)
    assert (done.returncode, done.stderr) == (0, "")
    skipped = pd.read_csv(tmp_path / "run" / "skipped.csv")
    assert dict(zip(skipped["path"], skipped["reason"], strict=True)) == {
        "phone.jpg": f"unsupported: an HEIC image, which needs the extra heif: {HEIF}",
        "small.png": f"unsupported: a JPEG XL image, which needs the extra jxl: {JXL}",
    }


def test_files_of_an_extra_are_scored_if_it_is_installed(process, model, tmp_path):
    files = [*write_each(tmp_path / "photos", [".png"]), *write_of_extras(tmp_path / "photos")]
    done = process("-m", "batchclf", "score", "photos", "--model", model, "--out", "run", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    subset = subset_of(tmp_path / "run")
    assert (subset["scored"], subset["excluded"]) == (len(files), 0)
    assert pd.read_csv(tmp_path / "run" / "predictions.csv")["prediction"].nunique() == 1


def test_an_empty_folder_of_an_extra_is_none(process, repo_root, tmp_path):
    (tmp_path / "pillow_heif").mkdir()
    program = "from batchclf.data.decoding.suffixes import IMAGE_SUFFIXES; print('.heic' in IMAGE_SUFFIXES)"
    # Without site-packages, so that there is nothing of pillow-heif but the folder.
    path = os.pathsep.join(map(str, (tmp_path, repo_root)))
    done = process("-S", "-c", program, cwd=tmp_path, env={"PYTHONPATH": path})
    assert (done.stdout, done.stderr) == ("False\n", "")


@pytest.mark.skipif(sys.platform != "linux", reason="names that are no text are those of Linux")
def test_a_hostile_folder_makes_neither_long_lines_nor_large_records(process, model, tmp_path, bare):
    names = [f"a.{number}" for number in range(300)]
    names += ["b.\nred\x1b[31m", "c.\u202egnp", f"d.{'x' * 200}", "z.heic", "z.HEIC", os.fsdecode(b"e.\xff\xfe")]
    fill(tmp_path / "photos", names)
    done = process("-m", "batchclf", "score", "photos", "--model", model, "--out", "run", cwd=tmp_path, env=bare)
    assert (done.returncode, done.stderr) == (0, "")
    subset = subset_of(tmp_path / "run")
    counts = subset["excluded_suffixes"]
    assert sum(counts.values()) == subset["excluded"] == len(names)
    assert len(counts) == 102
    assert counts[".heic"] == 2
    assert counts["other"] == 204
    (line,) = [line for line in done.stdout.splitlines() if "by suffix: " in line]
    assert f"2 .heic ({HEIF} reads them), 1 .0, 1 .1, 1 .10, 1 .100 and 300 others" in line
    assert "\x1b" not in done.stdout


def test_a_run_of_an_earlier_batchclf_is_shown_and_compared(cli, model, tmp_path):
    fill(tmp_path / "photos")
    for name in ("old", "new"):
        assert cli("score", "photos", "--model", model, "--out", name)[0] == 0
    record = json.loads((tmp_path / "old" / "run.json").read_text())
    assert record["subsets"][0].pop("excluded_suffixes")
    (tmp_path / "old" / "run.json").write_text(json.dumps(record))
    for names in (["old"], ["old", "new"], ["new", "old"]):
        code, _, err = cli("report", *names, "--format", "html,json,md")
        assert (code, err) == (0, "")
    assert "Left out by suffix" not in (tmp_path / "old" / "report.html").read_text()
    assert json.loads((tmp_path / "old" / "report.json").read_text())["run"]["subsets"][0]["excluded_suffixes"] == {}

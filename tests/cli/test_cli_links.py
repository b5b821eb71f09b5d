"""Symbolic links and ignore files: what `train`, `score`, `run` and `job check` take for the images of a class."""

import json
import os

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from batchclf.errors import ExitCode

OPTION = "--follow-symlinks (follow_symlinks in a job file)"
TRAIN = ("train", "--recipe", "mlp", "--epochs", "1", "--input-size", "8x8", "--color", "rgb")


def by_tensorflow(path, pixels):
    tensorflow = pytest.importorskip("tensorflow")
    path.write_bytes(tensorflow.io.encode_png(pixels).numpy())


WRITERS = (
    lambda path, pixels: Image.fromarray(pixels).save(path),
    lambda path, pixels: cv2.imwrite(str(path), pixels),
    by_tensorflow,
)


def write(root, *paths):
    """Write an image of its own to each path, by three libraries in turn."""
    for path in paths:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        seed = int.from_bytes(str(path).encode()[-8:])
        WRITERS[seed % len(WRITERS)](file, np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8))


def link(path, target):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def job_of(folder, data, options=""):
    job = folder / "job.toml"
    job.write_text(
        f'[data]\ndirectory = "{data}"\ninput_size = "8x8"\n{options}'
        f'[model]\nrecipe = "mlp"\nepochs = 1\n[publish]\nreports = "reports"\n'
        f'[scoring.directories.all]\npath = "{data}"\n{options}'
    )
    return job


def learnt(bundle):
    return json.loads((bundle / "learnt.json").read_text())


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model of cats and dogs."""
    from batchclf.cli.main import main

    folder = tmp_path_factory.mktemp("model")
    write(folder, *(f"photos/{name}/{number}.png" for name in ("cat", "dog") for number in range(3)))
    command = [*TRAIN, "--data", folder / "photos", "--out", folder / "model", "--quiet"]
    assert main([str(each) for each in command]) == 0
    return folder / "model"


@pytest.fixture
def linked_images(tmp_path):
    """Class folders whose images are links to a cache, as DVC makes them."""
    for name in ("cat", "dog"):
        for number in range(3):
            write(tmp_path, f"cache/{name}{number}.png")
            (tmp_path / "cache" / f"{name}{number}.png").rename(tmp_path / "cache" / f"{name}{number}")
            link(tmp_path / "data" / name / f"{number}.png", f"../../cache/{name}{number}")
    return tmp_path / "data"


@pytest.fixture
def linked_folders(tmp_path):
    """Class folders that are links themselves."""
    for name in ("cat", "dog"):
        write(tmp_path, *(f"elsewhere/{name}/{number}.png" for number in range(3)))
        link(tmp_path / "data" / name, f"../elsewhere/{name}")
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("kind", "links", "reason"),
    [
        ("linked_images", 6, "6 symbolic link out of the folder"),
        ("linked_folders", 2, "2 symbolic link to a folder"),
    ],
)
def test_links_are_read_with_the_option_and_named_without(cli, request, model, tmp_path, kind, links, reason):
    data = request.getfixturevalue(kind)
    words = f"{links} symbolic links were left out; {OPTION} reads them"
    code, out, err = cli(*TRAIN, "--data", data, "--out", "new")
    assert code == ExitCode.ERROR
    assert f"{data}: found {links} = 0 images of classes + excluded {links} ({reason})" in out
    assert f"there are no images in the class folders of {data}" in err
    assert f"hint: {words}" in err
    code, out, err = cli("score", data, "--model", model)
    assert code == ExitCode.NOTHING_TO_SCORE
    assert f"excluded {links} ({reason})\n{data}: {words}\n" in out
    assert f"hint: {words}\n" in err
    assert "end in .png" not in err

    code, out, err = cli(*TRAIN, "--data", data, "--follow-symlinks", "--out", "new")
    assert (code, err) == (0, "")
    assert "excluded" not in out
    assert len(learnt(tmp_path / "new")) == 4
    code, out, err = cli("score", data, "--model", "new", "--follow-symlinks", "--labels", "folders")
    assert (code, err) == (0, "")
    assert "found 6 = scored 6" in out


def test_class_folders_that_are_links_are_named_where_labels_are_asked_for(cli, linked_folders, model):
    code, _, err = cli("score", linked_folders, "--model", model, "--labels", "folders")
    assert code == ExitCode.ERROR
    assert f"hint: 2 symbolic links were left out; {OPTION} reads them" in err


def test_a_job_follows_links_if_it_says_so(cli, linked_images, tmp_path):
    job = job_of(tmp_path, linked_images)
    code, out, err = cli("job", "check", job)
    assert code == ExitCode.ERROR
    words = f"6 symbolic links were left out; {OPTION} reads them"
    data, directory = (out + err).split("directory all: ")
    assert words in data
    assert f"{linked_images} holds no image that would be scored (6 symbolic link out of the folder)" in directory
    assert words in directory

    job = job_of(tmp_path, linked_images, "follow_symlinks = true\n")
    code, out, err = cli("job", "check", job)
    assert (code, "2 class folders, 6 images" in out + err) == (0, True)
    code, _, err = cli("run", job, "--quiet")
    assert (code, err) == (0, "")
    run = tmp_path / "reports" / "job" / "latest"
    record = json.loads((run / "run.json").read_text())
    assert record["dataset"]["split"]["follow_symlinks"] is True
    assert len(pd.read_csv(run / "predictions.csv")) == 12
    code, out, err = cli("report", run)  # reads the images of the splits again
    assert (code, "without pictures" in out + err) == (0, False)


def test_a_few_links_are_a_warning_of_job_check(cli, linked_images, tmp_path):
    write(linked_images, "cat/own.png", "dog/own.png")
    code, out, err = cli("job", "check", job_of(tmp_path, linked_images))
    assert code == 0
    assert "2 class folders, 2 images" in out + err
    assert f"line 2: {linked_images}: 6 symbolic links were left out" in out + err


def test_a_class_whose_images_are_links_is_an_error_that_says_so(cli, linked_images, tmp_path):
    write(linked_images, "cat/own.png", "cat/own2.png")
    code, _, err = cli(*TRAIN, "--data", linked_images, "--out", "new")
    assert code == ExitCode.ERROR
    assert f"the class 'dog' in {linked_images} has no image: 3 symbolic link out of the folder" in err
    assert f"hint: 3 symbolic links were left out; {OPTION} reads them" in err
    for folder in ("elsewhere", "bird"):
        (tmp_path / folder).mkdir()
    write(linked_images, "dog/own.png")
    link(linked_images / "bird", "../elsewhere")
    code, out, err = cli("job", "check", job_of(tmp_path, linked_images))
    assert code == ExitCode.ERROR
    assert "the class 'bird'" in out + err
    assert "has no image: 1 symbolic link to a folder" in out + err


def test_circles_and_broken_links_are_named(cli, tmp_path, model):
    data = tmp_path / "data"
    write(data, *(f"{name}/{number}.png" for name in ("cat", "dog") for number in range(3)))
    link(data / "cat" / "up", "..")
    link(data / "cat" / "self.png", "self.png")
    link(data / "dog" / "gone.png", "nowhere.png")
    link(data / "bird", "no-such-folder")
    link(data / "circle", "circle")
    code, out, err = cli(*TRAIN, "--data", data, "--follow-symlinks", "--out", "new")
    assert (code, err) == (0, "")
    for words in (
        f"left out {data}/cat/up: symbolic link to a folder above it\n",
        f"left out {data}/bird: broken symbolic link\n",
        f"left out {data}/circle: broken symbolic link\n",
        f"left out {data}/dog/gone.png: cannot be read: broken symbolic link\n",
        f"left out {data}/cat/self.png: cannot be read: Too many levels of symbolic links\n",
        f"{data}: found 11 = 8 images of classes + excluded 3 (2 broken symbolic link; 1 symbolic link to a folder",
    ):
        assert words in out
    code, out, err = cli("score", data, "--model", model, "--follow-symlinks", "--out", "run")
    assert (code, err) == (0, "")
    assert "excluded 3 (2 broken symbolic link; 1 symbolic link to a folder above it)" in out
    skipped = pd.read_csv(tmp_path / "run" / "skipped.csv")
    assert dict(zip(skipped["path"], skipped["reason"], strict=True)) == {
        "cat/self.png": "cannot be read: Too many levels of symbolic links",
        "dog/gone.png": "cannot be read: broken symbolic link",
    }


def test_a_link_without_the_suffix_of_an_image_is_just_another_file(cli, tmp_path, model):
    write(tmp_path, "data/cat/0.png", "elsewhere.png")
    (tmp_path / "notes.txt").write_text("no image")
    link(tmp_path / "data" / "cat" / "a.txt", "../../notes.txt")
    link(tmp_path / "data" / "cat" / "b.txt", "../../elsewhere.png")
    link(tmp_path / "data" / "cat" / "c.png", "../../elsewhere.png")
    code, out, _ = cli("score", tmp_path / "data", "--model", model)
    assert code == 0
    assert "excluded 3 (2 not an image by its suffix; 1 symbolic link out of the folder)" in out
    assert "left out by suffix: 2 .txt\n" in out
    assert f"1 symbolic link was left out; {OPTION} reads it\n" in out


@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        ("suffix", "left out by suffix: 2 .txt; images are files that end in .png, "),
        ("ignored", "correct .batchclfignore, which leaves out 1"),
        ("empty", "put images there; images are files that end in .png, "),
        ("damaged", "put images there that can be read\n"),
    ],
)
def test_the_hint_depends_on_why_nothing_is_scored(cli, tmp_path, model, kind, hint):
    data = tmp_path / "data"
    data.mkdir()
    if kind == "suffix":
        for name in "ab":
            (data / f"{name}.txt").write_text("no image")
    elif kind == "ignored":
        write(data, "a.png")
        (data / ".batchclfignore").write_text("*.png\n")
    elif kind == "damaged":
        (data / "a.png").write_text("no image")
    code, _, err = cli("score", data, "--model", model, "--quiet")
    assert code == ExitCode.NOTHING_TO_SCORE
    assert f"hint: {hint}" in err
    job = tmp_path / "job.toml"
    job.write_text(
        f'[model]\nbundle = "{model}"\n[scoring.directories.all]\npath = "{data}"\n[publish]\nreports = "reports"\n'
    )
    code, _, err = cli("run", job, "--quiet")
    assert (code, f"hint: {hint}" in err) == (ExitCode.NOTHING_TO_SCORE, True), err


@pytest.mark.parametrize("hard", [False, True])
def test_one_file_in_train_and_test_is_a_warning(cli, tmp_path, hard):
    data = tmp_path / "data"
    write(data, *(f"{split}/{name}/0.png" for split in ("train", "test") for name in ("cat", "dog")))
    if hard:
        os.link(data / "train" / "cat" / "0.png", data / "test" / "cat" / "1.png")
    else:
        link(data / "test" / "cat" / "1.png", "../../train/cat/0.png")
    code, out, err = cli(*TRAIN, "--data", data, "--out", "new")
    assert (code, err) == (0, "")
    assert "warning: 1 of 3 test images are the same files as train images, by links, so the test accuracy" in out


IGNORED = "cat/draft*\n!cat/draft-1.png\nraw/\n*.bmp\nbird/*\n!bird/0.png\n!bird/1.png\nfish/\n!fish/0.png\n"
"""By git `raw` and `fish` stay left out, and images come back out of `cat` and `bird`."""

FILES = (
    *(f"{name}/{number}.png" for name in ("cat", "dog", "bird", "fish") for number in range(3)),
    *("cat/draft-1.png", "cat/draft-2.png", "cat/raw/0.png", "dog/deep/raw/0.png", "dog/deep/0.png", "dog/0.bmp"),
    *("dog/@eaDir/0.png", "dog/.hidden/0.png", "dog/.hidden.png"),
)
KEPT = {
    *("cat/0.png", "cat/1.png", "cat/2.png", "cat/draft-1.png", "dog/0.png", "dog/1.png", "dog/2.png"),
    *("dog/deep/0.png", "bird/0.png", "bird/1.png", "dog/in.png"),
}
LINKED = {"dog/out.png", "dog/folder/0.png", "dog/folder/1.png"}


@pytest.mark.parametrize("follow", [False, True])
@pytest.mark.parametrize("layout", ["flat", "split", "ignored in the parts"])
def test_train_and_score_find_the_same_images_of_classes(cli, tmp_path, layout, follow):
    data = tmp_path / "data"
    write(tmp_path, "elsewhere/0.png", "elsewhere/1.png", "elsewhere/raw/2.png")
    parts = [""] if layout == "flat" else ["train/", "test/"]
    for part in parts:
        write(data, *(part + path for path in FILES))
        up = "../" * (part.count("/") + 2)
        link(data / f"{part}dog/out.png", f"{up}elsewhere/0.png")
        link(data / f"{part}dog/in.png", "deep/0.png")
        link(data / f"{part}dog/folder", f"{up}elsewhere")
        if layout == "ignored in the parts":
            (data / part / ".batchclfignore").write_text("!cat/3.png\n" + IGNORED)
            write(data, f"{part}cat/3.png")
    if layout == "flat":
        (data / ".batchclfignore").write_text(IGNORED)
    elif layout == "split":
        lines = [
            line.replace("!", f"!{part}") if line[0] == "!" else part + line
            for part in parts
            for line in IGNORED.splitlines()
            if "/" in line.rstrip("/")
        ]
        (data / ".batchclfignore").write_text("\n".join([*lines, "raw/", "fish/", "!0.fish", "*.bmp"]))
    else:
        (data / ".batchclfignore").write_text("cat/3.png\n/*/cat/3.png\n")  # the files in the parts come after it
    code, _, err = cli("run", job_of(tmp_path, data, "follow_symlinks = true\n" * follow), "--quiet")
    assert (code, err) == (0, "")
    rows = pd.read_csv(tmp_path / "reports" / "job" / "latest" / "predictions.csv", dtype=str, keep_default_na=False)
    scored = set(rows["path"][rows["split"] == "all"])
    trained = set(rows["path"][rows["split"] != "all"])
    if layout == "flat":
        trained = {path.partition("/")[2] for path in trained}
    kept = KEPT | (LINKED if follow else set()) | ({"cat/3.png"} if layout == "ignored in the parts" else set())
    assert trained == scored == {part + path for part in parts for path in kept}


def test_training_says_what_it_leaves_out_in_the_words_of_scoring(cli, tmp_path):
    data = tmp_path / "data"
    write(data, *FILES, "beside.png")
    (data / "dog" / "notes.txt").write_text("no image")
    (data / ".batchclfignore").write_text(IGNORED)
    (data / "dog" / "deep" / "photo.heic.part").write_text("no image")
    code, out, err = cli(*TRAIN, "--data", data, "--out", "new")
    assert (code, err) == (0, "")
    accounts = [line for line in out.splitlines() if "excluded" in line or "by suffix" in line]
    assert cli("score", data, "--model", "new")[0] == 0
    code, scored, _ = cli("score", data, "--model", "new")
    reasons = accounts[0].partition("(")[2]
    assert accounts[0].startswith(f"{data}: found 25 = 10 images of classes + excluded 15 (1 an image outside of the ")
    assert f"excluded 14 ({reasons.partition('; ')[2]}" in scored
    assert accounts[1] == f"{data}: left out by suffix: 1 .part, 1 .txt"
    assert accounts[1] in scored.splitlines()

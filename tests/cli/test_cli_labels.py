"""Labels of others on the command line: CSVs whose paths fit badly, and names that are no classes of the model."""

import csv
import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@pytest.fixture
def model(job_reports):
    return job_reports / "digits" / "model"


@pytest.fixture
def photos(digits, tmp_path):
    """60 digits below folders that are named by words, so that no folder is a class; six of them are .jpg."""
    folder = tmp_path / "photos"
    for number, (image, label) in enumerate(zip(digits.test.images[:60], digits.test.labels, strict=False)):
        path = folder / WORDS[label] / f"Img {number:02}.{'jpg' if number < 6 else 'png'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.squeeze()).save(path)
    return folder


def paths(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


def write_labels(target, rows, header=("path", "label")):
    with target.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([header, *rows])
    return target


def label_of(path):
    return str(WORDS.index(path.split("/")[0]))


def runs(reports):
    folder = reports / "score"
    return [each for each in folder.iterdir() if each.is_dir()] if folder.exists() else []


NEAR_MISSES = {
    "windows": (lambda path: path.replace("/", "\\"), "with / for \\, 60 of 60 match"),
    "no suffix": (lambda path: path[:-4], "with .png added, 54 of 60 match"),
    "folder too many": (lambda path: f"photos/{path}", "without photos/, 60 of 60 match"),
    "folder too few": (lambda path: path.split("/")[1], "/ in front, "),
    "case": (lambda path: path.upper(), "in the files' upper and lower case, 60 of 60 match"),
    "suffix's case": (lambda path: path[:-3] + path[-3:].upper(), "in the files' upper and lower case, 60 of 60 match"),
    "other suffix": (lambda path: path[:-3] + "tiff", "with .png for .tiff, 54 of 60 match"),
    "address": (lambda path: path.replace(" ", "%20"), "with %xx decoded, 60 of 60 match"),
    "windows, absolute": (
        lambda path: "D:\\export\\" + path.replace("/", "\\"),
        "with / for \\, without D:/export/, 60 of 60 match",
    ),
}


@pytest.mark.parametrize(("change", "words"), NEAR_MISSES.values(), ids=NEAR_MISSES)
def test_labels_that_name_no_file_are_refused_with_what_would_fit(cli, photos, model, tmp_path, change, words):
    labels = write_labels(tmp_path / "labels.csv", [(change(path), label_of(path)) for path in paths(photos)])
    code, out, err = cli("score", photos, "--model", model, "--labels", labels, "--quiet")
    assert code == 1
    assert out == ""
    assert f"none of 60 rows of {labels} names a file in {photos}" in err
    assert words in err
    assert "hint: " in err
    assert runs(tmp_path / "reports") == []


def test_labels_that_fit_nothing_are_refused_without_a_guess(cli, photos, model, tmp_path):
    labels = write_labels(tmp_path / "labels.csv", [("other/a.png", "3"), ("b.png", "4")])
    code, _, err = cli("score", photos, "--model", model, "--labels", labels)
    assert code == 1
    assert f"none of 2 rows of {labels} names a file in {photos}, the first: other/a.png\n" in err


def test_an_empty_folder_is_no_fault_of_the_labels(cli, model, tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    labels = write_labels(tmp_path / "labels.csv", [("a.png", "3")])
    code, _, err = cli("score", folder, "--model", model, "--labels", labels)
    assert code == 5
    assert "there is no image to score" in err


@pytest.mark.parametrize(("fitting", "warned"), [(29, True), (30, False)])
def test_labels_of_which_under_half_fit_are_a_warning(cli, photos, model, tmp_path, fitting, warned):
    rows = [
        (path if number < fitting else path.replace("/", "\\"), label_of(path))
        for number, path in enumerate(paths(photos))
    ]
    labels = write_labels(tmp_path / "labels.csv", rows)
    code, out, err = cli("score", photos, "--model", model, "--labels", labels, "--quiet", "--out", tmp_path / "run")
    assert (code, out) == (0, "")
    sentence = f"only 29 of 60 rows of {labels} name a file that was found; with / for \\, 31 of 31 match"
    kept = json.loads((tmp_path / "run" / "run.json").read_text())["subsets"][0]["warnings"]
    assert kept == ([sentence] if warned else [])
    assert (f"batchclf: warning: {photos}: {sentence}" in err) == warned
    assert ((tmp_path / "run" / "log.jsonl").read_text().count("only 29 of 60 rows") == 1) == warned
    table = pd.read_csv(tmp_path / "run" / "predictions.csv", dtype=str, keep_default_na=False)
    assert (table["label"] != "").sum() == fitting


def test_labels_of_no_chosen_image_are_a_warning(cli, photos, model, tmp_path):
    labels = write_labels(tmp_path / "labels.csv", [(path, label_of(path)) for path in paths(photos) if "jpg" in path])
    code, _, err = cli("score", photos, "--model", model, "--labels", labels, "--quiet", "--glob", "*.png")
    assert code == 0
    assert f"no image that was chosen has a label in {labels}" in err


def test_labels_of_all_serve_for_a_list_of_some(cli, photos, model, tmp_path):
    labels = write_labels(tmp_path / "labels.csv", [(path, label_of(path)) for path in paths(photos)])
    (tmp_path / "some.txt").write_text("\n".join(paths(photos)[:5]))
    options = ("--model", model, "--labels", labels, "--files-from", tmp_path / "some.txt", "--quiet")
    code, out, err = cli("score", photos, *options)
    assert (code, out, err) == (0, "", "")


def test_labels_without_a_label_are_a_warning(cli, photos, model, tmp_path):
    labels = write_labels(tmp_path / "labels.csv", [(path, "") for path in paths(photos)])
    code, _, err = cli("score", photos, "--model", model, "--labels", labels, "--quiet")
    assert code == 0
    assert f"{labels} has no row with a label" in err


LISTS = {
    "windows": ("\n".join, lambda path: path.replace("/", "\\"), "with / for \\, 60 of 60 match"),
    "find": ("\n".join, lambda path: f"photos/{path}", "without photos/, 60 of 60 match"),
    "with labels": ("\n".join, lambda path: f"{path} 3", "without what follows the last blank, 60 of 60 match"),
}


@pytest.mark.parametrize(("join", "change", "words"), LISTS.values(), ids=LISTS)
def test_a_list_that_names_no_file_says_what_would_fit(cli, photos, model, tmp_path, join, change, words):
    (tmp_path / "list.txt").write_text(join(map(change, paths(photos))))
    code, _, err = cli("score", photos, "--model", model, "--files-from", tmp_path / "list.txt")
    assert code == 5
    assert f"none of 60 listed paths names a file in {photos}" in err
    assert words in err


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_utf_16_is_named(cli, photos, model, tmp_path, encoding):
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    (tmp_path / "list.txt").write_text(mark + "\r\n".join(paths(photos)), encoding=encoding)
    code, _, err = cli("score", photos, "--model", model, "--files-from", tmp_path / "list.txt")
    assert code == 2
    assert f"{tmp_path / 'list.txt'} is UTF-16" in err
    code, _, err = cli("score", photos, "--model", model, "--labels", tmp_path / "list.txt")
    assert code == 1
    assert f"the labels {tmp_path / 'list.txt'} cannot be read: it is UTF-16" in err


def job_of(tmp_path, model, photos, more):
    text = f"""
[model]
bundle = {str(model)!r}
[scoring.directories.photos]
path = {str(photos)!r}
{more}
"""
    job = tmp_path / "job.toml"
    job.write_text(text)
    return job


def test_a_job_checks_that_labels_fit(cli, photos, model, tmp_path):
    rows = [(path.replace("/", "\\"), label_of(path)) for path in paths(photos)]
    labels = write_labels(tmp_path / "labels.csv", rows)
    job = job_of(tmp_path, model, photos, f"labels = {str(labels)!r}")
    code, out, err = cli("job", "check", job)
    assert code == 1
    assert "with / for \\, 60 of 60 match" in out + err
    code, _, err = cli("run", job, "--quiet")
    assert code == 1
    assert "with / for \\, 60 of 60 match" in err

    write_labels(labels, [(path, label_of(path)) for path in paths(photos)[:20]] + rows[20:])
    code, out, err = cli("job", "check", job)
    assert code == 0
    assert f"only 20 of 60 rows of {labels} name a file that was found; with / for \\, 40 of 40 match" in out + err
    code, _, err = cli("run", job, "--quiet")
    assert code == 0
    assert f"only 20 of 60 rows of {labels} name a file that was found" in err


MAP = [*((word, str(number)) for number, word in enumerate(WORDS)), ("nothing", "ignore")]


def test_a_label_map_gives_folders_their_classes(cli, photos, model, tmp_path):
    Image.new("L", (8, 8)).save((photos / "nothing").with_suffix(".png"))
    (photos / "nothing").mkdir()
    Image.new("L", (8, 8)).save(photos / "nothing" / "a.png")
    mapping = write_labels(tmp_path / "map.csv", MAP, ("label", "class"))
    options = ("--model", model, "--out", tmp_path / "run")
    code, out, err = cli("score", photos, *options, "--label-map", mapping, "--labels", "folders")
    assert (code, err) == (0, "")
    assert "labels from the 10 class folders, 1 folder ignored by the label map" in out
    table = pd.read_csv(tmp_path / "run" / "predictions.csv", dtype=str, keep_default_na=False)
    known = table[table["path"].str.contains("/") & ~table["path"].str.startswith("nothing/")]
    assert list(known["label"]) == [label_of(path) for path in known["path"]]
    assert list(table[~table.index.isin(known.index)]["label"]) == ["", ""]
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    (split,) = metrics["splits"].values()
    assert split["accuracy"]["value"] == pytest.approx(accuracy_score(known["label"], known["prediction"]))


def test_a_label_map_serves_a_labels_csv_and_maps_many_to_one(cli, photos, model, tmp_path):
    rows = [(path, "odd" if int(label_of(path)) % 2 else path.split("/")[0]) for path in paths(photos)]
    labels = write_labels(tmp_path / "labels.csv", rows)
    mapping = write_labels(tmp_path / "map.csv", [*MAP, ("odd", "7")], ("label", "class"))
    options = ("--model", model, "--out", tmp_path / "run", "--quiet")
    assert cli("score", photos, *options, "--labels", labels, "--label-map", mapping) == (0, "", "")
    table = pd.read_csv(tmp_path / "run" / "predictions.csv", dtype=str)
    assert list(table["label"]) == ["7" if int(label_of(p)) % 2 else label_of(p) for p in table["path"]]


def test_a_job_has_a_label_map(cli, photos, model, tmp_path):
    write_labels(tmp_path / "map.csv", MAP, ("label", "class"))
    job = job_of(tmp_path, model, photos, 'labels = "folders"\nlabel_map = "map.csv"')
    code, out, _ = cli("job", "check", job)
    assert code == 0
    assert "labels from the 10 class folders" in out
    code, result, _ = cli.json("run", job)
    assert code == 0
    metrics = json.loads(Path(result["files"]["metrics.json"]).read_text())
    assert metrics["splits"]["photos"]["labelled"] == 60


BAD_MAPS = {
    "class": ([("one", "1"), ("two", "deux")], "the class 'deux' in line 3 of"),
    "twice": ([("one", "1"), ("one", "2")], "maps 'one' to '1' in line 2 and to '2' in line 3"),
    "empty": ([], "has no row"),
}


@pytest.mark.parametrize(("rows", "words"), BAD_MAPS.values(), ids=BAD_MAPS)
def test_a_label_map_that_is_none_is_refused(cli, photos, model, tmp_path, rows, words):
    mapping = write_labels(tmp_path / "map.csv", rows, ("label", "class"))
    code, _, err = cli("score", photos, "--model", model, "--label-map", mapping)
    assert code == 1
    assert words in err
    assert str(mapping) in err


def test_a_label_map_needs_its_header_and_labels(cli, photos, model, tmp_path):
    mapping = write_labels(tmp_path / "map.csv", MAP, ("from", "to"))
    code, _, err = cli("score", photos, "--model", model, "--label-map", mapping)
    assert code == 1
    assert "no header that names the columns label and class once each" in err
    code, _, err = cli("score", photos, "--model", model, "--label-map", mapping, "--labels", "none")
    assert code == 2
    code, _, err = cli("score", photos, "--model", model, "--label-map", tmp_path / "gone.csv")
    assert code == 1
    assert f"the label map {tmp_path / 'gone.csv'} cannot be read" in err


def test_messages_of_unknown_labels_offer_the_map(cli, photos, model, tmp_path):
    code, _, err = cli("score", photos, "--model", model, "--labels", "folders")
    assert code == 1
    assert "--label-map FILE" in err
    labels = write_labels(tmp_path / "labels.csv", [(path, path.split("/")[0]) for path in paths(photos)])
    code, _, err = cli("score", photos, "--model", model, "--labels", labels)
    assert code == 1
    assert "--label-map FILE" in err


@pytest.fixture
def own_folders(digits, tmp_path):
    """Class folders as somebody names them: two for the digit 1, one that is no class."""
    folder = tmp_path / "own"
    for number, (image, label) in enumerate(zip(digits.train.images[:120], digits.train.labels, strict=False)):
        name = {0: "zero", 1: ("one", "One")[number % 2]}.get(int(label), "rest")
        path = folder / name / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.squeeze()).save(path)
    return folder


def train(cli, folder, out, *options):
    return cli("train", "--data", folder, "--recipe", "mlp", "--epochs", "1", "--out", out, *options)


def test_training_warns_of_class_names_that_look_alike(cli, own_folders, tmp_path):
    code, out, err = train(cli, own_folders, tmp_path / "model", "--quiet")
    assert (code, out) == (0, "")
    words = "class names that look alike: 'One' and 'one'; if they mean one class, join them by --label-map FILE"
    assert err == f"batchclf: warning: {words}\n"


def test_a_label_map_joins_and_ignores_training_folders(cli, own_folders, tmp_path):
    mapping = write_labels(tmp_path / "map.csv", [("One", "one"), ("rest", "ignore")], ("label", "class"))
    code, _, err = train(cli, own_folders, tmp_path / "model", "--label-map", mapping)
    assert (code, err) == (0, "")
    info = json.loads((tmp_path / "model" / "model.json").read_text())
    assert info["class_names"] == ["one", "zero"]
    learnt = json.loads((tmp_path / "model" / "learnt.json").read_text())
    assert {path.split("/")[0] for path in learnt} == {"zero", "one", "One"}


def test_a_job_trains_with_a_label_map_and_draws_its_report_again(cli, own_folders, tmp_path):
    write_labels(tmp_path / "map.csv", [("One", "one"), ("rest", "ignore")], ("label", "class"))
    job = tmp_path / "job.toml"
    job.write_text(f'[data]\ndirectory = "{own_folders}"\nlabel_map = "map.csv"\n[model]\nrecipe = "mlp"\nepochs = 1\n')
    code, out, err = cli("job", "check", job)
    assert code == 0, err
    assert "2 class folders" in out
    code, result, err = cli.json("run", job)
    assert code in (0, 3), err
    run = Path(result["files"]["run.json"]).parent
    assert json.loads((run / "run.json").read_text())["dataset"]["split"]["label_map"] == {"One": "one", "rest": ""}
    code, out, err = cli("report", run)
    assert (code, err) == (0, "")
    assert "without pictures" not in out


def test_a_label_map_of_training_is_for_class_folders(cli, tmp_path):
    mapping = write_labels(tmp_path / "map.csv", MAP, ("label", "class"))
    options = ("--recipe", "mlp", "--out", tmp_path / "model", "--label-map", mapping)
    code, _, err = cli("train", "--dataset", "digits", *options)
    assert code == 2
    assert "--label-map: for class folders only" in err


@pytest.mark.parametrize("source", ["folders", "csv"])
def test_accuracy_among_the_labelled_classes(cli, photos, model, tmp_path, source):
    """Three of the ten digits: the judge is pandas on the run's own probabilities."""
    for word in WORDS[3:]:
        for path in (photos / word).iterdir():
            path.unlink()
        (photos / word).rmdir()
    mapping = write_labels(tmp_path / "map.csv", MAP, ("label", "class"))
    labels = write_labels(tmp_path / "labels.csv", [(path, label_of(path)) for path in paths(photos)])
    how = ("--label-map", mapping) if source == "folders" else ("--labels", labels)
    # A model that is often wrong, so that fewer classes make a difference.
    for path in photos.rglob("*.*"):
        image = Image.open(path)
        image.point(lambda value: 16 - value // 16).save(path)
    code, out, _ = cli("score", photos, "--model", model, "--out", tmp_path / "run", "--probabilities", *how)
    assert code == 0
    table = pd.read_csv(tmp_path / "run" / "predictions.csv", dtype={"label": str, "prediction": str})
    best = table[["prob:0", "prob:1", "prob:2"]].idxmax(axis=1).str.removeprefix("prob:")
    expected = {"classes": 3, "images": len(table), "correct": int((best == table["label"]).sum())}
    assert json.loads((tmp_path / "run" / "run.json").read_text())["subsets"][0]["among_labelled"] == expected
    assert expected["correct"] > (table["prediction"] == table["label"]).sum()
    sentence = "Labels name 3 of the model's 10 classes. Among these 3 alone the accuracy is "
    assert sentence in out
    assert sentence in (tmp_path / "run" / "report.html").read_text().replace("&#39;", "'")


def test_all_classes_need_no_second_accuracy(cli, photos, model, tmp_path):
    mapping = write_labels(tmp_path / "map.csv", MAP, ("label", "class"))
    code, out, _ = cli("score", photos, "--model", model, "--out", tmp_path / "run", "--label-map", mapping)
    assert code == 0
    assert "Labels name" not in out
    assert json.loads((tmp_path / "run" / "run.json").read_text())["subsets"][0]["among_labelled"] is None


@pytest.fixture
def classes(photos):
    """The same photographs, in folders that are named for the classes."""
    for number, word in enumerate(WORDS):
        (photos / word).rename(photos / str(number))
    return photos


def labelled(run):
    table = pd.read_csv(run / "predictions.csv", dtype=str, keep_default_na=False)
    return int((table["label"] != "").sum())


def test_system_folders_and_folders_without_images_do_not_switch_labels_off(cli, classes, model, tmp_path):
    for name in ("lost+found", "@eaDir", "__MACOSX", "#recycle", "$Recycle.Bin", "3/@eaDir"):
        (classes / name).mkdir()
        Image.new("L", (8, 8)).save(classes / name / "thumbnail.png")
    (classes / "notes").mkdir()
    (classes / "notes" / "read.txt").write_text("nothing to see")
    for mode in ("auto", "folders"):
        run = tmp_path / mode
        code, out, err = cli("score", classes, "--model", model, "--labels", mode, "--out", run)
        assert (code, err) == (0, "")
        assert "labels from the 10 class folders, left out without an image: notes" in out
        assert "6 in a system folder" in out
        assert labelled(run) == 60
        subset = json.loads((run / "run.json").read_text())["subsets"][0]
        assert (subset["found"], subset["scored"], subset["excluded"], subset["warnings"]) == (67, 60, 7, [])


def test_another_folder_with_images_is_a_warning_or_an_error(cli, classes, model, tmp_path):
    (classes / "new").mkdir()
    Image.new("L", (8, 8)).save(classes / "new" / "a.png")
    code, out, err = cli("score", classes, "--model", model, "--quiet", "--out", tmp_path / "run")
    assert (code, out) == (0, "")
    sentence = (
        "no labels are used: the folder 'new' holds images and is not a class of the model, though 10 other folders "
        "are; rename it, list it in .batchclfignore, or map it by --label-map FILE"
    )
    assert sentence in err
    assert labelled(tmp_path / "run") == 0
    assert json.loads((tmp_path / "run" / "run.json").read_text())["subsets"][0]["warnings"] == [sentence]
    assert f"<b>Warning.</b> <span>N{sentence[1:]}." in (tmp_path / "run" / "report.html").read_text().replace(
        "&#39;", "'"
    )
    code, out, err = cli("job", "check", job_of(tmp_path, model, classes, ""))
    assert code == 0
    assert sentence in out + err
    code, _, err = cli("score", classes, "--model", model, "--labels", "folders")
    assert code == 1
    assert "the folder 'new' in" in err
    (classes / ".batchclfignore").write_text("new/\n")
    code, _, err = cli("score", classes, "--model", model, "--quiet", "--out", tmp_path / "again")
    assert (code, err) == (0, "")
    assert labelled(tmp_path / "again") == 60


def test_folders_of_which_none_is_a_class_are_no_warning(cli, photos, model):
    assert cli("score", photos, "--model", model, "--quiet") == (0, "", "")


@pytest.mark.parametrize("split", [False, True])
def test_training_obeys_an_ignore_file(cli, own_folders, tmp_path, split):
    prefix = ""
    if split:
        for part in ("train", "test"):
            shutil.copytree(own_folders, tmp_path / "both" / part)
        own_folders, prefix = tmp_path / "both", "train/"
    (own_folders / ".batchclfignore").write_text(f"rest/\n{prefix}zero/*0.png\n")
    code, _, err = train(cli, own_folders, tmp_path / "model", "--quiet")
    assert code == 0, err
    assert json.loads((tmp_path / "model" / "model.json").read_text())["class_names"] == ["One", "one", "zero"]
    if not split:
        learnt = json.loads((tmp_path / "model" / "learnt.json").read_text())
        assert not [path for path in learnt if re.match("rest/|zero/.*0.png", path)]
    code, out, err = cli("job", "check", training_job(tmp_path, own_folders))
    assert code == 0, err
    assert "3 class folders" in out


def training_job(tmp_path, folder):
    job = tmp_path / "train.toml"
    job.write_text(f'[data]\ndirectory = "{folder}"\n[model]\nrecipe = "mlp"\nepochs = 1\n')
    return job


def test_training_leaves_system_folders_out(cli, own_folders, tmp_path):
    for name in ("@eaDir", "zero/@eaDir"):
        (own_folders / name).mkdir()
        Image.new("L", (8, 8)).save(own_folders / name / "thumbnail.png")
    assert train(cli, own_folders, tmp_path / "model", "--quiet")[0] == 0
    assert json.loads((tmp_path / "model" / "model.json").read_text())["class_names"] == ["One", "one", "rest", "zero"]
    learnt = json.loads((tmp_path / "model" / "learnt.json").read_text())
    assert not [path for path in learnt if "@eaDir" in path]


@pytest.fixture
def class_folders(digits, tmp_path):
    """60 digits in the folders of their classes."""
    folder = tmp_path / "classes"
    for number, (image, label) in enumerate(zip(digits.test.images[:60], digits.test.labels, strict=False)):
        path = folder / str(label) / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.squeeze()).save(path)
    return folder


def read_predictions(folder):
    return pd.read_csv(folder / "predictions.csv", dtype={"label": str, "prediction": str}, keep_default_na=False)


def test_reviewed_labels_correct_those_of_class_folders_and_of_runs(cli, model, class_folders, tmp_path):
    """A file with the column given_label leaves all other images their labels; judged by scikit-learn."""
    assert cli("score", class_folders, "--model", model, "--out", tmp_path / "first")[0] == 0
    first = read_predictions(tmp_path / "first")
    paths_of = list(first["path"])
    rows = [(paths_of[0], "7", first["label"][0]), (paths_of[1], first["label"][1], first["label"][1])]
    labels = write_labels(tmp_path / "labels.csv", rows, ("path", "label", "given_label"))
    truth = first["label"].copy()
    truth[0] = "7"
    expected = accuracy_score(truth, first["prediction"])
    code, found, err = cli.json(
        "score", class_folders, "--model", model, "--labels", labels, "--out", tmp_path / "again"
    )
    assert (code, found["metrics"]["splits"][""]["accuracy"]["value"]) == (0, pytest.approx(expected))
    assert "from the 10 class folders; 2 labels reviewed in labels.csv" in err
    assert list(read_predictions(tmp_path / "again")["label"]) == list(truth)
    code, _, err = cli("evaluate", tmp_path / "first", "--labels", labels, "--out", tmp_path / "reviewed")
    assert code == 0
    assert "1 of 60 labels changed by labels.csv, 1 confirmed" in err + _
    metrics = json.loads((tmp_path / "reviewed" / "metrics.json").read_text())
    assert metrics["splits"][""]["accuracy"]["value"] == pytest.approx(expected)
    # Its predictions have all labels: for what takes no corrections
    complete = tmp_path / "reviewed" / "predictions.csv"
    code, found, _ = cli.json(
        "score", class_folders, "--model", model, "--labels", complete, "--out", tmp_path / "last"
    )
    assert (code, found["metrics"]["splits"][""]["accuracy"]["value"]) == (0, pytest.approx(expected))


@pytest.mark.parametrize(
    "header, rows, words",
    [
        (("path", "label"), [(0, "7")], "59 images of run would lose their labels: labels.csv has no row for them"),
        (("path", "label", "given_label"), [(0, "7", "9")], "had the label '9' when it was reviewed"),
        (("path", "label", "given_label"), [(0, "", "0")], "line 2 of labels.csv has no label"),
        (("path", "label", "given_label"), [(0, "cat", "0")], "the label 'cat' in line 2 of labels.csv is not a class"),
        (("path", "label", "given_label"), [("no.png", "7", "0")], "no row of labels.csv names an image of run"),
        (
            ("path", "label", "given_label", "split"),
            [(0, "7", "0", "other")],
            "no row of labels.csv names an image of run",
        ),
        (("path", "label", "given_label"), [(0, "7", "0"), (0, "6", "0")], "labels.csv has two labels for"),
    ],
)
def test_labels_that_do_not_fit_a_run_are_refused(cli, model, class_folders, tmp_path, header, rows, words):
    assert cli("score", class_folders, "--model", model, "--out", "run")[0] == 0
    paths_of = list(read_predictions(tmp_path / "run")["path"])
    rows = [(paths_of[path] if isinstance(path, int) else path, *others) for path, *others in rows]
    write_labels(tmp_path / "labels.csv", rows, header)
    code, _, err = cli("evaluate", "run", "--labels", "labels.csv", "--out", "reviewed")
    assert code == 1
    assert words in err
    assert not (tmp_path / "reviewed").exists()


def test_corrections_of_nothing_are_refused(cli, model, photos, tmp_path):
    labels = write_labels(tmp_path / "labels.csv", [(paths(photos)[0], "7", "0")], ("path", "label", "given_label"))
    code, _, err = cli("score", photos, "--model", model, "--labels", labels)
    assert code == 1
    assert "there are none to correct" in err
    code, _, err = cli("pack", photos, "shards", "--labels", labels)
    assert code == 2
    assert "shards need all of them" in err
    pd.DataFrame({"path": paths(photos), "label": "0", "prediction": "7"}).to_csv("table.csv")
    code, _, err = cli("evaluate", "table.csv", "--labels", labels)
    assert code == 2
    assert "give the run directory" in err

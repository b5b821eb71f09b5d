"""Slices and thresholds on the command line: real pictures, a Keras model of two classes, and pandas as the judge."""

import csv
import json
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from run_cases import NAMES, drawn, rows_of, write_predictions
from sklearn.metrics import f1_score, precision_recall_curve, precision_score, recall_score

import batchclf
from batchclf.cli.main import main
from batchclf.jobs.evaluate import labelled_images

SIZE, IMAGES = 8, 600


def keras_model(folder):
    """A network that takes bright pictures for defects, imported."""
    import keras

    network = keras.Sequential(
        [keras.Input((SIZE, SIZE, 1)), keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax")]
    )
    weights = np.tile([-6.0, 6.0], (SIZE * SIZE, 1)) / (SIZE * SIZE)
    network.layers[-1].set_weights([weights, np.array([3.0, -3.0])])
    network.save(folder / "net.keras")
    options = ["--classes", "ok,defect", "--scale", "0..1", "--like", "batchclf", "--out", str(folder / "model")]
    assert main(["model", "import", str(folder / "net.keras"), *options]) == 0


def draw_photos(folder):
    """Photos of four cameras, with what is known of each; camera 3 takes negatives at night."""
    rng, rows = np.random.default_rng(0), []
    for number in range(IMAGES):
        camera, light = number % 4, "night" if number % 3 == 0 else "day"
        defect = rng.random() < 0.4
        level = np.clip(rng.normal(0.65 if defect else 0.35, 0.13), 0.02, 0.98)
        if camera == 3 and light == "night":
            level = 1 - level
        path = folder / "photos" / f"cam{camera}" / f"{number:04}.{'jpg' if number % 5 == 0 else 'png'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.clip(rng.normal(level * 255, 20, (SIZE, SIZE)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(path)
        name = path.relative_to(folder / "photos").as_posix()
        rows.append([name, "defect" if defect else "ok", camera, light, round(float(rng.normal(20, 5)), 3)])
    with (folder / "labels.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([["path", "label"], *(row[:2] for row in rows)])
    # As a spreadsheet of a country with decimal commas writes it; two cameras are not given, two rows name no image
    lines = ["path;camera;light;temperature;serial"]
    for number, (path, _, camera, light, warmth) in enumerate(rows):
        given = "" if number in (8, 9) else f"={camera}" if camera == 2 else camera
        lines.append(f"{path};{given};{light};{str(warmth).replace('.', ',')};s{number}")
    lines += ["gone.png;1;day;1,5;x", "cam9/gone.png;1;day;1,5;y"]
    (folder / "meta.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A folder with a model, photos, labels and metadata, and a run of all."""
    if find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed")
    folder = tmp_path_factory.mktemp("shop")
    keras_model(folder)
    draw_photos(folder)
    asked = [
        "--labels",
        folder / "labels.csv",
        "--metadata",
        folder / "meta.csv",
        "--path-pattern",
        "(?P<cam>cam[0-9])",
    ]
    asked += [
        "--positive-class",
        "defect",
        "--at-recall",
        "0.8",
        "--min-slice",
        "40",
        "--error-cost",
        "10",
        "--review-cost",
        "1",
    ]
    command = ["score", folder / "photos", "--model", folder / "model", *asked, "--out", folder / "run"]
    assert main([*map(str, command)]) == 0
    return folder


@pytest.fixture(scope="module")
def table(shop):
    """The predictions of the run with their metadata, by pandas."""
    rows = batchclf.read_predictions(shop / "run")
    meta = pd.read_csv(shop / "meta.csv", sep=";", decimal=",", dtype={"camera": str})
    images = pd.read_csv(shop / "run" / "images.csv")[["path", "brightness"]]
    return rows.merge(meta, on="path", how="left").merge(images, on="path")


@pytest.fixture(scope="module")
def found(shop):
    """metrics.json of the run: slices and thresholds."""
    metrics = json.loads((shop / "run" / "metrics.json").read_text())
    return metrics["slices"][""], metrics["thresholds"][""]


def labels_of(rows):
    return rows["label"].astype(str), rows["prediction"].astype(str)


def test_slices_csv_has_what_pandas_groups_by(shop, table, found):
    slices = pd.read_csv(shop / "run" / "slices.csv", keep_default_na=False).set_index("slice")
    slices = slices[slices["kind"] == "column"]
    by_column = {"light": table.light, "camera": table.camera.fillna(""), "cam": table.path.str[:4]}
    by_column["format"] = table.path.str.rpartition(".")[2]
    compared = 0
    for column, values in by_column.items():
        for value, rows in table.groupby(values):
            row = slices.loc[f"{column}={value}"]
            assert (int(row["images"]), int(row["correct"])) == (len(rows), rows["correct"].sum())
            truth, given = labels_of(rows)
            assert float(row["macro_f1"]) == pytest.approx(f1_score(truth, given, average="macro"))
            rest = table.loc[table.index.difference(rows.index), "correct"].mean()
            assert float(row["difference"]) == pytest.approx(rows["correct"].mean() - rest)
            compared += 1
    assert compared == 2 + 5 + 4 + 2
    assert slices.loc["camera=", "words"] == "camera not given"
    assert {each["name"] for each in found[0]["slices"]} == set(slices.index)


def test_numbers_of_metadata_and_images_are_cut_into_tenths(table, found):
    of = {each["name"]: each for each in found[0]["slices"]}
    for column, low in (("brightness", "darkest"), ("temperature", "lowest")):
        part = of[f"{column}={low} tenth"]
        rows = table.nsmallest(part["images"], column)
        assert part["images"] == IMAGES // 10
        assert part["correct"] == rows["correct"].sum()
        ends = [float(each) for each in re.match(rf"{column} (\S+) to (\S+) \(", part["words"]).groups()]
        assert ends == pytest.approx([rows[column].min(), rows[column].max()], rel=2e-3)


def test_columns_that_make_no_slices_are_named(found):
    reasons = {each["column"]: each["reason"] for each in found[0]["left_out"]}
    assert reasons["serial"] == "it has 600 values, and at most 100 make slices"
    assert reasons["size"] == "all images have the same value"
    assert reasons.keys() == {"serial", "size", "aspect", "mode"}


def test_the_weak_slice_is_found_judged_on_the_other_half_and_shown(shop, table, found):
    weakest = found[0]["search"]["weakest"]
    weak = {each["judged"]["name"]: each for each in weakest if each["is_weak"]}
    name = next(
        each for each in weak if {*each.split(" & ")} <= {"camera=3", "cam=cam3", "light=night"} and "&" in each
    )
    each = weak[name]
    rows = table[(table.camera == "3") & (table.light == "night")]
    assert each["found"]["images"] + each["judged"]["images"] == len(rows)
    assert each["found"]["correct"] + each["judged"]["correct"] == rows["correct"].sum()
    assert each["judged"]["difference"]["high"] < 0
    assert {error["path"] for error in each["errors"]} <= {*rows.loc[rows["correct"] == False, "path"]}  # noqa: E712
    page = (shop / "run" / "report.html").read_text()
    section = page[page.index('<section id="slices"') : page.index("</section>", page.index('<section id="slices"'))]
    assert each["judged"]["words"] in section
    assert "weaker beyond chance" in section
    assert section.count('<svg class="picture') >= 3
    assert "no picture" not in section


def test_precision_and_recall_are_those_of_scikit_learn(table, found):
    two = found[1]["two_classes"]
    assert (two["positive_class"], two["assumed"]) == ("defect", False)
    truth, scores = table["label"] == "defect", table["prob:defect"]
    fixed = two["fixed"]
    assert fixed["threshold"] == 0.5
    assert fixed["precision"]["value"] == pytest.approx(precision_score(truth, scores >= 0.5))
    assert fixed["recall"]["value"] == pytest.approx(recall_score(truth, scores >= 0.5))
    kept = two["at_recall"]
    assert kept["target"] == 0.8
    assert kept["chosen_on"] + kept["judged"]["images"] == IMAGES
    # One of the thresholds of the whole curve is near it, and the precision is not far from what that has
    precision, recall, thresholds = precision_recall_curve(truth, scores)
    at = np.searchsorted(thresholds, kept["judged"]["threshold"])
    assert kept["judged"]["precision"]["value"] == pytest.approx(precision[at], abs=0.1)
    assert recall[at] == pytest.approx(0.8, abs=0.1)


def test_the_costs_are_those_of_the_table_by_pandas(table, found):
    refusal = found[1]["refusal"]
    for row in refusal["rows"]:
        kept = table["confidence"] >= row["threshold"]
        cost = (10 * (kept & ~table["correct"].astype(bool)).sum() + (~kept).sum()) / IMAGES
        assert row["cost"] == pytest.approx(cost)
        assert row["coverage"]["value"] == pytest.approx(kept.mean())
    assert refusal["best"]["images"] + refusal["chosen_on"] == IMAGES
    assert refusal["best"]["cost"] < refusal["keep_all"]["cost"]


def test_every_form_of_the_report_says_it_again_without_the_metadata(cli, shop, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(shop / "run", run)
    code, _, err = cli("report", run, "--out", tmp_path / "again", "--format", "html,json,md")
    assert (code, err) == (0, "")
    again = (tmp_path / "again" / "report.html").read_text()
    first = (shop / "run" / "report.html").read_text()
    for name in ("slices", "thresholds"):
        parts = [re.search(rf'<section id="{name}".*?</section>', page, re.DOTALL)[0] for page in (first, again)]
        assert re.sub(r"#p\d+", "", parts[0]) == re.sub(r"#p\d+", "", parts[1])
    document = json.loads((tmp_path / "again" / "report.json").read_text())
    assert document["slices"]["search"]["judged_on"] > 200
    assert document["thresholds"]["two_classes"]["positive_class"] == "defect"
    text = (tmp_path / "again" / "report.md").read_text()
    assert "Weak slice" in text
    assert "best precision at a recall of at least 80%" in text


def test_evaluate_gives_the_same_and_loses_nothing_if_the_metadata_are_gone(cli, shop, tmp_path):
    shutil.copytree(shop / "run", tmp_path / "run")
    run = tmp_path / "run"
    written = {name: (run / name).read_bytes() for name in ("metrics.json", "slices.csv")}
    code, out, _ = cli("evaluate", run / "predictions.csv")
    assert code == 0
    assert "slices.csv" in out
    assert {name: (run / name).read_bytes() for name in written} == written
    record = json.loads((run / "run.json").read_text())
    assert record["slices"] == {
        "metadata": str(shop / "meta.csv"),
        "path_pattern": "(?P<cam>cam[0-9])",
        "min_slice": 40,
    }
    assert record["thresholds"]["at_recall"] == 0.8
    record["slices"]["metadata"] = str(tmp_path / "moved.csv")
    (run / "run.json").write_text(json.dumps(record))
    code, _, err = cli("evaluate", run / "predictions.csv")
    assert code == 1
    assert f"the metadata {tmp_path / 'moved.csv'} are gone" in err
    assert {name: (run / name).read_bytes() for name in written} == written
    code, _, _ = cli("evaluate", run / "predictions.csv", "--metadata", shop / "meta.csv", "--threshold", "0.7")
    assert code == 0
    assert (run / "slices.csv").read_bytes() == written["slices.csv"]
    assert json.loads((run / "metrics.json").read_text())["thresholds"][""]["two_classes"]["fixed"]["threshold"] == 0.7


def test_rows_of_metadata_that_name_no_image_are_a_warning(cli, shop, tmp_path):
    few = tmp_path / "few"
    (few / "cam0").mkdir(parents=True)
    for path in sorted((shop / "photos" / "cam0").iterdir())[:40]:
        shutil.copy(path, few / "cam0")
    options = ["--model", shop / "model", "--labels", shop / "labels.csv", "--metadata", shop / "meta.csv"]
    code, _, err = cli("score", few, *options, "--out", tmp_path / "run")
    assert code == 0
    assert "562 rows of meta.csv name no file that was found, the first: cam1/0001.png" in err
    code, _, err = cli("score", few, *options[:2], "--labels", "none", *options[4:], "--out", tmp_path / "bare")
    assert code == 0
    assert "no image has a label, so there is nothing to slice" in err
    assert not (tmp_path / "bare" / "slices.csv").exists()
    assert "slices" not in json.loads((tmp_path / "bare" / "metrics.json").read_text())


def test_metadata_of_two_folders_with_the_same_names(cli, shop, tmp_path):
    """Absolute paths are about one folder; relative ones are about both, which is said."""
    few = sorted((shop / "photos" / "cam0").iterdir())[:20]
    rows = {"left": [], "right": []}
    for folder, of in rows.items():
        (tmp_path / folder).mkdir()
        for place, path in enumerate(few):
            shutil.copy(path, tmp_path / folder)
            of.append(f"{tmp_path / folder / path.name},{folder},{'odd' if place % 2 else 'even'}")
    labels = pd.read_csv(shop / "labels.csv")
    labels["path"] = labels["path"].str.removeprefix("cam0/")
    labels.to_csv(tmp_path / "labels.csv", index=False)
    folders = "".join(
        f'[scoring.directories.{name}]\npath = "{name}"\nlabels = "labels.csv"\n' for name in ("left", "right")
    )
    (tmp_path / "job.toml").write_text(
        f'name = "two"\n[model]\nbundle = "{shop / "model"}"\n[scoring]\nsplits = []\n{folders}'
        '[slices]\nmetadata = "meta.csv"\nmin_slice = 5\n[publish]\nreports = "reports"\n'
    )
    found = {}
    for form, lines in {
        "absolute": ["path,side,half", *rows["left"], *rows["right"]],
        "relative": ["path,half", *(f"{path.name},{'odd' if place % 2 else 'even'}" for place, path in enumerate(few))],
    }.items():
        (tmp_path / "meta.csv").write_text("\n".join(lines) + "\n")
        code, _out, err = cli("run", tmp_path / "job.toml", "--json")
        assert code == 0, err
        newest = sorted((tmp_path / "reports" / "two").glob("2*"))[-1]
        slices = json.loads((newest / "metrics.json").read_text())["slices"]
        found[form] = {split: {each["name"]: each["images"] for each in of["slices"]} for split, of in slices.items()}
        said = "20 rows of meta.csv name an image in each of several subsets, the first: 0000."
        assert (said in err) == (form == "relative")
    for side in ("left", "right"):
        assert found["absolute"][side]["half=even"] == found["relative"][side]["half=even"] == 10
        assert {name for name in found["absolute"][side] if name.startswith("side=")} <= {f"side={side}"}


@pytest.mark.parametrize("images", [1, 2, 5])
def test_of_a_few_images_the_report_says_what_it_can(cli, shop, tmp_path, images):
    (tmp_path / "few").mkdir()
    for path in sorted((shop / "photos" / "cam0").iterdir())[:images]:
        shutil.copy(path, tmp_path / "few")
    labels = "".join(f"{path.name},ok\n" for path in (tmp_path / "few").iterdir())
    (tmp_path / "labels.csv").write_text(f"path,label\n{labels}")
    options = ["--labels", "labels.csv", "--positive-class", "defect", "--error-cost", "2", "--review-cost", "1"]
    code, _, err = cli("score", "few", "--model", shop / "model", *options, "--out", "run")
    assert (code, err) == (0, "")
    page = (tmp_path / "run" / "report.html").read_text()
    assert '<section id="slices"' in page
    assert '<section id="thresholds"' in page
    assert "a half of the images has none of the positive class" in page


WRONG = {
    "no path": ("file,camera\na,1\n", "has no header that names the column path once"),
    "no other column": ("path\na\n", "has no column but path"),
    "twice": ("path,camera,camera\na,1,2\n", "names the column 'camera' twice"),
    "two things": ("path,camera,site\na,1,x\nb,1,x\na,1,y\n", "says two things of a: line 2 and line 4 differ in site"),
    "short row": ("path,camera\na,1\nb\n", "line 3 of"),
    "empty path": ("path,camera\n,1\n", "line 2 of"),
    "no row": ("path,camera\n", "has no row"),
    "utf-16": ("path,camera\na,1\n".encode("utf-16"), "it is UTF-16"),
}


@pytest.mark.parametrize(("content", "words"), WRONG.values(), ids=WRONG)
def test_metadata_that_cannot_be_used_is_refused_before_the_scoring(cli, shop, tmp_path, content, words):
    file = tmp_path / "meta.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    code, _, err = cli("score", shop / "photos", "--model", shop / "model", "--metadata", file, "--out", tmp_path / "r")
    assert code == 1
    assert words in err
    assert "hint:" in err or "line 3" in err
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--positive-class", "defct"], 1, "did you mean 'defect'?"),
        (["--error-cost", "3"], 2, "error_cost is given without review_cost"),
        (["--review-cost", "3"], 2, "review_cost is given without error_cost"),
        (["--path-pattern", "("], 2, "'(' is no regular expression"),
        (["--metadata", "nowhere.csv"], 1, "nowhere.csv cannot be read: No such file"),
        (["--threshold", "1.5"], 2, "'1.5' is not a number from 0 to 1"),
    ],
)
def test_options_that_cannot_be_met_are_refused_before_the_scoring(cli, shop, tmp_path, options, code, words):
    found, _, err = cli("score", shop / "photos", "--model", shop / "model", *options, "--out", tmp_path / "run")
    assert found == code
    assert words in err
    assert not (tmp_path / "run").exists()


def of_two(**options):
    """Rows of predictions of 300 images of two classes, four of five right."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 300)
    given = np.where(rng.random(300) < 0.8, labels, 1 - labels)
    confidence = rng.uniform(0.5, 1, 300).round(4)
    return rows_of(("no", "yes"), labels.tolist(), given.tolist(), confidence=confidence, **options)


def metrics_of(cli, *arguments):
    """The metrics.json of an evaluated table."""
    code, printed, _ = cli.json("evaluate", *arguments)
    assert code == 0
    return json.loads(Path(printed["files"]["metrics.json"]).read_text())


def thresholds_of(cli, *arguments):
    return metrics_of(cli, *arguments)["thresholds"]["test"]


def test_two_classes_without_a_named_one_say_that_it_is_the_second(cli, tmp_path):
    write_predictions(tmp_path / "predictions.csv", of_two())
    found = thresholds_of(cli, "predictions.csv")
    two = found["two_classes"]
    assert (two["positive_class"], two["assumed"]) == ("yes", True)
    assert found["refusal"]["best"] is None


def test_without_probability_columns_the_other_class_has_what_is_left(cli, tmp_path):
    write_predictions(tmp_path / "all.csv", of_two())
    write_predictions(tmp_path / "few.csv", of_two(probabilities=False))
    found = [thresholds_of(cli, name, "--out", name[:3], "--positive-class", "no") for name in ("all.csv", "few.csv")]
    assert found[0] == found[1]


def test_many_classes_have_no_positive_one(cli, tmp_path):
    write_predictions(tmp_path / "predictions.csv", drawn(NAMES, 300, seed=1, skill=0.8))
    metrics = metrics_of(cli, "predictions.csv", "--path-pattern", r"(\d)\.png$")
    found = metrics["thresholds"]["test"]
    assert found["two_classes"] is None
    assert len(found["refusal"]["rows"]) > 3
    names = [each["name"] for each in metrics["slices"]["test"]["slices"]]
    assert names == [f"pattern={digit}" for digit in range(10)]
    code, _, err = cli("evaluate", "predictions.csv", "--positive-class", "cat")
    assert code == 1
    assert "the model has 3 classes" in err


def test_an_images_csv_of_other_images_is_left_out_by_name(cli, shop, tmp_path):
    shutil.copytree(shop / "run", tmp_path / "run")
    path = tmp_path / "run" / "images.csv"
    first, second, *others = path.read_bytes().splitlines(keepends=True)[1:]
    header = path.read_bytes().splitlines(keepends=True)[0]
    path.write_bytes(b"".join([header, second, first, *others]))
    code, printed, _ = cli.json("evaluate", tmp_path / "run" / "predictions.csv")
    slices = printed["slices"][""]
    assert code == 0
    assert slices["missing"] == [
        "What the images look like is left out: images.csv has 'cam0/0000.jpg' out of the order of the predictions."
    ]
    assert "brightness" not in {each["column"] for each in slices["slices"]}
    assert "light" in {each["column"] for each in slices["slices"]}


def test_of_very_many_images_a_sample_is_looked_at_and_said(cli, shop, tmp_path, monkeypatch):
    monkeypatch.setattr(labelled_images, "MOST_IMAGES", 200)
    shutil.copytree(shop / "run", tmp_path / "run")
    code, printed, _ = cli.json("evaluate", tmp_path / "run" / "predictions.csv", "--out", tmp_path / "out")
    slices = printed["slices"][""]
    assert code == 0
    assert 50 <= slices["images"] <= 200
    assert slices["missing"] == [
        f"Slices and thresholds rest on {slices['images']} of 600 labelled images, chosen by a digest of their paths."
    ]
    table = pd.read_csv(tmp_path / "run" / "predictions.csv")
    light = [each for each in slices["slices"] if each["column"] == "light"]
    assert sum(each["images"] for each in light) == slices["images"]
    assert abs(sum(each["correct"] for each in light) / slices["images"] - table["correct"].mean()) < 0.1


def test_a_run_of_an_earlier_batchclf_has_a_report_without_them(cli, shop, tmp_path):
    shutil.copytree(shop / "run", tmp_path / "run")
    file = tmp_path / "run" / "metrics.json"
    metrics = json.loads(file.read_text())
    old = {key: value for key, value in metrics.items() if key not in ("slices", "thresholds")}
    file.write_text(json.dumps(old))
    code, _, _ = cli("report", tmp_path / "run", "--out", "old.html")
    assert code == 0
    assert 'id="slices"' not in (tmp_path / "old.html").read_text()
    metrics["slices"][""]["slices"][0]["images"] = "many"
    file.write_text(json.dumps(metrics))
    code, out, err = cli("report", tmp_path / "run", "--out", "damaged.html")
    assert code == 0
    assert "the report goes without slices and thresholds" in out + err


JOB = """
[model]
bundle = "model"
[scoring]
splits = []
[scoring.directories.shop]
path = "photos"
labels = "labels.csv"
[slices]
metadata = "meta.csv"
[thresholds]
positive_class = "defect"
error_cost = 10
review_cost = 1
[gate.alarms]
off = ["same-images", "no-new-images"]
[publish]
reports = "reports"
"""

RULES = {
    "accuracy of a camera": ('metric = "accuracy"\nslice = "camera=1"\nmin = 0.7', "passed"),
    "a weak slice": ('metric = "accuracy"\nslice = "camera=3 & light=night"\nmin = 0.8', "failed"),
    "F1 of a slice": ('metric = "macro_f1"\nslice = "light=night"\nmin = 0.3', "passed"),
    "no such slice": ('metric = "accuracy"\nslice = "camera=7"\nmin = 0.1', "missing"),
    "left out": ('metric = "accuracy"\nslice = "serial=s1"\nmin = 0.1', "missing"),
    "threshold": ('metric = "threshold_recall"\nmin = 0.3', "passed"),
    "precision at recall": ('metric = "precision_at_recall"\nmin = 0.99', "failed"),
    "recall at precision": ('metric = "recall_at_precision"\nmin = 0.01', "passed"),
    "coverage": ('metric = "coverage"\nmin = 0.05', "passed"),
    "kept": ('metric = "kept_accuracy"\nmin = 0.5', "passed"),
    "cost": ('metric = "cost"\nmax = 0.001', "failed"),
}


@pytest.fixture(scope="module")
def nights(shop):
    """A job with rules on slices and thresholds, run twice; the second night compares a slice with the first."""
    rules = "".join(f"[[gate.rules]]\n{rule}\n" for rule, _ in RULES.values())
    (shop / "first.toml").write_text(f'name = "shop"\n{JOB}{rules}')
    assert main(["run", str(shop / "first.toml")]) == 3
    run = sorted((shop / "reports" / "shop").glob("2*"))[0]
    change = "[[gate.rules]]\nmetric = '{}'\nslice = '{}'\nagainst = 'before'\nmax_drop = 0.05\n"
    changes = [
        ("accuracy", "light=day"),
        ("macro_f1", "camera=3 & light=night"),
        ("accuracy", "temperature=lowest tenth"),
    ]
    rules = "".join(change.format(*each) for each in changes) + f'[baselines]\nbefore = "{run.name}"\n'
    (shop / "second.toml").write_text(f'name = "shop"\n{JOB}{rules}')
    assert main(["run", str(shop / "second.toml")]) == 0
    return [
        json.loads((each / "run.json").read_text())["gates"] for each in sorted((shop / "reports" / "shop").glob("2*"))
    ]


def test_rules_on_slices_and_thresholds_hold_the_gate(nights):
    for (name, (_, expected)), gate in zip(RULES.items(), nights[0], strict=False):
        outcome = "missing" if gate["missing"] else "passed" if gate["passed"] else "failed"
        assert outcome == expected, (name, gate)
    by_name = {gate["name"]: gate for gate in nights[0]}
    assert by_name["accuracy[shop, camera=3 & light=night]"]["certain"]
    assert "did you mean 'camera=" in by_name["accuracy[shop, camera=7]"]["sentence"]
    assert "serial is left out: it has 600 values" in by_name["accuracy[shop, serial=s1]"]["sentence"]


def test_a_slice_is_compared_with_that_of_an_earlier_run(nights):
    gates = [gate for gate in nights[1] if gate["kind"] == "change"]
    assert [(gate["passed"], gate["value"]) for gate in gates] == [(True, 0)] * 3
    assert "of the slice light=day" in gates[0]["sentence"]


def test_a_metric_of_a_slice_has_its_interval_in_the_metrics(shop, nights):
    run = sorted((shop / "reports" / "shop").glob("2*"))[0]
    slices = {each["name"]: each for each in json.loads((run / "metrics.json").read_text())["slices"]["shop"]["slices"]}
    asked = slices["camera=3 & light=night"]
    assert asked["column"] == ""
    assert asked["intervals"]["macro_f1"]["low"] < asked["metrics"]["macro_f1"] < asked["intervals"]["macro_f1"]["high"]
    assert slices["camera=0"]["intervals"] == {}


def test_job_check_finds_what_is_wrong_with_the_metadata_and_the_positive_class(cli, shop, tmp_path):
    text = JOB.replace('"meta.csv"', '"gone.csv"').replace('"defect"', '"defct"')
    for name in ("model", "photos", "labels.csv"):
        (tmp_path / name).symlink_to(shop / name)
    (tmp_path / "job.toml").write_text(text)
    code, printed, _ = cli.json("job", "check", "job.toml")
    wrong = {each["key"]: each["message"] for each in printed["checks"] if each["state"] == "error"}
    assert code == 1
    assert "gone.csv cannot be read" in wrong["slices.metadata"]
    assert "'defct' is not a class" in wrong["thresholds.positive_class"]

"""A model whose class names were given in another order than its outputs have."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@pytest.fixture(scope="module")
def network(digits, tmp_path_factory):
    """A Keras model with scikit-learn's weights; its outputs are in the order of the words."""
    keras = pytest.importorskip("keras")
    images = digits.train.images.reshape(len(digits.train.images), -1) / 255
    fitted = LogisticRegression(max_iter=200).fit(images, digits.train.labels)
    order = np.argsort(WORDS)
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10, "softmax")])
    model.layers[-1].set_weights([fitted.coef_.T[:, order], fitted.intercept_[order]])
    path = tmp_path_factory.mktemp("order") / "digits.keras"
    model.save(path)
    return path


@pytest.fixture(scope="module")
def photos(digits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for number, (image, label) in enumerate(zip(digits.test.images, digits.test.labels, strict=True)):
        path = folder / WORDS[label] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image.squeeze()).save(path)
    return folder


def imported(cli, network, out, classes, *options):
    return cli("model", "import", network, "--classes", classes, "--scale", "0..1", "--out", out, *options)


def test_the_wrong_order_is_found_at_the_import_and_mended(cli, network, photos, tmp_path):
    code, out, err = imported(cli, network, tmp_path / "model", ",".join(WORDS), "--sample", photos, "--quiet")
    assert (code, out) == (0, "")
    assert err.startswith("batchclf: warning: the class names do not seem to be in the order of the model's outputs: ")
    file = tmp_path / "model.class_order.txt"
    assert err.endswith(f"import the model again with --classes {file}\n")
    assert file.read_text().split() == sorted(WORDS)
    code, out, err = imported(cli, network, tmp_path / "mended", file, "--sample", photos)
    assert (code, err) == (0, "")
    assert f"of {sum(1 for _ in photos.rglob('*.png'))} sample images with a label 3" in out


def test_an_order_that_nobody_writes_on_purpose_is_found_at_the_import(cli, network, photos, tmp_path):
    mixed = list(np.random.default_rng(1).permutation(WORDS))
    code, _, err = imported(cli, network, tmp_path / "model", ",".join(mixed), "--sample", photos)
    assert code == 0
    file = tmp_path / "model.class_order.txt"
    assert f"the model again with --classes {file}" in err
    assert file.read_text().split() == sorted(WORDS)


def test_the_wrong_order_is_said_by_the_run_and_its_report(cli, network, photos, tmp_path):
    assert imported(cli, network, tmp_path / "model", ",".join(WORDS))[0] == 0
    run = tmp_path / "run"
    code, out, err = cli("score", photos, "--model", tmp_path / "model", "--out", run, "--quiet", "--resume")
    assert (code, out) == (0, "")
    (warning,) = json.loads((run / "run.json").read_text())["subsets"][0]["warnings"]
    assert warning in err
    assert (run / "class_order.txt").read_text().split() == sorted(WORDS)
    table = pd.read_csv(run / "predictions.csv")
    given = (table["label"] == table["prediction"]).mean()
    meant = table["prediction"].map(dict(zip(WORDS, sorted(WORDS), strict=True)))
    assert f"{given:.2%} of {len(table)} images are right as given, {(meant == table['label']).mean():.2%}" in warning
    page = (run / "report.html").read_text().replace("&#39;", "'")
    assert f"<b>Warning.</b> <span>T{warning[1:]}.</span>" in page
    assert cli("report", run, "--format", "md", "--out", tmp_path / "report.md")[0] == 0
    assert "**Warning.** The class names do not seem to be in the order" in (tmp_path / "report.md").read_text()
    code, _, err = cli("evaluate", run / "predictions.csv", "--out", tmp_path / "evaluated", "--quiet")
    said = warning.replace("--classes class_order.txt", "its class names in that order")
    assert (code, err) == (0, f"batchclf: warning: all rows: {said}\n")


def test_two_names_that_are_swapped_are_found_among_ten(cli, network, photos, tmp_path):
    names = sorted(WORDS)
    names[2], names[7] = names[7], names[2]
    assert imported(cli, network, tmp_path / "model", ",".join(names))[0] == 0
    code, _, err = cli("score", photos, "--model", tmp_path / "model", "--out", tmp_path / "run", "--quiet")
    assert code == 0
    assert f"in the order {', '.join(sorted(WORDS))}; import" in err
    assert (tmp_path / "run/class_order.txt").read_text().split() == sorted(WORDS)


def test_two_folders_that_fit_different_orders_are_not_given_one_file(cli, network, photos, tmp_path):
    assert imported(cli, network, tmp_path / "model", ",".join(sorted(WORDS)))[0] == 0
    for folder, (first, second) in {"left": ("one", "two"), "right": ("six", "nine")}.items():
        shutil.copytree(photos, tmp_path / folder)
        for old, new in ((first, "aside"), (second, first), ("aside", second)):
            (tmp_path / folder / old).rename(tmp_path / folder / new)
    job = tmp_path / "job.toml"
    job.write_text(
        f'name = "two"\n[publish]\nreports = "{tmp_path}/reports"\n[model]\nbundle = "{tmp_path}/model"\n'
        "[scoring.directories]\n"
        f'left = {{ path = "{tmp_path}/left" }}\nright = {{ path = "{tmp_path}/right" }}\n'
    )
    code, _, err = cli("run", job, "--quiet")
    assert code == 0, err
    run = tmp_path / "reports/two/latest"
    left, right = (each["warnings"] for each in json.loads((run / "run.json").read_text())["subsets"])
    assert "--classes class_order.txt" in left[0]
    assert "its class names in that order" in right[0]
    order = (run / "class_order.txt").read_text().split()
    assert (order.index("one"), order.index("two")) == (sorted(WORDS).index("two"), sorted(WORDS).index("one"))
    assert order.index("six") == sorted(WORDS).index("six")


def test_the_right_order_is_not_doubted(cli, network, photos, tmp_path):
    code, out, err = imported(cli, network, tmp_path / "model", ",".join(sorted(WORDS)), "--sample", photos)
    assert (code, err) == (0, "")
    assert "class names" not in out
    run = tmp_path / "run"
    code, _, err = cli("score", photos, "--model", tmp_path / "model", "--out", run)
    assert (code, err) == (0, "")
    assert json.loads((run / "run.json").read_text())["subsets"][0]["warnings"] == []
    assert not (run / "class_order.txt").exists()


def test_few_images_of_a_class_are_said_to_be_too_few(cli, network, photos, tmp_path):
    for word in WORDS:
        (tmp_path / "few" / word).mkdir(parents=True)
        for path in sorted((photos / word).iterdir())[:3]:
            (tmp_path / "few" / word / path.name).write_bytes(path.read_bytes())
    code, out, err = imported(cli, network, tmp_path / "model", ",".join(sorted(WORDS)), "--sample", tmp_path / "few")
    assert (code, err) == (0, "")
    assert "whether the class names are in the model's order needs 10 images of each class" in out

"""`model check`, and `model import --sample`: other ways to feed a model, tried on labelled images."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

SIZE = 16
NAMES = ("green", "plain", "red")


def written(path, nodes, constants, source, classes, kind="FLOAT"):
    """Write an ONNX classifier; each of `source` and `classes` is its shape or number."""
    from onnx import TensorProto, helper, numpy_helper, save_model

    graph = helper.make_graph(
        [helper.make_node(name, inputs, outputs, **more) for name, inputs, outputs, more in nodes],
        "made",
        [helper.make_tensor_value_info("input", getattr(TensorProto, kind), ["n", *source])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", classes])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    save_model(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


@pytest.fixture(scope="module")
def colors(tmp_path_factory):
    """A model that takes BGR in 0 to 1 and ends in a softmax, and photographs that are reddish, greenish or neither.

    That is so in the middle of 48x32 JPEGs and PNGs; their ends, which a centre crop cuts, say something else.
    """
    folder = tmp_path_factory.mktemp("colors")
    weights = np.zeros((SIZE * SIZE * 3, 3), np.float32)
    weights[1::3, NAMES.index("green")] = weights[2::3, NAMES.index("red")] = 80 / SIZE**2
    bias = np.array([-39, 0, -39], np.float32)
    nodes = [
        ("Flatten", ["input"], ["flat"], {}),
        ("MatMul", ["flat", "weights"], ["product"], {}),
        ("Add", ["product", "bias"], ["logits"], {}),
        ("Softmax", ["logits"], ["output"], {}),
    ]
    path = written(folder / "colors.onnx", nodes, {"weights": weights, "bias": bias}, (SIZE, SIZE, 3), 3)
    random = np.random.default_rng(1)
    for number in range(120):
        name = NAMES[number % 3]
        pixels = random.integers(90, 130, (32, 48, 3), np.uint8)
        if name != "plain":
            pixels[:, :, ("red", "green").index(name)] += 30
        ends = 2 if name == "plain" else 1
        pixels[:, :9, ends] = pixels[:, -9:, ends] = 250
        target = folder / "photos" / name / f"{number}.{'jpg' if number % 2 else 'png'}"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(target, **({"quality": 95, "subsampling": 0} if number % 2 else {}))
    return path, folder / "photos"


def imported(cli, model, out, *options, classes=NAMES):
    return cli("model", "import", model, "--classes", ",".join(classes), "--out", out, *options)


RIGHT = ("--scale", "0..1", "--channel-order", "bgr", "--crop")


def ways(cli, bundle, photos):
    code, out, _ = cli("model", "check", bundle, photos, "--json")
    return code, json.loads(out)


def test_a_model_that_is_fed_rightly_is_not_doubted(cli, colors):
    code, out, err = imported(cli, colors[0], "right", *RIGHT, "--sample", colors[1])
    assert (code, err) == (0, "")
    assert "of 120 sample images with a label 120 are predicted right: 100.00% (95% interval" in out
    assert "no other way is better beyond chance (McNemar's exact test, " in out
    code, out, err = cli("model", "check", "right", colors[1])
    assert (code, err) == (0, "")
    assert "no other way is better beyond chance" in out


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        ({"--channel-order": "rgb", "--like": "torchvision"}, "--channel-order bgr"),
        ({"--channel-order": "bgr", "--like": "batchclf"}, "--like torchvision"),
        ({"--channel-order": "rgb", "--like": "batchclf"}, "--channel-order bgr --like torchvision"),
    ],
)
def test_what_is_wrong_is_named_with_the_options_that_mend_it(cli, colors, wrong, advice):
    options = [word for pair in {"--scale": "0..1", **wrong}.items() for word in pair]
    code, _, err = imported(cli, colors[0], "bundle", *options, "--sample", colors[1])
    assert code == 0
    assert err.startswith("batchclf: warning: the model seems to want other input than it gets: ")
    assert err.endswith(f"import the model again with {advice}\n")
    code, found = ways(cli, "bundle", colors[1])
    assert (code, found["exit_code"]) == (1, 1)
    named = next(each for each in found["ways"] if each["options"] == advice)
    as_it_is = next(each for each in found["ways"] if each["outcome"] == "reference")
    # What it says of a way is what a bundle that is imported so then scores
    assert imported(cli, colors[0], "again", *options, *advice.split())[0] == 0
    for bundle, way in (("bundle", as_it_is), ("again", named)):
        assert cli("score", colors[1], "--model", bundle, "--probabilities", "--out", f"run-{bundle}")[0] == 0
        table = pd.read_csv(f"run-{bundle}/predictions.csv")
        assert way["right"] == int((table["label"] == table["prediction"]).sum())
        split = json.loads(Path(f"run-{bundle}/metrics.json").read_text())["splits"][""]
        assert way["log_loss"] == pytest.approx(split["log_loss"]["value"], rel=1e-4)


def test_an_unknown_geometry_is_chosen_by_accuracy(cli, colors):
    code, out, err = imported(
        cli, colors[0], "open", "--scale", "0..1", "--channel-order", "bgr", "--sample", colors[1]
    )
    assert (code, err) == (0, "")
    (line,) = [line for line in out.splitlines() if line.startswith("most are right with ")]
    assert line.startswith("most are right with --like ")
    assert ": 100.00%" in line
    assert "beside the best" in out
    _, found = ways(cli, "open", colors[1])
    of_geometry = {each["geometry"]: each["accuracy"]["value"] for each in found["ways"]}
    assert "as imported" not in of_geometry
    assert of_geometry["--like batchclf"] < 0.9
    best = [each["geometry"] for each in found["ways"] if each["accuracy"]["value"] == 1]
    assert any(geometry == "--crop" or "--crop" in found["same_pixels"].get(geometry, ()) for geometry in best)


def test_outputs_that_are_read_wrongly_are_found_by_their_loss(cli, colors, tmp_path):
    code, _, err = imported(cli, colors[0], "logits", *RIGHT, "--output", "logits", "--sample", colors[1])
    assert code == 0
    assert "the model's outputs seem to be probabilities: the log loss is " in err
    assert err.endswith("import the model again with --output probabilities\n")


def test_names_that_should_be_sorted_are_found_on_few_images(cli, tmp_path):
    """Class folders named by numbers, which most loaders sort as texts: 10 comes before 2."""
    numbers = [str(number) for number in range(12)]
    weights = np.zeros((4, 12), np.float32)
    # The brightness of four pixels says the class, by the distance to a corner
    centres = np.array([[i % 2, i // 2 % 2, i // 4 % 2, i // 8] for i in range(12)], np.float32)
    weights = (2 * centres.T).astype(np.float32)
    bias = -(centres**2).sum(axis=1).astype(np.float32)
    nodes = [
        ("Flatten", ["input"], ["flat"], {}),
        ("MatMul", ["flat", "weights"], ["product"], {}),
        ("Add", ["product", "bias"], ["output"], {}),
    ]
    path = written(tmp_path / "numbers.onnx", nodes, {"weights": weights, "bias": bias}, (2, 2, 1), 12)
    random = np.random.default_rng(2)
    for place, name in enumerate(sorted(numbers)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(3):
            pixels = 200 * centres[place].reshape(2, 2) + random.integers(0, 50, (2, 2))
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "photos" / name / f"{number}.png")
    options = ("--scale", "0..1", "--like", "batchclf", "--sample", tmp_path / "photos")
    code, _, err = imported(cli, path, "bundle", *options, classes=numbers)
    assert code == 0
    (counting,) = {line[line.rindex("(") : line.rindex(")")] for line in err.splitlines() if "ways counted" in line}
    assert err.endswith(
        f"with the names sorted {counting}); import the model again with --classes bundle.class_order.txt\n"
    )
    assert Path("bundle.class_order.txt").read_text().split() == sorted(numbers)
    code, _, err = imported(cli, path, "sorted", *options, classes=sorted(numbers))
    assert (code, err) == (0, "")


def test_a_model_of_whole_numbers_is_tried_with_other_channels_only(cli, colors, tmp_path):
    weights = np.zeros((SIZE * SIZE * 3, 3), np.float32)
    weights[1::3, NAMES.index("green")] = weights[2::3, NAMES.index("red")] = 1 / SIZE**2
    constants = {"weights": weights, "bias": np.array([-124, 0, -124], np.float32)}
    nodes = [
        ("Cast", ["input"], ["numbers"], {"to": 1}),
        ("Flatten", ["numbers"], ["flat"], {}),
        ("MatMul", ["flat", "weights"], ["product"], {}),
        ("Add", ["product", "bias"], ["output"], {}),
    ]
    path = written(tmp_path / "whole.onnx", nodes, constants, (SIZE, SIZE, 3), 3, kind="UINT8")
    code, _, err = imported(cli, path, "whole", "--crop", "--sample", colors[1])
    assert code == 0
    assert err.endswith("import the model again with --channel-order bgr\n")
    _, found = ways(cli, "whole", colors[1])
    assert {each["pixels"] for each in found["ways"]} == {"as imported", "0..255, BGR"}


def test_guesses_are_named_as_such(cli, colors, tmp_path):
    random = np.random.default_rng(0)
    names = random.permutation(np.repeat(NAMES, 40))
    for number, path in enumerate(sorted(colors[1].rglob("*.*"))):
        target = tmp_path / "mixed" / names[number] / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    code, _, err = imported(cli, colors[0], "bundle", *RIGHT, "--sample", tmp_path / "mixed")
    assert code == 0
    assert "in no way that was tried are more of the 120 sample images with a label right than by naming one" in err


def test_without_labels_nothing_is_tried_and_that_is_said(cli, colors, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in sorted((colors[1] / "red").iterdir())[:5]:
        shutil.copyfile(path, flat / path.name)
    code, out, err = imported(cli, colors[0], "bundle", *RIGHT, "--sample", flat)
    assert (code, err) == (0, "")
    assert "no other way to feed the model was tried, which needs labels: no labels (there are no folders" in out
    code, _, err = cli("model", "check", "bundle", flat)
    assert code == 1
    assert f"no image of {flat} has a label, so no way to feed the model can be judged" in err
    assert "give --labels FILE.csv" in err
    rows = "".join(f"{path.name},red\n" for path in flat.iterdir())
    (tmp_path / "labels.csv").write_text("path,label\n" + rows)
    code, out, err = cli("model", "check", "bundle", flat, "--labels", tmp_path / "labels.csv")
    assert (code, err) == (0, "")
    assert "of 5 sample images with a label 5 are predicted right" in out
    other = tmp_path / "other"
    shutil.copytree(flat, other / "purple")
    code, out, _ = imported(cli, colors[0], "another", *RIGHT, "--sample", other)
    assert code == 0
    assert "which needs labels: no labels (the folder 'purple' is not a class of the model)" in out


def test_a_sample_follows_links_and_obeys_the_ignore_file(cli, colors, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in NAMES:
        (photos / name).symlink_to(colors[1] / name)
    (photos / "aside").mkdir()
    shutil.copyfile(next((colors[1] / "red").iterdir()), photos / "aside/x.png")
    (photos / ".batchclfignore").write_text("aside/\n*.jpg\n")
    code, out, err = imported(cli, colors[0], "bundle", *RIGHT, "--sample", photos)
    assert (code, err) == (0, "")
    assert "of 60 sample images with a label 60 are predicted right" in out


def test_a_bundle_of_a_bundle_and_one_that_was_trained_here(cli, colors, digits, digits_bundle, tmp_path):
    assert imported(cli, colors[0], "first", *RIGHT)[0] == 0
    code, out, err = imported(cli, "first/model.onnx", "second", "--crop", "--sample", colors[1])
    assert (code, err) == (0, "")
    assert "of 120 sample images with a label 120 are predicted right" in out
    for number in range(150):
        target = tmp_path / "digits" / digits.class_names[digits.test.labels[number]] / f"{number}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(digits.test.images[number].squeeze()).save(target)
    code, out, err = cli("model", "check", digits_bundle, tmp_path / "digits")
    assert (code, err) == (0, "")
    assert cli("score", tmp_path / "digits", "--model", digits_bundle, "--out", "run")[0] == 0
    table = pd.read_csv("run/predictions.csv", dtype=str)
    right = int((table["label"] == table["prediction"]).sum())
    assert f"of 150 sample images with a label {right} are predicted right" in out

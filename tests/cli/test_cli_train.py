"""`batchclf train`: what it says and writes, fine-tuning, and what cannot be trained."""

import json
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

from batchclf.core.text import signed
from batchclf.models.bundle import load_bundle

if find_spec("tensorflow") is None:
    pytest.skip("TensorFlow is not installed", allow_module_level=True)

SHORT = ("--epochs", 2, "--batch-size", 256)


@pytest.fixture(scope="module")
def shades(tmp_path_factory):
    """Two classes of 10x12 images in colour, told apart by their brightness."""
    root, random = tmp_path_factory.mktemp("shades"), np.random.default_rng(0)
    for name, low in (("dark", 0), ("light", 150)):
        (root / name).mkdir()
        for number in range(20):
            pixels = random.integers(low, low + 100, (10, 12, 3), np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number:02}.png")
    return root


def test_what_it_says_and_writes(cli, tmp_path):
    out = tmp_path / "model"
    code, said, err = cli(
        "train", "--dataset", "digits", "--recipe", "mlp", "--out", out, "--validation-split", 0.2, *SHORT
    )
    assert (code, err) == (0, "")
    lines = said.splitlines()
    record = load_bundle(out).info.training
    epochs = [number for number, line in enumerate(lines) if line.startswith("epoch ")]
    assert lines[epochs[0]].startswith("epoch 1: loss ")
    assert "; validation loss " in lines[epochs[1]]
    course, accuracies, temperature, curves = lines[epochs[1] + 2 :]  # after the line of the bundle
    assert course.startswith(f"trained 2 epochs on {record.train_images:,} images in ")
    assert course.endswith(f"; {record.validation_images} images were split from train for validation")
    final = {name: right.accuracy for name, right in record.final.items()}
    assert accuracies == (
        f"accuracy: train {final['train']:.2%}, validation {final['validation']:.2%}, test {final['test']:.2%}; "
        f"the overfitting gap, train minus test, is {signed(100 * (final['train'] - final['test']), 1)} points"
    )
    assert temperature.startswith(f"temperature {record.temperature.temperature:.4f}: ")
    assert curves == f"learning curves: {out / 'training.html'}"
    page = (out / "training.html").read_text(encoding="utf-8")
    assert "mlp" in page
    assert "<svg" in page


def test_json_has_the_training(cli, tmp_path):
    options = ("--recipe", "mlp", "--out", tmp_path / "model", "--compare-regularisation", *SHORT)
    code, found, _ = cli.json("train", "--dataset", "digits", *options)
    assert code == 0
    assert found["settings"]["validation_split"] == 0.1
    training = found["training"]
    assert training["measured_on"] == "validation"
    names = ["as it is", "dropout", "weight decay", "early stopping", "augmentation"]
    assert [each["name"] for each in training["variants"]] == names
    assert training["final"]["test"]["images"] == 355


def test_the_comparison_is_told_in_a_table_with_what_to_do(cli, tmp_path, digits_bundle):
    options = ("--recipe", "mlp", "--out", tmp_path / "model", "--compare-regularisation", *SHORT)
    code, said, _ = cli("train", "--dataset", "digits", *options)
    assert code == 0
    at = next(number for number, line in enumerate(said.splitlines()) if line.startswith("regularisation"))
    header, *rows = said.splitlines()[at : at + 6]
    assert header.split() == ["regularisation", "train", "validation", "test", "gap", "options"]
    for row, variant in zip(rows, load_bundle(tmp_path / "model").info.training.variants, strict=True):
        gap = 100 * (variant.train.accuracy - variant.test.accuracy)
        assert row.startswith(variant.name)
        assert f"{variant.test.accuracy:.2%}  {signed(gap, 1)}" in row
        assert row.endswith(variant.options)
    assert "validation" in said.splitlines()[at + 6]
    page = (tmp_path / "model" / "training.html").read_text(encoding="utf-8")
    assert "--weight-decay 0.1 --validation-split 0.1" in page


# Fine-tuning


def _hidden(path, layer="hidden"):
    import keras

    found = [each for each in keras.models.load_model(path)._flatten_layers() if each.name == layer]
    return [weights.copy() for weights in found[0].get_weights()]


def test_a_base_is_frozen_then_unfrozen(cli, tmp_path, shades, digits_bundle):
    """The base takes 8x8 gray images of digits; the new model 10x12 ones in colour, of two classes."""
    base = _hidden(digits_bundle / "model.keras")
    for name, frozen, same in (("frozen", 2, True), ("thawed", 1, False)):
        start = ("train", "--data", shades, "--base", digits_bundle, "--input-size", "10x12", "--color", "rgb")
        options = ("--out", tmp_path / name, "--frozen-epochs", frozen, "--epochs", 2, "--learning-rate", 0.01)
        code, said, err = cli(*start, *options)
        assert (code, err) == (0, "")
        assert f"base: {digits_bundle.name}, 8x8 grayscale" in said
        info = load_bundle(tmp_path / name).info
        assert (info.recipe, info.input_shape, info.class_names) == ("fine-tune", (10, 12, 3), ("dark", "light"))
        assert info.settings["base"] == digits_bundle.name
        assert info.settings["frozen_epochs"] == frozen
        assert len(info.settings["base_sha256"]) == 64
        weights = _hidden(tmp_path / name / "model.keras")
        assert all(np.array_equal(one, two) for one, two in zip(base, weights, strict=True)) == same
    code, _, _ = cli.json("score", shades, "--model", tmp_path / "thawed", "--out", tmp_path / "run")
    assert code == 0
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["splits"]


def test_images_are_read_as_large_as_the_base_wants_them(cli, tmp_path, shades, digits_bundle):
    code, _, _ = cli("train", "--data", shades, "--base", digits_bundle, "--out", tmp_path / "m", "--epochs", 1)
    assert code == 0
    assert load_bundle(tmp_path / "m").info.input_shape == (8, 8, 1)


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ((), "neither --recipe nor --base is given", "exactly one"),
        (("--recipe", "mlp", "--base", "x.keras"), "--recipe and --base do not go together", "exactly one"),
        (("--recipe", "mlp", "--frozen-epochs", 1), "--frozen-epochs goes with --base only", "leave it out"),
        (("--base", "nowhere.keras"), "there is no base at nowhere.keras", "give a .keras or .h5 file"),
        (("--recipe", "mpl"), "there is no recipe 'mpl'", "mlp"),
        (("--recipe", "mlp", "--augment", "turn"), "there is no augmentation 'turn'", "flip, shift, erase"),
        (("--recipe", "mlp", "--patience", 3), "early stopping needs validation images", "--validation-split 0.1"),
    ],
)
def test_what_does_not_go_together_is_told_before_anything_is_read(cli, tmp_path, options, message, hint):
    code, _, err = cli("train", "--data", tmp_path / "not there", "--out", tmp_path / "m", *options)
    assert code in (1, 2)
    assert message in err
    assert hint in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("option", "value"),
    [("--validation-split", "1"), ("--dropout", "-0.1"), ("--learning-rate", "fast"), ("--patience", "1.5")],
)
def test_numbers_out_of_range_are_told(cli, tmp_path, option, value):
    code, _, err = cli("train", "--dataset", "digits", "--recipe", "mlp", "--out", tmp_path / "m", option, value)
    assert code == 2
    assert f"{option}: '{value}' is not" in err


# What cannot be trained


def test_a_loss_that_is_no_number_any_more(cli, tmp_path):
    """A learning rate of 1e30 makes the weights infinite in a few steps."""
    options = ("--recipe", "mlp", "--learning-rate", "1e30", "--out", tmp_path / "m", *SHORT)
    code, _, err = cli("train", "--dataset", "digits", *options)
    assert code == 1
    assert "training diverged in epoch 1: the loss is not a number any more" in err
    assert "--learning-rate" in err
    assert list(tmp_path.iterdir()) == []


def test_fewer_images_than_a_batch_are_trained_on_in_one_step(cli, tmp_path, shades):
    options = ("--recipe", "mlp", "--epochs", 1, "--batch-size", 500, "--out", tmp_path / "m")
    code, said, _ = cli("train", "--data", shades, *options)
    assert code == 0
    assert "the 32 training images are fewer than a batch of 500: one step an epoch" in said
    assert load_bundle(tmp_path / "m").info.history["loss"]


def test_images_that_cannot_be_read_are_left_out_and_counted(cli, tmp_path, shades):
    for name in ("dark", "light"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for path in (shades / name).iterdir():
            (tmp_path / "data" / name / path.name).write_bytes(path.read_bytes())
    for number in range(3):
        (tmp_path / "data" / "dark" / f"broken{number}.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    options = ("--recipe", "mlp", "--epochs", 1, "--out", tmp_path / "m")
    code, said, _ = cli("train", "--data", tmp_path / "data", *options)
    assert code == 0
    assert said.count("broken") >= 3
    record = load_bundle(tmp_path / "m").info.training
    assert record.train_images + record.final["test"].images == 40


def test_one_class_only(cli, tmp_path, shades):
    options = ("--recipe", "mlp", "--out", tmp_path / "m")
    (tmp_path / "one" / "dark").mkdir(parents=True)
    for path in (shades / "dark").iterdir():
        (tmp_path / "one" / "dark" / path.name).write_bytes(path.read_bytes())
    code, _, err = cli("train", "--data", tmp_path / "one", *options)
    assert code == 1
    assert "a classifier needs at least two" in err
    assert not (tmp_path / "m").exists()

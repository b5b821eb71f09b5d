"""`batchclf train --data`: size, colour, split, groups, and pixels on disk."""

import json
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from batchclf.cli import train_data
from batchclf.core.choices import Store

TRAIN = ("train", "--recipe", "mlp", "--epochs", "1", "--seed", "3", "--data", "photos")


@pytest.fixture
def photos(cli, tmp_path, monkeypatch):
    """Class folders of 48 coloured images of 9 x 8 pixels, four of each of twelve people."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for number in range(48):
        path = tmp_path / "photos" / "ab"[number % 2] / f"p{number % 12}_{number // 12}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (9, 8, 3), np.uint8)).save(path)
    return tmp_path / "photos"


def _model(bundle):
    return json.loads((bundle / "model.json").read_text())


def test_disk_and_memory_give_the_same_model(cli, photos, tmp_path):
    digests = set()
    for store in ("disk", "memory"):
        code, result, err = cli.json(*TRAIN, "--store", store, "--out", store)
        assert code == 0, err
        assert ("the pixels go to disk" in err) == (store == "disk")
        digests.add(result["digest"])
    assert len(digests) == 1
    assert [path.name for path in (tmp_path / "cache" / "batchclf").iterdir() if path.name.startswith("pixels")] == []


def test_size_colour_share_and_groups(cli, photos, tmp_path):
    options = ("--input-size", "6x5", "--color", "grayscale", "--test-size", "0.25", "--group-by", "(p[0-9]+)_")
    code, out, err = cli(*TRAIN, *options, "--out", "model")
    assert code == 0, err
    said = out + err
    assert "48 images in 12 groups by '(p[0-9]+)_'" in said
    assert "split 75:25 in each class, seed 3, groups by '(p[0-9]+)_' kept together" in said
    info = _model(tmp_path / "model")
    assert info["preprocessing"]["input_shape"] == [6, 5, 1]
    assert info["preprocessing"]["color_mode"] == "grayscale"


def test_images_of_too_many_pixels_are_left_out_unless_the_limit_is_raised(cli, photos):
    Image.new("RGB", (30, 20)).save(photos / "a" / "wide.png")
    for limit, left_out in (("599", True), ("600", False)):
        code, out, err = cli(*TRAIN, "--max-pixels", limit, "--out", f"model{limit}")
        assert code == 0, err
        assert ("wide.png: too large: 600 pixels would be decoded, and at most 599 are" in out + err) == left_out


def test_where_no_image_can_be_read_the_reason_of_the_first_is_said(cli, photos):
    code, _, err = cli(*TRAIN, "--max-pixels", "71", "--out", "model")
    assert code == 1
    assert "a/p0_0.png: too large: 72 pixels would be decoded, and at most 71 are, see --max-pixels" in err


def test_options_of_class_folders_do_not_go_with_a_data_set_by_name(cli):
    code, _, err = cli(*TRAIN[:-2], "--dataset", "digits", "--store", "disk", "--group-by", "x", "--out", "model")
    assert code == 2
    assert "--group-by, --store: for class folders only, not with --dataset" in err
    others = ("--test-size", "0.3"), ("--input-size", "8x8"), ("--color", "rgb"), ("--max-pixels", "9")
    for option, value in others:
        code, _, err = cli(*TRAIN[:-2], "--dataset", "digits", option, value, "--out", "model")
        assert (code, f"{option}: for class folders only" in err) == (2, True)


def test_a_data_dir_does_not_go_with_class_folders(cli, photos):
    code, _, err = cli(*TRAIN, "--data-dir", ".", "--out", "model")
    assert (code, "--data-dir: for a data set by name only" in err) == (2, True)


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--test-size", "1", "'1' is not a number above 0 and below 1"),
        ("--test-size", "fifth", "'fifth' is not a number above 0 and below 1"),
        ("--test-size", "nan", "'nan' is not a number above 0 and below 1"),
        ("--input-size", "0x4", "'0x4' is not a height and a width such as 224x224"),
        ("--input-size", "28", "'28' is not a height and a width"),
        ("--group-by", "(p", "at character 1: missing )"),
        ("--color", "blue", "invalid choice: 'blue'"),
    ],
)
def test_values_that_cannot_be_are_usage_errors(cli, photos, option, value, told):
    code, _, err = cli(*TRAIN, option, value, "--out", "model")
    assert code == 2
    assert told in err


def test_the_choices_are_those_of_the_store():
    parser = train_data.argparse.ArgumentParser()
    train_data.add_data_options(parser)
    (store,) = (action for action in parser._actions if action.dest == "store")
    assert tuple(store.choices) == get_args(Store)

"""Bundles of batchclf 0.1: a model.json of format 2 is read by the names of today."""

import json

import pytest

from batchclf.errors import ModelError
from batchclf.models.bundle import BUNDLE_FORMAT, file_digest, load_bundle

OLD_SETTINGS = {
    "epochs": 3,
    "validation": 0.2,
    "optimizer": "adam",
    "schedule": "cosine",
    "early_stopping": 2,
    "augment": "flip",
    "average_mirrored": True,
    "members": 2,
}
SETTINGS = {
    "epochs": 3,
    "validation_split": 0.2,
    "optimizer": "adam",
    "learning_rate_schedule": "cosine",
    "patience": 2,
    "augment": "flip",
    "flip_tta": True,
    "ensemble_size": 2,
}
OPTIONS = {
    "": "",
    "--dropout 0.3 --validation 0.1": "--dropout 0.3 --validation-split 0.1",
    "--early-stopping 3": "--patience 3",
    "--members 2 --schedule cosine": "--ensemble-size 2 --learning-rate-schedule cosine",
    "--average-mirrored": "--flip-tta",
    "--no-average-mirrored": "--no-flip-tta",
    "--validation-split 0.1 --learning-rate-schedule cosine": "--validation-split 0.1 --learning-rate-schedule cosine",
}
RIGHT = {"correct": 8, "images": 10}


def variant(options):
    measured = dict.fromkeys(("train", "validation", "test"), RIGHT)
    return {"name": "a remedy", "options": options, "epochs": 3, "kept_epoch": 2, "seconds": 1.5, **measured}


def document(folder, **changes):
    """What the model.json of a bundle with one file has, in format 2."""
    training = {
        "train_images": 90,
        "validation_images": 10,
        "measured_on": "validation",
        "planned_epochs": 3,
        "epochs": 3,
        "kept_epoch": 3,
        "seconds": 2.5,
        "final": {"train": RIGHT},
        "temperature": None,
        "variants": [variant(options) for options in OPTIONS],
    }
    return {
        "format": 2,
        "class_names": ["bar", "box"],
        "preprocessing": {
            "input_shape": [8, 8, 1],
            "color_mode": "grayscale",
            "channel_order": "rgb",
            "layout": "channels-last",
            "scale": "none",
            "mean": None,
            "std": None,
            "output": "logits",
            "temperature": 1.0,
        },
        "recipe": "mlp",
        "settings": OLD_SETTINGS,
        "parameters": 195,
        "history": {"loss": [0.5, 0.25]},
        "training_data": {"name": "photos", "images": 90, "fingerprint": "13eb"},
        "created": "2026-11-29T19:32:07+00:00",
        "versions": {"batchclf": "0.1.0"},
        "onnx_difference": 5e-8,
        "original": None,
        "files": {"model.onnx": file_digest(folder / "model.onnx")},
        "reference": None,
        "training": training,
        **changes,
    }


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"a graph, which loading does not open")
    return tmp_path


def write(folder, values):
    (folder / "model.json").write_text(json.dumps(values))


def test_settings_and_options_have_the_names_of_today(folder):
    write(folder, document(folder))
    info = load_bundle(folder).info
    assert info.format == BUNDLE_FORMAT
    assert info.settings == SETTINGS
    assert [each.options for each in info.training.variants] == list(OPTIONS.values())
    assert info.training.variants[0].validation.accuracy == 0.8
    assert (info.recipe, info.history, info.training.epochs) == ("mlp", {"loss": [0.5, 0.25]}, 3)


def test_an_imported_model_and_one_from_before_there_was_a_record(folder):
    values = document(folder, settings={"source": "good.onnx", "kind": "ONNX graph, opset 13"}, training=None)
    write(folder, values)
    info = load_bundle(folder).info
    assert info.settings == {"source": "good.onnx", "kind": "ONNX graph, opset 13"}
    assert info.training is None
    del values["training"], values["reference"]
    write(folder, values)
    assert load_bundle(folder).info == info


@pytest.mark.parametrize("number", [3, BUNDLE_FORMAT])
def test_what_is_of_a_later_format_is_not_renamed(folder, number):
    """What formats before 4 do not know is as it was: no row is divided, and any batch will do."""
    settings = {"members": 2, "ensemble_size": 3}
    write(folder, document(folder, format=number, settings=settings))
    info = load_bundle(folder).info
    assert info.settings == settings
    assert [each.options for each in info.training.variants] == list(OPTIONS)
    assert (info.format, info.batch_size, info.preprocessing.renormalize) == (BUNDLE_FORMAT, None, False)


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": 3},
        {"settings": None},
        {"settings": {"members": [2]}},
        {"training": "long"},
        {"training": {"variants": 3}},
        {"training": {"variants": ["dropout"]}},
        {"training": {"variants": [{"name": "no options"}]}},
        {"training": {"variants": [variant(3)]}},
        {"training": {"variants": []}},
        {"class_names": "bar"},
    ],
    ids=str,
)
def test_a_damaged_model_json_of_format_2(folder, changes):
    write(folder, document(folder, **changes))
    with pytest.raises(ModelError, match=r"model\.json is damaged: ") as caught:
        load_bundle(folder)
    assert "copy the bundle again" in caught.value.hint

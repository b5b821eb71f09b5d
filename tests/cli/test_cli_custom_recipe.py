"""`--recipe module:function`, `model.recipe` in a job, and the temperature that a training with validation fits."""

import json
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from batchclf.core.renames import MODULES, TRAINING

if find_spec("tensorflow") is None:
    pytest.skip("TensorFlow is not installed", allow_module_level=True)

NETS = '''
def small(input_shape, classes):
    """Build one dense layer."""
    import keras

    layers = keras.layers
    return keras.Sequential(
        [keras.Input(input_shape, dtype="uint8"), layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(classes)]
    )


def ends_in_softmax(input_shape, classes):
    import keras

    model = small(input_shape, classes)
    model.add(keras.layers.Softmax())
    return model
'''


def test_train_and_score_with_a_custom_recipe(cli, tmp_path, digits):
    """In the current folder; the validation images give a temperature, which both runtimes divide the logits by."""
    import keras

    (tmp_path / "cli_nets.py").write_text(NETS)
    options = ["--dataset", "digits", "--recipe", "cli_nets:small", "--epochs", "3", "--validation-split", "0.2"]
    code, result, err = cli.json("train", *options, "--out", "bundle")
    assert (code, result["recipe"]) == (0, "cli_nets:small"), err
    record = json.loads((tmp_path / "bundle" / "model.json").read_text())
    temperature = record["preprocessing"]["temperature"]
    assert temperature != 1
    assert temperature == record["training"]["temperature"]["temperature"]
    logits = np.asarray(keras.models.load_model(tmp_path / "bundle" / "model.keras")(digits.test.images))
    expected = softmax(logits.astype(np.float64) / temperature, axis=1)
    for runtime in ("onnx", "tensorflow"):
        code, result, err = cli.json(
            "score", "--dataset", "digits", "--split", "test", "--model", "bundle", "--runtime", runtime,
            "--probabilities", "--out", runtime,
        )  # fmt: skip
        assert code == 0, err
        rows = pd.read_csv(result["files"]["predictions.csv"]).sort_values("path")
        found = rows[[f"prob:{name}" for name in digits.class_names]].to_numpy()
        np.testing.assert_allclose(found, expected[np.argsort(digits.test.paths)], atol=1e-5)


def test_a_model_that_cannot_be_trained_is_told_before_the_training(cli, tmp_path):
    (tmp_path / "cli_nets_wrong.py").write_text(NETS)
    code, out, err = cli("train", "--dataset", "digits", "--recipe", "cli_nets_wrong:ends_in_softmax", "--out", "b")
    assert code == 1
    assert "ends in a softmax; training needs the logits before it" in err
    assert "epoch 1" not in out + err
    code, _, err = cli("train", "--dataset", "digits", "--recipe", "cli_nets_wrong:smal", "--out", "b")
    assert code == 2
    assert "did you mean small?" in err
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(("old", "new"), TRAINING.items())
def test_an_old_argument_of_a_recipe_is_refused_with_its_new_name(cli, tmp_path, old, new):
    (tmp_path / f"nets_{old}.py").write_text(
        f"{NETS}\nfrom batchclf.training.recipes.builtin import Recipe\nold = Recipe(small, 1, 32, '', {old}=1)\n"
    )
    code, out, err = cli("train", "--dataset", "digits", "--recipe", f"nets_{old}:old", "--out", "b")
    assert (code, out) == (1, "")
    assert f"the module 'nets_{old}' of the recipe nets_{old}:old cannot be imported" in err
    assert f"unexpected keyword argument '{old}'" in err
    assert err.endswith(f"  hint: {old} is called {new} now\n")
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(("old", "new"), MODULES.items())
def test_a_module_that_has_moved_is_named(cli, tmp_path, old, new):
    (tmp_path / "nets_moved.py").write_text(f"from {old} import Recipe\n{NETS}")
    code, _, err = cli("train", "--dataset", "digits", "--recipe", "nets_moved:small", "--out", "b")
    assert code == 1
    assert err.endswith(f"  hint: import {new} in its place\n")


def test_a_job_trains_a_recipe_that_lies_beside_it(cli, tmp_path):
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "job_nets.py").write_text(NETS)
    (tmp_path / "jobs" / "nightly.toml").write_text(
        "[data]\ndataset = 'digits'\n[model]\nrecipe = 'job_nets:small'\nepochs = 1\n"
        "[scoring]\nsplits = ['test']\n[publish]\nreports = '../reports'\n"
    )
    code, _, err = cli("run", "jobs/nightly.toml")
    assert code == 0, err
    record = json.loads((tmp_path / "reports" / "nightly" / "latest" / "run.json").read_text())
    assert record["model"]["recipe"] == "job_nets:small"

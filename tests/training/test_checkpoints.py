"""A training that is ended at any point and gone on with gives the weights of one that was not."""

import hashlib
import io
import json
import os
import resource
import signal
import subprocess
import sys
import time
from importlib.util import find_spec

import numpy as np
import pytest

from batchclf.core.types import Dataset, Split
from batchclf.models.bundle import load_bundle
from batchclf.training import epochs as loop
from batchclf.training.recipes.builtin import RECIPES, Recipe
from batchclf.training.train_bundle import TrainSettings, train

if find_spec("tensorflow") is None:
    pytest.skip("TensorFlow is not installed", allow_module_level=True)


class KilledError(Exception):
    """Stands for a process that is ended."""


def _few(digits, images=70):
    def cut(split, count):
        chosen = np.flatnonzero(split.labels < 3)[:count]
        return Split(split.name, split.images[chosen], split.labels[chosen], tuple(split.paths[i] for i in chosen))

    return Dataset("few digits", ("0", "1", "2"), cut(digits.train, images), cut(digits.test, 30), "made in a test")


def _with_all_kinds_of_state(input_shape, classes):
    """Moving averages, and a random generator of the network's own."""
    import keras

    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(input_shape, dtype="uint8", name="image"),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(classes),
        ]
    )


EVERYTHING = {
    "recipe": "stateful",
    "epochs": 4,
    "batch_size": 4,
    "seed": 5,
    "validation_split": 0.2,
    "patience": 1,
    "learning_rate_schedule": "cosine",
    "dropout": 0.3,
    "weight_decay": 0.1,
    "augment": "flip,shift,erase",
    "class_weights": "balanced",
    "label_smoothing": 0.1,
}


def _train(dataset, out, said=None, on_images=lambda more, left: None, **settings):
    settings = TrainSettings(**{**EVERYTHING, "checkpoint_every": 0.0, **settings})
    say = (said if said is not None else []).append
    return train(dataset, settings, out, say=say, on_epoch=lambda epoch, metrics: None, on_images=on_images)


def _after(calls):
    """Make a follower that ends the training at the given call."""
    left = [calls]

    def on_images(more, _):
        left[0] -= 1
        if not left[0]:
            raise KilledError

    return on_images


def _weights(bundle):
    import keras

    kept = keras.models.load_model(bundle.original_path).get_weights()
    return hashlib.sha256(b"".join(each.tobytes() for each in kept)).hexdigest()


@pytest.fixture(autouse=True)
def stateful(monkeypatch):
    monkeypatch.setitem(RECIPES, "stateful", Recipe(_with_all_kinds_of_state, 4, 4, ""))


@pytest.mark.slow
@pytest.mark.parametrize("xla", [True, False], ids=["XLA", "no XLA"])
def test_killed_again_and_again_it_comes_to_the_same_weights(digits, tmp_path, monkeypatch, xla):
    """With XLA once, since it compiles anew each time; without after every other call of TensorFlow, within epochs."""
    monkeypatch.setattr(loop, "XLA_STEPS", 1)
    monkeypatch.setitem(RECIPES, "stateful", Recipe(_with_all_kinds_of_state, 4, 4, "", xla=xla))
    dataset = _few(digits)
    whole = _train(dataset, tmp_path / "whole", epochs=2)
    kills, said = 0, []
    while True:
        # The first call after a kill tells of what was done before; the next ones train some more.
        calls = 99 if xla and kills else 3
        try:
            parts = _train(dataset, tmp_path / "parts", said, _after(calls), epochs=2)
            break
        except KilledError:
            kills += 1
            assert (tmp_path / ".parts.checkpoint").is_file()
            assert not (tmp_path / "parts").exists()
    assert kills >= (1 if xla else 2)
    assert sum(line.startswith("going on with the training") for line in said) == kills
    assert parts.info.history == whole.info.history
    assert _weights(parts) == _weights(whole)
    assert parts.info.training.temperature == whole.info.training.temperature
    assert parts.digest == whole.digest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts", "whole"]


def test_early_stopping_knows_its_best_epoch_after_a_kill(digits, tmp_path):
    dataset = _few(digits)
    settings = {"epochs": 12, "learning_rate": 0.05}
    whole = _train(dataset, tmp_path / "whole", **settings)
    record = whole.info.training
    assert record.kept_epoch < record.epochs < 12
    left_then = (12 - record.kept_epoch) * record.train_images

    def in_the_epoch_after_the_best(more, left):
        if left < left_then:
            raise KilledError

    with pytest.raises(KilledError):
        _train(dataset, tmp_path / "parts", on_images=in_the_epoch_after_the_best, **settings)
    parts = _train(dataset, tmp_path / "parts", **settings)
    assert (parts.info.training.epochs, parts.info.training.kept_epoch) == (record.epochs, record.kept_epoch)
    assert _weights(parts) == _weights(whole)


@pytest.fixture(scope="module")
def begun(digits, tmp_path_factory):
    """The checkpoint of a training that was ended, and the bundle of one that was not."""
    folder, dataset = tmp_path_factory.mktemp("begun"), _few(digits)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RECIPES, "stateful", Recipe(_with_all_kinds_of_state, 4, 4, ""))
        with pytest.raises(KilledError):
            _train(dataset, folder / "out", on_images=_after(2), epochs=1)
        return (folder / ".out.checkpoint").read_bytes(), _train(dataset, folder / "whole", epochs=1)


@pytest.mark.parametrize("change", [{"seed": 6}, {"augment": "flip"}, "data"])
def test_the_checkpoint_of_another_training_is_not_used(digits, tmp_path, begun, change):
    (tmp_path / ".out.checkpoint").write_bytes(begun[0])
    said, dataset = [], _few(digits, 69) if change == "data" else _few(digits)
    with pytest.raises(KilledError):
        _train(dataset, tmp_path / "out", said, _after(1), **{"epochs": 1, **(change if change != "data" else {})})
    assert "is the checkpoint of another training (data, settings or versions); begun anew" in said[0]


@pytest.mark.parametrize("damage", ["cut", "text", "empty", "another format"])
def test_a_damaged_checkpoint_is_told_and_not_used(digits, tmp_path, begun, damage):
    whole, bundle = begun
    other = io.BytesIO()
    np.savez(other, header=np.frombuffer(json.dumps({"format": 99}).encode(), np.uint8))
    content = {"cut": whole[: len(whole) // 2], "text": b"not an archive", "empty": b""}.get(damage, other.getvalue())
    (tmp_path / ".out.checkpoint").write_bytes(content)
    said = []
    if damage != "cut":
        with pytest.raises(KilledError):
            _train(_few(digits), tmp_path / "out", said, _after(1), epochs=1)
    else:
        assert _weights(_train(_few(digits), tmp_path / "out", said, epochs=1)) == _weights(bundle)
    assert "begun anew" in said[0]
    assert str(tmp_path / ".out.checkpoint") in said[0]


def test_a_full_disk_is_named_and_the_last_checkpoint_stays(digits, tmp_path, begun):
    """A limit to the size of files stands for the full disk."""
    whole, bundle = begun
    checkpoint = tmp_path / ".out.checkpoint"
    checkpoint.write_bytes(whole)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            _train(_few(digits), tmp_path / "out", epochs=1)
        with pytest.raises(OSError, match="File too large") as other:  # the checkpoint there is not of this one
            _train(_few(digits), tmp_path / "out", epochs=1, seed=6)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.filename == other.value.filename == str(checkpoint)
    assert caught.value.__notes__ == ["run it again: the training goes on from its last checkpoint"]
    assert not hasattr(other.value, "__notes__")
    assert [path.name for path in tmp_path.iterdir()] == [checkpoint.name]
    assert _weights(_train(_few(digits), tmp_path / "out", epochs=1)) == _weights(bundle)


@pytest.mark.slow
def test_killed_by_the_system_and_started_again(digits, tmp_path):
    """The command line: kill -9 as soon as there is a checkpoint, then the same command again."""
    options = [
        "--epochs",
        "60",
        "--dropout",
        "0.2",
        "--validation-split",
        "0.1",
        "--seed",
        "4",
        "--checkpoint-every",
        "0.01",
    ]
    start = [sys.executable, "-m", "batchclf", "train", "--dataset", "digits", "--recipe", "mlp", "--json"]
    command, checkpoint = [*start, *options, "--out", str(tmp_path / "killed")], tmp_path / ".killed.checkpoint"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 120
        while not checkpoint.exists() and time.monotonic() < until:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert checkpoint.exists()
    assert not (tmp_path / "killed").exists()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "going on with the training" in done.stderr
    assert json.loads(done.stdout)["training"]["epochs"] == 60
    assert not checkpoint.exists()
    settings = TrainSettings(epochs=60, dropout=0.2, validation_split=0.1, seed=4)
    out = tmp_path / "whole"
    whole = train(digits, settings, out, say=lambda line: None, on_epoch=lambda epoch, metrics: None)
    killed = load_bundle(tmp_path / "killed")
    assert killed.digest == whole.digest
    assert _weights(killed) == _weights(whole)

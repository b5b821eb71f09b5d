"""The process in which `model import` has TensorFlow load, run and convert a model."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from batchclf.models.bundle import ONNX_FILE
from batchclf.models.sources.import_model import import_model
from batchclf.models.sources.infer_preprocessing import ImportOptions

keras = pytest.importorskip("keras")
OPTIONS = ("--classes", "a,b,c", "--scale", "none", "--out", "out")


@pytest.fixture
def model(tmp_path):
    """The file of a model whose weights are partly more than 64 kB, which are kept aside in the conversion."""
    layers = keras.layers
    keras.utils.set_random_seed(7)
    last = [layers.GlobalAveragePooling2D(), layers.Rescaling(0.1), layers.Dense(3, activation="softmax")]
    convolutions = [layers.Conv2D(64, 3, activation="relu"), layers.Conv2D(64, 3, activation="gelu")]
    network = keras.Sequential([keras.Input((12, 10, 3)), *convolutions, *last])
    network.save(tmp_path / "model.keras")
    return tmp_path / "model.keras"


def test_it_makes_the_same_bundle_as_a_process_that_has_tensorflow_already(model):
    ours = import_model(model, ImportOptions(("a", "b", "c"), scale="none"), model.parent / "here", say=print)
    command = [sys.executable, "-m", "batchclf", "model", "import", model.name, *OPTIONS]
    ended = subprocess.run(command, cwd=model.parent, capture_output=True, text=True, check=True)
    assert "checked on 29 images" in ended.stdout
    assert (model.parent / "out" / ONNX_FILE).read_bytes() == (ours.path / ONNX_FILE).read_bytes()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the process in /proc")
def test_if_it_is_killed_there_is_no_bundle_and_the_error_has_the_signal(model):
    command = [sys.executable, "-m", "batchclf", "model", "import", model.name, *OPTIONS]
    process = subprocess.Popen(command, cwd=model.parent, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        while not (children := Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()):
            time.sleep(0.01)
        os.kill(int(children[0]), signal.SIGKILL)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 1
    assert "TensorFlow ended with signal 9 when it was asked to load model.keras" in said
    assert "hint: signal 9 is mostly the want of memory" in said
    assert not (model.parent / "out").exists()

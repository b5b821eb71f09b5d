"""On which device TensorFlow computes; GPUs are stood in for in TensorFlow's own list of devices."""

import json
import os
import subprocess
import sys

import pytest

from batchclf.errors import ModelError
from batchclf.models.bundle import load_bundle
from batchclf.models.runtime.registry import open_runtime

tf = pytest.importorskip("tensorflow")


@pytest.fixture
def gpus(monkeypatch):
    """Pretend that there is a GPU; gives what TensorFlow is asked for."""
    asked = []
    monkeypatch.setattr(tf.test, "is_built_with_cuda", lambda: True)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [f"{kind}:0"])
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda devices, kind: asked.append((devices, kind)))
    monkeypatch.setattr(
        tf.config.experimental, "enable_tensor_float_32_execution", lambda on: asked.append(("TF32", on))
    )
    return asked


def test_cuda_is_refused_where_tensorflow_finds_no_gpu(digits_bundle, monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    with pytest.raises(ModelError, match="TensorFlow cannot use CUDA, and would score on the CPU") as caught:
        open_runtime(load_bundle(digits_bundle), "tensorflow", device="cuda")
    assert "pip install 'tensorflow[and-cuda]'; or take the device cpu" in caught.value.hint


def test_a_gpu_that_is_not_nvidias_is_not_cuda(digits_bundle, gpus, monkeypatch):
    monkeypatch.setattr(tf.test, "is_built_with_cuda", lambda: False)
    with pytest.raises(ModelError, match="TensorFlow cannot use CUDA"):
        open_runtime(load_bundle(digits_bundle), "tensorflow", device="cuda")


@pytest.mark.parametrize(
    ("device", "expected"),
    [("cpu", [([], "GPU")]), ("cuda", [(["GPU:0"], "GPU"), ("TF32", False)])],
)
def test_tensorflow_is_given_the_device_that_is_named_and_no_other(digits_bundle, gpus, device, expected):
    open_runtime(load_bundle(digits_bundle), "tensorflow", device=device)
    assert gpus == expected


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_device_that_can_no_longer_be_chosen_is_refused(digits_bundle, gpus, monkeypatch, device):
    def begun(devices, kind):
        raise RuntimeError("Visible devices cannot be modified after being initialized")

    monkeypatch.setattr(tf.config, "set_visible_devices", begun)
    with pytest.raises(ModelError, match=f"has begun on another device in this process and cannot score on {device}"):
        open_runtime(load_bundle(digits_bundle), "tensorflow", device=device)


TRAINING = """
import json, os
from batchclf.models.sources.keras import quieten, tensorflow_or_error

quieten()
import tensorflow as tf

asked = []
tf.config.set_visible_devices = lambda *given: asked.append(given)
tensorflow_or_error()
tensorflow_or_error()
print(json.dumps({"variable": os.environ.get("CUDA_VISIBLE_DEVICES"), "asked": asked}))
"""


@pytest.mark.parametrize(("named", "asked"), [(None, [[[], "GPU"]]), pytest.param("0", [], marks=pytest.mark.slow)])
def test_a_training_keeps_off_the_gpu_unless_it_is_named_and_leaves_it_to_others(named, asked):
    """CUDA_VISIBLE_DEVICES would hide it from ONNX Runtime in the same process, too."""
    environment = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    if named is not None:
        environment["CUDA_VISIBLE_DEVICES"] = named
    done = subprocess.run([sys.executable, "-c", TRAINING], env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"variable": named, "asked": asked}

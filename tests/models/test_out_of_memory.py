"""A batch that does not fit into memory is a MemoryError, and fewer images fit after it: in processes with a limit."""

import json
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from network_cases import bundle_of, noise, spreading

from batchclf.errors import ModelError
from batchclf.models.bundle import load_bundle
from batchclf.models.runtime.openvino import CPUINFO, has_bf16
from batchclf.models.runtime.registry import open_runtime

if find_spec("tensorflow") is None:
    pytest.skip("TensorFlow is not installed", allow_module_level=True)
if not sys.platform.startswith("linux"):
    pytest.skip("the limit of a process' memory is Linux'", allow_module_level=True)

NO_OPENVINO = find_spec("openvino") is None or not has_bf16(CPUINFO.read_text())

HALVE = """
import json, resource, sys
from pathlib import Path
import numpy as np
from batchclf.models.bundle import load_bundle
from batchclf.models.runtime.registry import open_runtime

runtime = open_runtime(load_bundle(Path(sys.argv[1])), sys.argv[3], precision=sys.argv[4])
images = np.load(sys.argv[2])
before = runtime.probabilities(images[:8])
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 3 * 2**29, used + 3 * 2**29))
size, failures, kept = len(images), [], 0
while size:
    try:
        after = runtime.probabilities(images[:size])
    except MemoryError as error:
        failures.append(str(error))
        error = None
        kept = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() - used
        size //= 2
        continue
    break
print(json.dumps({"size": size, "failures": failures, "kept": kept, "same": float(np.abs(after[:8] - before).max())}))
"""


@pytest.mark.parametrize(
    ("runtime", "precision", "images"),
    [
        ("onnx", "f32", 4096),
        # TensorFlow tries for 10 seconds before it gives up.
        pytest.param("tensorflow", "f32", 2048, marks=pytest.mark.slow),
        pytest.param(
            "onnx", "bf16", 4096, marks=pytest.mark.skipif(NO_OPENVINO, reason="no OpenVINO, or no bfloat16 here")
        ),
    ],
)
def test_smaller_batches_go_on(tmp_path, runtime, precision, images):
    """An image takes 1 MiB, and 2 MiB after a convolution (half of it in bfloat16); 1.5 GiB may be had."""
    # A convolution that finds no memory makes TensorFlow crash.
    bundle = bundle_of(spreading(64, convolution=runtime == "onnx"), tmp_path)
    np.save(tmp_path / "images.npy", noise(images, (8, 8, 1)))
    command = [sys.executable, "-c", HALVE, str(bundle.path), str(tmp_path / "images.npy"), runtime, precision]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    told = json.loads(result.stdout.splitlines()[-1])
    assert told["failures"]
    assert all(str(bundle.path) in failure for failure in told["failures"])
    assert 16 <= told["size"] < images
    if (runtime, precision) == ("onnx", "f32"):
        # Its session would keep more than 1 GiB of what the failed runs had got.
        assert told["kept"] < 2**29
    assert told["same"] < 1e-6


def test_another_failure_names_the_bundle(digits_bundle):
    runtime = open_runtime(load_bundle(digits_bundle), "onnx")
    with pytest.raises(ModelError) as caught:
        runtime.probabilities(noise(5, (9, 9, 1)))
    assert f"{digits_bundle / 'model.onnx'} fails on 5 images" in caught.value.message
    assert runtime.probabilities(noise(5, (8, 8, 1))).shape == (5, 10)


TRAIN = """
import resource, sys
from pathlib import Path
from batchclf.cli.main import main
import keras, tensorflow

used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 3 * 2**28, used + 3 * 2**28))
sys.exit(main(["train", "--dataset", "digits", "--recipe", sys.argv[1], "--out", sys.argv[2]]))
"""

WIDE = """
def wide(input_shape, classes):
    import keras

    layers = keras.layers
    first = [keras.Input(input_shape), layers.Rescaling(1 / 255), layers.Flatten()]
    return keras.Sequential([*first, layers.Dense(2_000_000, activation="relu"), layers.Dense(classes)])
"""


@pytest.mark.slow
def test_a_training_without_enough_memory_is_told(tmp_path):
    """The weights of the network alone are 592 MB, and Adam wants as much again twice; 768 MiB may be had."""
    (tmp_path / "nets.py").write_text(WIDE)
    command = [sys.executable, "-c", TRAIN, "nets:wide", str(tmp_path / "model")]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert result.returncode == 1, result.stderr[-2000:]
    assert "out of memory: cannot train nets:wide with 32 images a step" in result.stderr
    assert "smaller --batch-size" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "model").exists()

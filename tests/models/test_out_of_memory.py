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
from batchclf.models.openvino_runtime import CPUINFO, has_bf16
from batchclf.models.runtimes import open_runtime

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
from batchclf.models.runtimes import open_runtime

runtime = open_runtime(load_bundle(Path(sys.argv[1])), sys.argv[3], precision=sys.argv[4])
images = np.load(sys.argv[2])
before = runtime.probabilities(images[:8])
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, used + 2**30))
size, failures = len(images), []
while size:
    try:
        after = runtime.probabilities(images[:size])
    except MemoryError as error:
        failures.append(str(error))
        size //= 2
        continue
    break
print(json.dumps({"size": size, "failures": failures, "same": float(np.abs(after[:8] - before).max())}))
"""


@pytest.mark.parametrize(
    ("runtime", "precision"),
    [
        ("onnx", "f32"),
        ("tensorflow", "f32"),
        pytest.param("onnx", "bf16", marks=pytest.mark.skipif(NO_OPENVINO, reason="no OpenVINO, or no bfloat16 here")),
    ],
)
def test_smaller_batches_go_on(tmp_path, runtime, precision):
    """An image takes 1 MiB at the widest place, so 4,096 of them need 4 GiB; 1 GiB may be had."""
    bundle = bundle_of(spreading(64), tmp_path)
    np.save(tmp_path / "images.npy", noise(4096, (8, 8, 1)))
    command = [sys.executable, "-c", HALVE, str(bundle.path), str(tmp_path / "images.npy"), runtime, precision]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    told = json.loads(result.stdout.splitlines()[-1])
    assert told["failures"]
    assert all(str(bundle.path) in failure for failure in told["failures"])
    # 1 GiB holds 1,024 images' widest values once, but not twice.
    assert 128 <= told["size"] < 1024
    assert told["same"] < 1e-6


def test_another_failure_names_the_bundle(digits_bundle):
    runtime = open_runtime(load_bundle(digits_bundle), "onnx")
    with pytest.raises(ModelError) as caught:
        runtime.probabilities(noise(5, (9, 9, 1)))
    assert f"{digits_bundle / 'model.onnx'} fails on 5 images" in caught.value.message
    assert runtime.probabilities(noise(5, (8, 8, 1))).shape == (5, 10)

"""float32 means float32: what lets oneDNN compute in bfloat16 is switched off, and OpenVINO is only asked for bf16."""

import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from network_cases import bundle_of, convolutional, noise

from batchclf.models.bundle import load_bundle
from batchclf.models.runtime.openvino import CPUINFO, has_bf16
from batchclf.models.runtime.registry import open_runtime

NATIVE = find_spec("openvino") is not None and CPUINFO.is_file() and has_bf16(CPUINFO.read_text())

SCORE = """
import sys
from pathlib import Path
import numpy as np
from batchclf.models.bundle import load_bundle
from batchclf.models.runtime.registry import open_runtime
runtime = open_runtime(load_bundle(Path(sys.argv[1])), sys.argv[2])
np.save(sys.argv[3], runtime.probabilities(np.load(sys.argv[4])))
print("loaded openvino" if "openvino" in sys.modules else "no openvino")
"""

PREDICT = """
import sys
import numpy as np
import keras
model = keras.models.load_model(sys.argv[1])
np.save(sys.argv[2], model.predict(np.load(sys.argv[3]).astype("float32"), verbose=0))
"""


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """A bundle of a Keras network, and a file of images for it."""
    if find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed")
    folder, shape = tmp_path_factory.mktemp("float32"), (16, 16, 3)
    bundle = bundle_of(convolutional(shape), folder)
    np.save(folder / "images.npy", noise(24, shape))
    return bundle.path, folder / "images.npy"


def lines_of_onednn(script, *arguments):
    """Run a script with oneDNN's own log on, and with all that asks it for bfloat16; gives its lines."""
    modes = ("ONEDNN_DEFAULT_FPMATH_MODE", "DNNL_DEFAULT_FPMATH_MODE", "TF_SET_ONEDNN_FPMATH_MODE")
    asked = {"ONEDNN_VERBOSE": "1", "TF_ENABLE_ONEDNN_OPTS": "1", **dict.fromkeys(modes, "BF16")}
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_tensorflow_computes_in_float32_whatever_the_environment_asks_for(scored, tmp_path):
    """The judge is oneDNN's log: it names the mode of each step, also on a processor without bfloat16."""
    bundle, images = scored
    lines = lines_of_onednn(SCORE, bundle, "tensorflow", tmp_path / "scores.npy", images)
    steps = [line for line in lines if line.startswith("onednn_verbose") and ",exec," in line]
    assert any("convolution" in line for line in steps)
    assert [line for line in steps if "fpmath" in line] == []
    expected = open_runtime(load_bundle(bundle), "onnx").probabilities(np.load(images))
    np.testing.assert_allclose(np.load(tmp_path / "scores.npy"), expected, atol=1e-5)


@pytest.mark.slow
def test_by_itself_tensorflow_would_do_as_the_environment_asks(scored, tmp_path):
    """Without batchclf the log shows the mode, so the test above would see it."""
    bundle, images = scored
    lines = lines_of_onednn(PREDICT, bundle / "model.keras", tmp_path / "scores.npy", images)
    assert any(",exec," in line and "attr-fpmath:bf16" in line for line in lines)


def test_float32_in_onnx_runtime_needs_neither_onednn_nor_openvino(scored, tmp_path):
    """OpenVINO computes in bfloat16 by itself on processors that have it, so nothing of f32 goes there."""
    bundle, images = scored
    assert lines_of_onednn(SCORE, bundle, "onnx", tmp_path / "scores.npy", images) == ["no openvino"]
    expected = open_runtime(load_bundle(bundle), "onnx").probabilities(np.load(images))
    np.testing.assert_array_equal(np.load(tmp_path / "scores.npy"), expected)


@pytest.mark.skipif(not NATIVE, reason="no OpenVINO, or no bfloat16 in this processor")
@pytest.mark.parametrize("asked", ["f32", "bf16"])
def test_openvino_computes_as_it_is_asked_to(scored, asked):
    """The property that it reports, and how far it is from ONNX Runtime."""
    import openvino

    bundle, images = scored
    compiled = openvino.Core().compile_model(str(bundle / "model.onnx"), "CPU", {"INFERENCE_PRECISION_HINT": asked})
    assert compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name() == asked
    expected = open_runtime(load_bundle(bundle), "onnx").probabilities(np.load(images))
    apart = np.abs(compiled(np.load(images))[0] - expected).max()
    assert (apart < 1e-5) == (asked == "f32")

"""`--precision bf16`: close to float32, refused where it cannot be fast, and nothing is reported to anyone."""

import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from network_cases import bundle_of, convolutional, noise

from batchclf.errors import ModelError, UsageError
from batchclf.models.bundle import load_bundle
from batchclf.models.runtime import openvino as openvino_runtime
from batchclf.models.runtime.openvino import CPUINFO, has_bf16
from batchclf.models.runtime.registry import open_runtime

OPENVINO = find_spec("openvino") is not None
NATIVE = CPUINFO.is_file() and has_bf16(CPUINFO.read_text())
needs_openvino = pytest.mark.skipif(not OPENVINO, reason="OpenVINO is not installed")
needs_bf16 = pytest.mark.skipif(not (OPENVINO and NATIVE), reason="no OpenVINO, or no bfloat16 in this processor")


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx512f avx512_bf16 amx_tile\n", True),
        ("flags\t\t: fpu avx512f amx_bf16\n", True),
        ("Features\t: fp asimd i8mm bf16\n", True),
        ("flags\t\t: fpu avx512f avx512_vnni\n", False),
        ("model name\t: avx512_bf16\nflags\t\t: fpu\n", False),
        ("", False),
    ],
)
def test_the_processors_flags_tell(cpuinfo, expected):
    assert has_bf16(cpuinfo) is expected


@needs_bf16
def test_the_digits_score_nearly_as_with_float32(digits, digits_bundle):
    bundle = load_bundle(digits_bundle)
    exact = open_runtime(bundle, "onnx").probabilities(digits.test.images)
    reduced = open_runtime(bundle, "onnx", precision="bf16").probabilities(digits.test.images)
    assert (reduced.dtype, reduced.shape) == (np.float32, exact.shape)
    np.testing.assert_allclose(reduced.sum(axis=1), 1, atol=1e-5)
    # bfloat16 has 8 significant bits: not the same, but not far.
    assert 0 < np.abs(reduced - exact).max() < 0.1
    assert (reduced.argmax(axis=1) == exact.argmax(axis=1)).mean() > 0.98


@needs_bf16
@pytest.mark.parametrize("shape", [(20, 18, 1), (17, 21, 3)])
def test_every_image_gets_its_own_row(tmp_path, shape):
    """In any batch, from a view that is not contiguous, too."""
    bundle, images = bundle_of(convolutional(shape), tmp_path), noise(60, shape)
    runtime = open_runtime(bundle, "onnx", precision="bf16")
    exact = open_runtime(bundle, "onnx").probabilities(images)
    for size in (1, 2, 3, 7, 60):
        rows = np.concatenate([runtime.probabilities(images[i : i + size]) for i in range(0, 60, size)])
        np.testing.assert_allclose(rows, exact, atol=0.05)
    kept = runtime.probabilities(images[::2])
    before = kept.copy()
    np.testing.assert_allclose(kept, exact[::2], atol=0.05)
    runtime.probabilities(images[1::2])
    np.testing.assert_array_equal(kept, before)


@needs_bf16
def test_a_batch_that_the_model_does_not_take_names_the_bundle(digits_bundle):
    runtime = open_runtime(load_bundle(digits_bundle), "onnx", precision="bf16")
    with pytest.raises(ModelError) as caught:
        runtime.probabilities(noise(5, (9, 9, 1)))
    assert f"{digits_bundle / 'model.onnx'} fails on 5 images" in caught.value.message
    assert runtime.probabilities(noise(5, (8, 8, 1))).shape == (5, 10)


@needs_openvino
def test_a_processor_without_bfloat16_is_told(digits_bundle, tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text("flags\t\t: fpu avx2 avx512f\n")
    monkeypatch.setattr(openvino_runtime, "CPUINFO", tmp_path / "cpuinfo")
    with pytest.raises(ModelError) as caught:
        open_runtime(load_bundle(digits_bundle), "onnx", precision="bf16")
    assert "no bfloat16 arithmetic" in caught.value.message
    assert caught.value.hint == "score with --precision f32"


def test_a_missing_package_is_told(digits_bundle, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ModelError) as caught:
        open_runtime(load_bundle(digits_bundle), "onnx", precision="bf16")
    assert "batchclf[openvino]" in caught.value.hint


def test_tensorflow_has_one_precision_only(digits_bundle):
    with pytest.raises(UsageError, match=r"--runtime tensorflow, --precision bf16 .* do not go together") as caught:
        open_runtime(load_bundle(digits_bundle), "tensorflow", precision="bf16")
    assert "--runtime onnx --precision bf16" in caught.value.hint


OPEN = """
import sys
from pathlib import Path
import numpy as np
from batchclf.models.bundle import load_bundle
from batchclf.models.runtime.registry import open_runtime
open_runtime(load_bundle(Path(sys.argv[1])), "onnx", precision="bf16").probabilities(np.zeros((2, 8, 8, 1), np.uint8))
print(sorted(name for name in sys.modules if "telemetry" in name or name.startswith("openvino.tools")))
"""


@needs_bf16
def test_openvino_reports_nothing_and_writes_nothing(digits_bundle, tmp_path):
    """Its package for reports makes a folder with an identifier in the home folder, at the first import."""
    environment = {**os.environ, "HOME": str(tmp_path)}
    command = [sys.executable, "-c", OPEN, str(digits_bundle)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
    assert list(tmp_path.iterdir()) == []

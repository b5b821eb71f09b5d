"""What an image gets in ONNX Runtime depends neither on the images beside it nor on the number of threads."""

import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from network_cases import bundle_of, convolutional, noise

from batchclf.models.bundle import load_bundle
from batchclf.models.runtime.registry import open_runtime

if find_spec("tensorflow") is None:
    pytest.skip("TensorFlow is not installed", allow_module_level=True)


@pytest.fixture(scope="module", params=["mlp", "grayscale", "rgb"])
def scored(request, digits, digits_bundle, tmp_path_factory):
    """A bundle's folder and 300 images for it."""
    if request.param == "mlp":
        return digits_bundle, digits.test.images[:300]
    shape = (20, 18, 1) if request.param == "grayscale" else (17, 21, 3)
    folder = tmp_path_factory.mktemp("network")
    return bundle_of(convolutional(shape), folder).path, noise(300, shape)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 31, 64, 299])
def test_other_batches_give_the_same_bits(scored, size):
    bundle, images = scored
    runtime = open_runtime(load_bundle(bundle), "onnx")
    together = runtime.probabilities(images)
    order = np.random.default_rng(size).permutation(len(images))
    pieces = [runtime.probabilities(images[order[i : i + size]]) for i in range(0, len(order), size)]
    np.testing.assert_array_equal(np.concatenate(pieces), together[order])


SCORE_ON_ONE_CORE = """
import os, sys
from pathlib import Path
import numpy as np
from batchclf.models.bundle import load_bundle
from batchclf.models.runtime.registry import open_runtime
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
runtime = open_runtime(load_bundle(Path(sys.argv[1])), "onnx")
np.save(sys.argv[3], runtime.probabilities(np.load(sys.argv[2])))
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system cannot keep a process to one core")
def test_one_core_gives_the_same_bits(scored, tmp_path):
    bundle, images = scored
    np.save(tmp_path / "images.npy", images)
    files = [bundle, tmp_path / "images.npy", tmp_path / "scores.npy"]
    subprocess.run([sys.executable, "-c", SCORE_ON_ONE_CORE, *map(str, files)], check=True)
    expected = open_runtime(load_bundle(bundle), "onnx").probabilities(images)
    np.testing.assert_array_equal(np.load(tmp_path / "scores.npy"), expected)

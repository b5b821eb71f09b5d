"""Profiles give the pixels that the libraries themselves gave: `recorded.json`, by benchmarks/toolchains.py."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest

from batchclf.core.geometry import GeometryOptions
from batchclf.data.decoding.decode import to_pixels
from batchclf.data.geometry.settle import geometry_of

RECORDED = json.loads(Path(__file__).with_name("recorded.json").read_text())
FILES = {name: base64.b64decode(content) for name, content in RECORDED["files"].items()}
CASES = {
    " ".join(str(case[key]) for key in ("like", "input", "shorter", "kernel") if key in case): case
    for case in RECORDED["cases"]
}


@pytest.mark.parametrize("name", CASES)
def test_a_profile_gives_the_librarys_pixels(name):
    case = CASES[name]
    height, width = case["input"]
    right = np.frombuffer(base64.b64decode(case["pixels"]), np.uint8).reshape(len(FILES), height, width, 3)
    asked = GeometryOptions(case["like"], case.get("shorter"), interpolation=case.get("kernel"))
    geometry = geometry_of(asked)((height, width))
    off = [
        np.abs(to_pixels(content, (height, width, 3), "rgb", "exact", geometry=geometry).astype(int) - pixels)
        for content, pixels in zip(FILES.values(), right.astype(int), strict=True)
    ]
    # torch rounds its weights to 16 bits: a level more with bicubic.
    most = 2 if case["like"].startswith("huggingface") else 1
    assert np.max(off) <= most, {name: each.max() for name, each in zip(FILES, off, strict=True)}
    assert np.mean(off) < 0.02

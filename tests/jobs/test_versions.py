"""The libraries that a run names."""

import sys
from types import ModuleType

import onnxruntime
import pytest

from batchclf.jobs.config.options import ScoringOptions
from batchclf.jobs.config.settings import score_settings
from batchclf.jobs.run.provenance import versions
from batchclf.models.bundle import load_bundle


@pytest.fixture
def stand_in(monkeypatch):
    """OpenVINO's module with a version, whether or not it is installed."""
    module = ModuleType("openvino")
    module.__version__, module.__file__ = "2099.1", "openvino/__init__.py"
    monkeypatch.setitem(sys.modules, "openvino", module)


def test_less_precision_names_what_computed_and_what_it_was_compared_with(digits_bundle, stand_in, tmp_path):
    bundle = load_bundle(digits_bundle)
    for precision, of_openvino in (("f32", None), ("bf16", "2099.1")):
        settings = score_settings(ScoringOptions(precision=precision), tmp_path)
        found = versions(bundle, settings, trained=False)
        assert found.get("openvino") == of_openvino
        assert found["onnxruntime"] == onnxruntime.__version__

"""What several rooms' tests share: the repository, the digits, and one model trained on them."""

import json
import os
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings
from onnx_fixtures import onnx_model  # noqa: F401 (a fixture)

# Nothing is timed in a test: on a busy machine an example takes as long as it takes.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

REPO_ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = REPO_ROOT.parent / "shared" / "data"
if SHARED_DATA.is_dir():
    # Before any test or the processes it starts; a machine without the folder looks in the usual places.
    os.environ.setdefault("BATCHCLF_DATA_DIR", str(SHARED_DATA))


def pytest_terminal_summary(terminalreporter):
    """Print the table of tests/faults; as a property of the tests it also comes from the processes of pytest-xdist."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    values = [value for report in reports for name, value in report.user_properties if name == "row of faults"]
    if values:
        counts = Counter()
        for name, _, call, *numbers in map(json.loads, values):
            for place, number in enumerate(numbers):
                counts[name, call, place] += number
                counts["all", "", place] += number
        terminalreporter.section("faults")
        terminalreporter.line(f"{'command':16}{'call':12}{'faults':>8}{'ended as promised':>20}{'rerun right':>14}")
        for name, call in dict.fromkeys((name, call) for name, call, _ in counts if name != "all") | {
            ("all", ""): None
        }:
            faults, promised, right = (counts[name, call, place] for place in range(3))
            terminalreporter.line(f"{name:16}{call:12}{faults:8}{promised:20}{right:14}")


@pytest.fixture(scope="session")
def repo_root():
    return REPO_ROOT


@pytest.fixture(scope="session")
def digits():
    """The digits as a data set: 1,442 images to train on, 355 to test on."""
    from batchclf.data.catalog import load_dataset

    return load_dataset("digits", data_dir=None, say=lambda line: None)


@pytest.fixture(scope="session")
def digits_bundle(digits, tmp_path_factory):
    """The folder of an `mlp` trained on the digits; tests read it and copy it before they change anything."""
    if find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed")
    from batchclf.training.train_bundle import TrainSettings, train

    out = tmp_path_factory.mktemp("models") / "digits"
    train(digits, TrainSettings(epochs=8, seed=7), out, say=lambda line: None, on_epoch=lambda number, metrics: None)
    return out

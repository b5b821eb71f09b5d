"""One entry a runtime: the choices, what serves them, and what is said if nothing does."""

import sys
from importlib.util import find_spec
from itertools import product
from types import ModuleType
from typing import get_args

import pytest
from onnx_cases import import_rows

from batchclf.errors import ModelError, UsageError
from batchclf.models.bundle import load_bundle
from batchclf.models.runtime.registry import (
    ENTRIES,
    Device,
    Precision,
    RuntimeName,
    find_runtime,
    open_runtime,
    runtimes_of,
)

CHOICES = list(product(get_args(RuntimeName), get_args(Precision), get_args(Device)))
SERVED = [(entry.name, entry.precision, device) for entry in ENTRIES for device in entry.devices]


def test_every_choice_is_of_use_and_nothing_else_is_served():
    assert set(SERVED) <= set(CHOICES)
    for position, kind in enumerate((RuntimeName, Precision, Device)):
        assert {served[position] for served in SERVED} == set(get_args(kind))
    assert len(set(SERVED)) == len(SERVED)


@pytest.mark.parametrize("choice", CHOICES)
def test_a_choice_has_its_entry_or_is_refused_with_those_that_there_are(choice):
    name, precision, device = choice
    if choice in SERVED:
        entry = find_runtime(name, precision, device)
        assert (entry.name, entry.precision) == (name, precision)
        assert device in entry.devices
        return
    with pytest.raises(UsageError) as caught:
        find_runtime(name, precision, device)
    for option in (f"--runtime {name}", f"--precision {precision}", f"--device {device}"):
        assert option in caught.value.message
    assert all(entry.options in caught.value.hint for entry in ENTRIES)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.name} {entry.precision} {entry.devices[0]}")
def test_the_libraries_of_an_entry_give_their_versions_or_are_named_with_how_to_install_them(entry):
    if find_spec(entry.module) is None:
        with pytest.raises(ModelError, match=f"{entry.module} is needed for {entry.options}") as caught:
            entry.load()
        assert caught.value.hint.endswith(f"pip install 'batchclf[{entry.extra}]'")
        return
    versions = entry.load().versions()
    assert versions[entry.module] == sys.modules[entry.module].__version__


def test_a_folder_that_a_removed_package_has_left_is_no_library(digits_bundle, monkeypatch):
    """What is left of onnxruntime and onnxruntime-gpu after one of them is uninstalled: a module without a file."""
    monkeypatch.setitem(sys.modules, "onnxruntime", ModuleType("onnxruntime"))
    with pytest.raises(ModelError, match="only an empty folder is left of onnxruntime") as caught:
        open_runtime(load_bundle(digits_bundle), "onnx")
    assert "pip install 'onnxruntime'" in caught.value.hint


def test_a_bundle_names_what_can_run_it(digits_bundle, tmp_path):
    pytest.importorskip("onnx")
    of_onnx = load_bundle(import_rows(tmp_path, 0, size=8))
    graph = {entry.name for entry in ENTRIES if entry.graph}
    assert "tensorflow" not in graph
    assert set(runtimes_of(of_onnx)) == graph
    assert set(runtimes_of(load_bundle(digits_bundle))) == {*graph, "tensorflow"}
    with pytest.raises(ModelError, match="no model in it that --runtime tensorflow runs") as caught:
        open_runtime(of_onnx, "tensorflow")
    assert caught.value.hint == "score with --runtime onnx"

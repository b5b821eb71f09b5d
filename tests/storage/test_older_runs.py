"""Run directories of batchclf 0.1: a run.json of format 1 is read by the names of today."""

import json
from dataclasses import replace

import msgspec
import pytest
from run_cases import NAMES, drawn, write_run

from batchclf.core.records.run import DatasetRecord, GateResult, SplitRecord
from batchclf.core.training_record import Right, TrainingRecord, Variant
from batchclf.errors import RunError
from batchclf.storage.run.details import read_details
from batchclf.storage.run.directory import read_record, write_record
from batchclf.storage.run.summaries import read_summary

READERS = [read_record, read_summary, read_details]
SETTINGS = {
    "epochs": 3,
    "validation_split": 0.1,
    "learning_rate_schedule": "cosine",
    "patience": 2,
    "flip_tta": True,
    "ensemble_size": 2,
}
OLD_SETTINGS = {
    "epochs": 3,
    "validation": 0.1,
    "schedule": "cosine",
    "early_stopping": 2,
    "average_mirrored": True,
    "members": 2,
}
OLD_OPTIONS = (
    "--early-stopping 3 --validation 0.1 --members 2 --schedule cosine --average-mirrored --no-average-mirrored"
)
OPTIONS = (
    "--patience 3 --validation-split 0.1 --ensemble-size 2 --learning-rate-schedule cosine --flip-tta --no-flip-tta"
)
GATES = [
    GateResult("accuracy[test]", 0.7, 0.9, False, "test accuracy is low", subset="test"),
    GateResult("negative_flip_rate[test] against last-good", 0.1, 0.2, True, "few lost", kind="change", subset="test"),
]


@pytest.fixture
def run(tmp_path):
    """A run directory with all that has another name in format 1."""
    rows = drawn(NAMES, 60, seed=1, skill=0.8) + drawn(NAMES, 60, seed=2, skill=0.9, split="train")
    split = SplitRecord(0.25, None, 7)
    dataset = DatasetRecord("photos", "a test", 100, 100, split)
    changes = {"gates": GATES, "status": "gate failed", "run_date": "2026-03-01", "main_subset": "train"}
    written = write_run(tmp_path / "20260301T023000Z", rows, dataset=dataset, **changes)
    right = Right(8, 10)
    variant = Variant("early stopping", OPTIONS, 3, 2, right, right, right, 1.5)
    training = TrainingRecord(90, 10, "validation", 3, 3, 3, 2.0, variants=(variant,))
    record = replace(written, model=replace(written.model, settings=SETTINGS, training=training))
    return tmp_path / "20260301T023000Z", record


def as_of_format_1(record):
    """What batchclf 0.1 wrote of a record, decoded."""
    values = json.loads(msgspec.json.encode(record))
    values["format"] = 1
    values["targets"] = values.pop("subsets")
    values["night"], values["main_target"] = values.pop("run_date"), values.pop("main_subset")
    values["dataset"]["split"]["test_share"] = values["dataset"]["split"].pop("test_size")
    for gate in values["gates"]:
        gate["target"] = gate.pop("subset")
        gate["name"] = gate["name"].replace("negative_flip_rate", "lost_share")
    values["model"]["settings"] = OLD_SETTINGS
    values["model"]["training"]["variants"][0]["options"] = OLD_OPTIONS
    return values


def write(folder, values):
    (folder / "run.json").write_text(json.dumps(values))


def test_a_record_of_format_1_is_read_by_the_names_of_today(run):
    folder, record = run
    write(folder, as_of_format_1(record))
    found = read_record(folder)
    assert found == record
    assert found.model.settings == SETTINGS
    assert found.model.training.variants[0].options == OPTIONS
    assert (found.run_date, found.main_subset, found.dataset.split.test_size) == ("2026-03-01", "train", 0.25)
    assert [(gate.name, gate.subset) for gate in found.gates] == [
        ("accuracy[test]", "test"),
        ("negative_flip_rate[test] against last-good", "test"),
    ]
    assert found.gates[1].sentence == "few lost"


def test_summary_and_details_of_format_1_are_those_of_today(run):
    folder, record = run
    write(folder, as_of_format_1(record))
    old = read_summary(folder), read_details(folder)
    (folder / "run.json").unlink()
    write_record(folder, record)
    assert old == (read_summary(folder), read_details(folder))
    summary, details = old
    assert (summary.run_date, summary.split, summary.images) == ("2026-03-01", "train", 60)
    assert summary.gates == tuple(GATES)
    assert [subset.split for subset in details.subsets] == ["test", "train"]


def test_format_1_without_what_came_later_is_read(run):
    folder, record = run
    values = as_of_format_1(record)
    for key in ("night", "main_target", "gates", "dataset"):
        del values[key]
    values["model"] |= {"training": None, "settings": {"source": "m.onnx"}}
    write(folder, values)
    found = read_record(folder)
    assert (found.run_date, found.main_subset, found.gates, found.dataset) == ("", "", [], None)
    assert found.model.settings == {"source": "m.onnx"}
    assert read_summary(folder).split == "test"
    assert len(read_details(folder).subsets) == 2


def _without(key):
    return lambda values: values.pop(key)


def _with(**changes):
    return lambda values: values.update(changes)


DAMAGE = {
    "no targets": _without("targets"),
    "targets is text": _with(targets="test"),
    "a target is text": _with(targets=["test"]),
    "gates is a number": _with(gates=3),
    "a gate is text": _with(gates=["accuracy"]),
    "a gate without a name": lambda values: values["gates"][0].pop("name"),
    "a gate whose name is a number": lambda values: values["gates"][0].update(name=3),
    "no model": _without("model"),
    "model is text": _with(model="mlp"),
    "settings is a number": lambda values: values["model"].update(settings=3),
    "training is text": lambda values: values["model"].update(training="long"),
    "variants is a number": lambda values: values["model"]["training"].update(variants=3),
    "options is a number": lambda values: values["model"]["training"]["variants"][0].update(options=3),
    "dataset is text": _with(dataset="photos"),
    "dataset.split is a list": lambda values: values["dataset"].update(split=[0.25]),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("read", READERS)
def test_a_damaged_run_json_of_format_1(run, read, damage):
    folder, record = run
    values = as_of_format_1(record)
    DAMAGE[damage](values)
    write(folder, values)
    with pytest.raises(RunError) as caught:
        read(folder)
    assert str(folder / "run.json") in caught.value.message
    assert caught.value.hint == "score again"


@pytest.mark.parametrize("version", [1, 2])
def test_details_of_a_run_whose_subset_lacks_a_value(run, version):
    """What a summary does not need: the details do."""
    folder, record = run
    values = as_of_format_1(record)
    del values["targets"][0]["labels"]
    if version == 2:
        values = {"subsets": values.pop("targets"), **values, "format": 2}
    write(folder, values)
    assert read_summary(folder).images == 60
    with pytest.raises(RunError, match=r"is damaged: .*labels"):
        read_details(folder)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("version", "hint"), [(3, "update batchclf"), (0, "score again with this"), (None, "score again with this")]
)
def test_another_format_says_what_to_do(run, read, version, hint):
    folder, record = run
    write(folder, {**as_of_format_1(record), "format": version})
    with pytest.raises(RunError, match=f"has format {version}; this batchclf reads formats 1 and 2") as caught:
        read(folder)
    assert hint in caught.value.hint

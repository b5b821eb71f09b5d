"""What [model] of a job says about training: its keys reach the training, and a training that is ended goes on."""

import json
from importlib.util import find_spec

import numpy as np
import pytest
from job_cases import Watching, tables_of

from batchclf.errors import DeadlineError, JobFileError
from batchclf.jobs.config.load import load_job
from batchclf.jobs.run.job_run import run_job
from batchclf.models.bundle import load_bundle
from batchclf.storage.run.directory import read_record

if find_spec("tensorflow") is None:
    pytest.skip("TensorFlow is not installed", allow_module_level=True)

COMMAND = ["batchclf", "run", "nightly.toml"]


@pytest.fixture
def job_of(tmp_path):
    def make(model, data='dataset = "digits"'):
        path = tmp_path / "nightly.toml"
        path.write_text(f'[data]\n{data}\n[model]\n{model}\n[publish]\nreports = "reports"\n')
        return load_job(path)

    return make


class PassesWhen:
    """A deadline that passes once a training is where it should be ended."""

    def __init__(self, watching, line):
        self._watching, self._line = watching, line

    @property
    def passed(self):
        return any(each.startswith(self._line) for each in self._watching.lines)


KEYS = """
epochs = 2
batch_size = 64
seed = 4
validation_split = 0.2
learning_rate = 0.002
learning_rate_schedule = "cosine"
patience = 2
class_weights = "balanced"
dropout = 0.1
weight_decay = 0.01
label_smoothing = 0.05
augment = "shift"
flip_tta = true
ensemble_size = 2
"""


def test_every_key_reaches_the_training_and_the_report(job_of):
    watching = Watching()
    record, run = run_job(job_of(KEYS + "compare_regularisation = true"), watching, COMMAND)
    assert record.model.settings == {
        "epochs": 2,
        "batch_size": 64,
        "seed": 4,
        "validation_split": 0.2,
        "optimizer": "adam",
        "learning_rate": 0.002,
        "learning_rate_schedule": "cosine",
        "patience": 2,
        "class_weights": "balanced",
        "dropout": 0.1,
        "weight_decay": 0.01,
        "label_smoothing": 0.05,
        "augment": "shift",
        "flip_tta": True,
        "ensemble_size": 2,
    }
    training = read_record(run).model.training
    assert training == load_bundle(job_of(KEYS).bundle).info.training
    assert (training.measured_on, training.validation_images) == ("validation", 288)
    assert [each.name for each in training.variants] == ["as it is"]  # it has all remedies already
    assert watching.steps["training mlp, images"] == 2 * (1442 - 288)
    page = (run / "report.html").read_text()
    assert "validation images" in page
    assert "Nothing was selected on the test images" in page
    assert json.loads((run / "metrics.json").read_text())["splits"]["test"]["without_temperature"]


def test_the_report_shows_each_remedy_with_accuracy_and_gap(job_of):
    job = job_of("epochs = 2\nbatch_size = 128\ncompare_regularisation = true")
    _, run = run_job(job, Watching(), COMMAND)
    variants = load_bundle(job.bundle).info.training.variants
    rows = tables_of((run / "report.html").read_text())["variants"][1:]
    assert len(rows) == len(variants) == 5
    for row, variant in zip(rows, variants, strict=True):
        text = " ".join(row)
        assert variant.name in text
        assert f"{100 * variant.test.accuracy:.1f}" in text or f"{100 * variant.test.accuracy:.2f}" in text


def test_a_training_ended_by_its_deadline_goes_on_in_the_next_run(job_of, tmp_path):
    keys = "epochs = 3\nseed = 4\ndropout = 0.2"
    job, watching = job_of(keys), Watching()
    with pytest.raises(DeadlineError, match="the deadline passed in epoch 2 of 3") as caught:
        run_job(job, watching, COMMAND, PassesWhen(watching, "epoch 1:"))
    assert "goes on from here" in caught.value.message
    assert not job.bundle.exists()
    assert (job.folder / ".model.checkpoint").is_file()
    watching = Watching()
    run_job(job, watching, COMMAND)
    assert any(line.startswith("going on with the training that was ended after 1 epoch") for line in watching.lines)
    assert not any(line.startswith("epoch 1:") for line in watching.lines)
    assert not (job.folder / ".model.checkpoint").exists()
    gone_on = load_bundle(job.bundle)
    (tmp_path / "other").mkdir()
    path = tmp_path / "other" / "nightly.toml"
    path.write_text((tmp_path / "nightly.toml").read_text())
    whole = load_job(path)
    run_job(whole, Watching(), COMMAND)
    assert gone_on.digest == load_bundle(whole.bundle).digest
    assert gone_on.info.history == load_bundle(whole.bundle).info.history


def test_a_job_fine_tunes_a_base(job_of, digits_bundle, tmp_path):
    job = job_of(f'base = "{digits_bundle}"\nfrozen_epochs = 1\nepochs = 2\nlearning_rate = 0.02')
    watching = Watching()
    record, _ = run_job(job, watching, COMMAND)
    assert record.model.recipe == "fine-tune"
    assert record.model.settings["base"] == digits_bundle.name
    assert any(line.startswith(f"training {digits_bundle.name} on 1,442 images") for line in watching.lines)
    right = record.model.training.final["test"]
    assert right.accuracy > 0.5
    assert np.isfinite(record.model.history["loss"]).all()


@pytest.mark.parametrize(
    ("model", "line", "message"),
    [
        ('recipe = "mlp"\nbase = "x.keras"', 4, "model.recipe and model.base do not go together"),
        ("frozen_epochs = 2", 4, "model.frozen_epochs goes with model.base only"),
        ('augment = "turn"', 4, "there is no augmentation 'turn'"),
        ("patience = 3\nvalidation_split = 0.0", 4, "model.patience needs validation images"),
        ("dropout = 1.0", 4, "model.dropout"),
        ('class_weights = "even"', 4, "model.class_weights"),
    ],
)
def test_what_does_not_go_together_is_told_with_its_line(job_of, model, line, message):
    with pytest.raises(JobFileError) as caught:
        job_of(model)
    assert message in caught.value.message
    assert f":{line}" in caught.value.message or f"line {line}" in caught.value.message

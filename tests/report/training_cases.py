"""Trainings for the report's tests: their records, histories, and models that they made."""

from dataclasses import replace

import numpy as np
from report_cases import FASHION, record

from batchclf.core.metrics.evaluation import Tally
from batchclf.core.records.run import ModelRecord
from batchclf.core.training_record import Right, TemperatureRecord, TrainingRecord, Variant
from batchclf.report.pages.training import TrainedModel

SETTINGS = {
    "epochs": 40,
    "batch_size": 32,
    "seed": 0,
    "validation_split": 0.1,
    "optimizer": "adam",
    "learning_rate": 0.001,
    "learning_rate_schedule": "cosine",
    "patience": 5,
    "dropout": 0.0,
    "weight_decay": 0.0,
    "label_smoothing": 0.0,
    "augment": "",
    "flip_tta": False,
    "ensemble_size": 1,
    "class_weights": "none",
}
TEMPERATURE = TemperatureRecord(1.62, 6000, (0.4123, 0.3456), (0.0512, 0.0101))


def variant(name, options, train, validation, test, **changes):
    """A variant with shares that are right, of 54,000, 6,000 and 10,000 images."""
    rights = [Right(round(share * n), n) for share, n in ((train, 54000), (validation, 6000), (test, 10000))]
    return replace(Variant(name, options, 14, 9, *rights, 71.5), **changes)


FINAL = {"train": Right(9402, 10000), "validation": Right(5315, 6000), "test": Right(8801, 10000)}
VARIANTS = (
    variant("as it is", "", 0.9412, 0.8853, 0.8801),
    variant("dropout", "--dropout 0.3", 0.9188, 0.8897, 0.8822, epochs=40, kept_epoch=40, seconds=190.2),
    variant("weight decay", "--weight-decay 0.01", 0.9298, 0.8871, 0.8817),
    variant("early stopping", "--patience 3", 0.9203, 0.8847, 0.8799),
    variant("augmentation", "--augment shift=2,flip", 0.8999, 0.8812, 0.8870, seconds=411.0),
)


def training(**changes):
    """A training that early stopping ended, with a temperature and no variants."""
    values = TrainingRecord(54000, 6000, "validation", 40, 14, 9, 71.5, FINAL, TEMPERATURE)
    return replace(values, **changes)


def history(epochs=14, lowest=9):
    """Losses and accuracies of so many epochs, the validation loss lowest after one of them."""
    number = np.arange(1, epochs + 1)
    loss = 0.25 + 0.6 / number
    val_loss = 0.33 + 0.004 * (number - lowest) ** 2
    return {
        "loss": loss.tolist(),
        "accuracy": (0.95 - 0.2 / number).tolist(),
        "val_loss": val_loss.tolist(),
        "val_accuracy": (0.8858 - 0.001 * (number - lowest) ** 2).tolist(),
    }


def trained_record(names=FASHION, of=None, **changes):
    """The record of a run whose model says how it was trained."""
    run = record(names, history=history(), **changes)
    return replace(run, model=replace(run.model, training=of or training(), settings=SETTINGS))


def tempered(of, temperature, split="test"):
    """Evaluate rows that a model with this temperature has scored."""
    tally = Tally(split, of.rows.class_names, temperature)
    tally.update(of.rows)
    return tally.evaluation()


def trained_model(**changes):
    """A model with its page's facts; `changes` are fields of its record or of the page's own."""
    of_record = {
        "path": "models/fashion",
        "recipe": "mlp",
        "settings": SETTINGS,
        "class_names": list(FASHION),
        "input_shape": (28, 28, 1),
        "color_mode": "grayscale",
        "parameters": 101770,
        "trained_on": "fashion-mnist, 60,000 images",
        "digest": "ab" * 32,
        "created": "2026-03-01T03:00:00+01:00",
        "history": history(),
        "training": training(variants=VARIANTS),
    }
    of_page = {
        "data": "fashion-mnist",
        "train_images": 60000,
        "fingerprint": "12" * 32,
        "onnx_difference": 3.2e-7,
        "versions": {"tensorflow": "2.21.0", "keras": "3.14.0"},
    }
    of_record |= {name: value for name, value in changes.items() if name not in of_page}
    of_page |= {name: value for name, value in changes.items() if name in of_page}
    return TrainedModel(ModelRecord(**of_record), **of_page)

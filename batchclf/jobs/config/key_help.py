"""Every key of a job file in words, with an example: what the starter file and the JSON schema say about it."""

from collections.abc import Iterator
from typing import Any, get_args, get_origin

import msgspec

from batchclf.jobs.config.spec import JobSpec
from batchclf.jobs.config.validate import is_struct, without_none
from batchclf.models.runtime.registry import Device, RuntimeName

NAME = "NAME"
"""Stands in a dotted key for a name that the user chooses."""


def _any_of(kind: Any) -> str:
    return " or ".join(f'"{choice}"' for choice in get_args(kind))


EXPLAINED: dict[str, tuple[str, str]] = {
    "name": ("The job's folder under the reports folder; the file's name without .toml unless given.", '"nightly"'),
    "deadline": ("Nothing more is scored after this time; what is there is published, marked partial.", '"2h"'),
    "data.dataset": ('A data set by name, "fashion-mnist" or "digits".', '"fashion-mnist"'),
    "data.directory": (
        "Instead of dataset: a folder with CLASS/*.png, or train/CLASS/*.png and test/CLASS/*.png.",
        '"../photos"',
    ),
    "data.data_dir": (
        "Where the files of a named data set lie; looked for in the usual places unless given.",
        '"../data"',
    ),
    "data.test_size": (
        "The part of each class that is test, above 0 and below 1; not used if there are train/ and test/.",
        "0.2",
    ),
    "data.group_by": (
        "Images of the same text in the path, found by this regular expression, are all in train or all in test.",
        "'(patient[0-9]+)_'",
    ),
    "data.input_size": (
        "Height and width that a new model takes; those of the first image, at most 96, unless given.",
        '"96x96"',
    ),
    "data.color": (
        'Whether a new model takes "rgb" or "grayscale"; rgb if an image has colour, unless given.',
        '"rgb"',
    ),
    "data.store": (
        'Where the pixels stand: "memory", "disk", or "auto": the disk if they would take half of the memory.',
        '"auto"',
    ),
    "model.recipe": ("What is trained; your own as module:function, in a file beside this one.", '"mlp"'),
    "model.epochs": ("Passes over the training images; the recipe's own number unless given.", "10"),
    "model.batch_size": ("Images a training step; the recipe's own number unless given.", "32"),
    "model.seed": ("Of all randomness.", "0"),
    "model.validation_split": (
        "Share of the training images held out, in each class; only they choose anything.",
        "0.1",
    ),
    "model.learning_rate": ("The learning rate of the recipe's optimizer; the recipe's own unless given.", "0.001"),
    "model.learning_rate_schedule": (
        'The learning rate over the steps, "constant" or "cosine"; the recipe\'s own unless given.',
        '"cosine"',
    ),
    "model.patience": (
        "Ends after so many epochs without a lower validation loss, and keeps the best weights; 0 never.",
        "5",
    ),
    "model.class_weights": ('"balanced" lets each class count alike, however many images it has.', '"none"'),
    "model.dropout": ("Share of the last layer's inputs left out at random, against overfitting.", "0.3"),
    "model.weight_decay": ("Pulls weights towards 0, against overfitting; the recipe's own unless given.", "0.1"),
    "model.label_smoothing": ("Share of each label spread over all classes; the recipe's own unless given.", "0.05"),
    "model.augment": (
        'Changes training images at random: "flip,shift,erase", some or "none"; slashes between ensemble members.',
        '"flip,shift"',
    ),
    "model.flip_tta": (
        "The model averages its logits for an image and its mirror image; the recipe's own unless given.",
        "false",
    ),
    "model.ensemble_size": (
        "Networks trained side by side, whose logits the model averages; the recipe's own unless given.",
        "2",
    ),
    "model.compare_regularisation": (
        "true also trains with each remedy against overfitting, and shows what it does.",
        "false",
    ),
    "model.checkpoint_every": ("Seconds between checkpoints; a killed training goes on from the last one.", "60"),
    "model.base": (
        "Instead of recipe: a .keras or .h5 file or a model bundle that is fine-tuned.",
        '"../models/shoes"',
    ),
    "model.application": (
        "The network of keras.applications that base holds the weights of.",
        '"MobileNetV2"',
    ),
    "model.frozen_epochs": ("Epochs in which only the new last layer of the base is trained; half of all.", "5"),
    "model.scale": (
        'How base wants pixels, if it does not say: "none", "0..1" or "minus1..1".',
        '"0..1"',
    ),
    "model.mean": ("Subtracted after that, one number a channel.", "[0.485, 0.456, 0.406]"),
    "model.std": ("What is divided by after that.", "[0.229, 0.224, 0.225]"),
    "model.channel_order": ('The order of the channels that base wants, "rgb" or "bgr".', '"rgb"'),
    "model.retrain": ("true trains anew every night; false only when there is no bundle yet.", "false"),
    "model.bundle": ("The folder of the model bundle; REPORTS/NAME/model unless given.", '"../models/shoes"'),
    "scoring.splits": (
        'Which splits of [data] are scored, "test" and "train"; [] none, only the directories below.',
        '["test", "train"]',
    ),
    "scoring.batch_size": ("Images that the model is given at a time; by the size of its input unless given.", "64"),
    "scoring.workers": ("How many decode side by side; as many as there are cores unless given.", "2"),
    "scoring.topk": ("Classes a row of predictions.csv, best first.", "3"),
    "scoring.probabilities": ("A column for each class's probability; the log loss needs them.", "true"),
    "scoring.runtime": (f"What runs the model, {_any_of(RuntimeName)}.", '"onnx"'),
    "scoring.precision": ('"bf16" is faster and less exact; it needs the extra openvino.', '"f32"'),
    "scoring.device": (f"Where the model is run, {_any_of(Device)}, a GPU of NVIDIA.", '"cpu"'),
    "scoring.resize": ('How large images shrink to the model\'s input, "fast" or "exact".', '"fast"'),
    "scoring.format": ('Files of predictions: "csv" (always written), "jsonl", "parquet".', '["csv"]'),
    "scoring.cache": ("Keep the scores, and do not score the same image again.", "true"),
    "scoring.directories.NAME.path": (
        "A folder of images; NAME is what it is called in every file.",
        '"../incoming/{date}"',
    ),
    "scoring.directories.NAME.labels": (
        'Where labels come from: "auto", "folders" (the class folders), "none", or a CSV file.',
        '"auto"',
    ),
    "scoring.directories.NAME.glob": ("Only files that match, as in a gitignore file; [] is every image.", "[]"),
    "scoring.directories.NAME.follow_symlinks": ("Follow symbolic links to folders and out of the folder.", "false"),
    "scoring.directories.NAME.max_skipped": ("The run is partial if more images cannot be read; N or P%.", '"1%"'),
    "scoring.directories.NAME.fixed": ("true: it holds the same images in every run, so that is no alarm.", "false"),
    "baselines.NAME": (
        "A run by a name of its own: a run id of this job, or the path of a run directory or metrics.json.",
        '"../baselines/metrics.json"',
    ),
    "gate.min_test_accuracy": ("The least accuracy on the test split; shares are 0 to 1.", "0.86"),
    "gate.max_gap": ("The most train minus test accuracy; needs both splits.", "0.06"),
    "gate.rules.metric": (
        "What is compared with a bound: a number of metrics.json, a count of images, drift, what changed.",
        '"macro_f1"',
    ),
    "gate.rules.subset": (
        "The split or directory that it is measured on; the report's main one unless given.",
        '"test"',
    ),
    "gate.rules.class": ('A class by its name, or "*" for each; for recall, precision and f1 only.', '"*"'),
    "gate.rules.min": ("The least value.", "0.5"),
    "gate.rules.max": ("The largest value.", "1.0"),
    "gate.rules.against": ('Bound the change instead: from "last-good", or from a name of [baselines].', '"last-good"'),
    "gate.rules.max_drop": ("How far the value may be below that of against.", "0.02"),
    "gate.rules.max_rise": ("How far it may be above.", "0.02"),
    "gate.rules.min_support": ("Fewer images are not enough evidence.", "1"),
    "gate.rules.when_uncertain": (
        'What too little evidence does: "value" (it decides), "fail" or "pass" (the default with against and "*").',
        '"value"',
    ),
    "gate.alarms.off": (
        'Alarms to leave out: "no-images", "no-new-images", "same-images", "fewer-images", "class-folders", '
        '"one-class".',
        "[]",
    ),
    "gate.alarms.count_fell_by": ("An alarm if this share of the last run's images is missing.", "0.5"),
    "gate.alarms.one_class": ("An alarm if one class takes this share of the predictions.", "0.95"),
    "publish.reports": ("The reports folder; runs go to REPORTS/NAME/RUN_ID.", '"../reports"'),
    "report.subset": (
        "What the report is about; the test split unless given, else the first directory that may have labels.",
        '"test"',
    ),
    "report.format": ('Forms of the report: "html", "json", "md".', '["html"]'),
    "report.templates": ("A folder whose templates replace the built-in ones of the same name.", '"../templates"'),
    "retention.keep_runs": (
        "How many runs are kept; all unless given. Baselines and the last good run always are.",
        "30",
    ),
    "retention.keep_days": ("For how many days runs are kept; for ever unless given.", "90"),
    "notify.on_success": (
        "A command after a good run; it gets the summary as JSON on standard input.",
        '["logger", "-t", "batchclf"]',
    ),
    "notify.on_failure": ("A command after any other run.", '["logger", "-p", "user.err", "-t", "batchclf"]'),
    "notify.webhook": ("Address that the summary is posted to.", '"https://example.org/hook"'),
    "notify.webhook_on": ('When: "failure" or "always".', '"failure"'),
    "notify.prometheus": ("A textfile of metrics for Prometheus' node exporter.", '"../reports/nightly.prom"'),
    "notify.junit": ("The gate as a JUnit XML file.", '"../reports/nightly.xml"'),
    "notify.timeout": ("Seconds that each command and the webhook may take.", "60"),
}
"""Dotted key → what it means, and a value to show: the default wherever there is one."""

RULES = (
    ("macro_f1", ("subset", "min", "max", "min_support", "when_uncertain")),
    ("recall", ("class", "against", "max_drop", "max_rise")),
)
"""The metrics and further keys of two rules that show all of them: one bounds a value, one a change."""

TABLES: dict[str, str] = {
    "": "A job of batchclf",
    "data": "What the model is trained on, and whose splits are scored. Without [data], model.bundle must be given.",
    "model": "How the model is trained, and where it is kept.",
    "scoring": "What is scored, and how.",
    "scoring.directories.NAME": "Folders to score, each as a table with a name of its own.",
    "baselines": "Earlier runs that rules can compare with.",
    "gate": "What a run must keep to be good; otherwise the exit code is 3.",
    "gate.rules": "Further rules, each as a table: bounds on a value, or on its change.",
    "gate.alarms": "What would go unseen after a silent run; all alarms are on.",
    "publish": "Where runs are published.",
    "report": "The report in the run directory.",
    "retention": "Which runs stay; the others are removed after a run.",
    "notify": "Who is notified after a run.",
}
"""Each table, dotted, and what it is about."""


def keys_of(kind: Any = JobSpec, above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each key of a job file, dotted, with its type; NAME stands for a name of the user's.

    The keys of each `[[gate.rules]]` come as `gate.rules.metric` and so on.
    """
    for field in msgspec.structs.fields(kind):
        key = above + field.encode_name
        of = without_none(field.type)
        if get_origin(of) is dict:
            key, of = f"{key}.{NAME}", get_args(of)[1]
        elif get_origin(of) is list and is_struct(get_args(of)[0]):
            (of,) = get_args(of)
        if is_struct(of):
            yield from keys_of(of, f"{key}.")
        else:
            yield key, of

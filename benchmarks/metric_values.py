"""Compare the metrics of one small table as batchclf, scikit-learn, Keras and torchmetrics give them.

    python benchmarks/metric_values.py [--python PYTHON] [--write]

torchmetrics is not one of batchclf's packages: a virtual environment in a temporary folder gets it, pinned, from pip's
index, unless --python names an interpreter that has it. --write puts the table into docs/metrics.md; without it, it is
printed. tests/test_metrics_page.py compares all but torchmetrics' column with the libraries.
"""

import argparse
import csv
import json
import os
import re
import subprocess
import sys
import tempfile
import venv
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np

PINNED = ("torch==2.13.0", "torchmetrics==1.9.0")
PAGE = Path(__file__).resolve().parents[1] / "docs" / "metrics.md"
BLOCK = re.compile(r"(<!-- values -->\n).*?(<!-- end -->\n)", re.DOTALL)

NAMES = ("ant", "bee", "cat", "dog")
"""No label is cat, no prediction is dog."""

# Multiples of 1/32: float32, float64 and the CSV hold them exactly, and ties stay ties.
ROWS = (
    ("ant", (0.75, 0.125, 0.125, 0.0)),
    ("ant", (0.78125, 0.125, 0.0625, 0.03125)),
    ("ant", (0.375, 0.375, 0.125, 0.125)),
    ("bee", (0.375, 0.375, 0.125, 0.125)),
    ("bee", (0.125, 0.75, 0.125, 0.0)),
    ("bee", (0.0, 0.96875, 0.03125, 0.0)),
    ("bee", (0.25, 0.5, 0.125, 0.125)),
    ("dog", (0.25, 0.25, 0.25, 0.25)),
    ("dog", (0.5, 0.125, 0.125, 0.25)),
    ("dog", (0.0, 1.0, 0.0, 0.0)),
    ("ant", (0.125, 0.25, 0.5, 0.125)),
    ("bee", (0.625, 0.25, 0.0625, 0.0625)),
)

OF_CLASSES = {"recall": "recall", "precision": "precision", "f1": "F1", "auc": "AUC", "average_precision": "AP"}
"""Columns of per_class.csv and their words."""

_TIED_F1 = "Keras' `F1Score` counts every class that ties for the highest probability as predicted."
_CURVE = "Keras interpolates between 200 thresholds."
WHY = {
    "top-2 accuracy": "Two dogs tie at the second place. batchclf counts the first of equal classes, scikit-learn the "
    "last, Keras each of them, torchmetrics those that `torch.topk` returns.",
    "macro F1": _TIED_F1,
    "weighted F1": _TIED_F1,
    "log loss": "The probability of a true class is 0. Keras clips at 1e-7, batchclf at 2.2e-16, as scikit-learn does "
    "for float64 (for float32 at 1.2e-7).",
    "ECE": "20 bins each; a confidence of exactly 1 has a bin of its own in torchmetrics.",
    "recall of cat": "No label is cat: unknown, not 0.",
    "precision of dog": "No prediction is dog: unknown, not 0.",
    "F1 of dog": _TIED_F1,
    "AUC of cat": "No label is cat: unknown; 0 would be the worst ranking that there is.",
    "AP of ant": _CURVE,
    "AP of bee": _CURVE,
    "AP of cat": "No label is cat, so there is no recall: unknown.",
}
"""Why a row has different values; for each such row, and no other."""


def main() -> None:
    """Print the table or write it into the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", help="an interpreter that has torchmetrics")
    parser.add_argument("--write", action="store_true", help="write the table into docs/metrics.md")
    parser.add_argument("--torchmetrics-alone", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.torchmetrics_alone:
        print(json.dumps([torchmetrics_values(), f"{version('torchmetrics')} (torch {version('torch')})"]))
        return
    with tempfile.TemporaryDirectory(prefix="batchclf-metrics-") as folder:
        command = [args.python or _environment(Path(folder) / "env"), __file__, "--torchmetrics-alone"]
        of_torch, torch_version = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        ours = batchclf_values(Path(folder))
    columns = {
        "batchclf": ours,
        f"scikit-learn {version('scikit-learn')}": scikit_learn_values(),
        f"torchmetrics {torch_version}": of_torch,
        f"Keras {version('keras')}": keras_values(),
    }
    text = markdown(columns)
    if args.write:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(BLOCK.sub(lambda found: found[1] + text + found[2], page), encoding="utf-8")
    else:
        print(text, end="")


def markdown(columns: dict[str, dict[str, float]]) -> str:
    """Lay out the values, a row for each that batchclf has: — for none, nan for a result that is no number."""
    lines = [" | ".join(["| metric", *columns, "why they differ |"]), "|---" * (len(columns) + 2) + "|"]
    for name in metric_names():
        values = (f"{of[name]:.4f}" if name in of else "—" for of in columns.values())
        lines.append(" | ".join([f"| {name}", *values, f"{WHY.get(name, '')} |"]))
    return "\n".join(lines) + "\n"


def metric_names() -> list[str]:
    """List the rows of the table."""
    names = ["accuracy", "top-2 accuracy", "balanced accuracy", "macro precision", "macro recall", "macro F1"]
    names += ["weighted precision", "weighted recall", "weighted F1", "log loss", "Brier score", "MCC", "kappa", "ECE"]
    return names + [f"{words} of {name}" for words in OF_CLASSES.values() for name in NAMES]


def arrays() -> tuple[np.ndarray, np.ndarray]:
    """Give the (12,) int64 labels and the (12, 4) float64 probabilities."""
    labels = np.array([NAMES.index(label) for label, _ in ROWS])
    return labels, np.array([probabilities for _, probabilities in ROWS])


def batchclf_values(folder: Path) -> dict[str, float]:
    """Write predictions.csv as `score` does, evaluate it by the command line, and read what that wrote."""
    from batchclf.core.types import BatchScores, ImageRef
    from batchclf.storage.predictions.write import PredictionFiles

    labels, probabilities = arrays()
    refs = tuple(ImageRef(f"{row:02d}.png", NAMES[label]) for row, label in enumerate(labels))
    with PredictionFiles(folder, NAMES, topk=4, probabilities=True) as files:
        files.write(BatchScores(refs, probabilities.astype(np.float32)), "")
    command = [
        sys.executable,
        "-m",
        "batchclf",
        "evaluate",
        str(folder / "predictions.csv"),
        "--out",
        str(folder / "run"),
    ]
    subprocess.run(command, check=True, capture_output=True)
    (split,) = json.loads((folder / "run" / "metrics.json").read_text(encoding="utf-8"))["splits"].values()
    keys = {"top2_accuracy": "top-2 accuracy", "brier": "Brier score", "mcc": "MCC", "ece": "ECE"}
    words = {key: keys.get(key, key.replace("_", " ").replace("f1", "F1")) for key in split}
    values = {words[key]: value["value"] if isinstance(value, dict) and "value" in value else value
              for key, value in split.items() if words[key] in metric_names()}  # fmt: skip
    with (folder / "run" / "per_class.csv").open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            values |= {f"{OF_CLASSES[key]} of {row['class']}": float(row[key]) for key in OF_CLASSES if row[key]}
    return values


def scikit_learn_values() -> dict[str, float]:
    """Compute what scikit-learn gives with its defaults, zero_division=0 aside, which only silences a warning."""
    from sklearn import metrics

    labels, probabilities = arrays()
    predicted, classes = probabilities.argmax(axis=1), range(len(NAMES))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values = {
            "accuracy": metrics.accuracy_score(labels, predicted),
            "top-2 accuracy": metrics.top_k_accuracy_score(labels, probabilities, k=2, labels=classes),
            "balanced accuracy": metrics.balanced_accuracy_score(labels, predicted),
            "log loss": metrics.log_loss(labels, probabilities, labels=classes),
            "Brier score": metrics.brier_score_loss(labels, probabilities, labels=classes),
            "MCC": metrics.matthews_corrcoef(labels, predicted),
            "kappa": metrics.cohen_kappa_score(labels, predicted),
        }
        for average in ("macro", "weighted", None):
            of_average = metrics.precision_recall_fscore_support(labels, predicted, average=average, zero_division=0)
            values |= _averaged(average, *of_average[:3])
        for number, name in enumerate(NAMES):
            of_class = labels == number, probabilities[:, number]
            values[f"AUC of {name}"] = metrics.roc_auc_score(*of_class)
            values[f"AP of {name}"] = metrics.average_precision_score(*of_class)
    return {name: float(value) for name, value in values.items()}


def keras_values() -> dict[str, float]:
    """Compute what the metrics of Keras give with their defaults, for those that it has."""
    import keras

    labels, probabilities = arrays()
    # As models give them; the top-k metric refuses float64.
    probabilities = probabilities.astype(np.float32)
    hot = np.eye(len(NAMES))[labels]

    def value(metric, truth):
        metric.update_state(truth, probabilities)
        return np.asarray(metric.result())

    of = keras.metrics
    values = {
        "accuracy": value(of.SparseCategoricalAccuracy(), labels),
        "top-2 accuracy": value(of.SparseTopKCategoricalAccuracy(k=2), labels),
        "log loss": value(of.SparseCategoricalCrossentropy(), labels),
        "macro F1": value(of.F1Score(average="macro"), hot),
        "weighted F1": value(of.F1Score(average="weighted"), hot),
    }
    for number, name in enumerate(NAMES):
        values[f"recall of {name}"] = value(of.Recall(top_k=1, class_id=number), hot)
        values[f"precision of {name}"] = value(of.Precision(top_k=1, class_id=number), hot)
        values[f"F1 of {name}"] = value(of.F1Score(), hot)[number]
        for curve, words in (("ROC", "AUC"), ("PR", "AP")):
            metric = of.AUC(curve=curve)
            metric.update_state(hot[:, number], probabilities[:, number])
            values[f"{words} of {name}"] = np.asarray(metric.result())
    return {name: float(value) for name, value in values.items()}


def torchmetrics_values() -> dict[str, float]:
    """Compute what torchmetrics gives with its defaults; the ECE with 20 bins and the norm l1."""
    import torch
    from torchmetrics.functional import classification as of

    labels, probabilities = (torch.tensor(array) for array in arrays())
    given = probabilities.float(), labels, len(NAMES)
    warnings.simplefilter("ignore")
    values = {
        "accuracy": of.multiclass_accuracy(*given, average="micro"),
        "top-2 accuracy": of.multiclass_accuracy(*given, average="micro", top_k=2),
        "MCC": of.multiclass_matthews_corrcoef(*given),
        "kappa": of.multiclass_cohen_kappa(*given),
        "ECE": of.multiclass_calibration_error(*given, n_bins=20),
    }
    for average in ("macro", "weighted", None):
        functions = of.multiclass_precision, of.multiclass_recall, of.multiclass_f1_score
        values |= _averaged(average, *(function(*given, average=average) for function in functions))
    for words, function in (("AUC", of.multiclass_auroc), ("AP", of.multiclass_average_precision)):
        for name, each in zip(NAMES, function(*given, average=None), strict=True):
            values[f"{words} of {name}"] = each
    return {name: float(value) for name, value in values.items()}


def _averaged(average, *values):
    if average:
        return dict(zip((f"{average} {words}" for words in ("precision", "recall", "F1")), values, strict=True))
    return {
        f"{words} of {name}": each
        for words, of_classes in zip(("precision", "recall", "F1"), values, strict=True)
        for name, each in zip(NAMES, of_classes, strict=True)
    }


def _environment(folder: Path) -> str:
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", *PINNED], check=True, stdout=sys.stderr)
    return str(python)


if __name__ == "__main__":
    main()

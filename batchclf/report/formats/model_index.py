"""The metrics of a run as the `model-index` of a model card of the Hugging Face Hub."""

import json
from collections.abc import Iterator

from batchclf.core.metrics.evaluation import Evaluation
from batchclf.core.records.findings import Findings
from batchclf.core.text import visible
from batchclf.report.formats.plain_metrics import plain_metrics
from batchclf.report.parts.metric_words import metric_words

_TYPES = {"macro_f1": "f1", "macro_precision": "precision", "macro_recall": "recall", "kappa": "cohen_kappa"}
"""What the Hub calls a metric, if it has another name there; the mean over the classes is said by `args`."""

_AVERAGED = {name for name in _TYPES if name.startswith("macro_")}


def model_index(findings: Findings) -> str:
    """Write a card's metadata, YAML between two lines of `---`, with one model and a result for each labelled subset.

    One model, since huggingface_hub 2.4 merges several into the last one. Values are plain numbers: it writes those of
    numpy as YAML that no safe loader reads. Raises nothing; without labels the model has no results.
    """
    record = findings.record
    name = record.job or (record.dataset.name if record.dataset else record.subsets[0].source)
    lines = ["---", "model-index:", f"- name: {_text(name)}", "  results:"]
    labelled = [each for each in findings.evaluations if each.labelled is not None]
    for evaluation in labelled:
        lines += _result(findings, evaluation)
    if not labelled:
        lines[-1] += " []"
    return "\n".join([*lines, "---", ""])


def _result(findings: Findings, evaluation: Evaluation) -> Iterator[str]:
    record, split = findings.record, evaluation.split
    of_split = next((each for each in record.subsets if each.split == split), record.subsets[0])
    data = record.dataset.name if record.dataset and split in ("train", "test") else of_split.source
    yield "  - task:"
    yield "      type: image-classification"
    yield "      name: Image Classification"
    yield "    dataset:"
    yield f"      type: {_text(data)}"
    yield f"      name: {_text(data)}"
    if split:
        yield f"      split: {_text(split)}"
    yield "    metrics:"
    values = plain_metrics(evaluation)
    named = {metric.name for metric in evaluation.labelled.overall} if evaluation.labelled else set()
    for name, value in values.items():
        if name in named or name == "ece":
            yield f"    - type: {_TYPES.get(name, name)}"
            yield f"      value: {_number(value)}"
            yield f"      name: {_text(metric_words(name)[0])}"
            if name in _AVERAGED:
                yield "      args:"
                yield "        average: macro"


def _text(text: str) -> str:
    """Write a text in double quotes, which YAML reads as JSON does."""
    return json.dumps(visible(text))


def _number(value: float) -> str:
    """Write a number with a point: YAML 1.1 takes 1e-05 for a text."""
    text = repr(value)
    digits, e, exponent = text.partition("e")
    return text if "." in digits else f"{digits}.0{e}{exponent}"

"""Where a failure comes from, as far as the run shows it: from the model, or from the images and labels."""

from batchclf.core.compare.result import Comparison
from batchclf.core.metrics.catalog import find_metric
from batchclf.core.records.findings import Findings
from batchclf.core.records.history import RunSummary, last_good
from batchclf.core.records.run import GateResult
from batchclf.core.text import listed
from batchclf.report.parts.subset_words import last_good_words, named_run, subset_names

_OF_PREDICTIONS = "one-class"
"""The alarm on what the model predicts; the others are about what was delivered, and say the cause themselves."""


def cause_words(findings: Findings) -> str:
    """Say what has changed, and what not, since the last good run if a rule on predictions failed that passed then.

    The model is the same if its digest is; a subset with the same images and predictions as in the last run shows that
    everything else that scores is the same, too. Empty if nothing can be said.
    """
    record = findings.record
    good = last_good(findings.history)
    if good is None or record.is_of_predictions or record.model.trained_in_this_run:
        return ""
    failed = {gate.subset for gate in record.gates if gate.subset and _newly_failed(gate, good)}
    if not failed:
        return ""
    names, then = subset_names(record), last_good_words(good)
    if record.model.digest != good.model_digest:
        return f"The model is another one than in {then}: look at the model first."
    moved = [
        each.split
        for each in findings.flips
        if each.split in failed and each.first_run == good.run_id and each.same_images and each.changed
    ]
    if moved:
        return (
            f"Model and images of {listed([names[split] for split in moved])} are those of {then}, the predictions are "
            "not: look at the versions and settings of this run."
        )
    places = listed([names[split] for split in names if split in failed])
    labels = " and labels" if any(each.labelled and each.split in failed for each in findings.evaluations) else ""
    look = f"Look at the images{labels} of {places}."
    witness = next((each for each in findings.flips if each.split not in failed and _unchanged(each)), None)
    last = next((run for run in findings.history if witness and run.run_id == witness.first_run), None)
    if witness is None or last is None:
        return f"The model is that of {then}. {look}"
    since = then if last.run_id == good.run_id else named_run(last, record)
    model = "same model" if last.run_id == good.run_id else f"model of {then}"
    return (
        f"A data problem, not the model: {names[witness.split]} has the same images and predictions as in {since}, "
        f"with the {model}. {look}"
    )


def _newly_failed(gate: GateResult, good: RunSummary) -> bool:
    """Whether what the model predicts fails a rule, or raises the alarm, that the last good run passed."""
    name = gate.name.partition("[")[0]
    if gate.kind == "alarm":
        return not gate.passed and not gate.missing and name == _OF_PREDICTIONS
    if (
        gate.passed
        or gate.outcome != "failed"
        or find_metric(name) is None
        or name in ("images", "skipped", "skipped_share")
    ):
        return False
    return any(each.name == gate.name and each.passed and not each.missing for each in good.gates)


def _unchanged(comparison: Comparison) -> bool:
    return bool(comparison.images) and comparison.same_images and not comparison.changed

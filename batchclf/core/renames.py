"""Names that batchclf gave before 0.2, and what they are called now; docs/migration.md has the same table."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

JOB_KEYS = {
    "data.test_share": "test_size",
    "model.validation": "validation_split",
    "model.schedule": "learning_rate_schedule",
    "model.early_stopping": "patience",
    "model.average_mirrored": "flip_tta",
    "model.members": "ensemble_size",
    "gate.rules.target": "subset",
    "report.target": "subset",
}
"""Dotted keys of a job file, and the last part of each as it is now."""

OPTIONS = {
    "--test-share": "--test-size",
    "--validation": "--validation-split",
    "--schedule": "--learning-rate-schedule",
    "--early-stopping": "--patience",
    "--average-mirrored": "--flip-tta",
    "--no-average-mirrored": "--no-flip-tta",
    "--members": "--ensemble-size",
}
"""Options of `batchclf train`."""

TRAINING = {
    "validation": "validation_split",
    "schedule": "learning_rate_schedule",
    "early_stopping": "patience",
    "average_mirrored": "flip_tta",
    "members": "ensemble_size",
}
"""A bundle's settings, and the arguments of a `Recipe`."""

MODULES = {"batchclf.models.recipes": "batchclf.training.recipes.builtin"}
"""Modules that custom recipes import."""

RULE_METRICS = {"lost_share": "negative_flip_rate"}
"""Metrics that a rule of the gate names."""

_RUN = {"targets": "subsets", "main_target": "main_subset", "night": "run_date"}
_SPLIT = {"test_share": "test_size"}
_GATE = {"target": "subset"}
_OLD_OPTION = re.compile("|".join(rf"{name}(?![\w-])" for name in OPTIONS))


class RenameError(Exception):
    """What was decoded is not built as its format says."""


def renew_run(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give a run.json of format 1, decoded, the names of format 2; its sentences stay as they were written.

    Raises RenameError if a part of it is of a wrong type.
    """
    with _known_parts():
        run = _renamed(values, _RUN)
        gates = [_renamed(gate, _GATE) for gate in run.get("gates", ())]
        run["gates"] = [{**gate, "name": _renew_rule(gate["name"])} for gate in gates]
        if run.get("dataset") and run["dataset"].get("split"):
            run["dataset"] = {**run["dataset"], "split": _renamed(run["dataset"]["split"], _SPLIT)}
        if "model" in run:
            run["model"] = renew_model(run["model"])
        return {**run, "format": 2}


def renew_model(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give a model.json of format 2, or a run's model of format 1, decoded, the names that its settings have now.

    Raises RenameError if a part of it is of a wrong type.
    """
    with _known_parts():
        model = dict(values)
        if "settings" in model:
            model["settings"] = _renamed(model["settings"], TRAINING)
        if training := model.get("training"):
            variants = [
                {**each, "options": _OLD_OPTION.sub(lambda found: OPTIONS[found[0]], each["options"])}
                for each in training.get("variants", ())
            ]
            model["training"] = {**training, "variants": variants}
        return model


@contextmanager
def _known_parts() -> Iterator[None]:
    """Raise RenameError for what a part of another type raises."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RenameError(f"a part of it is not as its format says: {error}") from error


def _renew_rule(name: str) -> str:
    """Rename the metric in a rule's name such as `lost_share[test]`."""
    metric, bracket, rest = name.partition("[")
    return RULE_METRICS.get(metric, metric) + bracket + rest


def _renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in values.items()}

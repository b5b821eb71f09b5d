"""What a run directory says, read without batchclf."""

import csv
import json


def record_of(run):
    """Read run.json."""
    return json.loads((run / "run.json").read_text())


def counts_of(run):
    """Give the numbers of files of a run's only subset, which add up."""
    (subset,) = record_of(run)["subsets"]
    assert subset["found"] == subset["scored"] + subset["skipped"] + subset["excluded"]
    return {name: subset[name] for name in ("found", "scored", "skipped", "excluded")}


def skips_of(run):
    """Give the reasons of skipped.csv by path."""
    with (run / "skipped.csv").open(newline="") as file:
        return {row["path"]: row["reason"] for row in csv.DictReader(file)}

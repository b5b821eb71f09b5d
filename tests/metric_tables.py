"""The rows of metrics in the pages of docs/, as the catalogue has them.

`python tests/metric_tables.py` prints them.
"""

from math import inf

from batchclf.core.metrics.catalog import ENTRIES, find_metric
from batchclf.core.metrics.formulas import OfHits

RULES, METRICS_JSON, GAUGES = "docs/jobs.md", "docs/run-directory.md", "docs/notify.md"
FAMILY = OfHits(0)
NOTES = {
    "gap": "; takes no `subset`",
    "class": "; of the class that `class` names",
    "drift": "; takes no `against`",
    "pairs": "; bound it by `max`",
}
BETTER = {True: "more", False: "less", None: ""}


def rows_of_rules():
    """What rules can name."""
    for entry in ENTRIES:
        what = what_of(entry) + NOTES.get(entry.source, "")
        if entry.formula == FAMILY:
            what += ": `top2_accuracy`, `top3_accuracy`, … up to `scoring.topk`"
        yield row(
            f"`{entry.name}`", what, range_of(entry), BETTER[entry.larger_is_better], entry.interval_kind or "none"
        )


def rows_of_metrics_json():
    """The keys of metrics.json that are metrics; of top-K accuracies the first two."""
    for entry in ENTRIES:
        place = {"overall": "splits.*", "calibration": "splits.*", "scores": "splits.*", "gap": "gap"}.get(entry.source)
        names = ("top2_accuracy", "top3_accuracy") if entry.formula == FAMILY else (entry.name,)
        for each in map(find_metric, names if place else ()):
            values = "" if range_of(each) in ("0 to 1", "any") else f"; {range_of(each)}"
            kind = f"; {each.interval_kind} interval" if each.interval_kind else ""
            yield row(f"`{place}.{each.name}`", what_of(each, values + kind))


def rows_of_gauges():
    """The gauges of Prometheus that are metrics."""
    for entry in ENTRIES:
        if entry.gauge:
            labels = "" if entry.source == "gap" else "`subset`"
            what = entry.gauge if entry.gauge[:2].isupper() else entry.gauge[0].lower() + entry.gauge[1:]
            yield row(f"`batchclf_{entry.name}`", labels, what.removesuffix("."))


TABLES = {RULES: rows_of_rules, METRICS_JSON: rows_of_metrics_json, GAUGES: rows_of_gauges}


def what_of(entry, between=""):
    """The definition, what stands after it, and what it needs."""
    return f"{entry.definition}{between}{'; needs the probability columns' if entry.needs_probabilities else ''}"


def range_of(entry):
    """The values that it can have."""
    least, most = (f"{end:g}".replace("-", "−") for end in (entry.least, entry.most))
    if entry.most < inf:
        return f"{least} to {most}"
    return f"from {least} on" if entry.least > -inf else "any"


def row(*cells):
    return "".join(f"| {cell.replace('|', chr(92) + '|')} " if cell else "| " for cell in cells) + "|"


if __name__ == "__main__":
    for page, rows in TABLES.items():
        print(page, *rows(), sep="\n")

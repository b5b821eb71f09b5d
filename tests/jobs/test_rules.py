"""The rules of a job file: what is wrong is told with the number and line of the rule, and what to write instead."""

import pytest

from batchclf.core.gate.rules import Rule
from batchclf.errors import JobFileError
from batchclf.jobs.config.load import load_job, read_job

DATA = "[data]\ndataset = 'digits'\n"
BASELINES = "[baselines]\ngolden = 'golden/metrics.json'\n"


def load(tmp_path, text):
    path = tmp_path / "nightly.toml"
    path.write_text(text)
    return load_job(path)


def rule(**keys):
    lines = [f"{key.rstrip('_')} = {value!r}" for key, value in keys.items()]
    return "[[gate.rules]]\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("keys", "line", "words"),
    [
        ({"metric": "acuracy", "min": 0.5}, 4, ["no metric 'acuracy'", "did you mean 'accuracy'?"]),
        ({"metric": "Macro F1", "min": 0.5}, 4, ["did you mean 'macro_f1'?"]),
        ({"metric": "top1_accuracy", "min": 0.5}, 4, ["no metric 'top1_accuracy'", "did you mean 'accuracy'?"]),
        ({"metric": "", "min": 0.5}, 4, ["gate.rules[0].metric"]),
        ({"metric": "zzz", "min": 0.5}, 4, ["The metrics are: accuracy, balanced_accuracy"]),
        ({"metric": "accuracy", "min": 0.5, "subset": "tset"}, 6, ["'tset' is not scored", "test, train"]),
        ({"metric": "gap", "max": 0.5, "subset": "test"}, 6, ["train minus test", "remove subset"]),
        ({"metric": "log_loss_gap", "max": 0.5, "subset": "test"}, 6, ["test minus train", "remove subset"]),
        ({"metric": "drift", "max": 0, "subset": "train"}, 6, ["drift is looked for in test only"]),
        ({"metric": "recall", "min": 0.5}, 4, ["names none", 'class = "*"']),
        ({"metric": "accuracy", "class": "3", "min": 0.5}, 5, ["not one of a class", "recall, precision, f1"]),
        ({"metric": "accuracy"}, 3, ["has no bound", "add min or max"]),
        ({"metric": "accuracy", "against": "last-good"}, 3, ["has no bound", "add max_drop or max_rise"]),
        ({"metric": "changed_share", "against": "last-good"}, 3, ["has no bound", "add min or max"]),
        ({"metric": "accuracy", "max_drop": 0.1}, 5, ["against is missing", 'against = "last-good"']),
        ({"metric": "accuracy", "max_rise": 0.1, "min": 0.2}, 5, ["against is missing"]),
        ({"metric": "accuracy", "against": "last-good", "min": 0.1}, 6, ["bounds the value, not the change"]),
        ({"metric": "negative_flip_rate", "max": 0.1}, 4, ["compares two runs", 'against = "last-good"']),
        (
            {"metric": "negative_flip_rate", "against": "last-good", "max_rise": 0.1},
            6,
            ["is itself a change", "use max"],
        ),
        ({"metric": "accuracy", "against": "gold", "max_drop": 0.1}, 5, ["'gold' is neither", "last-good, golden"]),
        ({"metric": "psi", "against": "last-good", "max_rise": 0.1}, 5, ["already a comparison", "max"]),
        ({"metric": "accuracy", "min": 0.9, "max": 0.8}, 5, ["min 0.9 is above max 0.8"]),
        ({"metric": "accuracy", "min": 90}, 5, ["beyond what accuracy can be", "if you mean 90%, write: min = 0.9"]),
        ({"metric": "mcc", "min": -2}, 5, ["beyond what mcc can be", "from -1 to 1"]),
        ({"metric": "log_loss", "max": -1}, 5, ["beyond what log_loss can be", "from 0 on"]),
        ({"metric": "accuracy", "against": "golden", "max_drop": 2.0}, 6, ["if you mean 2%, write: max_drop = 0.02"]),
        ({"metric": "images", "min": 5, "min_support": 3}, 6, ["is a count", "remove min_support"]),
        ({"metric": "top5_accuracy", "min": 0.5}, 4, ["needs 5 classes a row", "topk = 5"]),
        ({"metric": "accuracy", "min": float("inf")}, 5, ["finite"]),
        (
            {"metric": "log_loss", "slice": "camera=3", "max": 1},
            5,
            ["not known of slices", "accuracy, balanced_accuracy"],
        ),
        ({"metric": "recall", "class": "3", "slice": "camera=3", "min": 0.1}, 6, ["not known of slices"]),
        ({"metric": "accuracy", "slice": "camera 3", "min": 0.1}, 5, ["names no slice", "COLUMN=VALUE"]),
        ({"metric": "threshold_recall", "min": 0.1}, 4, ["needs the class that is looked for", "positive_class"]),
        ({"metric": "cost", "max": 0.1}, 4, ["needs costs", "error_cost and review_cost in [thresholds]"]),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_to_write(tmp_path, keys, line, words):
    with pytest.raises(JobFileError) as raised:
        load(tmp_path, DATA + rule(**keys) + BASELINES)
    told = f"{raised.value.message} {raised.value.hint}"
    assert f"line {line}:" in told
    for each in words:
        assert each in told


@pytest.mark.parametrize(
    ("scoring", "metric", "words"),
    [
        ("splits = ['test']", "gap", "both splits"),
        ("splits = ['train']", "psi", "not looked for in the training images"),
        ("probabilities = false", "brier", "probabilities = true"),
        ("probabilities = false", "log_loss_gap", "probabilities = true"),
        ("topk = 2", "top3_accuracy", "topk = 3"),
    ],
)
def test_a_rule_that_can_never_be_held_is_refused(tmp_path, scoring, metric, words):
    with pytest.raises(JobFileError) as raised:
        load(tmp_path, DATA + f"[scoring]\n{scoring}\n" + rule(metric=metric, max=0.5))
    assert words in f"{raised.value.message} {raised.value.hint}"
    assert "rule 1" in raised.value.message


def test_every_wrong_rule_is_told(tmp_path):
    path = tmp_path / "nightly.toml"
    path.write_text(
        DATA + rule(metric="f1", min=0.5) + rule(metric="accuracy", min=0.5) + rule(metric="x", min=0.5)
        + rule(metric="accuracy", subset="test", max=0.9)
    )  # fmt: skip
    problems = read_job(path).problems
    assert [each.line for each in problems] == [4, 10, 12]
    assert ["rule 1:" in problems[0].message, "rule 3:" in problems[1].message] == [True, True]
    assert "rule 4: it is about accuracy[test], as rule 2 is" in problems[2].message


def test_rules_become_what_the_gate_holds(tmp_path):
    job = load(
        tmp_path,
        DATA
        + rule(metric="accuracy", subset="train", min=0.5, max=1.0, min_support=30)
        + rule(metric="recall", class_="*", min=0.2)
        + rule(metric="recall", class_="3", against="last-good", max_drop=0.02)
        + rule(metric="changed_share", against="golden", max=0.01, when_uncertain="fail")
        + rule(metric="accuracy", against="golden", max_drop=0.0, max_rise=0.2, when_uncertain="value")
        + rule(metric="top3_accuracy", min=0.9)
        + BASELINES,
    )
    assert job.gate.rules == (
        Rule("accuracy", "train", minimum=0.5, maximum=1.0, min_support=30),
        Rule("recall", class_name="*", minimum=0.2, when_uncertain="pass"),
        Rule("recall", class_name="3", against="last-good", max_drop=0.02, when_uncertain="pass"),
        Rule("changed_share", against="golden", maximum=0.01, when_uncertain="fail"),
        Rule("accuracy", against="golden", max_drop=0.0, max_rise=0.2),
        Rule("top3_accuracy", minimum=0.9),
    )


def test_costs_come_together_and_a_path_pattern_is_checked(tmp_path):
    for text, words in (
        ("[thresholds]\nerror_cost = 3\n", "thresholds.error_cost is given without review_cost"),
        ("[thresholds]\nreview_cost = 3\n", "thresholds.review_cost is given without error_cost"),
        ("[slices]\npath_pattern = '('\n", "slices.path_pattern: '(' is no regular expression"),
    ):
        with pytest.raises(JobFileError, match="line 4") as raised:
            load(tmp_path, DATA + text)
        assert words in raised.value.message


def test_two_rules_on_slices_are_not_the_same_rule(tmp_path):
    rules = [rule(metric="accuracy", slice=name, min=0.5) for name in ("camera=1", "camera=2", "camera=1 & light=day")]
    job = load(tmp_path, DATA + "".join(rules))
    assert [each.slice for each in job.gate.rules] == ["camera=1", "camera=2", "camera=1 & light=day"]
    with pytest.raises(JobFileError, match="as rule 1 is"):
        load(tmp_path, DATA + rules[0] * 2)

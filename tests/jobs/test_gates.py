"""Checking a run against its gate: real run directories beside each other, and whole jobs."""

import csv
import json
import os
import shutil
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from job_cases import Watching
from run_cases import NAMES, STARTED, drawn, rows_of, write_run

from batchclf.core.gate.rules import Gate, Rule
from batchclf.core.images.drift import SURE_P, Drift, drift_of_classes
from batchclf.core.images.statistics import Histogram
from batchclf.core.metrics.catalog import EACH_CLASS, METRICS
from batchclf.jobs.config.load import load_job
from batchclf.jobs.evaluate.image_checks import ImageFindings
from batchclf.jobs.evaluate.predictions import evaluate_predictions
from batchclf.jobs.gate.check_rules import hold_gate
from batchclf.jobs.gate.current_run import CurrentRun
from batchclf.jobs.history.runs import earlier_runs
from batchclf.jobs.run.job_run import run_job
from batchclf.storage.run.directory import read_record


def run_id(day):
    return f"{STARTED + timedelta(days=day):%Y%m%dT%H%M%SZ}"


def write_day(job, day, rows, **changes):
    started = (STARTED + timedelta(days=day)).isoformat()
    write_run(job / run_id(day), rows, started=started, **changes)
    return job / run_id(day)


def current_run(folder, *, images=None, **baselines):
    """The run in a folder at the moment when its gate is checked; those beside it came before."""
    record = read_record(folder)
    evaluations, gap = evaluate_predictions(folder / "predictions.csv", tuple(record.model.class_names))
    history = earlier_runs(folder.parent, folder.name)
    images = images or ImageFindings()
    return CurrentRun(folder, folder.parent, record, evaluations, gap, images, history, baselines)


def held(current, *rules, **short):
    return hold_gate(Gate(rules=rules, **short), current)


def two_runs(job, first, second, **changes):
    write_day(job, 0, first)
    return write_day(job, 1, second, **changes)


def against(metric, to="last-good", **rule):
    return Rule(metric, against=to, when_uncertain="pass", **rule)


def right_on(n, right, split="test", names=NAMES, first=0, **others):
    """Rows of which the first `right` are predicted rightly; the classes take turns."""
    labels = np.arange(first, first + n) % len(names)
    given = np.where(np.arange(n) < right, labels, (labels + 1) % len(names))
    paths = [f"{split}/{first + i:05d}.png" for i in range(n)]
    return rows_of(names, labels.tolist(), given.tolist(), split=split, paths=paths, **others)


@pytest.fixture
def job(tmp_path):
    return tmp_path / "nightly"


class TestValues:
    def test_every_metric_is_the_one_of_metrics_json(self, job):
        folder = write_day(
            job, 0, drawn(NAMES, 90, seed=1, skill=0.8) + drawn(NAMES, 60, seed=2, skill=1, split="train")
        )
        split = json.loads((folder / "metrics.json").read_text())["splits"]["test"]
        names = [name for name, of in METRICS.items() if of.source in ("overall", "calibration")]
        results = held(current_run(folder), *(Rule(name, minimum=-2.0) for name in names))
        for name, result in zip(names, results, strict=True):
            expected = split[name]["value"] if isinstance(split[name], dict) else split[name]
            assert (result.name, result.value) == (f"{name}[test]", expected)
            assert (result.passed, result.subset, result.kind) == (True, "test", "bound")

    def test_every_count_of_a_run_is_read(self, job):
        folder = write_day(job, 0, right_on(30, 20), skipped=[("test/bad.png", "cut off")])
        names = [name for name, of in METRICS.items() if of.source == "count"]
        results = held(current_run(folder), *(Rule(name, minimum=0.0) for name in names))
        found = {name: result.value for name, result in zip(names, results, strict=True)}
        assert [name for name, value in found.items() if value is None] == [], "read it in jobs/gate/measured.py"
        assert (found["images"], found["skipped"], found["skipped_share"]) == (30, 1, 1 / 31)

    def test_per_class_metrics_are_those_of_per_class_csv(self, job):
        folder = write_day(job, 0, drawn(NAMES, 90, seed=1, skill=0.6))
        with (folder / "per_class.csv").open(newline="") as handle:
            rows = {row["class"]: row for row in csv.DictReader(handle)}
        for metric in ("recall", "precision", "f1"):
            for name in NAMES:
                (result,) = held(current_run(folder), Rule(metric, class_name=name, minimum=0.0))
                assert result.value == pytest.approx(float(rows[name][metric]))
                assert (result.name, result.class_name) == (f"{metric}[test, {name}]", name)
            (worst,) = held(current_run(folder), Rule(metric, class_name=EACH_CLASS, minimum=0.0))
            assert worst.value == pytest.approx(min(float(row[metric]) for row in rows.values()))

    def test_counts(self, job):
        folder = write_day(job, 0, right_on(90, 90), skipped=[("a.png", "damaged"), ("b.png", "damaged")])
        results = held(
            current_run(folder),
            Rule("images", minimum=91),
            Rule("skipped", maximum=2),
            Rule("skipped_share", maximum=0.02),
        )
        assert [(result.value, result.outcome) for result in results] == [
            (90, "failed"),
            (2, "passed"),
            (2 / 92, "failed"),
        ]
        assert results[0].sentence == "the number of test images scored, 90, is below the minimum of 91"

    def test_the_gap_needs_no_subset(self, job):
        rows = right_on(90, 80) + right_on(90, 90, split="train")
        (result,) = held(current_run(write_day(job, 0, rows)), Rule("gap", maximum=0.05))
        assert (result.name, result.subset) == ("gap", "")
        assert result.value == pytest.approx(10 / 90)

    def test_the_gap_of_the_log_loss_is_that_of_metrics_json(self, job):
        rows = drawn(NAMES, 90, seed=1, skill=0.6) + drawn(NAMES, 90, seed=2, skill=0.9, split="train")
        folder = write_day(job, 0, rows)
        (result,) = held(current_run(folder), Rule("log_loss_gap", maximum=0.0))
        found = json.loads((folder / "metrics.json").read_text())["gap"]["log_loss_gap"]
        assert (result.name, result.value) == ("log_loss_gap", found["value"])
        assert (result.passed, result.outcome) == (False, "failed" if found["low"] > 0 else "uncertain")
        without = [{key: cell for key, cell in row.items() if not key.startswith("prob:")} for row in rows]
        (result,) = held(current_run(write_day(job, 1, without)), Rule("log_loss_gap", maximum=0.0))
        assert result.outcome == "missing"
        assert "probabilities = true" in result.sentence

    def test_drift_is_that_of_the_images(self, job):
        folder = write_day(job, 0, right_on(90, 90))
        histogram = Histogram(0.0, 1.0, (1,))
        drifts = tuple(
            Drift(quantity, "test", "x", "chi-squared", 1.0, 0.001, psi, drifted, "s", histogram, histogram)
            for quantity, psi, drifted in (("brightness", 0.3, True), ("contrast", 0.05, False))
        )
        of = current_run(folder, images=ImageFindings(drift=drifts, drift_note=""))
        results = held(of, Rule("drift", maximum=0), Rule("psi", maximum=0.3))
        assert [(each.value, each.outcome) for each in results] == [(1, "failed"), (0.3, "passed")]

    @pytest.mark.parametrize(
        ("rule", "outcome", "passed"),
        [
            ({"metric": "drift", "maximum": 0}, "uncertain", True),
            ({"metric": "psi", "maximum": 0.1}, "uncertain", True),
            ({"metric": "psi", "maximum": 0.1, "when_uncertain": "pass"}, "uncertain", True),
            ({"metric": "drift", "maximum": 0, "when_uncertain": "fail"}, "uncertain", False),
        ],
    )
    def test_drift_of_too_few_images_is_not_checked(self, job, rule, outcome, passed):
        folder = write_day(job, 0, right_on(3, 3))
        drifts = (drift_of_classes("test", "x", (3, 0, 0), (50, 50, 50), NAMES),)
        (result,) = held(current_run(folder, images=ImageFindings(drift=drifts, drift_note="")), Rule(**rule))
        assert (result.outcome, result.passed, result.value) == (outcome, passed, None)
        assert "not checked: too few images: 3 scored, the test needs 5" in result.sentence
        assert result.sentence.endswith(f"that counts as {'passed' if passed else 'failed'}")

    def test_what_was_checked_breaks_a_rule_beside_what_was_not(self, job):
        folder = write_day(job, 0, right_on(9, 9))
        found = drift_of_classes("test", "x", (40, 0, 0), (50, 50, 50), NAMES)
        drifts = (found, drift_of_classes("test", "x", (3, 0, 0), (50, 50, 50), NAMES))
        of = current_run(folder, images=ImageFindings(drift=drifts, drift_note=""))
        rules = Rule("drift", maximum=0), Rule("psi", maximum=0.1), Rule("drift", maximum=1), Rule("drift", minimum=2)
        assert found.drifted
        assert [each.outcome for each in held(of, *rules)] == ["failed", "failed", "uncertain", "uncertain"]

    def test_a_psi_that_chance_makes_large_is_in_doubt(self, job):
        folder = write_day(job, 0, right_on(9, 9))
        found = drift_of_classes("test", "x", (5, 3, 1), (50, 50, 50), NAMES)
        assert found.psi > 0.1
        assert found.p_value > SURE_P
        of = current_run(folder, images=ImageFindings(drift=(found,), drift_note=""))
        value, waved = held(of, Rule("psi", maximum=0.1), Rule("psi", maximum=0.1, when_uncertain="pass"))
        assert [(each.outcome, each.passed) for each in (value, waved)] == [("uncertain", False), ("uncertain", True)]
        assert "but with 9 images that can be chance" in value.sentence

    def test_the_short_forms_are_rules_by_another_name(self, job):
        rows = right_on(900, 800) + right_on(900, 900, split="train")
        results = held(current_run(write_day(job, 0, rows)), min_test_accuracy=0.5, max_gap=0.05)
        assert [(each.name, each.passed) for each in results] == [("min_test_accuracy", True), ("max_gap", False)]
        assert results[1].sentence == "the overfitting gap of +11.1 points exceeds the maximum of 5"

    def test_without_a_target_it_is_about_the_test_split_or_the_first_directory(self, job):
        rows = right_on(60, 60, split="shop") + right_on(60, 30, split="zoo")
        (result,) = held(current_run(write_day(job, 0, rows)), Rule("accuracy", minimum=0.9))
        assert (result.name, result.value) == ("accuracy[shop]", 1.0)


class TestMissing:
    @pytest.mark.parametrize(
        ("rows", "rule", "words"),
        [
            (right_on(9, 9), Rule("accuracy", "shop", minimum=0.5), "no image of shop was scored"),
            (right_on(9, 9), Rule("skipped", "shop", maximum=5), "shop was not scored"),
            (rows_of(NAMES, [None], [0]), Rule("accuracy", minimum=0.0), "no image of test has a label"),
            (rows_of(NAMES, [None], [0]), Rule("recall", class_name="*", minimum=0.0), "has a label"),
            (right_on(9, 9, probabilities=False), Rule("log_loss", maximum=9.0), "probabilities = true"),
            (right_on(9, 9), Rule("top3_accuracy", minimum=0.0), "topk = 3"),
            (right_on(9, 9), Rule("recall", class_name="cta", minimum=0.0), "did you mean 'cat'?"),
            (rows_of(NAMES, [0, 1], [0, 1]), Rule("recall", class_name="eel", minimum=0.0), "the class has no image"),
            (rows_of(NAMES, [0, 2], [0, 0]), Rule("precision", class_name="eel", minimum=0.0), "never predicted"),
            (rows_of(NAMES, [0, 1], [0, 0]), Rule("f1", class_name="eel", minimum=0.0), "has no image"),
            (right_on(9, 9), Rule("gap", maximum=0.5), "both splits"),
            (right_on(9, 9), Rule("drift", maximum=1), "kept no facts of the images"),
        ],
    )
    def test_a_metric_that_is_not_there_fails_and_says_why(self, job, rows, rule, words):
        (result,) = held(current_run(write_day(job, 0, rows)), replace(rule, when_uncertain="pass"))
        assert (result.outcome, result.passed, result.value) == ("missing", False, None)
        assert words in result.sentence
        assert result.name in result.sentence

    def test_a_class_that_is_never_predicted_has_a_recall_of_nothing(self, job):
        folder = write_day(job, 0, rows_of(NAMES, [0, 2] * 30, [0, 0] * 30))
        (result,) = held(current_run(folder), Rule("recall", class_name="eel", minimum=0.5))
        assert (result.value, result.outcome) == (0.0, "failed")

    def test_the_short_forms_are_never_passed_for_want_of_a_value(self, job):
        current = current_run(write_day(job, 0, right_on(9, 9, split="shop")))
        results = held(current, min_test_accuracy=0.0, max_gap=1.0)
        assert [(each.name, each.outcome, each.passed) for each in results] == [
            ("min_test_accuracy", "missing", False),
            ("max_gap", "missing", False),
        ]
        assert results[0].sentence.startswith("rule min_test_accuracy not checked: no image of test was")


class TestLastGood:
    def test_the_first_run_has_nothing_to_compare_with_and_says_so(self, job):
        (result,) = held(current_run(write_day(job, 0, right_on(9, 9))), against("accuracy", max_drop=0.0))
        assert (result.outcome, result.passed) == ("missing", True)
        assert "there is no earlier good run yet; this run can be the first" in result.sentence

    def test_a_first_run_without_the_metric_fails_all_the_same(self, job):
        folder = write_day(job, 0, rows_of(NAMES, [None], [0]))
        (result,) = held(current_run(folder), against("accuracy", max_drop=0.0))
        assert (result.outcome, result.passed) == ("missing", False)

    def test_the_same_predictions_for_the_same_images_are_no_change(self, job):
        rows = drawn(NAMES, 80, seed=3, skill=0.7)
        current = current_run(two_runs(job, rows, rows))
        rules = [
            against(name, **({"maximum": 0.0} if of.source == "pairs" else {"max_drop": 0.0, "max_rise": 0.0}))
            for name, of in METRICS.items()
            if of.source not in ("gap", "drift", "class", "thresholds")
        ]
        rules += [against(name, class_name="*", max_drop=0.0, max_rise=0.0) for name in ("recall", "precision", "f1")]
        for result in held(current, *rules):
            assert (result.outcome, result.passed, result.value) == ("passed", True, 0), result.sentence

    def test_a_run_that_was_not_good_is_not_compared_with(self, job):
        write_day(job, 0, right_on(1_000, 900))
        write_day(job, 1, right_on(1_000, 500), status="gate failed")
        write_day(job, 2, right_on(1_000, 400), status="partial")
        (result,) = held(current_run(write_day(job, 3, right_on(1_000, 500))), against("accuracy", max_drop=0.02))
        assert result.outcome == "failed"
        assert f"the 90.00% of the last good run ({run_id(0)})" in result.sentence

    def test_a_drop_on_the_same_images_is_found_where_two_separate_intervals_would_overlap(self, job):
        # 20 of 400 images flip from right to wrong: other images could do that by chance, the same ones hardly.
        current = current_run(two_runs(job, right_on(400, 340), right_on(400, 320)))
        (same,) = held(current, against("accuracy", max_drop=0.01))
        assert same.outcome == "failed"
        assert "the same 400 images" in same.sentence
        others = two_runs(job / "others", right_on(400, 340), right_on(400, 320, first=10_000))
        (others,) = held(current_run(others), against("accuracy", max_drop=0.01))
        assert (others.outcome, others.passed) == ("uncertain", True)
        assert "that can be chance" in others.sentence

    def test_a_large_drop_on_other_images_is_found(self, job):
        folder = two_runs(job, right_on(900, 850), right_on(900, 700, first=5_000))
        for name in ("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "mcc", "kappa"):
            (result,) = held(current_run(folder), against(name, max_drop=0.02))
            assert result.outcome == "failed", result.sentence

    def test_worse_losses_are_a_rise(self, job):
        folder = two_runs(job, right_on(300, 280), right_on(300, 200))
        for name in ("log_loss", "brier"):
            worse, better = held(current_run(folder), against(name, max_rise=0.1), against(name, max_drop=0.1))
            assert (worse.outcome, better.outcome) == ("failed", "passed")

    def test_relabelled_images_do_not_hide_a_drop(self, job):
        rows = right_on(600, 600)
        mixed = [dict(row, label="cat" if row["label"] == "dog" else row["label"]) for row in rows]
        mixed = [dict(row, correct=str(row["label"] == row["prediction"]).lower()) for row in mixed]
        (result,) = held(current_run(two_runs(job, rows, mixed)), against("accuracy", max_drop=0.02))
        assert result.outcome == "failed"
        assert result.value == pytest.approx(-1 / 3)

    def test_classes_are_looked_at_together(self, job):
        names = tuple(f"class {i}" for i in range(8))
        labels = np.repeat(np.arange(8), 100)
        worse = np.where((labels == 5) & (np.arange(800) % 4 == 0), 0, labels)
        a_few = np.where((labels == 2) & (np.arange(800) % 50 == 0), 0, labels)
        first = rows_of(names, labels.tolist(), labels.tolist())
        for day, predictions, outcome in ((1, worse, "failed"), (2, a_few, "uncertain")):
            write_day(job / outcome, 0, first, names=names)
            folder = write_day(job / outcome, day, rows_of(names, labels.tolist(), predictions.tolist()), names=names)
            (result,) = held(current_run(folder), against("recall", class_name="*", max_drop=0.0))
            assert result.outcome == outcome
            named = "class 5 100.00% to 75.00%" if outcome == "failed" else "class 2 100.00% to 98.00%"
            assert f"in 1 of 8 classes: {named}" in result.sentence

    def test_what_changed_is_counted_on_the_same_images(self, job):
        current = current_run(two_runs(job, right_on(500, 450), right_on(500, 400)))
        changed, negative = held(
            current, against("changed_share", maximum=0.02), against("negative_flip_rate", maximum=0.2)
        )
        assert (changed.outcome, changed.value, changed.kind) == ("failed", 0.1, "change")
        assert (negative.outcome, negative.value) == ("passed", 0.1)
        assert negative.name == "negative_flip_rate[test] against last-good"

    def test_what_changed_can_be_told_without_labels(self, job):
        rows = [dict(row, label="", correct="") for row in right_on(100, 90)]
        current = current_run(two_runs(job, rows, rows))
        changed, negative = held(
            current, against("changed_share", maximum=0.0), against("negative_flip_rate", maximum=0.0)
        )
        assert changed.outcome == "passed"
        assert (negative.outcome, negative.passed) == ("missing", True)
        assert "give labels" in negative.sentence

    def test_other_images_cannot_have_changed(self, job):
        folder = two_runs(job, right_on(100, 90), right_on(100, 90, first=500))
        (result,) = held(current_run(folder), against("changed_share", maximum=0.5))
        assert (result.outcome, result.passed) == ("missing", True)
        assert "no image in common" in result.sentence

    @pytest.mark.parametrize("damage", ["metrics.json", "run folder", "classes", "data set", "subset"])
    def test_a_last_good_run_that_cannot_be_compared_is_told_and_the_job_can_go_on(self, job, damage):
        first, changes = right_on(90, 90), {}
        if damage == "classes":
            changes = {"names": ("a", "b", "c")}
            first = right_on(90, 90, names=("a", "b", "c"))
        elif damage == "subset":
            first = right_on(90, 90, split="shop")
        elif damage == "data set":
            changes = {"source": "digits"}
        write_day(job, 0, first, **changes)
        current = current_run(write_day(job, 1, right_on(90, 60)))
        if damage == "metrics.json":
            (job / run_id(0) / "metrics.json").write_text('{"format": 2, "splits": 3}')
        elif damage == "run folder":
            shutil.rmtree(job / run_id(0))
        (result,) = held(current, against("accuracy", max_drop=0.0))
        assert (result.outcome, result.passed) == ("missing", True)
        assert run_id(0) in result.sentence

    def test_an_older_good_run_stands_in_for_one_without_the_subset(self, job):
        write_day(job, 0, right_on(900, 900))
        write_day(job, 1, right_on(90, 90, split="shop"))
        (result,) = held(current_run(write_day(job, 2, right_on(900, 600))), against("accuracy", max_drop=0.0))
        assert result.outcome == "failed"
        assert run_id(0) in result.sentence


class TestBaselines:
    @pytest.fixture
    def golden(self, job, tmp_path):
        """A run of the job, a run directory elsewhere and its metrics alone."""
        rows = drawn(NAMES, 600, seed=4, skill=0.9)
        write_day(job, 0, rows, status="gate failed")
        shutil.copytree(job / run_id(0), tmp_path / "golden run")
        (tmp_path / "golden").mkdir()
        for name in ("metrics.json", "per_class.csv"):
            shutil.copy(job / run_id(0) / name, tmp_path / "golden" / name)
        return {
            "by_id": run_id(0),
            "run": tmp_path / "golden run",
            "file": tmp_path / "golden" / "metrics.json",
        }

    @pytest.mark.parametrize("kind", ["by_id", "run", "file"])
    def test_each_kind_of_baseline(self, job, golden, kind):
        worse = current_run(write_day(job, 1, drawn(NAMES, 600, seed=5, skill=0.6)), **{kind: golden[kind]})
        rules = [against(name, kind, max_drop=0.02) for name in ("accuracy", "macro_f1", "kappa")]
        rules += [against("recall", kind, class_name=of, max_drop=0.02) for of in ("cat", "*")]
        for result in held(worse, *rules):
            assert (result.outcome, result.against) == ("failed", kind), result.sentence
            assert f"the baseline {kind} ({golden[kind] if kind == 'by_id' else golden[kind].name})" in result.sentence

    def test_the_same_run_is_no_change_whatever_kind_it_is(self, job, golden):
        current = current_run(write_day(job, 1, drawn(NAMES, 600, seed=4, skill=0.9)), **golden)
        for kind in golden:
            rules = [against(name, kind, max_drop=0.0, max_rise=0.0) for name in ("accuracy", "mcc", "ece", "images")]
            rules += [against("f1", kind, class_name="*", max_drop=0.0)]
            for result in held(current, *rules):
                assert (result.outcome, result.value) == ("passed", 0), result.sentence

    def test_metrics_alone_do_not_tell_all(self, job, golden):
        current = current_run(write_day(job, 1, drawn(NAMES, 600, seed=4, skill=0.9)), **golden)
        skipped, changed = held(
            current, against("skipped", "file", max_rise=1), against("changed_share", "file", maximum=0.1)
        )
        for result in (skipped, changed):
            assert (result.outcome, result.passed) == ("missing", False)
            assert "name" in result.sentence
            assert "run directory" in result.sentence
        (golden["file"].parent / "per_class.csv").unlink()
        (result,) = held(current, against("recall", "file", class_name="cat", max_drop=0.1))
        assert (result.outcome, result.passed) == ("missing", False)
        assert "put it beside metrics.json" in result.sentence

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (None, "there is no"),
            ("", "is damaged"),
            ("[]", "is damaged"),
            ('{"format": 2}', "is damaged"),
            ('{"format": 99, "splits": {}}', "newer"),
            ('{"format": 2, "splits": {}}', "no image of test was scored"),
            ('{"format": 2, "splits": {"test": {"images": 3, "labelled": 3, "accuracy": "high"}}}', "is damaged"),
            ('{"format": 2, "splits": {"test": {"images": 3, "predicted": {"a": 3}}}}', "other classes"),
            ('{"format": 2, "splits": {"test": {"images": 3, "labelled": 3}}}', "does not have it"),
        ],
    )
    def test_a_named_baseline_that_does_not_serve_fails_the_rule(self, job, tmp_path, content, words):
        path = tmp_path / "metrics.json"
        if content is not None:
            path.write_text(content)
        current = current_run(write_day(job, 1, right_on(90, 90)), golden=path)
        (result,) = held(current, against("accuracy", "golden", max_drop=0.5))
        assert (result.outcome, result.passed) == ("missing", False)
        assert words in result.sentence
        assert "golden" in result.sentence

    @pytest.mark.parametrize("content", ["split,class\n", "split,class,support,predicted,correct\ntest,cat,x,1,1\n"])
    def test_damaged_class_counts_are_told(self, job, golden, content):
        (golden["run"] / "per_class.csv").write_text(content + "test,dog,1,1,5\n")
        current = current_run(write_day(job, 1, right_on(90, 90)), **golden)
        (result,) = held(current, against("recall", "run", class_name="dog", max_drop=0.5))
        assert (result.outcome, result.passed) == ("missing", False)
        assert "per_class.csv is damaged" in result.sentence

    def test_a_baseline_whose_predictions_are_gone_is_compared_by_its_metrics(self, job, golden):
        (golden["run"] / "predictions.csv").unlink()
        current = current_run(write_day(job, 1, drawn(NAMES, 600, seed=5, skill=0.6)), **golden)
        drop, changed = held(
            current, against("accuracy", "run", max_drop=0.02), against("changed_share", "run", maximum=0.1)
        )
        assert drop.outcome == "failed"
        assert "the same" not in drop.sentence
        assert (changed.outcome, changed.passed) == ("missing", False)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.none() | st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=12),
    st.sampled_from(["value", "pass", "fail"]),
    st.booleans(),
)
def test_whatever_the_images_are_each_rule_says_one_thing(tmp_path_factory, images, when, labels):
    job = tmp_path_factory.mktemp("job")
    truth = [each[0] if labels else None for each in images]
    first, second = (rows_of(NAMES, truth, [each[place] for each in images]) for place in (1, 2))
    current = current_run(two_runs(job, first, second))
    rules = []
    for name, of in METRICS.items():
        classes = ("cat", "*") if of.per_class else (None,)
        for class_name in classes:
            if of.source != "pairs":
                rules.append(Rule(name, class_name=class_name, minimum=0.0, maximum=0.5, when_uncertain=when))
            if of.source != "drift":
                bounds = {"maximum": 0.1} if of.source == "pairs" else {"max_drop": 0.0, "max_rise": 0.1}
                rules.append(Rule(name, class_name=class_name, against="last-good", when_uncertain=when, **bounds))
    results = held(current, *rules)
    assert len({result.name for result in results}) == len(rules)
    for result in results:
        assert result.sentence
        assert (result.outcome == "missing") == (result.value is None)
        if result.value is None:
            # Nothing is passed for want of a value, but for an earlier run that cannot be there yet.
            assert not result.passed or result.against == "last-good"
        elif result.outcome == "uncertain" and when != "value":
            assert result.passed == (when == "pass")


def test_a_change_is_that_of_the_values_in_metrics_json(job):
    current = current_run(two_runs(job, right_on(300, 200), right_on(300, 240, first=900)))
    (result,) = held(current, against("macro_f1", max_drop=0.0, max_rise=0.0))
    before, now = (json.loads((job / run_id(n) / "metrics.json").read_text())["splits"]["test"] for n in (0, 1))
    assert result.value == pytest.approx(now["macro_f1"]["value"] - before["macro_f1"]["value"])


JOB = """
[data]
dataset = "digits"
[model]
bundle = "{bundle}"
[[gate.rules]]
metric = "accuracy"
min = 0.5
[[gate.rules]]
metric = "recall"
class = "*"
against = "last-good"
max_drop = 0.02
[[gate.rules]]
metric = "changed_share"
against = "golden"
max = 0.1
[baselines]
golden = "{golden}"
"""


def test_a_job_is_held_against_its_last_good_run_and_a_baseline(tmp_path, digits_bundle):
    path = tmp_path / "jobs" / "nightly.toml"
    path.parent.mkdir()
    golden = tmp_path / "golden"
    path.write_text(JOB.format(bundle=os.path.relpath(digits_bundle, path.parent), golden=golden))

    def gates():
        record, run = run_job(load_job(path), Watching(), ["batchclf", "run"])
        return record, run, {gate.name: gate for gate in record.gates if gate.kind != "alarm"}

    record, run, first = gates()
    assert list(first) == ["accuracy[test]", "recall[test, *] against last-good", "changed_share[test] against golden"]
    assert [gate.outcome for gate in first.values()] == ["passed", "missing", "missing"]
    assert [gate.passed for gate in first.values()] == [True, True, False]
    assert record.status == "gate failed"
    shutil.copytree(run, golden)
    record, run, second = gates()
    # The first run was not good, so there is still none to compare with.
    assert [gate.outcome for gate in second.values()] == ["passed", "missing", "passed"]
    assert record.status == "ok"
    record, _, third = gates()
    assert [gate.outcome for gate in third.values()] == ["passed", "passed", "passed"]
    assert run.name in third["recall[test, *] against last-good"].sentence

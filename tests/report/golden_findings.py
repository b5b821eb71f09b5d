"""What runs may have found, for the golden text of all sentences: a case for each way to say something."""

from dataclasses import replace

import numpy as np
from report_cases import (
    FASHION,
    both_splits,
    directory_subset,
    evaluate,
    of_probabilities,
    record,
    sample,
    split_subset,
)
from slice_cases import studied
from subset_cases import compare, job_run, single_directory, summary
from training_cases import history, tempered, trained_record, training

from batchclf.core.estimate import Estimate
from batchclf.core.images.duplicates import Duplicates
from batchclf.core.images.statistics import Histogram, ImageStatistics
from batchclf.core.metrics.intervals import wilson
from batchclf.core.records.findings import Findings, LabelIssues
from batchclf.core.records.run import GateResult, PrecisionRecord
from batchclf.core.training_record import TemperatureRecord

TWO = ("cat", "dog")


def gates(number):
    """So many rules and alarms of each outcome, and one of all."""
    made = [
        GateResult("accuracy[test]", 0.6, 0.8, False, "test accuracy 60.00% is below the minimum", subset="test"),
        GateResult("macro_f1[test]", 0.9, 0.8, True, "test macro F1 0.9000 meets the minimum of 0.8", subset="test"),
        GateResult(
            "recall[test, *]", 0.7, 0.8, False, "test recall is too low", subset="test", class_name="*", certain=False
        ),
        GateResult("ece[test]", None, 0.1, False, "rule ece[test] not checked: no labels", subset="test", missing=True),
        GateResult(
            "log_loss[test] against last-good", None, None, True, "rule log_loss[test] not checked: no run",
            subset="test", missing=True, kind="change", against="last-good",
        ),
        GateResult("no-images[test]", None, None, False, "no image of test was scored", kind="alarm", subset="test"),
        GateResult("same-images[test]", None, None, True, "test holds others", kind="alarm", subset="test"),
        GateResult(
            "one-class[test]", None, None, True, "not checked: too few", kind="alarm", subset="test", certain=False
        ),
    ]  # fmt: skip
    return [replace(each, name=f"{each.name}{copy}") for each in made for copy in range(number)]


def of_two(right, labels=None, **changes):
    """Evaluate 40 images of two classes with so many right ones."""
    labels = np.array([0] * 20 + [1] * 20) if labels is None else labels
    sure = np.where(np.arange(len(labels)) < right, 0.9, 0.1)
    probabilities = np.where(labels[:, None] == np.arange(2), sure[:, None], 1 - sure[:, None])
    made = of_probabilities(TWO, probabilities, labels)
    return evaluate(replace(made, rows=replace(made.rows, **changes)))


def with_gates(made, **changes):
    return [replace(each, **changes) for each in made]


def nights(*, model="ff" * 32, failed="inbox", flips=None, name="accuracy[inbox]"):
    """A job's run after a good one, with a rule that fails on a subset."""
    several = job_run()
    rule = GateResult(name, 0.2, 0.8, False, f"{failed} accuracy 20.00% is below the minimum of 80%", subset=failed)
    good = summary(gates=(replace(rule, value=0.9, passed=True),), model_digest="ff" * 32)
    run = replace(several.record, gates=[rule], status="gate failed", run_date="2026-03-01")
    run = replace(run, model=replace(run.model, digest=model))
    return replace(several, record=run, history=(good,), flips=flips or several.flips)


def unchanged(split, **changes):
    """A comparison in which nothing has changed."""
    of = sample(FASHION, 60, split, seed=4)
    none = compare(of, split, share=0.0)
    return replace(none, **{"changed": 0, "only_first": 0, "only_second": 0, "replaced": 0, **changes})


def findings_cases():
    """Findings of runs that say something else, by a name."""
    of_one = record(TWO, subsets=[split_subset("test", 40)])
    one = Findings(of_one, (evaluate(sample(TWO, 40)),))
    passed = replace(of_one, gates=with_gates(gates(1)[1:2]) + gates(1)[6:7])
    waiting = replace(of_one, gates=gates(1)[4:5])
    unsure = replace(of_one, gates=[replace(gates(1)[1], certain=False), *gates(1)[6:8]])
    cut = replace(split_subset("test", 40), complete=False, images_missing=True, warnings=["a warning"])
    precise = replace(cut, precision=PrecisionRecord(10, 1, 0.01))
    cached = replace(split_subset("test", 40), precision=PrecisionRecord(0, 0, 0.0), cached=40)
    shard = replace(directory_subset(40, name="test"), images_missing=True)
    nan = np.full(40, np.nan)
    silent = {"confidence": nan, "margin": nan, "probabilities": None}
    predictions = replace(one.record, model=replace(one.record.model, source="predictions"), dataset=None)
    train_only = replace(trained_record(TWO, of=training(validation_images=0, train_images=40, measured_on="test")),
                         subsets=[split_subset("train", 40)])  # fmt: skip
    first = sample(TWO, 40)
    same = replace(compare(first, "test", names=TWO, share=0.0), relabelled=2)
    many = tuple(f"class {number}" for number in range(60))
    _, of_many, gap_of_many = both_splits(many, 900)
    binned = of_many[0].labelled
    ranking = tuple(replace(each, auc_error=0.0004, average_precision_error=0.0004) for each in binned.ranking)
    of_bins = replace(of_many[0], labelled=replace(binned, ranking=ranking))
    slices, thresholds = studied(sample(FASHION, 600)).values()
    calm = replace(slices, search=replace(slices.search, weakest=()))
    judged = tuple(replace(each, is_weak=False) for each in slices.search.weakest)
    none_weak = replace(slices, search=replace(slices.search, weakest=judged))
    one_weak = replace(slices, search=replace(slices.search, weakest=judged[:1]))
    mixed = replace(slices.search.weakest[0], is_weak=True)
    mixed = replace(mixed, judged=replace(mixed.judged, class_mix=None, beyond=None))
    unknown_mix = replace(slices, search=replace(slices.search, weakest=(mixed,)))
    duplicates = Duplicates("test", 40, 1, 0, 0, "the images with one another", (), None, None)
    of = sample(FASHION, 600)
    fashion = evaluate(of)
    half = np.where(np.arange(40) % 2, np.nan, 0.9)
    cold = TemperatureRecord(0.5, 600, (0.4, 0.3), (0.05, 0.01))
    mild = TemperatureRecord(1.001, 600, (0.4, 0.4), (0.05, 0.05))
    light = Histogram(0.0, 255.0, tuple(range(51)))
    odd = ImageStatistics("test", 1, ((28, 28, 1),), 0, (("rgb", 1),), light, light)
    many_sizes = ImageStatistics("test", 300, tuple((n, n, 5) for n in range(1, 51)), 50, (("rgb", 300),), light, light)
    same_model = summary(model_digest=of_one.model.digest)
    crowd = [directory_subset(40, source=f"/srv/{name}", name=name) for name in "abcdefghijk"]
    crowd[0] = replace(crowd[0], split="test")
    cut_off = replace(directory_subset(9, name="z"), complete=False)
    _, _, of_gap = both_splits(TWO, 200)
    hiding = replace(
        duplicates,
        checked="all",
        accuracy_without=wilson(100, 200),
        gap_without=Estimate(of_gap.gap.value + 0.1, of_gap.gap.interval, 200),
    )
    all_duplicates = replace(hiding, accuracy_without=None, gap_without=None)
    many_issues = LabelIssues(30, fashion.labelled.worst_errors[:24], "by a test", "")
    uncosted = replace(thresholds.refusal, error_cost=None, review_cost=None, best=None, keep_all=None)
    few = replace(uncosted, rows=uncosted.rows[:1])
    no_half = replace(thresholds.refusal, best=None, keep_all=None)
    all_kept = replace(thresholds.refusal, best=replace(thresholds.refusal.best, threshold=0.0))
    none_kept = replace(thresholds.refusal, best=replace(thresholds.refusal.best, accuracy=None))
    return {
        "several": job_run(),
        "cut by the deadline": job_run(deadline=True),
        "one directory": single_directory(),
        "one split": one,
        "passed": replace(one, record=passed),
        "waiting": replace(one, record=waiting),
        "uncertain": replace(one, record=unsure),
        "many rules": replace(one, record=replace(of_one, gates=gates(220), status="gate failed")),
        "all right": replace(one, evaluations=(of_two(40),), history=(summary(),), change=same, flips=(same,)),
        "all wrong, overconfident": replace(one, evaluations=(of_two(0),)),
        "calibrated": replace(one, evaluations=(of_two(36),)),
        "one class": replace(one, evaluations=(of_two(30, np.zeros(40, np.int64)),)),
        "no confidence": replace(one, evaluations=(of_two(30, **silent),)),
        "predictions": replace(one, record=predictions, evaluations=(of_two(30, **silent),)),
        "train only": Findings(train_only, (evaluate(sample(TWO, 40, "train"), "train"),)),
        "bf16": replace(one, record=replace(of_one, subsets=[precise], precision="bf16", job=None)),
        "bf16 from the cache": replace(one, record=replace(of_one, subsets=[cached], precision="bf16")),
        "a shard cut off": replace(one, record=replace(of_one, subsets=[shard], dataset=None, status="partial")),
        "Parquet parts": replace(one, record=replace(of_one, formats=["parquet"])),
        "no pictures": replace(one, record=replace(of_one, pictures=False)),
        "rising to the end": Findings(record(history=history(14, 14)), (fashion,)),
        "falling at the end": Findings(record(history=history(14, 9)), (fashion,)),
        "diverged": Findings(record(history={"loss": [1.0, 2.0], "val_loss": [1.0, float("nan")]}), (fashion,)),
        "no validation loss": Findings(record(history={"loss": [1.0, 2.0]}), (fashion,)),
        "a whole training": Findings(trained_record(of=training(epochs=40, kept_epoch=40)), (fashion,)),
        "many classes": Findings(record(many), tuple(of_many), gap_of_many),
        "areas from bins": Findings(record(many), (of_bins,)),
        "no weak slice": Findings(record(), (fashion,), slices=calm, thresholds=thresholds),
        "slices within chance": Findings(record(), (fashion,), slices=none_weak),
        "one slice within chance": Findings(record(), (fashion,), slices=one_weak),
        "a slice of its own class": Findings(record(), (fashion,), slices=unknown_mix),
        "duplicates without a gap": replace(one, duplicates=duplicates),
        "no duplicates": replace(one, duplicates=replace(duplicates, exact=0)),
        "label issues not checked": replace(one, label_issues=LabelIssues(0, (), "", "too many rows")),
        "another model": nights(model="aa" * 32),
        "the same model": nights(),
        "the same model and another subset": nights(flips=(unchanged("archive"),)),
        "the same model and images": nights(flips=(unchanged("inbox", changed=3),)),
        "not comparable": replace(one, history=(summary(),)),
        "no slices": Findings(record(), (fashion,), slices=replace(slices, slices=(), search=None)),
        "no costs": Findings(record(), (fashion,), thresholds=replace(thresholds, refusal=uncosted)),
        "few kept": Findings(record(), (fashion,), thresholds=replace(thresholds, refusal=few)),
        "an empty half": Findings(record(), (fashion,), thresholds=replace(thresholds, refusal=no_half)),
        "nothing refused": Findings(record(), (fashion,), thresholds=replace(thresholds, refusal=all_kept)),
        "none right": Findings(record(), (fashion,), thresholds=replace(thresholds, refusal=none_kept)),
        "some without confidence": replace(one, evaluations=(of_two(30, confidence=half, margin=half),)),
        "some labels": replace(one, evaluations=(evaluate(sample(TWO, 40, labelled=0.5)),)),
        "no labels on both splits": Findings(
            record(TWO, subsets=[split_subset(name, 40) for name in ("test", "train")]),
            tuple(evaluate(sample(TWO, 40, name, labelled=0.0), name) for name in ("test", "train")),
        ),
        "trained now": Findings(record(TWO, trained_in_this_run=True, formats=["csv", "parquet"]), (of_two(30),)),
        "a cold temperature": Findings(trained_record(of=training(temperature=cold)), (tempered(of, 0.5),)),
        "no temperature to speak of": Findings(trained_record(of=training(temperature=mild)), (tempered(of, 1.001),)),
        "one image of unknown size": replace(one, statistics=(odd,)),
        "many sizes": replace(one, statistics=(many_sizes,)),
        "many issues": Findings(record(), (fashion,), label_issues=many_issues),
        "the same predictions": replace(
            one, history=(same_model,), change=unchanged("test"), flips=(unchanged("test"),)
        ),
        "a different model": replace(one, history=(summary(),), change=unchanged("test")),
        "predictions again": replace(one, record=predictions, history=(summary(),), change=unchanged("test")),
        "many subsets": Findings(record(TWO, subsets=crowd, dataset=None), (of_two(40),)),
        "a directory cut off": replace(one, record=replace(of_one, subsets=[cut_off, *crowd], status="partial")),
        "no rules, one alarm": replace(one, record=replace(of_one, gates=gates(1)[6:7])),
        "duplicates that hide": replace(one, gap=of_gap, duplicates=hiding),
        "duplicates only": replace(one, gap=of_gap, duplicates=all_duplicates),
        "two duplicates": replace(one, duplicates=replace(duplicates, exact=2)),
    }

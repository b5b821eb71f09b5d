"""How a training went, in the report: validation images, the epoch kept, temperature, variants, settings."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from report_cases import FASHION, GENERATED, HOSTILE, both_splits, evaluate, page_of, record, sample, view_of
from scipy.special import softmax
from sklearn.metrics import log_loss
from training_cases import TEMPERATURE, VARIANTS, history, tempered, trained_record, training, variant

from batchclf.core.records.findings import Findings
from batchclf.core.training_record import Right
from batchclf.report.formats.markdown import report_markdown
from batchclf.report.sections.calibration import temperature_view
from batchclf.report.sections.facts import facts_view
from batchclf.report.sections.learning import learning_view
from batchclf.report.sections.regularisation import regularisation_view


def test_early_stopping_is_explained_with_the_epoch_that_was_kept():
    view = learning_view(history(), training(temperature=None), {"patience": 3})
    losses = history()["val_loss"]
    assert view.sentence == (
        "Training stopped after epoch 14 of 40; the weights are those after epoch 9, where the validation loss was "
        f"lowest ({losses[8]:.4f}); at the end it was {losses[13]:.4f}."
    )
    assert view.columns == ("Train accuracy", "Validation accuracy", "Train loss", "Validation loss")
    assert [(row.epoch, row.note) for row in view.rows if row.note] == [("9", "best, kept")]
    assert (
        "on 6,000 images split from the train split and not trained on. They were used to select the epoch. Nothing was"
        in view.chosen
    )
    assert "They were used to select the epoch and the temperature." in learning_view(history(), training(), {}).chosen


@pytest.mark.parametrize(
    ("changes", "stops_early", "sentence", "chosen"),
    [
        (
            {"planned_epochs": 14, "kept_epoch": 14, "temperature": None},
            False,
            "The validation loss was lowest after epoch 9 of 14",
            "Nothing was selected on them. Nothing was selected on the test images.",
        ),
        (
            {"planned_epochs": 14, "kept_epoch": 14, "temperature": None},
            True,
            "so fewer epochs may be enough.",
            "They were used to select the epoch.",
        ),
        (
            {"planned_epochs": 14},
            True,
            "Training ran for all 14 epochs; the weights are those after epoch 9, where the validation loss was lowest",
            "They were used to select the epoch and the temperature.",
        ),
        ({"kept_epoch": 12}, True, "the weights are those after epoch 12.", "They were used to select the epoch and"),
        ({"kept_epoch": 14}, False, "Training stopped after epoch 14 of 40; the weights are those after it.", ""),
        (
            {
                "validation_images": 0,
                "measured_on": "test",
                "planned_epochs": 14,
                "kept_epoch": 14,
                "temperature": None,
            },
            False,
            "The test loss was lowest after epoch 9 of 14",
            "There are no validation images: nothing was selected on held-out data; the test split was measured only.",
        ),
    ],
)
def test_which_images_chose_what(changes, stops_early, sentence, chosen):
    view = learning_view(history(), training(**changes), {"patience": 3 * stops_early})
    assert sentence in view.sentence
    assert chosen in view.chosen


def test_flip_tta_is_explained_beside_the_curves():
    views = [learning_view(history(), training(), {"flip_tta": each}) for each in (True, False)]
    assert views[0].chosen == (
        f"{views[1].chosen} The curves are without flip TTA (test-time augmentation: logits averaged over each image "
        "and its mirror image); all other numbers are with it."
    )


def test_the_ensemble_size_is_shown_beside_the_curves():
    views = [learning_view(history(), training(), {"ensemble_size": size}) for size in (3, 1)]
    assert views[0].chosen == (
        f"{views[1].chosen} The model averages the logits of 3 ensemble members trained together. The "
        "train loss is the mean over the members; all other points are of the averaged logits."
    )


def test_a_model_of_old_reads_as_before():
    view = learning_view(history(), None, {})
    assert view.columns[1] == "Test accuracy"
    assert view.chosen.endswith("Nothing was selected on the test split: the model is that of the last epoch.")
    assert (view.held, view.kept) == ("test", None)


def test_the_page_says_validation_and_not_test_of_its_curves():
    _, evaluations, gap = both_splits(n=300)
    page = page_of(trained_record(), evaluations, gap)
    assert page.tables["epochs"][0] == [
        "Epoch",
        "Train accuracy",
        "Validation accuracy",
        "Train loss",
        "Validation loss",
    ]
    assert page.tables["epochs"][9][0] == "9 (best, kept)"
    first = page.tables["epochs"][1]
    assert f"Validation: {first[2]} at first" in page.text
    assert page.text.count("kept: epoch 9") == 2
    assert "they chose" not in page_of(record(), evaluations, gap).text.lower()


@pytest.mark.parametrize(("train_images", "noted"), [(500, True), (600, False), (400, False)])
def test_validation_images_within_the_scored_train_split_are_noted(train_images, noted):
    _, evaluations, gap = both_splits(n=600)
    run = trained_record(of=training(train_images=train_images, validation_images=100))
    note = view_of(run, evaluations, gap).gap.held_out
    assert bool(note) == noted
    assert not noted or note.startswith("100 images of 600 in train were held out for validation")


def tempered_sample(temperature, n=500):
    """Logits, and a sample of rows that a model with this temperature gives for them."""
    of = sample(FASHION, n, skill=2.0)
    logits = 3 * np.log(of.probabilities)
    scores = softmax(logits / temperature, axis=1)
    ordered = np.sort(scores, axis=1)
    rows = replace(
        of.rows, probabilities=scores, confidence=ordered[:, -1], predictions=scores.argmax(axis=1).astype(np.int64)
    )
    return logits, replace(of, rows=rows, probabilities=scores)


def test_calibration_without_and_with_temperature_is_that_of_the_logits():
    logits, of = tempered_sample(2.5)
    record_of_it = training(temperature=replace(TEMPERATURE, temperature=2.5))
    labelled = tempered(of, 2.5).labelled
    view = temperature_view(record_of_it, labelled)
    losses = [log_loss(of.labels, softmax(z, axis=1), labels=range(10)) for z in (logits, logits / 2.5)]
    shown = {(row.name, row.on): (row.without, row.with_it) for row in view.rows}
    here, then = "500 labelled images of this run", "6,000 validation images, when it was fitted"
    assert shown["Log loss", here] == tuple(f"{loss:.4f}" for loss in losses)
    assert shown["Log loss", then] == ("0.4123", "0.3456")
    assert shown["Calibration error (ECE)", then] == ("0.0512", "0.0101")
    confidence = [softmax(z, axis=1).max(axis=1).mean() for z in (logits, logits / 2.5)]
    right = (of.labels == of.predictions).mean()
    points = [f"{100 * (each - right):+.1f}".replace("-", "\u2212") for each in confidence]
    assert list(shown["Confidence minus accuracy (points)", here]) == points
    assert "is 2.5000, which makes predictions less confident" in view.sentence
    page = page_of(trained_record(of=record_of_it), [tempered(of, 2.5)])
    assert [row[1:] for row in page.tables["temperature"][1:]] == [[row.without, row.with_it] for row in view.rows]
    assert "without temperature" in page.sections["calibration"]


def test_a_temperature_without_probabilities_or_labels():
    of = sample(FASHION, 100)
    bare = tempered(replace(of, rows=replace(of.rows, probabilities=None)), 1.62)
    view = temperature_view(training(), bare.labelled)
    assert [row.on for row in view.rows] == ["6,000 validation images, when it was fitted"] * 2
    assert "score with --probabilities" in view.missing
    page = page_of(trained_record(), [evaluate(sample(FASHION, 60, labelled=0.0))])
    assert "temperature" not in page.tables
    assert temperature_view(training(temperature=None)) is None
    same = temperature_view(training(temperature=replace(TEMPERATURE, temperature=1.0)), bare.labelled)
    assert "is 1.0000, which changes almost nothing" in same.sentence
    assert same.missing == ""


def test_variants_stand_in_a_table_with_the_best_on_validation_named():
    _, evaluations, gap = both_splits(n=300)
    page = page_of(trained_record(of=training(variants=VARIANTS)), evaluations, gap)
    head, *rows = page.tables["variants"]
    assert [row[0].split()[0] for row in rows] == ["as", "dropout", "weight", "early", "augmentation"]
    best = dict(zip(head, rows[1], strict=True))
    assert best["Variant"] == "dropout best on validation --dropout 0.3"
    assert best["Gap (points)"].startswith("+3.7 ")
    assert best["Epochs"] == "40 the last kept"
    assert "To train it, add --dropout 0.3 to the command" in page.sections["gap"]
    assert "The variant is chosen by validation accuracy" in page.sections["gap"]
    assert "variants" not in page_of(trained_record(), evaluations, gap).tables


def test_the_variant_with_the_best_test_accuracy_is_not_chosen():
    tuned = [*VARIANTS, variant("lucky", "--dropout 0.9", 0.9, 0.8, 0.99)]
    view = regularisation_view(training(variants=tuple(tuned)))
    assert [row.name for row in view.rows if row.best] == ["dropout"]
    none = tuple(replace(each, validation=Right(0, 0)) for each in VARIANTS)
    bare = regularisation_view(training(variants=none))
    assert [row.best for row in bare.rows] == [False] * 5
    assert {row.validation for row in bare.rows} == {"–"}
    assert bare.options == ""
    assert regularisation_view(None) is None


def test_markdown_has_the_variants_and_the_temperature():
    of = sample(FASHION, 300)
    evaluation = tempered(of, 1.62)
    run = trained_record(of=training(variants=VARIANTS))
    text = report_markdown(Findings(run, (evaluation,)), skipped=(), generated=GENERATED, folder="/srv/run")
    assert "| `dropout` (best on validation) | `--dropout 0.3` | 40 | 91.88% | 88.97% | 88.22% | +3.7 (" in text
    before, after = evaluation.labelled.without_temperature.ece, evaluation.labelled.calibration.ece
    assert f"- Temperature 1.6200: calibration error (ECE) {before:.4f} without it, {after:.4f} with it\n" in text
    plain = report_markdown(Findings(record(), (evaluate(of),)), skipped=(), generated=GENERATED, folder="/srv/run")
    assert "Temperature" not in plain
    assert "Variant" not in plain


def test_of_many_settings_some_are_in_sight_and_all_behind_a_click():
    model = facts_view(Findings(trained_record(), (evaluate(sample(FASHION, 50)),))).groups[1]
    shown = {fact.term: fact.value for fact in model.facts}
    assert shown["Settings"] == "epochs 40, batch size 32, learning rate 0.001, validation split 0.1, seed 0"
    assert shown["Training"] == "14 of 40 epochs in 1 min 12 s, weights of epoch 9; trained on 54,000 images, " + (
        "6,000 held out for validation"
    )
    behind = {fact.term: fact.value for fact in model.more}
    assert (len(behind), behind["Patience"], behind["Augment"]) == (15, "5", "none")
    assert model.more_title == "All 15 training settings"
    few = facts_view(Findings(record(), (evaluate(sample(FASHION, 50)),))).groups[1]
    assert {fact.term: fact.value for fact in few.facts}["Settings"] == "epochs 3, dropout 0.25, augment off"
    assert few.more == ()


def test_hostile_names_of_variants_and_settings_are_shown_as_they_are():
    bad = tuple(variant(name, name if number else "", 0.9, 0.8, 0.8) for number, name in enumerate(HOSTILE))
    run = trained_record(HOSTILE, training(variants=bad))
    run = replace(run, model=replace(run.model, settings={name: name for name in HOSTILE}))
    _, evaluations, gap = both_splits(HOSTILE, n=200)
    page = page_of(run, evaluations, gap, generated=GENERATED + timedelta(days=1))
    assert "<script>alert(1)</script>" in page.text
    assert "\u202e" not in page.html
    text = report_markdown(Findings(run, tuple(evaluations)), skipped=(), generated=GENERATED, folder="/srv/run")
    assert "<script>" not in text

"""The page of one training: its numbers, in a browser, and written into a bundle."""

import re
import shutil
from dataclasses import replace

import pytest
from browser_checks import check_in_browser
from report_cases import GENERATED, HOSTILE, read
from training_cases import FINAL, VARIANTS, history, trained_model, training, variant

from batchclf.jobs.run.train_model import TRAINING_PAGE, write_training_page
from batchclf.models.bundle import load_bundle, write_info
from batchclf.report.pages.training import render_training, training_view


def html_of(**changes):
    return render_training(training_view(trained_model(**changes), generated=GENERATED))


def hostile_model():
    bad = tuple(variant(name, name if number else "", 0.9, 0.8, 0.8) for number, name in enumerate(HOSTILE))
    names = {"recipe": HOSTILE[0], "data": HOSTILE[1], "class_names": HOSTILE}
    texts = {"settings": {name: name for name in HOSTILE}, "versions": {name: name for name in HOSTILE}}
    return {**names, **texts, "training": training(variants=bad)}


CASES = {
    "whole": {},
    "hostile": hostile_model(),
    "old": {"training": None},
    "many epochs": {
        "history": history(1000, 700),
        "training": training(planned_epochs=1000, epochs=1000, kept_epoch=700, validation_images=1, final={}),
    },
}


def test_the_page_shows_the_training():
    page = read(html_of())
    assert page.having("h1")
    assert "mlp trained on fashion-mnist" in page.text
    assert page.measure("Validation accuracy") == "88.58%"
    assert page.measure("Train accuracy") == "94.02%"
    assert "on 10,000 images, not used for selection" in page.text
    assert "Training stopped after epoch 14 of 40; the weights are those after epoch 9" in page.sections["learning"]
    assert len(page.tables["epochs"]) == 15
    assert [row[1:] for row in page.tables["temperature"][1:]] == [["0.0512", "0.0101"], ["0.4123", "0.3456"]]
    assert len(page.tables["variants"]) == 1 + len(VARIANTS)
    assert "60,000 images, 6,000 of them for validation" in page.sections["facts"]
    assert page.values("href") == [
        "data:,",
        "#main",
        *(f"#{name}" for name in ("learning", "regularisation", "temperature", "facts")),
        *(link for link in page.values("href") if re.fullmatch(r"#curve-(accuracy|loss)-\w+", link)),
    ]


@pytest.mark.parametrize("largest", ["Validation accuracy", "Test accuracy"])
def test_the_largest_number_is_of_images_that_were_not_trained_on(largest):
    final = {name: right for name, right in FINAL.items() if name != "validation" or largest.startswith("Valid")}
    html = html_of(training=training(final=final))
    assert re.findall(r'<div class="main">\s*<dt>([^<]*)', html) == [largest]


def test_of_a_training_that_is_not_known_the_curves_are_left():
    page = read(html_of(**CASES["old"]))
    assert "The bundle has no training history." in page.text
    assert set(page.sections) == {"learning", "facts"}
    assert "Test accuracy" in page.tables["epochs"][0]


def test_what_was_measured_without_flip_tta_is_noted():
    alone, averaged = (read(html_of(settings={"flip_tta": each})) for each in (False, True))
    assert "of the epoch that was kept, without flip TTA" in averaged.text
    assert "The curves are without flip TTA" in averaged.sections["learning"]
    assert "without flip TTA" not in alone.text


def test_hostile_texts_are_shown_and_nothing_else():
    page = read(html_of(**CASES["hostile"]))
    assert "<script>alert(1)</script>" in page.text
    assert "\u202e" not in page.html
    assert len(page.having("script")) == 1


@pytest.mark.parametrize("name", CASES)
def test_in_a_browser_it_is_quiet_legible_and_within_the_window(name, browser, tmp_path):
    file = tmp_path / "training.html"
    file.write_text(html_of(**CASES[name]), encoding="utf-8")
    check_in_browser(browser, file)


def test_it_is_written_into_a_bundle_that_stays_whole(digits_bundle, tmp_path):
    folder = tmp_path / "bundle"
    shutil.copytree(digits_bundle, folder)
    info = load_bundle(folder).info
    epochs = len(info.history["loss"])
    record = training(
        train_images=1300,
        validation_images=142,
        planned_epochs=epochs,
        epochs=epochs,
        kept_epoch=epochs,
        variants=VARIANTS,
    )
    write_info(folder, replace(info, training=record))
    out = write_training_page(load_bundle(folder))
    assert out == folder / TRAINING_PAGE
    page = read(out.read_text("utf-8"))
    assert "mlp trained on digits" in page.text
    last = info.history["val_loss"][-1]
    assert page.tables["epochs"][-1][0].startswith(f"{epochs} ")
    assert page.tables["epochs"][-1][-1] == f"{last:.4f}"
    assert load_bundle(folder).info.training == record
    imported = replace(load_bundle(folder), info=replace(info, training_data=None))
    with pytest.raises(ValueError, match="was not trained by batchclf"):
        write_training_page(imported)

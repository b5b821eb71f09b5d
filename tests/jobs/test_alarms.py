"""Runs of a job over a folder that changes: each fault raises its alarm in its run, a good run none."""

import shutil
from dataclasses import replace
from datetime import date

import pytest
from job_cases import Watching
from PIL import Image

from batchclf.core.gate.alarms import ALARMS
from batchclf.core.gate.rules import Alarms
from batchclf.jobs.config.load import load_job
from batchclf.jobs.evaluate.image_checks import ImageFindings
from batchclf.jobs.evaluate.predictions import evaluate_predictions
from batchclf.jobs.gate.alarms import content_of, raise_alarms
from batchclf.jobs.gate.current_run import CurrentRun
from batchclf.jobs.history.runs import earlier_runs
from batchclf.jobs.run.job_run import run_job
from batchclf.storage.run.directory import read_record, write_record

AGAINST_LAST = tuple(alarm.name for alarm in ALARMS if alarm.against and alarm.name != "one-class")


class DailyRuns:
    """A job that scores the folder `incoming`; images of the digits are put there."""

    def __init__(self, folder, bundle, digits):
        self.folder, self.digits = folder, digits
        self.incoming = folder / "incoming"
        self.incoming.mkdir(parents=True)
        self.job = folder / "nightly.toml"
        self.base = f'[model]\nbundle = "{bundle}"\n[publish]\nreports = "reports"\n'
        self.write(self.base)

    def write(self, text, directory='path = "incoming"'):
        self.job.write_text(f"{text}\n[scoring.directories.incoming]\n{directory}\n")

    def put(self, rows, by_class=True):
        """Put test images of the digits there; of those already there nothing changes."""
        split = self.digits.test
        for row in rows:
            folder = self.incoming / self.digits.class_names[split.labels[row]] if by_class else self.incoming
            folder.mkdir(exist_ok=True)
            Image.fromarray(split.images[row, ..., 0]).save(folder / f"{row:04d}.png")

    def clear(self):
        shutil.rmtree(self.incoming)
        self.incoming.mkdir()

    def run(self, day):
        """Run the job for a day of November: the record; the alarms that did not pass, by name."""
        self.record, self.run_folder = run_job(load_job(self.job, date(2026, 11, day)), Watching(), ["batchclf", "run"])
        self.results = {result.name: result for result in self.record.gates}
        assert all(result.kind == "alarm" and result.subset == "incoming" for result in self.record.gates)
        return {name.removesuffix("[incoming]") for name, result in self.results.items() if not result.passed}

    def sentence(self, alarm):
        return self.results[f"{alarm}[incoming]"].sentence

    def rows_of(self, name, count, start=0):
        """Rows of one class."""
        number = self.digits.class_names.index(name)
        return [row for row, label in enumerate(self.digits.test.labels.tolist()) if label == number][start:][:count]


@pytest.fixture
def runs(tmp_path, digits_bundle, digits):
    made = DailyRuns(tmp_path, digits_bundle, digits)
    made.put(range(60))
    return made


@pytest.fixture
def second(runs):
    """A first run has passed, and more images have come since."""
    assert runs.run(1) == set()
    runs.put(range(60, 70))
    return runs


def test_the_first_run_and_a_good_one(second):
    assert set(second.results) == {"no-images[incoming]", "one-class[incoming]"}
    assert second.run(2) == set()
    assert set(second.results) == {f"{alarm}[incoming]" for alarm in ("no-images", *AGAINST_LAST, "one-class")}
    assert second.record.status == "ok"
    assert "of 70 images of incoming 10 are new since 2026-11-01" in second.sentence("no-new-images")
    assert (
        second.results["fewer-images[incoming]"].against
        == read_record(second.run_folder.parent / _first(second)).run_id
    )


def _first(runs):
    return min(path.name for path in runs.run_folder.parent.iterdir() if path.name[0].isdigit())


def test_the_same_images_under_other_names(second):
    second.clear()
    second.put(range(60))
    for path in list(second.incoming.rglob("*.png")):
        path.rename(path.with_name(f"new-{path.name}"))
    assert second.run(2) == {"same-images"}
    assert "no-new-images[incoming]" not in second.results
    assert second.record.status == "gate failed"
    assert "exactly the same 60 images as on 2026-11-01" in second.sentence("same-images")


def test_only_images_that_were_there_before(second):
    second.clear()
    second.put(range(50))
    assert second.run(2) == {"no-new-images"}


def test_a_copy_is_no_new_image_but_makes_other_images_of_them(second):
    second.clear()
    second.put(range(60))
    path = next(second.incoming.rglob("*.png"))
    shutil.copy(path, path.with_name("copy.png"))
    assert second.run(2) == {"no-new-images"}


def test_a_directory_that_is_meant_to_stay(runs):
    runs.write(runs.base, 'path = "incoming"\nfixed = true')
    assert [runs.run(day) for day in (1, 2)] == [set(), set()]
    assert not {"same-images[incoming]", "no-new-images[incoming]"} & runs.results.keys()


def test_alarms_that_are_off(runs):
    runs.write(runs.base + '[gate.alarms]\noff = ["same-images", "one-class", "no-images"]\n')
    assert runs.run(1) == set()
    assert runs.results == {}
    assert runs.run(2) == {"no-new-images"}  # which then has to say it


def test_fewer_images(second):
    second.clear()
    second.put(range(100, 130))
    assert second.run(2) == {"fewer-images"}
    assert "30 images of incoming scored, 60 on 2026-11-01" in second.sentence("fewer-images")
    second.put(range(200, 260))
    assert second.run(3) == set()


def test_class_folders_new_and_gone(second):
    shutil.rmtree(second.incoming / "3")
    assert second.run(2) == {"class-folders"}
    assert "gone: '3' (" in second.sentence("class-folders")
    # A fault that lasts is reported in every run, and its end is no new one: the last good run is the measure.
    assert second.run(3) == {"class-folders", "same-images"}
    second.put(second.rows_of("3", 5))
    assert second.run(4) == set()
    second.put(range(120, 125))
    (second.incoming / "3").rename(second.incoming / "third")
    assert second.run(5) == {"class-folders"}
    assert "new: 'third'" in second.sentence("class-folders")


def test_a_new_folder_that_is_no_class_switches_labels_off(second):
    (second.incoming / "unsorted").mkdir()
    shutil.copy(next((second.incoming / "3").glob("*.png")), second.incoming / "unsorted" / "new.png")
    assert second.run(2) == {"class-folders"}
    assert "no labels are used now: the folder 'unsorted'" in second.sentence("class-folders")


def test_one_class_takes_nearly_all(second):
    second.clear()
    second.put(second.rows_of("3", 30), by_class=False)
    second.write(second.base, 'path = "incoming"\nlabels = "none"')
    assert "one-class" in second.run(2)
    assert "are '3'" in second.sentence("one-class")
    assert "on 2026-11-01; look" in second.sentence("one-class")
    # It is told until it is over.
    second.put(second.rows_of("3", 10, start=30), by_class=False)
    assert "one-class" in second.run(3)


def test_a_folder_that_always_holds_one_class(tmp_path, digits_bundle, digits):
    runs = DailyRuns(tmp_path, digits_bundle, digits)
    runs.put(runs.rows_of("3", 30), by_class=False)
    text = runs.job.read_text()
    runs.job.write_text(text + '[gate.alarms]\noff = ["one-class"]\n')
    assert runs.run(1) == set()
    runs.job.write_text(text)
    runs.put(runs.rows_of("3", 10, start=30), by_class=False)
    assert runs.run(2) == set()


def test_without_a_last_run_the_model_is_the_reference(tmp_path, digits_bundle, digits):
    runs = DailyRuns(tmp_path, digits_bundle, digits)
    runs.put(runs.rows_of("3", 30), by_class=False)
    assert runs.run(1) == {"one-class"}
    assert "for the 355 test images when the model was trained" in runs.sentence("one-class")


def two_directories(runs):
    (runs.folder / "other").mkdir()
    shutil.copy(next(runs.incoming.rglob("*.png")), runs.folder / "other" / "a.png")
    runs.job.write_text(runs.job.read_text() + '[scoring.directories.other]\npath = "other"\nfixed = true\n')


def test_an_empty_directory_beside_another(second):
    two_directories(second)
    second.clear()
    record, _ = run_job(load_job(second.job, date(2026, 11, 2)), Watching(), ["batchclf", "run"])
    failed = [result for result in record.gates if not result.passed]
    assert [result.name for result in failed] == ["no-images[incoming]"]
    assert "there was none" in failed[0].sentence
    # The run after is compared with the last one that had images.
    second.put(range(60))
    record, _ = run_job(load_job(second.job, date(2026, 11, 3)), Watching(), ["batchclf", "run"])
    assert [result.name for result in record.gates if not result.passed] == ["same-images[incoming]"]


def test_a_second_run_of_the_same_date_is_not_compared_with_the_first(second):
    assert second.run(2) == set()
    assert second.run(2) == set()
    assert "2026-11-01" in second.sentence("same-images")


def test_a_run_made_up_for_later_is_compared_with_the_one_before_it(second):
    assert second.run(5) == set()
    second.put(range(70, 75))
    assert second.run(3) == set()
    assert "2026-11-01" in second.sentence("same-images")
    second.put(range(75, 80))
    assert second.run(6) == set()
    assert "2026-11-05" in second.sentence("same-images")


def test_runs_whose_folder_is_gone_are_passed_over(second):
    second.run(2)
    shutil.rmtree(second.run_folder)
    second.put(range(70, 80))
    assert second.run(3) == set()
    assert "2026-11-01" in second.sentence("same-images")


def current_run(runs, record):
    """The last run once more as the gate sees it, with another record."""
    folder = runs.run_folder
    evaluations, gap = evaluate_predictions(folder / "predictions.csv", tuple(record.model.class_names))
    history = earlier_runs(folder.parent, folder.name)
    return CurrentRun(folder, folder.parent, record, evaluations, gap, ImageFindings(), history, {})


def cut_short(record):
    return replace(record, subsets=[replace(record.subsets[0], complete=False)])


def test_what_the_deadline_cut_off_has_no_alarms(second):
    second.clear()
    second.put(range(20))
    assert second.run(2) == {"no-new-images", "fewer-images"}
    assert raise_alarms(Alarms(), current_run(second, second.record)) == second.record.gates
    assert raise_alarms(Alarms(), current_run(second, cut_short(second.record))) == []


def test_a_run_that_was_cut_off_is_not_compared_with(second):
    assert second.run(2) == set()
    write_record(second.run_folder, cut_short(second.record))
    second.put(range(70, 75))
    assert second.run(3) == set()
    assert "2026-11-01" in second.sentence("same-images")


def test_a_last_run_whose_record_is_damaged_is_an_alarm_of_each_kind(second):
    assert second.run(2) == set()
    held = current_run(second, second.record)
    (held.beside / held.history[-1].folder / "run.json").write_text("{")
    failed = {result.name for result in raise_alarms(Alarms(), held) if result.outcome == "missing"}
    assert failed == {f"{alarm}[incoming]" for alarm in (*AGAINST_LAST, "one-class")}


@pytest.mark.parametrize(
    "damage, alarms, why",
    [
        (lambda run: (run / "images.csv").write_text("path\r\n"), {"no-new-images"}, "it has lost 60"),
        (lambda run: (run / "images.csv").unlink(), {"no-new-images"}, "images.csv"),
        (lambda run: (run / "metrics.json").unlink(), {"one-class"}, "metrics.json cannot be read"),
        (lambda run: (run / "metrics.json").write_text('{"format": 2, "splits": {}}'), {"one-class"}, "says nothing"),
    ],
)
def test_what_cannot_be_read_is_an_alarm(second, damage, alarms, why):
    damage(second.run_folder)
    assert second.run(2) == alarms
    for alarm in alarms:
        assert second.results[f"{alarm}[incoming]"].outcome == "missing"
        assert why in second.sentence(alarm)


def test_content_does_not_depend_on_names_and_order(second):
    content = second.record.subsets[0].content
    assert read_record(second.run_folder).subsets[0].content == content
    assert content_of(second.run_folder) == {"incoming": content}
    assert content.startswith("60-")
    second.clear()
    second.put(reversed(range(60)), by_class=False)
    second.write(second.base, 'path = "incoming"\nlabels = "none"')
    second.run(2)
    assert second.record.subsets[0].content == content
    (second.run_folder / "images.csv").unlink()
    assert content_of(second.run_folder) == {}

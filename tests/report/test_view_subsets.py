"""A run of several subsets: each in the table, and more of the directories that the page is not about."""

from dataclasses import replace

import numpy as np
import pytest
from report_cases import FASHION, GENERATED, HOSTILE, both_splits, directory_subset, evaluate, read, record, sample
from sklearn import metrics
from subset_cases import job_run, single_directory

from batchclf.core.records.findings import Findings
from batchclf.core.text import visible
from batchclf.report.html.render import render
from batchclf.report.html.size_budget import wanted
from batchclf.report.sections.whole_report import build_view


def view_of(findings):
    return build_view(findings, pictures={}, skipped=(), generated=GENERATED)


def page_of(findings):
    return read(render(view_of(findings)))


def test_the_usual_pages_have_no_such_section():
    _, evaluations, gap = both_splits()
    assert view_of(Findings(record(), tuple(evaluations), gap)).subsets is None
    assert view_of(single_directory()).subsets is None


def test_each_subset_has_a_row_with_what_came_of_it():
    rows = {row.name: row for row in view_of(job_run()).subsets.rows}
    failed = [name for name, row in rows.items() if "failed" in row.state or "raised" in row.state]
    assert list(rows)[: len(failed)] == failed == ["test split", "inbox"]
    assert list(rows)[len(failed) :] == ["archive", "empty", "train split"]
    archive = sample(FASHION, 90, "archive", seed=3, skill=1.2)
    accuracy = metrics.accuracy_score(archive.labels, archive.predictions)
    assert rows["archive"].accuracy == f"{accuracy:.2%}"
    assert (rows["archive"].found, rows["archive"].scored, rows["archive"].skipped) == ("92", "90", "2")
    assert rows["archive"].place == "/srv/archive/2026-02"
    best = np.bincount(archive.rows.predictions, minlength=10)
    assert rows["archive"].predicted == FASHION[int(best.argmax())]
    assert rows["archive"].predicted_share == f"{best.max() / 90:.2%} of the predictions"
    assert (rows["inbox"].accuracy, rows["inbox"].accuracy_interval) == ("no labels", "")
    states = ["1 rule failed", "1 alarm raised, 1 rule not checked", "complete", "no images", "complete"]
    assert [rows[name].state for name in rows] == states
    assert [row.name for row in rows.values() if row.main] == ["test split"]
    assert [row.name for row in rows.values() if row.alarm] == [*failed, "empty"]
    assert rows["empty"].predicted == "–"


def test_the_links_lead_to_more_of_each_directory():
    page = page_of(job_run())
    rows = {row.name: row for row in view_of(job_run()).subsets.rows}
    assert rows["inbox"].anchor == "unlabelled"
    assert rows["test split"].anchor == rows["train split"].anchor == ""
    assert page.values("id").count(rows["archive"].anchor) == 1
    assert "archive" in page.sections["subsets"]
    assert "None of 60 images has a label" in page.sections["unlabelled"]


def test_a_further_directory_shows_its_errors_and_predictions():
    findings = job_run()
    (detail,) = view_of(findings).subsets.details
    archive = sample(FASHION, 90, "archive", seed=3, skill=1.2)
    wrong = archive.predictions != archive.labels
    assert f"{wrong.sum()} images are wrong" in detail.sentence
    surest = np.sort(archive.rows.confidence[wrong])[::-1][:24]
    assert [shot.confidence for shot in detail.worst] == [f"{value:.2%}" for value in surest]
    counts = np.sort(np.bincount(archive.rows.predictions, minlength=10))[::-1]
    assert [row.count for row in detail.predicted] == [str(number) for number in counts]
    shown = {(row.split, row.path) for row in wanted(findings)}
    assert {("archive", shot.path) for shot in detail.worst} <= shown


def test_all_right_is_said():
    of = sample(FASHION, 20, "archive", skill=1000.0)
    evaluations = (evaluate(sample(FASHION, 20)), evaluate(of, "archive"))
    subsets = [directory_subset(20, 0, "/srv/archive", "archive"), record().subsets[0]]
    (detail,) = view_of(Findings(record(subsets=subsets), evaluations)).subsets.details
    assert detail.sentence.endswith("all are right.")
    assert detail.worst == ()


def test_what_the_deadline_cut_is_marked_everywhere():
    view = view_of(job_run(deadline=True, gates=[]))
    assert view.title.startswith("Partial result · ")
    states = {row.name: row.state for row in view.subsets.rows}
    assert states["test split"] == "cut off by the deadline"
    assert states["train split"] == "not started"
    assert [subset.complete for subset in view.facts.subsets] == [True, True, True, False, False]
    assert view.verdict.partial.startswith(
        "The deadline passed: 600 of 10,000 images of the test split were scored and"
    )
    assert "No gap: the deadline passed before an image of the train split was scored" in view.gap.missing
    assert view.numbers.notes[0].startswith(
        "The deadline cut the test split off: these numbers are of the first 600 images"
    )
    assert {fact.value for group in view.facts.groups for fact in group.facts} >= {"partial, cut off by the deadline"}


@pytest.mark.parametrize("main", ["archive", "inbox"])
def test_a_page_about_a_named_directory_uses_its_name(main):
    findings = job_run()
    (evaluation,) = (each for each in findings.evaluations if each.split == main)
    subsets = [subset for subset in findings.record.subsets if subset.split == main]
    alone = Findings(replace(findings.record, subsets=subsets, dataset=None, gates=[]), (evaluation,))
    view = view_of(alone)
    assert view.subject == f"nightly · {main}"
    assert view.facts.subsets[0].name == main
    assert view.facts.subsets[0].place == subsets[0].source
    assert ("Accuracy on archive" in view.verdict.reason) == (main == "archive")
    assert f"Directory {main}" in page_of(alone).text
    assert "a directory" in view.gap.missing


def test_hostile_names_of_directories_and_classes_are_only_text():
    page = page_of(job_run(HOSTILE, directories=HOSTILE[:2]))
    assert "<script>alert" not in page.html
    assert "\u202e" not in page.html
    assert {row[0].split(" /srv/")[0] for row in page.tables["of-subsets"][1:]} >= set(map(visible, HOSTILE[:2]))
    assert not [tag for tag, _ in page.tags if tag == "script"][3:]


def test_a_page_of_many_subsets_keeps_its_budget():
    findings = job_run()
    archive = next(each for each in findings.evaluations if each.split == "archive")
    subset = next(each for each in findings.record.subsets if each.split == "archive")
    names = [f"archive-{number}" for number in range(40)]
    many = replace(
        findings,
        record=replace(findings.record, subsets=[*findings.record.subsets, *(replace(subset, split=n) for n in names)]),
        evaluations=(*findings.evaluations, *(replace(archive, split=name) for name in names)),
    )
    page = page_of(many)
    assert len(page.html.encode()) <= 1_500_000
    assert len(page.tables["of-subsets"]) == 46

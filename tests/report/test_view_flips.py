"""What has changed since the last run: the counts of the comparison, the images, and the run it is compared with."""

from dataclasses import replace

import pytest
from report_cases import FASHION, GENERATED, HOSTILE, both_splits, read, record, sample
from subset_cases import LAST_RUN, compare, job_run, pictures, single_directory, summary

from batchclf.core.compare.paired_tests import mcnemar_exact
from batchclf.core.records.findings import Findings
from batchclf.core.text import p_value
from batchclf.report.html.render import render
from batchclf.report.html.size_budget import wanted
from batchclf.report.sections.whole_report import build_view


def view_of(findings, shown=None):
    return build_view(findings, pictures=shown or {}, skipped=(), generated=GENERATED)


def page_of(findings, shown=None):
    return read(render(view_of(findings, shown)))


def test_without_an_earlier_run_there_is_no_such_section():
    _, evaluations, gap = both_splits()
    findings = Findings(record(), tuple(evaluations), gap)
    assert view_of(findings).flips is None
    assert "flips" not in page_of(findings).sections
    assert "flips.csv" not in {file.name for file in view_of(findings).facts.files}


def test_the_counts_are_those_of_the_comparisons():
    findings = job_run()
    view = view_of(findings)
    for row, found in zip(view.flips.rows, findings.flips, strict=True):
        assert row.changed == str(found.changed)
        assert (row.new, row.gone, row.replaced) == tuple(
            map(str, (found.only_second, found.only_first, found.replaced))
        )
        known = (str(found.only_first_right), str(found.only_second_right)) if found.labelled else ("–", "–")
        assert (row.negative_flips, row.positive_flips) == known
    changed, images = (sum(getattr(each, name) for each in findings.flips) for name in ("changed", "images"))
    assert view.flips.sentence.startswith(f"{changed} of {images} images scored by both runs got another prediction: ")
    assert view.flips.with_replaced
    assert ("flips.csv", True) in [(file.name, True) for file in view.facts.files]


def test_the_test_is_mcnemars():
    found = job_run().flips[0]
    (subset, *_) = view_of(job_run()).flips.subsets
    chance = p_value(mcnemar_exact(found.only_first_right, found.only_second_right))
    negative, positive = found.only_first_right, found.only_second_right
    assert f"{negative} from right to wrong (negative flips), {positive} from wrong to right (pos" in subset.test
    assert f"come up with {chance} (McNemar's exact test)" in subset.test


def test_negative_flips_come_first_with_both_predictions():
    findings = job_run()
    first = view_of(findings).flips.subsets[0]
    assert [gallery.title for gallery in first.galleries] == ["Negative flips", "Positive flips", "Other changes"]
    negative = findings.flips[0].negative_flips
    for shot, flip in zip(first.galleries[0].shots, negative, strict=True):
        assert (shot.path, shot.label) == (flip.path, flip.first_prediction)
        assert shot.first == f"{flip.first_prediction} {flip.first_confidence:.2%}"
        assert shot.second == f"{flip.second_prediction} {flip.second_confidence:.2%}"
    shown = wanted(findings)
    assert [row.path for row in shown[: len(negative)]] == [flip.path for flip in negative]
    page = page_of(findings, pictures(findings))
    assert page.sections["flips"].count("no picture") == 0


def test_without_labels_the_changed_predictions_are_shown():
    view = view_of(single_directory())
    (subset,) = view.flips.subsets
    assert subset.test == ""
    assert [gallery.title for gallery in subset.galleries] == ["Changed predictions"]
    assert ":" not in view.flips.sentence.split(" prediction")[1]


@pytest.mark.parametrize("files, linked", [(("report.html",), True), ((), False), (("report.json",), False)])
def test_the_last_run_is_linked_while_it_has_a_page(files, linked):
    findings = replace(job_run(), history=(summary(files=files),))
    addresses = [link["href"] for link in page_of(findings).having("a")]
    assert (f"../{LAST_RUN}/report.html" in addresses) == linked
    assert "the run of Sat 2026-02-28 03:00" in page_of(findings).sections["flips"]


def test_a_run_that_the_history_does_not_know_is_named():
    assert view_of(replace(job_run(), history=())).flips.than == f"run {LAST_RUN}"


def test_the_same_predictions_are_said_plainly():
    of = sample(FASHION, 50)
    same = compare(of, "test", share=0.0)
    evaluations = tuple(job_run().evaluations)
    view = view_of(Findings(record(), evaluations, history=(summary(),), flips=(same,)))
    assert view.flips.sentence == "All 50 images scored by both runs have the same prediction."
    assert view.flips.subsets == ()


def test_other_labels_are_noted():
    found = job_run()
    moved = replace(found.flips[0], relabelled=2)
    view = view_of(replace(found, flips=(moved,)))
    assert view.flips.subsets[0].notes == (
        "2 images with a different label than in the last run, not counted as flips.",
    )


def test_hostile_names_are_only_text():
    page = page_of(job_run(HOSTILE, directories=HOSTILE[:2]))
    assert "<script>alert" not in page.html
    assert HOSTILE[0] in page.sections["flips"]

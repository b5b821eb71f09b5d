"""report.json: valid by the schema in the repository, and the numbers of the page."""

import json
from dataclasses import replace

import pytest
from report_cases import (
    FASHION,
    GENERATED,
    HOSTILE,
    both_splits,
    directory_subset,
    evaluate,
    record,
    sample,
    view_of,
)
from subset_cases import job_run

from batchclf.core.compare.result import Comparison
from batchclf.core.records.findings import Findings
from batchclf.core.types import ImageRef, SkippedImage
from batchclf.report.formats.json_report import comparison_document, document_schema, encoded, report_document

jsonschema = pytest.importorskip("jsonschema")


@pytest.fixture(scope="module")
def schema(repo_root):
    return json.loads((repo_root / "docs" / "report.schema.json").read_text(encoding="utf-8"))


def document(findings, skipped=()):
    return json.loads(encoded(report_document(findings, skipped=skipped, generated=GENERATED)))


def checked(findings, schema, skipped=()):
    values = document(findings, skipped)
    jsonschema.Draft202012Validator(schema).validate(values)
    return values


def test_schema_in_the_repository_is_that_of_the_types(schema):
    hint = "make it again: python -m batchclf.report.formats.json_report > docs/report.schema.json"
    assert schema == document_schema(), hint
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("names", [FASHION, HOSTILE, ("one",)])
def test_a_labelled_run_is_valid(schema, names):
    _, evaluations, gap = both_splits(names)
    skipped = [SkippedImage(ImageRef("a", None), reason) for reason in ("cut off", "empty", "cut off")]
    values = checked(Findings(record(names), tuple(evaluations), gap), schema, skipped)
    assert (values["format"], values["kind"], values["main"]) == (2, "run", "test")
    assert values["skipped"] == [{"reason": "cut off", "images": 2}, {"reason": "empty", "images": 1}]
    labelled = values["splits"][0]["labelled"]
    assert labelled["confusion"] == evaluations[0].labelled.confusion.counts.tolist()
    assert values["gap"]["gap"]["value"] == gap.gap.value


def test_an_unlabelled_run_and_values_that_are_none(schema):
    evaluation = evaluate(sample(FASHION, 40, "", labelled=0.0), "")
    run = record(subsets=[directory_subset(40)], dataset=None, job=None, history={"loss": [0.5, float("nan")]})
    values = checked(Findings(run, (evaluation,)), schema)
    assert values["splits"][0]["labelled"] is None
    assert values["run"]["model"]["history"] == {"loss": [0.5, None]}
    assert (values["gap"], values["change"], values["history"]) == (None, None, [])
    empty = replace(evaluation, total=0, mean_confidence=float("nan"))
    assert checked(Findings(run, (empty,)), schema)["splits"][0]["mean_confidence"] is None


@pytest.mark.parametrize("deadline", [False, True])
def test_a_run_of_several_subsets(schema, deadline):
    values = checked(job_run(deadline=deadline), schema)
    verdict, run = values["verdict"], values["run"]
    assert [gate["outcome"] for gate in verdict["gates"][:5]] == ["failed"] * 3 + ["missing", "uncertain"]
    missing = verdict["gates"][3]
    assert (missing["passed"], missing["value"], missing["bound"], missing["subset"]) == (False, None, 0.05, "inbox")
    assert len(verdict["gates"]) == 14
    assert (verdict["partial"] is None) == (not deadline)
    assert run["run_date"] == "2026-02-28"
    assert [subset["complete"] for subset in run["subsets"]] == [True] * 3 + [not deadline] * 2
    assert [each["split"] for each in values["flips"]] == ["test", "archive", "inbox"]
    assert values["history"][0]["run_date"] == "2026-02-28"


def test_one_image(schema):
    evaluation = evaluate(sample(("a", "b"), 1))
    checked(Findings(record(("a", "b")), (evaluation,)), schema)


def test_it_has_the_numbers_of_the_page():
    _, evaluations, gap = both_splits()
    findings = Findings(record(), tuple(evaluations), gap)
    values, view = document(findings), view_of(record(), evaluations, gap)
    metrics = {each["name"]: each for each in values["splits"][0]["labelled"]["metrics"]}
    shown = {row.name: row for row in view.numbers.rows}
    assert shown["Accuracy"].value == f"{metrics['accuracy']['value']:.2%}"
    assert shown["Macro F1"].value == f"{metrics['macro_f1']['value']:.4f}"
    interval = metrics["log_loss"]["interval"]
    assert shown["Log loss"].interval == f"{interval['low']:.4f} to {interval['high']:.4f}"
    assert len(shown) == len(metrics)
    assert values["verdict"]["headline"] == view.verdict.headline
    assert values["verdict"]["reason"] == view.verdict.reason


def test_a_comparison_is_valid(schema):
    comparison = Comparison("a", "b", "test", 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, None, (), (), (), (), "One differs.")
    values = json.loads(encoded(comparison_document(comparison, record(), record(), generated=GENERATED)))
    jsonschema.Draft202012Validator(schema).validate(values)
    assert (values["kind"], values["comparison"]["p_value"]) == ("comparison", None)


def test_the_schema_refuses_what_is_no_report(schema):
    validator = jsonschema.Draft202012Validator(schema)
    _, evaluations, gap = both_splits()
    values = document(Findings(record(), tuple(evaluations), gap))
    del values["verdict"]
    assert not validator.is_valid(values)
    assert not validator.is_valid({})

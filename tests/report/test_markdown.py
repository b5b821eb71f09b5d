"""The Markdown: short, the numbers of the page, and nothing that a name could do to it."""

import re

import pytest
from markdown_it import MarkdownIt
from report_cases import FASHION, GENERATED, HOSTILE, both_splits, directory_subset, evaluate, record, sample, view_of
from subset_cases import job_run

from batchclf.core.compare.result import Comparison, Flip, MetricChange
from batchclf.core.estimate import Interval
from batchclf.core.records.findings import Findings
from batchclf.core.records.run import GateResult
from batchclf.core.types import ImageRef, SkippedImage
from batchclf.report.formats.markdown import comparison_markdown, report_markdown

NASTY = (
    *HOSTILE,
    "@everyone",
    "`code` ``more``",
    "a|b|c",
    "[link](http://evil.example)",
    "![image](http://evil.example/x.png)",
    "# heading",
    "line\n\n# heading\n- @here",
    "<!channel>",
    "trailing\\",
)


def markdown(names=FASHION, skipped=(), folder="/srv/reports/nightly/1", **changes):
    _, evaluations, gap = both_splits(names)
    findings = Findings(record(names, **changes), tuple(evaluations), gap)
    return report_markdown(findings, skipped=skipped, generated=GENERATED, folder=folder)


def tokens_of(text):
    flat = []
    for token in MarkdownIt("gfm-like", {"linkify": False, "html": True}).parse(text):
        flat += [token, *(token.children or ())]
    return flat


def test_it_is_short_and_says_the_same_as_the_page():
    _, evaluations, gap = both_splits()
    view, text = view_of(record(), evaluations, gap), markdown(skipped=[SkippedImage(ImageRef("a", None), "cut off")])
    assert len(text.splitlines()) <= 30
    assert view.verdict.headline in text
    assert view.verdict.reason in text
    rows = {row.name: row for row in view.numbers.rows}
    for name in ("Accuracy", "Macro F1", "Balanced accuracy", "Log loss"):
        row = rows[name]
        assert f"| {name} | {row.value} | {row.interval} | {row.baseline} |" in text
    assert "`Sandal`" in text or "`Dress`" in text
    assert "Skipped: 1 image: `cut off` 1×" in text
    assert "Files: `/srv/reports/nightly/1`" in text


def test_gates_are_listed():
    gates = [GateResult("max_gap", 0.1, 0.06, False, "the gap of 10.00 points is above the maximum of 6.00")]
    text = markdown(gates=gates, status="gate failed")
    assert "- Failed: the gap of 10.00 points is above the maximum of 6.00" in text
    assert text.startswith("# ❌ Gate failed: 1 rule failed · `nightly`")


def test_a_run_of_several_subsets():
    findings = job_run()
    text = report_markdown(findings, skipped=(), generated=GENERATED, folder="x")
    assert len(text.splitlines()) <= 45
    assert text.startswith(
        "# ❌ Gate failed on inbox and test split: 1 alarm raised, 2 rules failed, 1 rule not checked · `nightly`"
    )
    lines = text.splitlines()
    gates = [line.split(":")[0] for line in lines if line.startswith(("- Alarm", "- Failed", "- Not"))]
    assert gates == [
        "- Alarm",
        "- Failed",
        "- Failed",
        "- Not checked (counts as failed)",
        "- Not enough evidence (counts as passed)",
    ]
    assert "5 rules: 2 failed, 1 not checked, 1 uncertain, 1 passed. 9 alarms: 1 raised." in lines
    flip = findings.flips[0].negative_flips[0]
    assert (
        f"Right in the last run, wrong now: `{flip.path}` (`{flip.first_prediction}` → `{flip.second_prediction}`)"
        in text
    )
    assert "- Subset `inbox`: 60 scored, 0 skipped, no labels, 1 alarm raised, 1 rule not checked" in lines
    assert "- Subset `empty`: 0 scored, 0 skipped, no images" in lines


def test_a_partial_run_says_so():
    text = report_markdown(job_run(deadline=True), skipped=(), generated=GENERATED, folder="x")
    what = "on inbox and test split: 1 alarm raised, 2 rules failed, 1 rule not checked"
    assert text.startswith(f"# ⚠️ Partial result, gate failed {what} · `nightly`")
    assert "**Partial result.** The deadline passed: 600 of 10,000 images of the test split were scored" in text
    assert "- Subset `train split`: 0 scored, 0 skipped, not started" in text


def test_hostile_names_are_only_text():
    skipped = [SkippedImage(ImageRef(name, None), name) for name in NASTY]
    plain, text = markdown(skipped=skipped[:3]), markdown(NASTY, skipped, folder="/srv/@all`x`", job="@all <b>|`")
    for character in "@<":
        assert character not in text
    assert text.count("`") % 2 == 0
    kinds = [token.type for token in tokens_of(text)]
    assert not {"html_inline", "html_block", "link_open", "image"} & set(kinds)
    for kind in ("heading_open", "table_open", "tr_open", "td_open", "bullet_list_open", "list_item_open"):
        assert kinds.count(kind) == [token.type for token in tokens_of(plain)].count(kind)


@pytest.mark.parametrize("name", NASTY)
def test_each_name_is_one_code_span(name):
    text = markdown(job=name)
    (heading,) = (token for token in tokens_of(text) if token.type == "inline" and "Scored" in token.content)
    assert [child.type for child in heading.children] == ["text", "code_inline"]
    assert not re.search(r"[\n\r@<|`]", heading.children[1].content)


def test_a_run_without_labels():
    evaluation = evaluate(sample(FASHION, 40, "", labelled=0.0), "")
    run = record(subsets=[directory_subset(40)], dataset=None, job=None)
    text = report_markdown(Findings(run, (evaluation,)), skipped=(), generated=GENERATED, folder="x")
    assert "none labelled: accuracy unknown" in text
    assert "`/srv/inbox`" in text
    assert "|" not in text


def test_a_comparison():
    change = MetricChange("accuracy", 0.8, 0.85, 0.05, Interval(0.01, 0.09))
    flips = tuple(Flip(f"@{i}|.png", "a`b", "cat", 0.9, "<dog>", 0.8) for i in range(9))
    values = ("a", "b", "test", 100, 100, 0, 0, 0, 75, 5, 10, 10, 15, 0.3, (change,), flips, (), (), "Better.")
    text = comparison_markdown(Comparison(*values), record())
    assert "| Accuracy | 80.00% | 85.00% | +5.0 points | +1.0 to +9.0 |" in text
    flips = "5 from right to wrong (negative flips), 10 from wrong to right (positive flips)"
    assert f"Of 100 labelled images 15 flipped: {flips}; McNemar's exact test p = 0.3000." in text
    assert text.count("→ `\\x3cdog>`") == 5
    assert "@" not in text

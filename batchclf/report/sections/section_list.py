"""The sections of the report in reading order, from which page, contents, figures, JSON and Markdown come."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from operator import attrgetter
from typing import Any

from batchclf.core.records.findings import Findings
from batchclf.core.types import SkippedImage
from batchclf.report.parts.pictures import Pictures
from batchclf.report.parts.subset_words import subset_names
from batchclf.report.sections.gate import IN_VERDICT


@dataclass(frozen=True, eq=False)
class Material:
    """What sections are made from: a run, evaluated, its skipped images, and pictures by (split, path)."""

    findings: Findings
    skipped: Iterable[SkippedImage]
    pictures: Pictures = field(default_factory=dict)

    @cached_property
    def names(self) -> Mapping[str, str]:
        """What the subsets are called, by split."""
        return subset_names(self.findings.record)

    def made(self, how: str) -> Any:
        """Call "module:function argument …": a function of batchclf.report, loaded now, with attributes of this.

        The argument is `findings` if none is given. Without a colon, `how` is the attribute itself.
        """
        function, *arguments = how.split()
        if ":" not in function:
            return attrgetter(function)(self)
        return load(function)(*(attrgetter(name)(self) for name in arguments or ["findings"]))


def load(name: str) -> Callable[..., Any]:
    """Load "module:function" of batchclf.report."""
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(import_module(f"batchclf.report.{module}"), function)
    return found


@dataclass(frozen=True)
class Section:
    """One section; `title` names it in the contents, which leave it out if it has none.

    `name` is its anchor and its template, NAME.html; that stands in the block `block` of report.html and reads
    `view.ATTRIBUTE`, made as `view` says; what is empty is left out. `figures` names the function of that which draws:
    it returns a dictionary, of which the template uses `figures.KEY`. A view whose `drawn` is empty has no figures.

    `json` says how each of its keys in report.json is made; the type in the schema is that of the function or the
    attribute. `markdown` makes lines: a paragraph, or items of the list. Unless `when` holds, there are neither view
    nor lines.
    """

    name: str
    title: str
    view: str
    figures: str = ""
    json: Mapping[str, str] = field(default_factory=dict)
    markdown: str = ""
    when: Callable[[Findings], object] = lambda findings: True
    block: str = ""
    attribute: str = ""

    def __post_init__(self) -> None:
        """Name block and attribute as the section, unless they have names of their own."""
        object.__setattr__(self, "block", self.block or self.name)
        object.__setattr__(self, "attribute", self.attribute or self.name)


def _is_labelled(findings: Findings) -> object:
    return findings.main.labelled


def _has_gap_section(findings: Findings) -> object:
    return findings.main.labelled or findings.gap or findings.record.model.history


def reading_order(*, labelled: bool) -> "list[Section]":
    """Put the sections into the order in which they stand on a page whose main subset has labels, or has not."""
    if labelled:
        return SECTIONS
    early = early_sections()
    numbers, *others = (each for each in SECTIONS if each not in early)
    return [numbers, *early, *others]


def early_sections() -> "list[Section]":
    """Give the sections that follow the numbers at once on a page whose main subset has no labels."""
    by_name = {each.name: each for each in SECTIONS}
    return [by_name[name] for name in ("data", "unlabelled")]


SECTIONS = [
    Section(
        "numbers",
        "",
        view="sections.metrics:numbers_view",
        figures="charts.first:first_figure",
        markdown="sections.metrics:metric_lines findings.main.labelled",
    ),
    Section(
        "subsets",
        "Subsets",
        view="sections.subsets:subsets_view findings pictures",
        markdown="sections.subsets:subset_lines",
        when=lambda findings: len(findings.record.subsets) > 1,
    ),
    Section(
        "flips",
        "Changes",
        view="sections.flips:flips_view findings names pictures",
        json={"change": "findings.change", "flips": "findings.flips"},
        markdown="sections.flips:negative_flip_lines",
        when=lambda findings: findings.flips or findings.change,
    ),
    Section(
        "gate",
        "Gate",
        view="sections.gate:gate_view findings.record.gates names",
        when=lambda findings: len(findings.record.gates) > IN_VERDICT,
    ),
    Section(
        "gap",
        "Overfitting gap",
        view="sections.gap:gap_view",
        figures="charts.gap:gap_figures",
        json={"gap": "findings.gap", "duplicates": "findings.duplicates", "history": "findings.history"},
        markdown="sections.gap:gap_lines",
        when=_has_gap_section,
    ),
    Section(
        "confusion",
        "Confusion matrix",
        view="sections.confusion:matrix_view findings.main.labelled pictures",
        when=_is_labelled,
        attribute="matrix",
    ),
    Section(
        "classes",
        "Classes",
        view="sections.classes:classes_view findings.main.labelled findings.gap",
        markdown="sections.classes:weakest_lines findings.main.labelled",
        when=_is_labelled,
    ),
    Section(
        "slices",
        "Slices",
        view="sections.slices:slices_view findings.slices pictures",
        json={"slices": "findings.slices"},
        markdown="sections.slices:slice_lines findings.slices",
        when=lambda findings: findings.slices,
    ),
    Section(
        "calibration",
        "Confidence",
        view="sections.calibration:calibration_view findings.main.labelled findings.record.model.training",
        figures="charts.calibration:calibration_figures",
        markdown="sections.calibration:temperature_lines findings.main.labelled",
        when=_is_labelled,
    ),
    Section(
        "thresholds",
        "Thresholds",
        view="sections.thresholds:thresholds_view findings.thresholds",
        figures="charts.thresholds:threshold_figures",
        json={"thresholds": "findings.thresholds"},
        markdown="sections.thresholds:threshold_lines findings.thresholds",
        when=lambda findings: findings.thresholds,
    ),
    Section(
        "ranking",
        "ROC",
        view="sections.ranking:ranking_view findings.main.labelled",
        figures="charts.ranking:ranking_figures",
        when=_is_labelled,
    ),
    Section(
        "errors",
        "Errors",
        view="sections.errors:errors_view findings pictures",
        json={"label_issues": "findings.label_issues"},
        when=_is_labelled,
    ),
    Section(
        "unlabelled",
        "Without labels",
        view="sections.images:unlabelled_views findings names pictures",
        figures="charts.calibration:unlabelled_figures",
    ),
    Section(
        "data",
        "Images",
        view="sections.data:data_view findings names",
        figures="charts.data:data_figures",
        json={"statistics": "findings.statistics", "drift": "findings.drift"},
        block="data_section",
    ),
    Section(
        "skipped",
        "Skipped files",
        view="sections.images:skipped_view skipped findings.record.subsets",
        json={"skipped": "sections.images:skipped_reasons skipped"},
        markdown="sections.images:skipped_lines skipped findings.record.subsets",
    ),
    Section("facts", "Data, model and run", view="sections.facts:facts_view"),
]

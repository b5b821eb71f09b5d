"""The report as plain data: everything that the page shows, formatted, in the order of reading."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from batchclf.core.metrics.evaluation import Evaluation
from batchclf.core.records.findings import Findings
from batchclf.core.text import counted, moment, percent, visible
from batchclf.core.types import SkippedImage
from batchclf.report.parts.pictures import Picture, album, pictures_in
from batchclf.report.parts.subset_words import measured
from batchclf.report.sections.section_list import SECTIONS, Material, reading_order
from batchclf.report.sections.verdict import Verdict, verdict_view


@dataclass(frozen=True)
class Link:
    """An entry of the table of contents."""

    anchor: str
    title: str


@dataclass(frozen=True)
class ReportView:
    """The whole page. What a section shows is an attribute of the name that `SECTIONS` gives it, such as `gap`.

    It is None, or empty, if there is nothing to show, such as a `matrix` without labels. `pictures` are all that the
    page refers to, the most important first; `script` is what its script reads, as plain values; `class_count` is the
    number of classes, `is_labelled` whether the main subset has labels.
    """

    title: str
    subject: str
    run_id: str
    generated: str
    class_count: int
    is_labelled: bool
    verdict: Verdict
    sections: Mapping[str, Any]
    pictures: tuple[Picture, ...]
    script: Mapping[str, Any]

    def __getattr__(self, name: str) -> Any:
        """Give what a section shows."""
        try:
            return self.__dict__["sections"][name]
        except KeyError:
            raise AttributeError(f"the report has no section '{name}'", name=name, obj=self) from None

    @property
    def contents(self) -> tuple[Link, ...]:
        """The table of contents."""
        order = reading_order(labelled=self.is_labelled)
        return tuple(Link(each.name, each.title) for each in order if each.title and self.sections[each.attribute])


def build_view(
    findings: Findings,
    *,
    pictures: Mapping[tuple[str, str], bytes],
    skipped: Iterable[SkippedImage],
    generated: datetime,
    place: str = "",
    folders: Mapping[str, str] = MappingProxyType({}),
) -> ReportView:
    """Put together what the report shows.

    The "test" evaluation is the one reported on, else the first; "train" serves the gap. `pictures` maps
    (split, path) to PNG, JPEG or WebP bytes, scaled down already; an image that is not in it is shown without picture.
    `generated` is an aware time, `place` the run directory; `folders` are the addresses, relative to the page's, of the
    folders that have the images of a split. Raises ValueError where a picture is of another format.
    """
    record, main = findings.record, findings.main
    material = Material(findings, skipped, album(pictures))
    verdict = verdict_view(findings, generated)
    sections = {each.attribute: material.made(each.view) if each.when(findings) else None for each in SECTIONS}
    matrix = sections["matrix"]
    with_pictures = map(sections.get, ("flips", "errors", "slices", "subsets"))
    examples = matrix.examples.values() if matrix else ()
    subject = record.dataset.name if record.dataset else material.names.get(main.split, "directory")
    return ReportView(
        title=f"{verdict.headline} · {_short(main)}, {visible(subject)}, {record.started[:10]}",
        subject=" · ".join(dict.fromkeys(visible(part) for part in (record.job, subject) if part)),
        run_id=visible(record.run_id),
        generated=moment(generated),
        class_count=len(main.class_names),
        is_labelled=main.labelled is not None,
        verdict=verdict,
        sections=sections,
        pictures=pictures_in(*with_pictures, *examples, sections["unlabelled"]),
        script={
            "folders": {visible(split): address for split, address in folders.items()},
            "review": _review(findings, place or record.run_id),
        },
    )


def _review(findings: Findings, place: str) -> Mapping[str, Any] | None:
    if findings.main.labelled is None:
        return None
    from batchclf.report.sections.review import review_data

    return review_data(findings, findings.main.labelled, place)


def _short(main: Evaluation) -> str:
    if main.labelled is None:
        return f"{counted(main.total, 'image')} scored"
    words = measured(main.split)
    return f"{percent(main.labelled.accuracy.value)} {words[0].lower()}{words[1:]}"

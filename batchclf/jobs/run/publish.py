"""The end of every run, of a job or a single `score`: evaluate, gate, run.json, report."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from batchclf.core.choices import REPORT_ENDINGS
from batchclf.core.metrics.evaluation import Evaluation
from batchclf.core.records.run import GateResult, RunRecord, SubsetRecord, main_of
from batchclf.core.records.unlabelled import unlabelled_verdict
from batchclf.core.text import counted, percent, percent_interval, utf8_text
from batchclf.core.training_record import temperature_of
from batchclf.core.types import Say, Split
from batchclf.errors import Status
from batchclf.jobs.evaluate.findings import gather, runs_to_compare
from batchclf.jobs.evaluate.flips import write_flips
from batchclf.jobs.evaluate.image_checks import ImageFindings, image_findings, look_at_images
from batchclf.jobs.evaluate.predictions import RunTally, Studying, evaluate_predictions
from batchclf.jobs.report.thumbnails import load_pictures
from batchclf.jobs.report.write import Outs, write_formats
from batchclf.jobs.run.inputs import Publication, RunHead
from batchclf.jobs.run.run_log import Steps
from batchclf.report.formats.run_readme import README_FILE, run_readme
from batchclf.storage.exports.junit import JUNIT_FILE, write_junit
from batchclf.storage.images.facts import IMAGES_FILE
from batchclf.storage.predictions.data_dictionary import describe_columns, write_data_dictionary
from batchclf.storage.predictions.flips import FLIPS_FILE
from batchclf.storage.predictions.write import predictions_in
from batchclf.storage.run.directory import REPORT_FILES, write_record
from batchclf.storage.run.metrics import write_metrics

if TYPE_CHECKING:
    from batchclf.core.metrics.gap import Gap
    from batchclf.core.progress import Watcher


def finish(
    folder: Path,
    head: RunHead,
    scored: list[SubsetRecord],
    steps: Steps,
    watcher: "Watcher",
    splits: Mapping[str, Split],
    to: Publication,
    tally: RunTally | None = None,
) -> RunRecord:
    """Evaluate what was scored, check it against the gate, and write metrics, run.json and the report.

    `splits` has the images of the data set, `tally` all rows, unless some were written by an earlier run.
    """
    with steps.step("evaluate"):
        model = head.model
        if tally is not None:
            studying = tally.studying
            evaluations, gap = tally.evaluate()
        else:
            names = [each.split for each in scored if each.scored]
            studying = Studying(folder / IMAGES_FILE, to.plan, main=main_of(head.main_subset, names) if names else None)
            evaluations, gap = evaluate_predictions(
                predictions_in(folder),
                tuple(model.class_names),
                temperature_of(model.training),
                take=studying.take,
                warn=watcher.warn,
            )
        studies = studying.studies(watcher.warn)
    with steps.step("images"):
        look = look_at_images(folder, scored, lambda: splits, head.main_subset)
        images = image_findings(folder, look, model.reference, evaluations, gap, head.main_subset)
    write_metrics(folder, evaluations, gap, studies)
    scored = [replace(subset, content=look.contents.get(subset.split, "")) for subset in scored]
    scored = _check_class_order(folder, scored, evaluations, watcher)
    record = replace(_record(head, scored, steps), files={**head.files, **look.files}, pictures=to.pictures)
    record = replace(record, slices=to.slices, thresholds=to.thresholds)
    record = replace(record, unlabelled=_unlabelled(head.main_subset, evaluations, images))
    history = runs_to_compare(to.beside, record)
    with steps.step("compare"):
        flips, written = write_flips(
            *(folder, to.beside, record, history),
            rows=None if tally is None else tally.take_rows(),
            say=watcher.say,
            warn=watcher.warn,
        )
        record = replace(record, files={**record.files, FLIPS_FILE: written})
        gates = []
        if to.gate is not None:
            from batchclf.jobs.gate.check_rules import hold_gate
            from batchclf.jobs.gate.current_run import CurrentRun

            current = CurrentRun(
                folder, to.beside, record, evaluations, gap, images, history, to.baselines, flips, watcher.warn, studies
            )
            gates = hold_gate(to.gate, current)
    status, timings = _status(gates, scored), dict(steps.timings)
    record = replace(record, gates=gates, status=status, seconds=steps.seconds, timings=timings)
    reports: Outs = {each: folder / f"report{REPORT_ENDINGS[each]}" for each in to.formats}
    write_junit(
        folder / JUNIT_FILE, record, report=next(each for each in REPORT_FILES if folder / each in reports.values())
    )
    with steps.step("report"):
        findings = gather(folder, record, evaluations, gap, images, history, flips, studies, studying.labelled)
        findings = replace(findings, alone=not to.kept)
        pictures = partial(load_pictures, subsets=scored, splits=lambda: splits)
        published = to.beside / head.run_id
        write_formats(reports, folder, findings, pictures, templates=to.templates, published=published)
    record = replace(record, timings=dict(steps.timings))
    write_record(folder, record)
    write_hand_over(folder, record)
    _say_results(record, evaluations, gap, watcher.say)
    return record


def _check_class_order(
    folder: Path, scored: list[SubsetRecord], evaluations: Sequence[Evaluation], watcher: "Watcher"
) -> list[SubsetRecord]:
    """Warn if the names of the classes are in the wrong order, and write the names in the order that fits."""
    of_split = {each.split: each.labelled.confusion for each in evaluations if each.labelled is not None}
    if not of_split:
        return scored
    from batchclf.core.compare.fitted_order import CLASS_ORDER_FILE, fitted_order, fitted_order_sentence

    checked: list[SubsetRecord] = []
    written: tuple[str, ...] = ()
    for subset in scored:
        confusion = of_split.get(subset.split)
        order = None if confusion is None else fitted_order(confusion.class_names, confusion.counts)
        if order is not None:
            if not written:
                written = order.names
                (folder / CLASS_ORDER_FILE).write_text("\n".join(map(utf8_text, written)) + "\n", encoding="utf-8")
            # A model has one order: of subsets that fit different ones, at most one has the right labels
            warning = fitted_order_sentence(order, CLASS_ORDER_FILE if order.names == written else "")
            watcher.warn(f"{subset.split or subset.source}: {warning}")
            subset = replace(subset, warnings=[*subset.warnings, warning])
        checked.append(subset)
    return checked


def _record(head: RunHead, scored: list[SubsetRecord], steps: Steps) -> RunRecord:
    """Put down the run as far as it is known before its gate is checked."""
    return RunRecord(
        run_id=head.run_id,
        job=head.job,
        command=head.command,
        status="ok",
        started=steps.started.isoformat(timespec="seconds"),
        seconds=steps.seconds,
        model=head.model,
        subsets=scored,
        dataset=head.dataset,
        timings=dict(steps.timings),
        versions=dict(head.versions),
        run_date=head.run_date,
        main_subset=head.main_subset,
        **vars(head.scoring),
    )


def _unlabelled(main_subset: str, evaluations: Sequence[Evaluation], images: ImageFindings) -> str:
    name = main_of(main_subset, [each.split for each in evaluations])
    main = next(each for each in evaluations if each.split == name)
    verdict = unlabelled_verdict(main, images.drift, images.drift_note)
    return "" if verdict is None else verdict.sentence


def _status(gates: Sequence[GateResult], scored: Sequence[SubsetRecord]) -> Status:
    """Judge the run; what the deadline cut short is partial, whatever the gate says of that part."""
    # Before the gate, which has seen only a part (decision 098)
    if not all(subset.complete for subset in scored):
        return "partial"
    if not all(result.passed for result in gates):
        return "gate failed"
    return "partial" if any(subset.over_budget or subset.images_missing for subset in scored) else "ok"


def _say_results(record: RunRecord, evaluations: Sequence[Evaluation], gap: "Gap | None", say: Say) -> None:
    for evaluation in evaluations:
        if evaluation.labelled is not None:
            accuracy = evaluation.labelled.accuracy
            name = evaluation.split or ("all rows:" if record.is_of_predictions else "directory")
            say(f"{name} accuracy {percent(accuracy.value)} (95% interval {percent_interval(accuracy)})")
    if record.unlabelled:
        say(record.unlabelled)
    if gap is not None:
        say(gap.sentence)
    for result in record.gates:
        if result.kind != "alarm" or not result.passed:
            word = "alarm" if result.kind == "alarm" else "gate"
            outcome = "FAILED" if not result.passed else "not checked" if result.missing else "passed"
            say(f"{word} {outcome}: {result.reason if result.passed else result.sentence}")
    silent = sum(result.kind == "alarm" and result.passed for result in record.gates)
    if silent:
        say(f"{counted(silent, 'alarm')} {'was' if silent == 1 else 'were'} silent")


def write_hand_over(folder: Path, record: RunRecord) -> None:
    """Write predictions.schema.json and README.md, which lists the files that are in `folder` by then. Raises OSError.

    Called when all other files of the run are written, while the folder is not published yet.
    """
    write_data_dictionary(folder, record)
    columns = [
        (each.name, each.type, each.meaning) for each in describe_columns(("CLASS",), record.topk, record.probabilities)
    ]
    files = [README_FILE, *(path.name for path in folder.iterdir())]
    (folder / README_FILE).write_bytes(run_readme(record, columns, files).encode())

"""Read a job file; what is wrong is reported with its line and the nearest right key."""

import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from batchclf.core.geometry import OF_GEOMETRY
from batchclf.core.options import given_of
from batchclf.core.records.run import LAST_GOOD
from batchclf.data.class_split import group_pattern
from batchclf.data.geometry.settle import geometry_of
from batchclf.data.labels import LABEL_MODES
from batchclf.data.metadata_table import Roots
from batchclf.data.selection import Selection
from batchclf.data.size_text import parse_size
from batchclf.data.sources.addresses import Location, located
from batchclf.data.sources.registry import source_of
from batchclf.errors import JobFileError, UsageError
from batchclf.jobs.config.addresses import wrong_addresses
from batchclf.jobs.config.gate_rules import gate_of, wrong_rules
from batchclf.jobs.config.job_files import instead_of
from batchclf.jobs.config.limits import parse_budget, parse_duration
from batchclf.jobs.config.options import OF_FOLDERS, DataSpec
from batchclf.jobs.config.placeholders import Surroundings, expand
from batchclf.jobs.config.settings import DirectorySubset
from batchclf.jobs.config.spec import DirectorySpec, JobSpec, ModelSpec, ScoringSpec, main_subset, splits_of
from batchclf.jobs.config.study_options import check_costs, other_cost, path_pattern
from batchclf.jobs.config.toml_lines import JobText, Keys, dotted
from batchclf.jobs.config.validate import wrong_content
from batchclf.storage.run.published import CACHE, HISTORY_FILE, INDEX_FILE, MODEL
from batchclf.training.augmentation import parse_augmentation
from batchclf.training.options import OF_BASE
from batchclf.training.recipes.custom import check_name

_TAKEN = {CACHE, INDEX_FILE, HISTORY_FILE, "score"}
"""Names in the reports folder that stand for something else than a job."""

COMMANDS = {("notify", "on_success"), ("notify", "on_failure")}
"""What a shell or program expands itself."""


class Job:
    """A checked job file with its paths made absolute.

    `run_date` is the date that its placeholders stand for. `directories` are the folders to score, by name; `budgets`
    say how many images of each may be skipped. `baselines` are run ids or absolute paths by name. `main_subset` is the
    split or folder that the report is about.
    """

    def __init__(self, path: Path, spec: JobSpec, run_date: date) -> None:
        base = path.resolve().parent
        self.path = path
        self.spec = spec
        self.run_date = run_date
        self.name = spec.name or path.stem
        self.reports = (base / spec.publish.reports).resolve()
        self.folder = self.reports / self.name
        self.upload_to = located(spec.publish.to) if spec.publish.to else None
        self.bundle = _place(base, spec.model.bundle) if spec.model.bundle else self.folder / MODEL
        data = spec.data
        self.directory = (base / data.directory).resolve() if data and data.directory else None
        self.label_map = (base / data.label_map).resolve() if data and data.label_map else None
        self.base = (base / spec.model.base).resolve() if spec.model.base else None
        self.data_dir = (base / data.data_dir).resolve() if data and data.data_dir else None
        self.splits = splits_of(spec)
        self.directories = {name: _subset(base, each) for name, each in sorted(spec.scoring.directories.items())}
        self.roots = _roots(base, spec, self.directories)
        self.budgets = {
            name: parse_budget(each.max_skipped)
            for name, each in spec.scoring.directories.items()
            if each.max_skipped is not None
        }
        self.baselines = {name: _baseline(base, each) for name, each in spec.baselines.items()}
        self.templates = (base / spec.report.templates).resolve() if spec.report.templates else None
        self.metadata = _place(base, spec.slices.metadata) if spec.slices.metadata else None
        self.prometheus = (base / spec.notify.prometheus).resolve() if spec.notify.prometheus else None
        self.junit = (base / spec.notify.junit).resolve() if spec.notify.junit else None
        self.gate = gate_of(spec)
        self.main_subset = main_subset(spec)
        self.deadline = None if spec.deadline is None else parse_duration(spec.deadline)


def _roots(base: Path, spec: JobSpec, directories: Mapping[str, DirectorySubset]) -> Roots:
    """Give the folders that paths in metadata may lead into, by subset."""
    if spec.predictions is not None:
        return {} if spec.predictions.images is None else {None: (base / spec.predictions.images).resolve()}
    return {name: each.source.root or located(each.source.address) for name, each in directories.items()}


def _subset(base: Path, spec: DirectorySpec) -> DirectorySubset:
    labels = next((mode for mode in LABEL_MODES if mode == spec.labels), None) or _place(base, spec.labels)
    selection = Selection(globs=tuple(spec.glob), follow_symlinks=spec.follow_symlinks)
    label_map = None if spec.label_map is None else _place(base, spec.label_map)
    return DirectorySubset(source_of(_place(base, spec.path)), labels, selection, label_map)


def _place(base: Path, text: str) -> Location:
    """Make a path absolute, links resolved; an address stays one."""
    place = located(text, base)
    return place.resolve() if isinstance(place, Path) else place


def _baseline(base: Path, text: str) -> str | Path:
    """A run id stays one; anything with a slash or a dot before a suffix is a path."""
    return text if re.fullmatch(r"[0-9]{8}T[0-9]{6}Z(-[0-9]+)?", text) else (base / text).resolve()


@dataclass(frozen=True, slots=True)
class ReadJob:
    """What stands in a job file: `job` is None if `problems` are in the way.

    `text` names the lines for later errors, `raw` is the content with its placeholders.
    """

    job: Job | None
    problems: tuple[JobFileError, ...]
    text: JobText
    raw: dict[str, Any]

    def checked(self) -> Job:
        """Give the job; raises the first of the problems."""
        if self.job is None:
            raise self.problems[0]
        return self.job


def load_job(path: Path, run_date: date | None = None, environment: Mapping[str, str] | None = None) -> Job:
    """Read a job file; raises JobFileError that names the line, the key, what was expected and the nearest key.

    `run_date` is what date placeholders stand for, today unless given; `environment` the process' own.
    """
    return read_job(path, run_date, environment).checked()


def read_job(path: Path, run_date: date | None = None, environment: Mapping[str, str] | None = None) -> ReadJob:
    """Read a job file and gather all that is wrong with its keys and values; arguments as for `load_job`.

    Raises JobFileError if the file cannot be read or is not TOML.
    """
    raw, text = _parse(path)
    run_date = run_date or date.today()
    surroundings = Surroundings(run_date, os.environ if environment is None else environment)
    problems: list[JobFileError] = []
    content = _expanded(raw, surroundings, text, (), problems)
    reported = {problem.key for problem in problems}
    problems += [each for each in wrong_content(content, JobSpec, text) if each.key not in reported]
    if problems:
        return ReadJob(None, tuple(problems), text, raw)
    spec = msgspec.convert(content, JobSpec)
    if problems := list(_wrong_together(spec, text)):
        return ReadJob(None, tuple(problems), text, raw)
    try:
        return ReadJob(Job(path, spec, run_date), (), text, raw)
    except RuntimeError as error:  # Path.resolve, of symbolic links that lead to each other
        raise text.error((), f"one of its paths cannot be followed: {error}", "correct the symbolic link") from error


def _parse(path: Path) -> tuple[dict[str, Any], JobText]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        hint = instead_of(path) if isinstance(error, FileNotFoundError) else "give the path of a job file"
        raise JobFileError(f"the job file {path} cannot be read: {error.strerror}", hint=hint) from error
    except UnicodeDecodeError as error:
        raise JobFileError(f"the job file {path} is not UTF-8 text: {error}", hint="save it as UTF-8") from error
    try:
        return tomllib.loads(text), JobText(path, text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line ([0-9]+)", str(error))
        raise JobFileError(
            f"{path} is not valid TOML: {error}",
            hint="correct that line" if line else "correct what stands at the end",
            line=int(line[1]) if line else None,
        ) from error
    except (RecursionError, ValueError) as error:  # ValueError: a number of more digits than Python reads
        raise JobFileError(
            f"{path} is not valid TOML: {error}", hint="compare it with what `batchclf job new` writes"
        ) from error


def _expanded(value: Any, of: Surroundings, text: JobText, keys: Keys, problems: list[JobFileError]) -> Any:
    """Put in what placeholders stand for, in all texts but the commands; a text with a wrong one stays."""
    if keys in COMMANDS:
        return value
    if isinstance(value, dict):
        return {key: _expanded(each, of, text, (*keys, key), problems) for key, each in value.items()}
    if isinstance(value, list):
        return [_expanded(each, of, text, (*keys, number), problems) for number, each in enumerate(value)]
    if not isinstance(value, str):
        return value
    try:
        return expand(value, of)
    except ValueError as error:
        hint = "correct the placeholder, or set the variable"
        problems.append(text.error(keys, f"{dotted(keys)}: {error}", hint))
        return value


def texts_of(raw: Any, keys: Keys = ()) -> Iterator[str]:
    """Yield the texts of a job file's content in which placeholders stand for something: all but the commands."""
    if isinstance(raw, str):
        yield raw
    inner = raw.items() if isinstance(raw, dict) else enumerate(raw) if isinstance(raw, list) else ()
    for key, value in inner:
        if (*keys, key) not in COMMANDS:
            yield from texts_of(value, (*keys, key))


def _wrong_together(spec: JobSpec, text: JobText) -> Iterator[JobFileError]:
    """Yield an error for each value that does not go with the others, or that its type does not show to be wrong."""
    name = spec.name or text.path.stem
    if name in _TAKEN or name.startswith("."):
        yield text.error(
            ("name",) if spec.name else (),
            f"a job cannot have the name '{name}'",
            'give it another name, for example: name = "nightly"',
        )
    splits = set(splits_of(spec))
    if spec.predictions is not None:
        yield from _wrong_beside_predictions(spec, text)
        yield from _wrong_texts(spec, text)
        yield from wrong_rules(spec, None, text.error)
        return
    yield from _wrong_data(spec, text)
    if spec.gate.max_gap is not None and splits != {"test", "train"}:
        yield text.error(
            ("gate", "max_gap"),
            "gate.max_gap needs both splits scored",
            'write: splits = ["test", "train"] in [scoring]',
        )
    if spec.gate.min_test_accuracy is not None and "test" not in splits:
        yield text.error(
            ("gate", "min_test_accuracy"),
            "gate.min_test_accuracy needs the test split scored",
            'add "test" to splits in [scoring]',
        )
    yield from _wrong_directories(spec, text)
    subsets = [*splits_of(spec), *spec.scoring.directories]
    if spec.report.subset is not None and spec.report.subset not in subsets:
        yield text.error(
            ("report", "subset"),
            f"report.subset: '{spec.report.subset}' is not scored",
            f"choose one of: {', '.join(subsets)}",
        )
    yield from _wrong_texts(spec, text)
    yield from wrong_rules(spec, set(subsets), text.error)


def _wrong_beside_predictions(spec: JobSpec, text: JobText) -> Iterator[JobFileError]:
    """Yield an error for each table about a model; there is none if predictions are read."""
    for key, is_given in (
        ("data", spec.data is not None),
        ("model", spec.model != ModelSpec()),
        ("scoring", spec.scoring != ScoringSpec()),
        ("deadline", spec.deadline is not None),
    ):
        if is_given:
            yield text.error((key,), f"{key} does not go with [predictions]", "remove one of the two")
    if spec.predictions is not None and not spec.predictions.files:
        yield text.error(("predictions", "files"), "predictions.files names no file", "give a file or a pattern")


def _wrong_data(spec: JobSpec, text: JobText) -> Iterator[JobFileError]:
    data, splits = spec.data, spec.scoring.splits
    if data is not None and (data.dataset is None) == (data.directory is None):
        yield text.error(
            ("data",),
            "[data] takes either dataset or directory, exactly one of them",
            'for example: dataset = "fashion-mnist"',
        )
    yield from _wrong_model(spec.model, text)
    if splits is not None and len(set(splits)) != len(splits):
        yield text.error(("scoring", "splits"), "scoring.splits names one twice", "name each split once")
    if data is not None and splits == [] and not spec.scoring.directories:
        yield text.error(
            ("scoring", "splits"),
            "scoring.splits names no split, and there are no [scoring.directories]: there is nothing to score",
            'write: splits = ["test", "train"]',
        )
    if data is None:
        yield from _wrong_without_data(spec, text)
    else:
        yield from _wrong_folder_keys(data, text)


def _wrong_model(model: ModelSpec, text: JobText) -> Iterator[JobFileError]:
    if model.recipe is not None:
        yield from _wrong_text(check_name, model.recipe, text, ("model", "recipe"))
        if model.base is not None:
            yield text.error(
                ("model", "recipe"), "model.recipe and model.base do not go together", "remove one of the two keys"
            )
    if model.base is None:
        for key in given_of(model, OF_BASE):
            yield text.error(("model", key), f"model.{key} goes with model.base only", "remove it, or give the base")
    if model.augment is not None:
        yield from _wrong_text(parse_augmentation, model.augment, text, ("model", "augment"))
    if model.patience and model.validation_split == 0:
        yield text.error(
            ("model", "patience"),
            "model.patience needs validation images, which are split from train",
            "write for example: validation_split = 0.1",
        )


def _wrong_folder_keys(data: DataSpec, text: JobText) -> Iterator[JobFileError]:
    for key in given_of(data, OF_FOLDERS) if data.dataset is not None else []:
        yield text.error(("data", key), f"data.{key} is about class folders, not about a data set by name", "remove it")
    if data.group_by is not None:
        yield from _wrong_text(group_pattern, data.group_by, text, ("data", "group_by"))
    if given := given_of(data, OF_GEOMETRY):
        try:
            make = geometry_of(data)
            if make is not None and data.input_size is not None:
                make(parse_size(data.input_size))
        except UsageError as error:
            yield text.error(("data", given[0]), f"data.{given[0]}: {error.message}", error.hint)


def _wrong_without_data(spec: JobSpec, text: JobText) -> Iterator[JobFileError]:
    if not spec.scoring.directories:
        yield text.error(
            (),
            "the table [data] is missing, and [scoring.directories] names no folder: there is nothing to score",
            'write for example: [data] and below it dataset = "fashion-mnist"',
        )
    elif spec.model.bundle is None or spec.model.retrain:
        yield text.error(
            ("model", "retrain") if spec.model.retrain else ("model",),
            "without [data] nothing can be trained: model.bundle must name a model bundle, without retrain",
            'write for example: bundle = "../models/shoes", or add [data]',
        )
    if spec.scoring.splits:
        yield text.error(("scoring", "splits"), "scoring.splits needs [data]", "add [data], or remove splits")


def _wrong_directories(spec: JobSpec, text: JobText) -> Iterator[JobFileError]:
    for name, each in spec.scoring.directories.items():
        keys = ("scoring", "directories", name)
        if name in ("test", "train"):
            yield text.error(keys, f"'{name}' is the name of a split", "give the folder another name")
        if each.max_skipped is not None:
            yield from _wrong_text(parse_budget, each.max_skipped, text, (*keys, "max_skipped"))


def _wrong_texts(spec: JobSpec, text: JobText) -> Iterator[JobFileError]:
    yield from wrong_addresses(spec, text.error)
    if spec.deadline is not None:
        yield from _wrong_text(parse_duration, spec.deadline, text, ("deadline",))
    if spec.slices.path_pattern is not None:
        yield from _wrong_text(path_pattern, spec.slices.path_pattern, text, ("slices", "path_pattern"))
    if cost := check_costs(spec.thresholds):
        what, hint = other_cost(cost)
        yield text.error(("thresholds", cost), f"thresholds.{what}", hint)
    if spec.notify.webhook is not None:
        yield from _wrong_text(_check_address, spec.notify.webhook, text, ("notify", "webhook"))
    if LAST_GOOD in spec.baselines:
        yield text.error(
            ("baselines", LAST_GOOD),
            f"'{LAST_GOOD}' is always the last good run of this job, so it cannot be a name of [baselines]",
            "give the baseline another name",
        )


def _wrong_text(parse: Callable[[str], object], value: str, text: JobText, keys: Keys) -> Iterator[JobFileError]:
    try:
        parse(value)
    except UsageError as error:
        yield text.error(keys, f"{dotted(keys)}: {error.message}", error.hint)


def _check_address(address: str) -> None:
    """Raise UsageError unless this is the address of a web server."""
    try:
        parts = urlsplit(address)
        right = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, half of an IPv6 address
        right = None
    if not right or not address.isprintable() or " " in address:
        # It is not shown: it may hold a secret.
        raise UsageError("it is no address of the web", hint="write: https://host/path")

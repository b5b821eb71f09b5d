"""Job files: TOML, checked key by key; what is wrong is told with its line and the nearest right key."""

import difflib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta

from batchclf.core.gate import Gate
from batchclf.errors import JobFileError
from batchclf.models.recipes import RECIPES
from batchclf.models.runtimes import Precision, RuntimeName
from batchclf.storage.prediction_files import Format
from batchclf.storage.published import MODEL

Positive = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0, le=1)]
Seed = Annotated[int, Meta(ge=0, le=2**32 - 1)]
"""The seeds that numpy takes."""

PathText = Annotated[str, Meta(min_length=1, pattern=r"^[^\0]+$")]


class DataSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[data]: a data set by name or a folder of class folders; `data_dir` is where a named one's files lie."""

    dataset: Literal["fashion-mnist", "digits"] | None = None
    directory: PathText | None = None
    data_dir: PathText | None = None


class ModelSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[model]: how it is trained; `bundle` is where it is kept, REPORTS/NAME/model unless given."""

    recipe: str = "mlp"
    epochs: Positive | None = None
    batch_size: Positive | None = None
    seed: Seed = 0
    retrain: bool = False
    bundle: PathText | None = None


class ScoringSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[scoring]: what is scored and how; the names are those of `batchclf score`."""

    splits: list[Literal["test", "train"]] = msgspec.field(default_factory=lambda: ["test", "train"])
    batch_size: Positive | None = None
    topk: Positive = 3
    probabilities: bool = True
    runtime: RuntimeName = "onnx"
    precision: Precision = "f32"
    format: list[Format] = msgspec.field(default_factory=lambda: ["csv"])
    cache: bool = True


class GateSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[gate]: bounds as shares, 0 to 1."""

    min_test_accuracy: Share | None = None
    max_gap: Share | None = None


class PublishSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[publish]: the reports folder."""

    reports: PathText = "../reports"


class JobSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A job file. Paths in it are relative to the file's own folder; `path` is the file."""

    data: DataSpec
    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z")] | None = None
    model: ModelSpec = msgspec.field(default_factory=ModelSpec)
    scoring: ScoringSpec = msgspec.field(default_factory=ScoringSpec)
    gate: GateSpec = msgspec.field(default_factory=GateSpec)
    publish: PublishSpec = msgspec.field(default_factory=PublishSpec)


class Job:
    """A checked job file with its paths made absolute."""

    def __init__(self, path: Path, spec: JobSpec) -> None:
        base = path.resolve().parent
        self.path = path
        self.spec = spec
        self.name = spec.name or path.stem
        self.folder = (base / spec.publish.reports).resolve() / self.name
        self.bundle = (base / spec.model.bundle).resolve() if spec.model.bundle else self.folder / MODEL
        self.directory = (base / spec.data.directory).resolve() if spec.data.directory else None
        self.data_dir = (base / spec.data.data_dir).resolve() if spec.data.data_dir else None
        self.gate = Gate(spec.gate.min_test_accuracy, spec.gate.max_gap)


def load_job(path: Path) -> Job:
    """Read a job file; raises JobFileError that names the line, the key, what was expected and the nearest key."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        hint = "job files lie in jobs/, e.g. jobs/fashion-mnist.toml"
        raise JobFileError(f"the job file {path} cannot be read: {error.strerror}", hint=hint) from error
    except UnicodeDecodeError as error:
        raise JobFileError(f"the job file {path} is not UTF-8 text: {error}", hint="save it as UTF-8") from error
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise JobFileError(f"{path} is not valid TOML: {error}", hint="correct that line") from error
    _check_keys(path, text, content, JobSpec, ())
    try:
        spec = msgspec.convert(content, JobSpec)
    except msgspec.ValidationError as error:
        raise _wrong_value(path, text, str(error)) from error
    _check_together(path, text, spec)
    return Job(path, spec)


def _check_keys(path: Path, text: str, content: dict[str, Any], struct: Any, above: tuple[str, ...]) -> None:
    fields = {field.name: field.type for field in msgspec.structs.fields(struct)}
    for key, value in content.items():
        if key not in fields:
            nearest = difflib.get_close_matches(key, fields, 1, 0.5)
            where = f"[{'.'.join(above)}]" if above else "the top level"
            raise JobFileError(
                f"{_at(path, text, (*above, key))}: {where} has no key '{key}'; it takes: {', '.join(fields)}",
                hint=f"did you mean '{nearest[0]}'?" if nearest else "remove it",
            )
        inner = fields[key]
        if isinstance(value, dict) and isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            _check_keys(path, text, value, inner, (*above, key))


def _wrong_value(path: Path, text: str, message: str) -> JobFileError:
    found = re.fullmatch(r"(.*?)(?: - at `\$\.?(.*)`)?", message, re.DOTALL)
    what, keys = (
        (found[1], tuple(filter(None, re.sub(r"\[.*?\]", "", found[2] or "").split(".")))) if found else (message, ())
    )
    name = ".".join(keys) or "the job file"
    what = what.replace("`", "")
    what = what.replace("Object missing required field data", "the table [data] is missing")
    if what.startswith("Invalid enum value"):
        what += f"; choose of: {', '.join(_choices(keys))}"
    return JobFileError(f"{_at(path, text, keys)}: {name}: {what}", hint="correct the value; the README lists the keys")


def _choices(keys: tuple[str, ...]) -> list[str]:
    kind: Any = JobSpec
    for key in keys:
        kind = next(field.type for field in msgspec.structs.fields(kind) if field.name == key)
    return _literals(kind)


def _literals(kind: Any) -> list[str]:
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    return [choice for inner in get_args(kind) for choice in _literals(inner)]


def _check_together(path: Path, text: str, spec: JobSpec) -> None:
    if (spec.data.dataset is None) == (spec.data.directory is None):
        raise JobFileError(
            f"{_at(path, text, ('data',))}: [data] takes either dataset or directory, exactly one of them",
            hint='for example: dataset = "fashion-mnist"',
        )
    if spec.model.recipe not in RECIPES:
        raise JobFileError(
            f"{_at(path, text, ('model', 'recipe'))}: there is no recipe '{spec.model.recipe}'",
            hint=f"choose one of: {', '.join(RECIPES)}",
        )
    splits = spec.scoring.splits
    if not splits or len(set(splits)) != len(splits):
        raise JobFileError(
            f"{_at(path, text, ('scoring', 'splits'))}: scoring.splits names no split, or one twice",
            hint='write: splits = ["test", "train"]',
        )
    if spec.gate.max_gap is not None and set(splits) != {"test", "train"}:
        raise JobFileError(
            f"{_at(path, text, ('gate', 'max_gap'))}: gate.max_gap needs both splits scored",
            hint='write: splits = ["test", "train"] in [scoring]',
        )
    if spec.gate.min_test_accuracy is not None and "test" not in splits:
        raise JobFileError(
            f"{_at(path, text, ('gate', 'min_test_accuracy'))}: gate.min_test_accuracy needs the test split scored",
            hint='add "test" to splits in [scoring]',
        )


def _at(path: Path, text: str, keys: tuple[str, ...]) -> str:
    """Name the file and, where it can be found, the line of a key (dotted, under its [table] or in a table's line)."""
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line):
            table = tuple(part.strip().strip("\"'") for part in header[1].split("."))
            if table == keys:
                return f"{path}, line {number}"
        elif key := re.match(r"\s*([A-Za-z0-9_.\"'-]+)\s*=", line):
            full = table + tuple(part.strip("\"'") for part in key[1].split("."))
            if keys and full[: len(keys)] == keys:
                return f"{path}, line {number}"
    return _at(path, text, keys[:-1]) if keys else str(path)

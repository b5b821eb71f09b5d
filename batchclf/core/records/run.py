"""What run.json holds: how a run came about and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from batchclf.core.choices import ColorMode
from batchclf.core.estimate import AmongLabelled
from batchclf.core.geometry import OWN, Geometry
from batchclf.core.images.drift import Reference
from batchclf.core.training_record import TrainingRecord
from batchclf.errors import Status

RUN_FORMAT = 2


@dataclass(frozen=True)
class SplitRecord:
    """What class folders were split by, so that a later report can split them again.

    `test_size` of each class is test (0 to 1), None for the usual 0.2; `group_by` is the regular expression that found
    the groups in the paths, None for none; `seed` drew the test images. Folders train/ and test/ are taken as they are.
    `label_map` gives folders their classes, "" if they were left out. `follow_symlinks` says whether symbolic links to
    folders and out of the folder were read.
    """

    test_size: float | None
    group_by: str | None
    seed: int
    label_map: dict[str, str] = field(default_factory=dict)
    follow_symlinks: bool = False


@dataclass(frozen=True)
class DatasetRecord:
    """The data set behind the splits; `origin` is one line on where the bytes came from.

    `split` is None for a named data set, and in runs of an earlier batchclf.
    """

    name: str
    origin: str
    train_images: int
    test_images: int
    split: SplitRecord | None = None


@dataclass(frozen=True)
class ModelRecord:
    """The model that scored.

    `history` has one list per training metric (`loss`, `accuracy`, `val_loss`, …), one value an epoch;
    `settings` is what the recipe was run with (`epochs`, `batch_size`, `seed`, …); `digest` is the SHA-256 of
    its ONNX graph; `reference` is what the model was known by when it was trained and `training` how that went, None
    where that was not kept. `geometry` is how files become images of `input_shape`.

    Where only predictions are known and not what made them, `source` is "predictions": `path` says where they are from,
    `digest` is the SHA-256 of that, `settings` says which column was taken for what, and all else is empty.
    """

    path: str
    digest: str
    recipe: str
    settings: dict[str, int | float | str | bool]
    class_names: list[str]
    input_shape: tuple[int, int, int]
    color_mode: ColorMode
    parameters: int
    trained_on: str
    created: str
    history: dict[str, list[float]]
    trained_in_this_run: bool = False
    reference: Reference | None = None
    training: TrainingRecord | None = None
    geometry: Geometry = OWN
    source: Literal["bundle", "predictions"] = "bundle"


@dataclass(frozen=True)
class PrecisionRecord:
    """How far less precision is from float32 on the `images` that were compared.

    `changed` of them have another most probable class; `largest` is the largest difference of a probability, 0 to 1.
    """

    images: int
    changed: int
    largest: float


@dataclass(frozen=True)
class SubsetRecord:
    """One thing that was scored: a split of the data set, a directory, or what a table has predictions of.

    found = scored + skipped + excluded. `source` is the data set's name, the directory's absolute path, or that of the
    file that the predictions are from; `images` is the folder where images of the latter are, empty if not known.
    `labels` says in words where the labels came from or why there are none. `cached` of the scored images were
    scored by an earlier run. `precision` is there where less than float32 was asked for. `timings` are the seconds of
    list, read, decode, model and write; read and decode are added up over the workers.

    `over_budget` says that more images were skipped than allowed. `complete` is false where the deadline ended the
    scoring: then only the files up to there were found. `folders` counts a directory's images (scored and skipped) by
    their first folder, those at the top under "". `content` is a digest of the scored images' content that does not
    depend on their order or names, empty where it is not known. `excluded_suffixes` counts the excluded files that are
    no image by their suffix: by that in small letters, "" for none and "other" for what is not counted apart.
    `among_labelled` is there if labels name some of the classes only. `warnings` are sentences on what may make the
    numbers mean less than they seem to. `images_missing` says that a shard is not whole and an unknown number of images
    is missing; `warnings` name it. `resumed` of the scored images were scored by a run that was killed.
    """

    split: str
    kind: Literal["split", "directory", "predictions"]
    source: str
    labels: str
    found: int
    scored: int
    skipped: int
    excluded: int
    seconds: float
    cached: int = 0
    precision: PrecisionRecord | None = None
    timings: dict[str, float] = field(default_factory=dict)
    over_budget: bool = False
    complete: bool = True
    folders: dict[str, int] = field(default_factory=dict)
    content: str = ""
    excluded_suffixes: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    among_labelled: AmongLabelled | None = None
    resumed: int = 0
    images: str = ""
    images_missing: bool = False


NO_LABELS_USED = "no labels are used: "
"""The start of the warning that a source gives no labels, which the alarm on class folders reports, too."""


@dataclass(frozen=True)
class WrittenFile:
    """A table as the run wrote it: its `rows` without the header, and the SHA-256 of its bytes, 64 hex digits."""

    rows: int
    sha256: str


GateKind = Literal["bound", "change", "alarm"]
Outcome = Literal["passed", "failed", "uncertain", "missing"]
LAST_GOOD = "last-good"
"""What a rule compares a run `against` where it names no baseline run; the link to that run has the same name."""


@dataclass(frozen=True)
class GateResult:
    """One rule of the job's gate: `value` was checked against `bound`. Shares are 0 to 1; None where there is none.

    `passed` decides on the run's status. `certain` is false where there is not enough evidence to tell on which side of
    the bound the model is: the bound lies within the 95% interval, or there are too few images. `missing` is true where
    there was nothing to check against the bound, or no earlier run to compare with; `passed` may be true then only
    where no earlier run can be there yet.

    `kind` is "bound" for a value, "change" for a difference to the run or file `against`, "alarm" for what would go
    unseen. `subset` is the split or directory ("" for all of them), `class_name` the class, "" for all. `because` is
    the name of the alarm that reports why a rule was not checked, empty if none does.
    """

    name: str
    value: float | None
    bound: float | None
    passed: bool
    sentence: str
    certain: bool = True
    missing: bool = False
    kind: GateKind = "bound"
    subset: str = ""
    class_name: str = ""
    against: str = ""
    because: str = ""

    @property
    def outcome(self) -> Outcome:
        """Say in a word what came of it: "uncertain" is not enough evidence, whatever the exit code."""
        if self.missing:
            return "missing"
        if not self.certain:
            return "uncertain"
        return "passed" if self.passed else "failed"

    @property
    def reason(self) -> str:
        """The sentence beside a word for the outcome: without `not checked`, which that word has said."""
        return self.sentence.replace(" not checked: ", ": ", 1) if self.outcome == "missing" else self.sentence


def causes(gates: Sequence[GateResult]) -> list[tuple[GateResult, str]]:
    """List what did not pass, each cause once: a rule that an alarm keeps from being checked stands in a clause there.

    The clause, `so rule accuracy[incoming] was not checked`, is empty for all others.
    """
    waiting: dict[str, list[str]] = {}
    for gate in gates:
        if gate.because:
            waiting.setdefault(gate.because, []).append(gate.name)
    found = []
    for gate in gates:
        if not gate.passed and not gate.because:
            names = waiting.get(gate.name, []) if gate.kind == "alarm" else []
            rules = f"{len(names):,} rules were" if len(names) > 1 else f"rule {''.join(names)} was"
            found.append((gate, f"so {rules} not checked" if names else ""))
    return found


RunState = Literal["passed", "failed", "uncertain", "partial", "none"]
"""How a run is judged: "uncertain" where there are too few images to tell, "none" where it has no gate."""


def run_state(status: Status, gates: Sequence[GateResult]) -> RunState:
    """Judge a run by its status and its gates. A rule that surely failed counts before one that is not certain.

    A rule that could not be held is as certain as any other: it failed, or it waits for a first good run. Then the run
    has passed, and its sentence says what could not be told.
    """
    if status == "partial":
        return "partial"
    if any(gate.certain and not gate.passed for gate in gates):
        return "failed"
    if not all(gate.certain for gate in gates):
        return "uncertain"
    if status != "ok":
        return "failed"
    return "passed" if gates else "none"


def needs_a_look(status: Status, gates: Sequence[GateResult]) -> bool:
    """Whether a run was not good, or surely failed a rule that does not end it."""
    return status != "ok" or run_state(status, gates) == "failed"


def main_of(wanted: str, names: Sequence[str]) -> str:
    """Choose, of the names of splits and directories, the one that a run is about: the wanted one, test, or the first.

    Nothing is wanted where `wanted` is empty. Raises ValueError where there is none.
    """
    if not names:
        raise ValueError("there is nothing that the run could be about")
    return next((name for name in (wanted, "test") if name and name in names), names[0])


@dataclass(frozen=True)
class RunRecord:
    """One run. Times are ISO 8601 with offset, durations in seconds.

    `timings` names the steps in order. `seconds` is the whole run up to the report, which shows it. `run_date` is the
    date (YYYY-MM-DD) that the job file's placeholders stood for, empty for a run without a job. `main_subset` is the
    split or directory that the report is about, see `main_of`. `files` are the tables that were written while it
    scored, by their names; runs of an earlier batchclf have none. Without `pictures` no page shows its images.
    `slices` and `thresholds` are the options of these names that were not left at their defaults. `unlabelled` sums up
    the drift and the predictions of a main subset without labels, empty with labels and in runs of an earlier batchclf.
    """

    run_id: str
    job: str | None
    command: list[str]
    status: Status
    started: str
    seconds: float
    runtime: str
    batch_size: int
    topk: int
    probabilities: bool
    model: ModelRecord
    subsets: list[SubsetRecord]
    precision: str = "f32"
    device: str = "cpu"
    resize: str = "fast"
    formats: list[str] = field(default_factory=lambda: ["csv"])
    dataset: DatasetRecord | None = None
    gates: list[GateResult] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    run_date: str = ""
    main_subset: str = ""
    files: dict[str, WrittenFile] = field(default_factory=dict)
    pictures: bool = True
    slices: dict[str, str | int | float] = field(default_factory=dict)
    thresholds: dict[str, str | int | float] = field(default_factory=dict)
    unlabelled: str = ""
    format: int = RUN_FORMAT

    @property
    def is_partitioned(self) -> bool:
        """Whether the predictions are in parts: all other runs have a CSV, too."""
        return "csv" not in self.formats

    @property
    def is_of_predictions(self) -> bool:
        """Whether the predictions were there before the run, so that nothing is known of what made them."""
        return self.model.source == "predictions"

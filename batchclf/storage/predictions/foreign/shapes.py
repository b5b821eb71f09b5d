"""The columns that tables of other tools have, and which of them stands for what (decision 171)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from batchclf.core.text import first_of
from batchclf.core.types import SUM_TOLERANCE
from batchclf.errors import UsageError
from batchclf.storage.csv_files.read import Cells
from batchclf.storage.predictions.columns import PROBABILITY
from batchclf.storage.predictions.foreign.interface import Table

Role = Literal["path", "label", "prediction", "confidence", "split"]
OPTIONS: dict[Role, str] = {
    "label": "--label-column",
    "prediction": "--prediction-column",
    "confidence": "--confidence-column",
    "path": "--path-column",
    "split": "--split-column",
}
PREFIX_OPTION = "--probability-prefix"
LEFT_OUT = "none"
"""What an option names to take no column for a role."""

NAMES: dict[Role, str] = {
    "label": "label labels target targets true y_true true_label true_class true_labels label_true truth ground_truth "
    "groundtruth gt actual expected reference y",
    "prediction": "prediction predictions pred preds predicted y_pred y_hat predicted_label predicted_class pred_label "
    "pred_class predicted_labels label_pred prediction_label output outputs top1_prediction top1",
    "confidence": "confidence conf score prob probability pred_score pred_conf prediction_score prediction_confidence "
    "predicted_probability max_prob max_probability top1_confidence top1_prob top1_score",
    "path": "path file filename file_name filepath file_path image image_path image_file img img_path imagename "
    "image_name fname id image_id uri",
    "split": "split subset partition",
}
"""The names of columns by their role, as tools and people write them; case, blanks and `-` do not matter."""

RANKS = re.compile(r"(?P<what>label|index|prob|score|class|conf)_(?P<at>\d+)")
"""Columns of the n-th class, from 0: label_0 and prob_0 of timm and of pipelines."""

PREFIXES = (PROBABILITY, "proba_", "prob_", "probability_", "probabilities_", "probs_", "y_prob_", "y_proba_", "p_")
"""What the columns of all classes' probabilities begin with."""


@dataclass(frozen=True)
class Shape:
    """What a tool writes if a general name would mean something else: its columns, and their roles.

    If `of_one_image`, its rows are the classes of one image unless another column names the image of each.
    """

    tool: str
    columns: frozenset[str]
    roles: dict[Role, str]
    of_one_image: bool = False


SHAPES = (
    Shape(
        "Ultralytics",
        frozenset({"name", "class", "confidence"}),
        {"prediction": "name", "confidence": "confidence"},
        of_one_image=True,
    ),
    Shape("timm", frozenset({"filename", "index", "prob"}), {"prediction": "index", "confidence": "prob"}),
    Shape(
        "timm",
        frozenset({"filename", "index", "label", "prob"}),
        {"prediction": "label", "confidence": "prob"},
    ),
)


@dataclass(frozen=True)
class Chosen:
    """Columns that the user names, by role; LEFT_OUT for none. `prefix` is that of probabilities, None to find it."""

    roles: dict[Role, str] = field(default_factory=dict)
    prefix: str | None = None


@dataclass(frozen=True)
class Roles:
    """Which column stands for what.

    `columns` has the column of each role that there is. `ranked` are pairs (class, probability) of columns, the best
    class first; the probability may be "". `probabilities` are columns by the name of the class. `unused` are the
    others. `given` are the roles that the user has named a column for.
    """

    columns: dict[Role, str]
    ranked: tuple[tuple[str, str], ...]
    probabilities: dict[str, str]
    unused: tuple[str, ...]
    given: frozenset[Role] = frozenset()

    def sentence(self) -> str:
        """Say what each column was taken for."""
        parts = [f"{role} = {self.columns[role]}" for role in OPTIONS if role in self.columns]
        if self.ranked:
            parts.append(f"classes by rank = {self.ranked[0][0]} to {self.ranked[-1][0]}")
        if self.probabilities:
            names = list(self.probabilities.values())
            parts.append(f"probabilities = {names[0]} to {names[-1]} ({len(names)} classes)")
        if self.unused:
            parts.append(f"not used: {first_of(self.unused, 5)}")
        return ", ".join(parts)

    def settings(self) -> dict[str, str]:
        """Give the same for run.json."""
        found: dict[str, str] = {role: self.columns[role] for role in OPTIONS if role in self.columns}
        if self.ranked:
            found["ranked"] = ", ".join(name for name, _ in self.ranked)
        if self.probabilities:
            names = list(self.probabilities.values())
            found["probabilities"] = f"{names[0]} to {names[-1]}"
        return found


def find_roles(table: Table, chosen: Chosen, class_names: tuple[str, ...] = ()) -> Roles:
    """Find out what each column of a table stands for, by its name.

    `class_names`, and the labels in the first rows, may be names of columns of probabilities. Raises UsageError, with
    the options that settle it, if two columns could have a role, if one that was named is not there, or if there is
    neither a prediction nor a probability; PredictionsError if the table cannot be read.
    """
    path, columns = table.path, table.columns
    search = _Search(path, columns, chosen)
    probabilities = search.probabilities(class_names)
    ranked = () if probabilities else search.ranked()
    shape = next((each for each in SHAPES if each.columns <= set(search.left()) and not probabilities), None)
    for role, name in (shape.roles if shape else {}).items():
        search.take(role, name)
    for role in OPTIONS:
        if not (ranked and role in ("prediction", "confidence")):
            search.find(role)
    if shape is not None and shape.of_one_image and "path" not in search.found:
        raise UsageError(
            f"{path} has a row for each class of one image, as {shape.tool} writes it, not a row for each image",
            hint="write a table with the path of each image and its best class",
        )
    search.settle_lone_label(has_classes=bool(probabilities or ranked))
    if not (search.found.keys() & {"prediction"} or ranked or probabilities):
        first: Cells = next(iter(table.pieces(list(dict.fromkeys(columns)))), {name: [] for name in columns})
        probabilities = search.bare_probabilities(first)
    if not (search.found.keys() & {"prediction"} or ranked or probabilities):
        raise UsageError(
            f"{path} has no column that is known to hold predictions; it has: {', '.join(columns) or 'nothing'}",
            hint=f"name it: {OPTIONS['prediction']} NAME, or {PREFIX_OPTION} TEXT for probabilities",
        )
    return Roles(search.found, ranked, probabilities, tuple(search.left()), frozenset(chosen.roles))


class _Search:
    def __init__(self, path: Path, columns: list[str], chosen: Chosen) -> None:
        self.path, self.columns, self.chosen = path, columns, chosen
        self.found: dict[Role, str] = {}
        self._used: set[str] = {""}
        for role, name in chosen.roles.items():
            if name != LEFT_OUT:
                self._check(name, OPTIONS[role])
                self.take(role, name)

    def left(self) -> list[str]:
        """List the columns that have no role yet, but those without a name, as that of a pandas index."""
        return [name for name in self.columns if name not in self._used and name != "Unnamed: 0"]

    def take(self, role: Role, name: str) -> None:
        """Let a column stand for something, unless the user has named another one, or none."""
        if self.chosen.roles.get(role, name) == name and role not in self.found:
            self.found[role] = name
            self._use(name)

    def find(self, role: Role) -> None:
        if role in self.found or role in self.chosen.roles:
            return
        known = set(NAMES[role].split())
        candidates = [name for name in self.left() if _folded(name) in known]
        if len(candidates) > 1:
            raise UsageError(
                f"{self.path}: the {role} may be any of the columns {', '.join(candidates)}",
                hint=f"say which: {OPTIONS[role]} {candidates[0]}, or {LEFT_OUT} for no {role}",
            )
        if candidates:
            self.found[role] = candidates[0]
            self._use(candidates[0])

    def settle_lone_label(self, *, has_classes: bool) -> None:
        """Take the class beside a confidence for the prediction if there is no other one, as YOLO's tables have it."""
        lone = "label" in self.found and "prediction" not in self.found and not has_classes
        if lone and "confidence" in self.found and "label" not in self.chosen.roles:
            self.found["prediction"] = self.found.pop("label")

    def ranked(self) -> tuple[tuple[str, str], ...]:
        """Find columns of the n-th classes with their probabilities; names before numbers."""
        if "prediction" in self.found:
            return ()
        kinds: dict[str, dict[int, str]] = {}
        for name in self.left():
            if match := RANKS.fullmatch(name):
                kinds.setdefault(match["what"], {})[int(match["at"])] = name
        classes = next((kinds[kind] for kind in ("label", "class", "index") if 0 in kinds.get(kind, {})), None)
        if classes is None:
            return ()
        shares = next((kinds[kind] for kind in ("prob", "score", "conf") if 0 in kinds.get(kind, {})), {})
        pairs = tuple((classes[at], shares.get(at, "")) for at in range(len(classes)) if at in classes)
        for each in kinds.values():
            self._use(*each.values())
        return pairs

    def probabilities(self, class_names: tuple[str, ...]) -> dict[str, str]:
        """Find the columns of all classes' probabilities: by the prefix, else those that are named as the classes."""
        prefix = self.chosen.prefix
        if prefix is not None:
            found = {name.removeprefix(prefix): name for name in self.left() if name.startswith(prefix)}
            if len(found) < 2:
                raise UsageError(
                    f"{self.path} has {len(found)} columns that begin with '{prefix}'; it has: "
                    f"{', '.join(self.columns)}",
                    hint=f"correct {PREFIX_OPTION}",
                )
        else:
            found = self._by_prefix()
        if not found and class_names and set(class_names) <= set(self.left()):
            found = {name: name for name in class_names}
        self._use(*found.values())
        return found

    def bare_probabilities(self, first: Mapping[str, Sequence[str]]) -> dict[str, str]:
        """Take the columns that sum to 1 in the first rows, if the labels there are among their names."""
        names = []
        for name in self.left():
            values = [_share(cell) for cell in first[name]]
            if values and None not in values:
                names.append(name)
        sums = [sum(_share(cell) or 0.0 for cell in row) for row in zip(*(first[name] for name in names), strict=True)]
        labels = set(first[self.found["label"]]) - {""} if "label" in self.found else set()
        if len(names) < 2 or not labels <= set(names) or any(abs(each - 1) > SUM_TOLERANCE for each in sums):
            return {}
        self._use(*names)
        return {name: name for name in names}

    def _by_prefix(self) -> dict[str, str]:
        by_prefix = {}
        for prefix in PREFIXES:
            names = {name.removeprefix(prefix): name for name in self.left() if name.startswith(prefix)}
            by_prefix[prefix] = {key: name for key, name in names.items() if key}
        several = [prefix for prefix, names in by_prefix.items() if len(names) > 1]
        # timm's prob_0 beside index_0 or label_0 is of the best class, not of class 0
        if "prob_" in several and {"index_0", "label_0"} & set(self.columns):
            several.remove("prob_")
        if len(several) > 1:
            raise UsageError(
                f"{self.path}: the probabilities may be the columns that begin with any of {', '.join(several)}",
                hint=f"say which: {PREFIX_OPTION} {several[0]}",
            )
        return by_prefix[several[0]] if several else {}

    def _check(self, name: str, option: str) -> None:
        if name not in self.columns:
            near = get_close_matches(name, self.columns, 1)
            raise UsageError(
                f"{option}: {self.path} has no column '{name}'; it has: {', '.join(self.columns)}",
                hint=f"did you mean '{near[0]}'?" if near else "correct the name",
            )

    def _use(self, *names: str) -> None:
        self._used.update(names)
        twice = next((name for name in names if self.columns.count(name) > 1), None)
        if twice is not None:
            raise UsageError(f"{self.path} has the column '{twice}' twice", hint="remove or rename one of them")


def _share(cell: str) -> float | None:
    try:
        value = float(cell.replace(",", "."))
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None


def _folded(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", name.strip().casefold())

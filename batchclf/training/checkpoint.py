"""The state of a training that is under way, in one file, so that a killed one can be gone on with."""

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from batchclf import atomic
from batchclf.core.types import Say
from batchclf.libraries import versions_of

CHECKPOINT_FORMAT = 1
Arrays = list[NDArray[Any]]


@dataclass
class Course:
    """How far a training has come: `epoch` epochs are through, and `images` of the next one.

    `loss` and `right` are added up over those images. `history` has a value an epoch. `best_epoch` had the lowest
    validation loss; `best` are the model's variables then, kept where early stopping may want them back. `seconds` were
    spent before the last interruption.
    """

    epoch: int = 0
    images: int = 0
    loss: float = 0.0
    right: int = 0
    history: dict[str, list[float]] = field(default_factory=dict)
    best_epoch: int = 0
    seconds: float = 0.0
    finished: bool = False
    best: Arrays = field(default_factory=list)


class Checkpoint:
    """A training's checkpoint at `path`; `key` tells trainings apart that would not come to the same weights.

    `keeps_end` says that what came of the training is still wanted when something after it is killed; `kept`, whether
    there is one of this training.
    """

    def __init__(self, path: Path, key: str, every: float, *, keeps_end: bool = False) -> None:
        self._path, self._key, self._every, self.keeps_end = path, key, every, keeps_end
        self._saved, self.kept = time.monotonic(), False

    @property
    def due(self) -> bool:
        """Whether `every` seconds have passed since the last one."""
        return time.monotonic() - self._saved >= self._every

    def save(self, course: Course, state: Arrays) -> None:
        """Write it in one step: `state` are the variables of the model and of its optimizer. Raises OSError."""
        facts = {name: value for name, value in asdict(course).items() if name != "best"}
        header = {"format": CHECKPOINT_FORMAT, "key": self._key, "state": len(state), "course": facts}
        arrays = {f"a{number:05d}": each for number, each in enumerate([*state, *course.best])}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with atomic.new_file(self._path) as handle:
            np.savez(handle, allow_pickle=False, header=np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays)
        self._saved, self.kept = time.monotonic(), True

    def load(self, say: Say) -> tuple[Course, Arrays] | None:
        """Read it back; None where there is none, or one of another training or damaged, which is said."""
        try:
            with self._path.open("rb") as handle, np.load(handle, allow_pickle=False) as archive:
                header = json.loads(archive["header"].tobytes())
                arrays = [archive[name] for name in sorted(archive.files) if name != "header"]
            if header["format"] != CHECKPOINT_FORMAT or header["key"] != self._key:
                say(f"{self._path} is the checkpoint of another training (data, settings or versions); begun anew")
                return None
            course = Course(**header["course"], best=arrays[header["state"] :])
            self.kept = True
            return course, arrays[: header["state"]]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
            say(f"the checkpoint {self._path} cannot be read ({error}); begun anew")
            return None


def checkpoint_path(out: Path, variant: str = "") -> Path:
    """Name the checkpoint of a training that writes the bundle `out`: a hidden file beside it."""
    return out.with_name(f".{out.name}.{variant + '.' if variant else ''}checkpoint")


def remove_checkpoint(path: Path) -> None:
    """Remove a checkpoint, if it is there; one that cannot be removed is of no harm."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


def versions_key() -> dict[str, str]:
    """Say what else decides on the weights: the versions, and how many cores TensorFlow divides its work for."""
    return {**versions_of("tensorflow", "keras", "numpy", "batchclf"), "cores": str(os.cpu_count())}

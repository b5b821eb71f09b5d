"""A month of runs on changing real data, each a process of its own as cron starts it.

Every planted fault must be caught in its run, and no good run may say anything. As a script it prints what each
run said: `python tests/simulated_month.py [--dataset fashion-mnist|digits] [--runs 30] [FOLDER]`.
"""

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import cv2
import numpy as np

from batchclf.data.catalog import load_dataset
from batchclf.data.class_folders import folder_names

FIRST_DATE = date(2026, 9, 1)
JOB = """\
deadline = "10m"

[model]
bundle = "../models/deployed"

[scoring.directories.golden]     # labelled, and the same in every run
path = "../golden"
fixed = true

[scoring.directories.incoming]   # labelled by its class folders, a folder a day
path = "../incoming/{date:%Y-%m-%d}"
max_skipped = "50%"

[scoring.directories.camera]     # not labelled, filled anew every day
path = "../camera"
labels = "none"

[gate.alarms]
count_fell_by = 0.5

[[gate.rules]]
metric = "accuracy"
subset = "golden"
against = "last-good"
max_drop = 0.01

[[gate.rules]]
metric = "recall"
class = "*"
subset = "golden"
against = "last-good"
max_drop = 0.02

[[gate.rules]]
metric = "accuracy"
subset = "incoming"
min = MINIMUM
min_support = 50

[[gate.rules]]
metric = "skipped"
subset = "incoming"
max = 0

[retention]
keep_runs = 12
"""


@dataclass(frozen=True)
class Said:
    """What a run's process ended with and said."""

    code: int
    out: str
    err: str
    seconds: float


@dataclass(frozen=True)
class Size:
    """How many images there are: in the fixed folder, and about how many a day in each of the two others.

    `minimum` is the least accuracy on a day's images: four standard deviations below what the model has. `worse` are
    the options with which a model is trained that is several points worse.
    """

    golden: int
    incoming: int
    minimum: float
    worse: tuple[str, ...]


SIZES = {
    "fashion-mnist": Size(1000, 300, 0.8, ("--epochs", "1", "--batch-size", "256")),
    "digits": Size(155, 110, 0.85, ("--epochs", "2", "--batch-size", "64")),
}


class World:
    """The machine that the runs pass on: its images, models, job file and reports."""

    def __init__(self, folder: Path, dataset: str, seed: int = 0) -> None:
        self.folder = folder
        self.dataset = dataset
        self.size = SIZES[dataset]
        self.random = np.random.default_rng(seed)
        loaded = load_dataset(dataset, data_dir=None, say=lambda line: None)
        self.names = loaded.class_names
        self.folders = folder_names(self.names)
        self.images, self.labels = loaded.test.images, loaded.test.labels
        self.pool = np.arange(self.size.golden, len(self.images))
        self.job = folder / "jobs" / "nightly.toml"
        self.reports = folder / "reports" / "nightly"
        self.job.parent.mkdir(parents=True)
        self.job.write_text(JOB.replace("MINIMUM", str(self.size.minimum)))
        for number in range(self.size.golden):
            self.save(folder / "golden", number)

    def train(self, name: str, *options: str) -> Path:
        """Train a model under a name of its own, as an engineer would."""
        out = self.folder / "models" / name
        command = ["train", "--dataset", self.dataset, "--recipe", "mlp", "--out", str(out), *options]
        done = self.batchclf(*command, "--quiet")
        assert done.code == 0, done.err
        return out

    def deploy(self, model: Path) -> None:
        """Put a model in the place of the one that the job uses."""
        shutil.rmtree(self.folder / "models" / "deployed", ignore_errors=True)
        shutil.copytree(model, self.folder / "models" / "deployed")

    def batchclf(self, *arguments: str, limit: int | None = None) -> Said:
        """Run the program to its end; `limit` is the largest file in bytes that the system lets it write."""
        started = time.perf_counter()
        done = subprocess.run(
            _command(arguments, limit), cwd=self.folder, capture_output=True, text=True, timeout=600, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return Said(done.returncode, done.stdout, done.stderr, time.perf_counter() - started)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the program and go on."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        return subprocess.Popen(_command(arguments, None), cwd=self.folder, text=True, **pipes)

    def arguments(self, day: date) -> list[str]:
        """Give the arguments of cron's command for a day."""
        return ["run", str(self.job), "--date", day.isoformat(), "--quiet"]

    def incoming(self, day: date) -> Path:
        """Name the folder of the labelled images of a day."""
        return self.folder / "incoming" / day.isoformat()

    @property
    def camera(self) -> Path:
        """The folder of the images without labels."""
        return self.folder / "camera"

    def new_images(self, day: date) -> None:
        """Bring the day's new images; their number varies by a tenth."""
        low, high = int(0.9 * self.size.incoming), int(1.1 * self.size.incoming)
        for number in self.random.choice(self.pool, self.random.integers(low, high), replace=False):
            self.save(self.incoming(day), number)
        shutil.rmtree(self.camera, ignore_errors=True)
        for number in self.random.choice(self.pool, self.random.integers(low, high), replace=False):
            self.write(self.camera / f"{number:05}.png", self.images[number])

    def save(self, folder: Path, number: int) -> None:
        """Write a test image into the folder of its class."""
        label = self.folders[self.names[self.labels[number]]]
        self.write(folder / label / f"{number:05}.png", self.images[number])

    def write(self, path: Path, pixels: np.ndarray) -> None:
        """Write a PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), pixels)


def _command(arguments: Sequence[str], limit: int | None) -> list[str]:
    if limit is None:
        return [sys.executable, "-m", "batchclf", *arguments]
    code = (
        f"import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY)); "
        "from batchclf.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    return [sys.executable, "-c", code, *arguments]


Plant = Callable[[World, date], None]
Pass = Callable[[World, date], list[Said]]


def usual(world: World, day: date) -> list[Said]:
    """Let a run pass as cron does."""
    return [world.batchclf(*world.arguments(day))]


@dataclass(frozen=True)
class PlannedRun:
    """One run: what is planted, how it passes, and what it must say.

    `codes` are the exit codes of its processes; each of `words` must stand in what they said on standard error. A good
    run has code 0 and says nothing.
    """

    title: str
    plant: Plant | None = None
    codes: tuple[int, ...] = (0,)
    words: tuple[str, ...] = ()
    passes: Pass = usual

    def wrong(self, said: Sequence[Said]) -> list[str]:
        """Tell what is not as it should be."""
        found = [f"ended with {each.code}, not {code}" for each, code in zip(said, self.codes, strict=True)
                 if each.code != code]  # fmt: skip
        err = "".join(each.err for each in said)
        found += [f"did not say '{word}'" for word in self.words if word not in err]
        found += ["wrote to standard output"] if any(each.out for each in said) else []
        if not self.words and err:
            found.append("was not silent")
        return found


def damage(world: World, day: date) -> None:
    """Cut an image short, as an interrupted copy does."""
    victim = sorted(world.incoming(day).glob("*/*.png"))[7]
    victim.write_bytes(victim.read_bytes()[:60])


def lose_class(world: World, day: date) -> None:
    """Let the folder of a class go missing."""
    shutil.rmtree(world.incoming(day) / world.folders[world.names[3]])


def mix_up(world: World, day: date) -> None:
    """Give two classes each other's folder."""
    first, second = (world.incoming(day) / world.folders[world.names[number]] for number in (1, 2))
    aside = first.with_name("aside")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)


def stranger(world: World, day: date) -> None:
    """Add a folder that is no class of the model."""
    folder = world.incoming(day) / "unsorted"
    world.write(folder / "a.png", world.images[0])


def no_delivery(world: World, day: date) -> None:
    """Let the day's folder not arrive."""
    shutil.rmtree(world.incoming(day))


def halve(world: World, day: date) -> None:
    """Let the camera's folder arrive in part."""
    for path in sorted(world.camera.iterdir())[::2] + sorted(world.camera.iterdir())[1::8]:
        path.unlink(missing_ok=True)


def cover_lens(world: World, day: date) -> None:
    """Make all of the camera's pictures black but for a pixel."""
    for path in world.camera.iterdir():
        black = np.zeros(world.images.shape[1:], np.uint8)
        black.flat[world.random.integers(black.size)] = 1
        world.write(path, black)


def empty(world: World, day: date) -> None:
    """Let the camera deliver nothing."""
    shutil.rmtree(world.camera)
    world.camera.mkdir()


@dataclass
class Stuck:
    """The camera delivers what it did the day before, under new names."""

    kept: Path = field(default_factory=lambda: Path(tempfile.mkdtemp()))

    def remember(self, world: World, day: date) -> None:
        """Keep a copy of a good run's pictures."""
        shutil.copytree(world.camera, self.kept / "camera")

    def again(self, world: World, day: date) -> None:
        """Deliver that copy."""
        shutil.rmtree(world.camera)
        world.camera.mkdir()
        for path in (self.kept / "camera").iterdir():
            shutil.copy(path, world.camera / f"new-{path.name}")
        shutil.rmtree(self.kept)


def deploy(name: str, *options: str) -> Plant:
    """Deploy a model of that name, trained when it is first wanted."""

    def plant(world: World, day: date) -> None:
        model = world.folder / "models" / name
        world.deploy(model if model.is_dir() else world.train(name, *options))

    return plant


def deploy_worse(world: World, day: date) -> None:
    """Deploy a model that was not trained for long enough."""
    deploy("worse", *world.size.worse)(world, day)


def killed(world: World, day: date) -> list[Said]:
    """Kill the run in the midst of its work; somebody starts it again."""
    before = (world.reports / "latest").resolve()
    process = world.start(*world.arguments(day))
    while process.poll() is None and not list(world.reports.glob(".*.partial/predictions.csv")):
        time.sleep(0.005)
    process.kill()
    out, err = process.communicate()
    assert (world.reports / "latest").resolve() == before, "the killed run has moved `latest`"
    assert list(world.reports.glob(".*.partial")), "the run was killed too late"
    again = usual(world, day)
    assert not list(world.reports.glob(".*.partial")), "the killed run's leftover is still there"
    return [Said(process.returncode, out, err, 0.0), *again]


def full_disk(world: World, day: date) -> list[Said]:
    """Let the system refuse longer files; then somebody makes room and starts it again."""
    before = (world.reports / "latest").resolve()
    refused = world.batchclf(*world.arguments(day), limit=4096)
    assert (world.reports / "latest").resolve() == before, "the failed run has moved `latest`"
    return [refused, *usual(world, day)]


def overlap(world: World, day: date) -> list[Said]:
    """Start the job a second time while it runs."""
    first = world.start(*world.arguments(day))
    while first.poll() is None and not list(world.reports.glob(".*.partial")):
        time.sleep(0.005)
    # It holds the lock now, and is kept from ending before the second has looked.
    first.send_signal(signal.SIGSTOP)
    second = world.batchclf(*world.arguments(day))
    first.send_signal(signal.SIGCONT)
    out, err = first.communicate()
    return [second, Said(first.returncode, out, err, 0.0)]


GOOD = PlannedRun("new images")
FIRST = PlannedRun("the first run", deploy("good"), (0,), ("no earlier good run yet",))
"""There is nothing yet that a change could be compared with, and that is said."""


def faults() -> list[tuple[PlannedRun, ...]]:
    """List the runs of a month, each fault with the good ones that it needs before or after it."""
    stuck = Stuck()
    return [
        (PlannedRun("a damaged file", damage, (3,), ("skipped", "incoming")), GOOD),
        (PlannedRun("a class is gone", lose_class, (3,), ("class", "incoming")), GOOD),
        (PlannedRun("a worse model", deploy_worse, (3,), ("golden", "last good")),
         PlannedRun("the old model again", deploy("good"))),
        (PlannedRun("a label mix-up", mix_up, (3,), ("accuracy", "incoming")), GOOD),
        (PlannedRun("a killed run", None, (-9, 0), (), killed),),
        (PlannedRun("a full disk", None, (1, 0), ("refused", "reports/nightly/", "disk"), full_disk), GOOD),
        (PlannedRun("an overlapping start", None, (75, 0), ("another run of this job is under way",), overlap), GOOD),
        (PlannedRun("the camera delivers half", halve, (3,), ("camera",)), GOOD),
        (PlannedRun("the camera works", stuck.remember),
         PlannedRun("the camera is stuck", stuck.again, (3,), ("camera", "same")), GOOD),
        (PlannedRun("the lens is covered", cover_lens, (3,), ("camera",)), GOOD),
        (PlannedRun("the camera delivers nothing", empty, (3,), ("camera",)), GOOD),
        (PlannedRun("a folder that is no class", stranger, (3,), ("unsorted",)), GOOD),
        (PlannedRun("no delivery", no_delivery, (3,), ("incoming",)), GOOD),
        (PlannedRun("as good a model, trained anew", deploy("anew", "--seed", "5")), GOOD, GOOD),
    ]  # fmt: skip


def month(number: int) -> list[PlannedRun]:
    """Give so many runs, the first ones of the month, or good ones after its end."""
    planned = [FIRST, GOOD, *(run for group in faults() for run in group)]
    return (planned + [GOOD] * number)[:number]


def live(world: World, runs: Sequence[PlannedRun], say: Callable[[str], None]) -> list[str]:
    """Let the runs pass; say what each said, and return what went wrong."""
    wrong = []
    for number, run in enumerate(runs):
        day = FIRST_DATE + timedelta(days=number)
        world.new_images(day)
        if run.plant is not None:
            run.plant(world, day)
        said = run.passes(world, day)
        codes = " and ".join(str(each.code) for each in said)
        say(f"{day}  {run.title}: exit code {codes}")
        for line in "".join(each.err for each in said).splitlines():
            say(f"            {line}")
        for what in run.wrong(said):
            wrong.append(f"{day}, {run.title}: {what}")
            say(f"    WRONG   {what}")
    return wrong


def main() -> int:
    """Let a month pass."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="where (default: a temporary folder)")
    parser.add_argument("--dataset", choices=SIZES, default="fashion-mnist")
    parser.add_argument("--runs", type=int, default=30)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        world = World(args.folder or Path(temporary) / "month", args.dataset)
        wrong = live(world, month(args.runs), print)
    print(f"{args.runs} runs, {len(wrong)} not as they should be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

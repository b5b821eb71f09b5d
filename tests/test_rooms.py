"""The directions of imports between the rooms, read from the source; and what a run loads, seen in a new process."""

import ast
import json
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter

import numpy as np
import pytest
from PIL import Image

CORE, DATA, MODELS = "core", "data", "models"
REPORT, STORAGE, SCORING, TRAINING = "report", "storage", "scoring", "training"
JOBS, API, CLI = "jobs", "api", "cli"

ROOMS = {
    "atomic": set(),
    "child": set(),
    "errors": set(),
    "libraries": set(),
    CORE: set(),
    "log": {CORE},
    DATA: {CORE},
    MODELS: {CORE},
    STORAGE: {CORE},
    REPORT: {CORE},
    SCORING: {CORE, DATA, MODELS},
    TRAINING: {CORE, DATA, MODELS},
    JOBS: {CORE, DATA, MODELS, STORAGE, REPORT, SCORING, TRAINING},
}
"""Room, or module beside the rooms, → the rooms that it may import; "" is the package's own `__init__`."""

ROOMS |= {API: set(ROOMS)}
ROOMS |= {CLI: set(ROOMS), "": {API}, "__main__": {CLI}}

EVERYWHERE = {"atomic", "child", "errors", "libraries"}
"""What every room may import, too."""

SUB_ROOMS = {
    "core": set(),
    "core/metrics": {"core"},
    "core/slices": {"core", "core/metrics"},
    "core/images": {"core", "core/metrics"},
    "core/compare": {"core", "core/metrics"},
    "core/records": {"core", "core/metrics", "core/slices", "core/images", "core/compare"},
    "core/gate": {"core", "core/metrics", "core/images", "core/compare", "core/records"},
    "data/geometry/profiles": set(),
    "data/geometry": {"data/geometry/profiles"},
    "data/decoding": {"data/geometry"},
    "data/sources": {"data/decoding"},
    "data": {"data/geometry", "data/decoding", "data/sources"},
    "models": set(),
    "models/onnx_graph": {"models"},
    "models/sources": {"models", "models/onnx_graph"},
    "models/runtime": {"models", "models/sources"},
    "storage": set(),
    "storage/csv_files": set(),
    "storage/images": {"storage/csv_files"},
    "storage/predictions": {"storage/csv_files", "storage/images"},
    "storage/predictions/foreign": {"storage/csv_files", "storage/predictions"},
    "storage/run": {"storage/csv_files", "storage/images", "storage/predictions"},
    "storage/history": {"storage/csv_files"},
    "storage/exports": {"storage/csv_files", "storage/run"},
    "scoring": set(),
    "scoring/engines": {"scoring"},
    "report": set(),
    "report/parts": set(),
    "report/sections": {"report/parts"},
    "report/charts": {"report/sections"},
    "report/formats": {"report/parts", "report/sections"},
    "report/html": {"report/parts", "report/sections", "report/charts"},
    "report/pages": {"report/parts", "report/sections", "report/charts", "report/html"},
    "training/recipes": set(),
    "training/finetune": set(),
    "training": {"training/recipes", "training/finetune"},
    "jobs": set(),
    "jobs/config": set(),
    "jobs/history": {"jobs/config"},
    "jobs/evaluate": {"jobs/config", "jobs/history"},
    "jobs/gate": {"jobs/evaluate"},
    "jobs/score": {"jobs/config"},
    "jobs/pack": {"jobs/config"},
    "jobs/report": {"jobs/config", "jobs/history", "jobs/evaluate"},
    "jobs/notify": {"jobs/config"},
    "jobs/run": {
        *("jobs/config", "jobs/history", "jobs/evaluate", "jobs/gate", "jobs/score", "jobs/report", "jobs/notify"),
    },
    "jobs/setup": {"jobs/config"},
    "jobs/query": set(),
}
"""Folder of a room that has folders → the other folders of that room that it may import, the lowest of each first.

The room's own name stands for the files that lie in it directly.
"""

HEAVY = {
    "cv2",
    "duckdb",
    "jinja2",
    "keras",
    "matplotlib",
    "numpy",
    "onnx",
    "onnxruntime",
    "openvino",
    "pandas",
    "PIL",
    "pyarrow",
    "ray",
    "rich",
    "scipy",
    "sklearn",
    "tensorflow",
    "tf2onnx",
}

MOST_MODULES = 130
"""What scoring a folder without labels may load of batchclf; the `__init__.py` of packages, one line each, aside."""

NOT_FOR_A_FOLDER = (
    "batchclf.training",
    "batchclf.models.sources",
    "batchclf.jobs.config.load",
    "batchclf.jobs.gate",
    "batchclf.jobs.evaluate.compare",
    "batchclf.core.compare",
    "batchclf.core.slices",
    "batchclf.core.metrics.thresholds",
    "batchclf.core.metrics.labelled",
    "batchclf.scoring.cache",
    "batchclf.scoring.worker",
    "batchclf.storage.history",
)


class Module:
    """A file of the package: its dotted name, its folder within the package, and its syntax tree."""

    def __init__(self, path, package):
        relative = path.relative_to(package)
        parts = [part for part in relative.with_suffix("").parts if part != "__init__"]
        self.name = ".".join(("batchclf", *parts))
        self.folder = relative.parent.as_posix().removeprefix(".")
        self.room = relative.parts[0] if self.folder else ".".join(parts)
        self.file = relative.as_posix()
        self.tree = ast.parse(path.read_text(encoding="utf-8"), str(path))

    def nodes(self):
        """Every import statement, those in functions and under TYPE_CHECKING included."""
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.Import | ast.ImportFrom)]

    def packages(self):
        """The top-level packages that are imported."""
        return {name.split(".")[0] for node in self.nodes() for name in imported(node)}


def imported(node):
    """The dotted names that a statement imports: for `from a import b` it is a.b, which may be no module."""
    prefix = "" if isinstance(node, ast.Import) else f"{node.module}."
    return [prefix + alias.name for alias in node.names]


@pytest.fixture(scope="module")
def package(repo_root):
    """Every file of the package by its dotted name."""
    folder = repo_root / "batchclf"
    modules = [Module(path, folder) for path in sorted(folder.rglob("*.py"))]
    return {module.name: module for module in modules}


@pytest.fixture(scope="module")
def arrows(package):
    """Module → the modules of the package that it imports anywhere in its file."""

    def subset(name):
        while name not in package:
            name = name.rpartition(".")[0]
        return package[name]

    return {
        module: {
            subset(name)
            for node in module.nodes()
            for name in imported(node)
            if name.split(".")[0] == "batchclf" and subset(name) is not module
        }
        for module in package.values()
    }


def wrong(arrows, is_allowed):
    """Name the arrows that are not allowed."""
    return [f"{a.file} imports {b.file}" for a, below in arrows.items() for b in below if not is_allowed(a, b)]


def test_every_folder_stands_in_a_table(package):
    assert {module.room for module in package.values()} == ROOMS.keys()
    with_folders = {module.room for module in package.values() if "/" in module.folder}
    folders = {module.folder for module in package.values() if module.room in with_folders}
    assert folders == SUB_ROOMS.keys()


def test_the_tables_are_written_from_below():
    for table in (ROOMS, SUB_ROOMS):
        seen = set()
        for name, below in table.items():
            assert below <= seen, name
            seen.add(name)


def test_a_room_imports_only_those_that_the_table_gives_it(arrows):
    assert wrong(arrows, lambda a, b: b.room in EVERYWHERE | ROOMS[a.room] | {a.room}) == []


def test_a_folder_imports_only_those_of_its_room_that_the_table_gives_it(arrows):
    def is_allowed(a, b):
        return a.room != b.room or a.folder == b.folder or b.folder in SUB_ROOMS[a.folder]

    assert wrong(arrows, is_allowed) == []


def test_no_modules_import_each_other_in_a_circle(arrows):
    graph = {a.name: {b.name for b in below} for a, below in arrows.items()}
    assert circle(graph) == []


def test_no_folders_import_each_other_in_a_circle(arrows):
    def place(module):
        return module.folder or module.name

    graph = {}
    for a, below in arrows.items():
        graph.setdefault(place(a), set()).update({place(b) for b in below} - {place(a)})
    assert circle(graph) == []


def circle(graph):
    """Give one circle of a graph, node → nodes; empty where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_no_import_is_relative(package):
    relative = [
        f"{module.file}, line {node.lineno}"
        for module in package.values()
        for node in module.nodes()
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def test_the_core_knows_numpy_scipy_scikit_learn_and_msgspec_and_no_other_package(package):
    allowed = {"batchclf", "numpy", "scipy", "sklearn", "msgspec", *sys.stdlib_module_names}
    assert [each.file for each in package.values() if each.room == CORE and not each.packages() <= allowed] == []


def test_the_core_does_no_input_or_output(package):
    doors = {"os", "io", "pathlib", "shutil", "subprocess", "socket", "sqlite3", "tempfile", "logging"}
    for module in package.values():
        if module.room == CORE:
            assert not doors & module.packages(), module.file
            calls = {node.func for node in ast.walk(module.tree) if isinstance(node, ast.Call)}
            names = {function.id for function in calls if isinstance(function, ast.Name)}
            assert not names & {"open", "print", "input"}, module.file


@pytest.mark.parametrize(
    ("library", "folder"),
    [("matplotlib", "report/charts"), ("jinja2", "report/html"), ("duckdb", "jobs/query"), ("ray", "scoring/engines")],
)
def test_only_one_folder_imports_a_library(package, library, folder):
    assert {module.folder for module in package.values() if library in module.packages()} == {folder}


def test_only_the_page_and_its_charts_know_what_is_markup(package):
    users = {module.folder for module in package.values() if "markupsafe" in module.packages()}
    assert users <= {"report/charts", "report/html", "report/pages"}


def test_the_command_line_imports_nothing_heavy_before_a_verb_asks_for_it(package):
    for module in package.values():
        if module.room == CLI:
            at_import = [node for node in module.tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
            packages = {name.split(".")[0] for node in at_import for name in imported(node)}
            assert not packages & HEAVY, module.file


def run(script, *arguments, cwd):
    """Run Python code in a new process; gives the JSON that it has written to loaded.json in `cwd`."""
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads((cwd / "loaded.json").read_text())


@pytest.mark.parametrize("folder", ["report/parts", "report/sections", "report/formats"])
def test_what_the_report_says_is_put_together_without_what_draws_it(package, tmp_path, folder):
    names = [module.name for module in package.values() if module.folder == folder]
    loaded = run(
        "import importlib, json, sys\n"
        "for name in sys.argv[1:]: importlib.import_module(name)\n"
        "drawing = [name for name in ('matplotlib', 'jinja2') if name in sys.modules]\n"
        "json.dump(drawing, open('loaded.json', 'w'))",
        *names,
        cwd=tmp_path,
    )
    assert loaded == []


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """What `batchclf score DIR` has loaded of batchclf in a new process, without labels and without earlier runs."""
    pytest.importorskip("onnx")
    from onnx_cases import import_rows

    folder = tmp_path_factory.mktemp("score")
    bundle = import_rows(folder, 1, size=8)
    (folder / "photos").mkdir()
    pixels = np.random.default_rng(1).integers(0, 256, (5, 8, 8), np.uint8)
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(folder / "photos" / f"{number}.png")
    script = (
        "import json, sys\n"
        "from batchclf.cli.main import main\n"
        "code = main(sys.argv[1:])\n"
        "ours = [name for name in sys.modules if name.split('.')[0] == 'batchclf']\n"
        "files = [name for name in ours if not hasattr(sys.modules[name], '__path__')]\n"
        "json.dump([code, ours, files], open('loaded.json', 'w'))"
    )
    code, *names = run(script, "score", "photos", "--model", bundle, cwd=folder)
    assert code == 0
    return names


def test_scoring_a_folder_without_labels_loads_at_most_130_modules(loaded):
    _, files = loaded
    assert len(files) <= MOST_MODULES


def test_scoring_a_folder_without_labels_loads_nothing_of_training_and_no_job_file(loaded):
    names, _ = loaded
    assert [name for name in names if f"{name}.".startswith(tuple(f"{each}." for each in NOT_FOR_A_FOLDER))] == []

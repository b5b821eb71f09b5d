"""The directions of imports between the rooms, read from the source without running it."""

import ast
import sys

import pytest

ROOMS = {
    "core": set(),
    "data": {"core"},
    "models": {"core"},
    "storage": {"core"},
    "report": {"core"},
    "scoring": {"core", "data", "models"},
    "jobs": {"core", "data", "models", "storage", "report", "scoring"},
    "cli": {"core", "data", "models", "storage", "report", "scoring", "jobs"},
}
TOP_LEVEL = {"__main__": {"cli"}, "__init__": {"storage"}, "atomic": set(), "errors": set()}
HEAVY = {
    "tensorflow",
    "keras",
    "tf2onnx",
    "onnx",
    "onnxruntime",
    "openvino",
    "pandas",
    "sklearn",
    "matplotlib",
    "cv2",
    "PIL",
}


def _imports(tree):
    """Every module that is imported anywhere in a file, functions and TYPE_CHECKING included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"a relative import in line {node.lineno}"
            yield node.module
            # `from batchclf import atomic` imports a module, too.
            yield from (f"{node.module}.{alias.name}" for alias in node.names if node.module == "batchclf")


def _parts(module):
    return (*module.split("."), "", "")[:3]


@pytest.fixture(scope="module")
def sources(repo_root):
    """Room (or top-level module) → its files with their syntax trees."""
    package = repo_root / "batchclf"
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        found.setdefault(parts[0], []).append((path.relative_to(repo_root).as_posix(), tree))
    return found


def test_every_folder_is_a_room_with_rules(sources):
    assert set(sources) == ROOMS.keys() | TOP_LEVEL.keys()


@pytest.mark.parametrize("room", [*ROOMS, *TOP_LEVEL])
def test_a_room_imports_only_those_below_it(sources, room):
    allowed = {room, *ROOMS.get(room, ()), *TOP_LEVEL.get(room, ()), "atomic", "errors", "__version__", ""}
    wrong = [
        f"{file} imports {module}"
        for file, tree in sources[room]
        for module in _imports(tree)
        if _parts(module)[0] == "batchclf" and _parts(module)[1] not in allowed
    ]
    assert wrong == []


def test_the_core_knows_numpy_and_scikit_learn_and_no_other_package(sources):
    allowed = {"batchclf", "numpy", "sklearn", *sys.stdlib_module_names}
    packages = {_parts(module)[0] for _, tree in sources["core"] for module in _imports(tree)}
    assert packages <= allowed


def test_the_core_does_no_input_or_output(sources):
    doors = {"os", "io", "pathlib", "shutil", "subprocess", "socket", "sqlite3", "tempfile", "logging"}
    for file, tree in sources["core"]:
        assert not doors & {_parts(module)[0] for module in _imports(tree)}, file
        calls = {
            node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not calls & {"open", "print", "input"}, file


def test_only_the_charts_know_matplotlib_and_only_the_templates_know_jinja2(sources):
    users = {"matplotlib": set(), "jinja2": set()}
    for files in sources.values():
        for file, tree in files:
            for package in users.keys() & {_parts(module)[0] for module in _imports(tree)}:
                users[package].add(file)
    charts = {file for file in users["matplotlib"] if file.startswith("batchclf/report/chart")}
    assert charts
    assert users == {"matplotlib": charts, "jinja2": {"batchclf/report/html/templates.py"}}


def test_the_command_line_imports_nothing_heavy_before_a_verb_asks_for_it(sources):
    for file, tree in sources["cli"]:
        at_import = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        packages = {_parts(module)[0] for node in at_import for module in _imports(ast.Module([node], []))}
        assert not packages & HEAVY, file

"""Numbers for people are formatted in `batchclf/core/text.py` and nowhere else."""

import ast
import re

FORMATS = re.compile(r"[%eEfFgG]$")
ELSEWHERE = {
    "core/text.py": "it is the place",
    "storage/csv_files/vector_text.py": "numbers of CSV and JSON lines",
    "storage/images/duplicates.py": "numbers of a CSV",
    "storage/exports/junit.py": "seconds of JUnit XML",
    "report/parts/bar.py": "coordinates of SVG",
    "report/pages/comparison.py": "coordinates of SVG",
    "report/charts/canvas.py": "coordinates of SVG",
    "report/charts/svg_renderer.py": "coordinates of SVG",
    "report/html/render.py": "coordinates of SVG",
    "report/html/notebook.py": "colours of CSS",
    "cli/query_output.py": "results of any SQL",
}
INPUT = "g"
"""What somebody has typed is said again with `:g` in errors and in the plan of a command."""

ROOMS_OF_PAGES = ("report/", "core/")


def formats_of(path):
    """The format specifications that a file's f-strings and `str.format` have, with their lines."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FormattedValue) and node.format_spec is not None:
            parts = node.format_spec.values
            yield node.lineno, "".join(part.value if isinstance(part, ast.Constant) else "0" for part in parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from ((node.lineno, spec) for spec in re.findall(r"\{\w*:([^{}\s]*[%efg])\}", node.value))


def test_no_other_module_formats_numbers_for_people(repo_root):
    package = repo_root / "batchclf"
    found, used = [], set()
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).as_posix()
        for line, spec in formats_of(path):
            if not FORMATS.search(spec) or (spec == INPUT and not name.startswith(ROOMS_OF_PAGES)):
                continue
            if name in ELSEWHERE:
                used.add(name)
            else:
                found.append(f"{name}, line {line}: {spec}")
    assert found == [], "use a function of batchclf/core/text.py"
    assert used == ELSEWHERE.keys()


def test_templates_format_no_number_but_counts(repo_root):
    for path in sorted((repo_root / "templates").glob("*.html")):
        specs = re.findall(r"\"\{:([^}]*)\}\"\.format|\| *round", path.read_text(encoding="utf-8"))
        assert set(specs) <= {","}, path.name

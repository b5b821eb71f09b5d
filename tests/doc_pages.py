"""The README and the pages of docs/ for tests: their sections, tables and code blocks."""

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = tuple(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))
DOCUMENTS = (
    *("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGES.md", "jobs/README.md", "benchmarks/README.md"),
    "docs/decisions/README.md",
    *PAGES,
)
"""Every document of the repository, relative to its root."""

CODE_BLOCK = re.compile(r"^( *)```.*?^\1```", re.MULTILINE | re.DOTALL)


def read(document):
    return (ROOT / document).read_text(encoding="utf-8")


def section(text, title):
    """The text under a heading, up to the next heading of its level or above; the heading stands there once."""
    found = headings(text)
    ((level, start),) = [(level, end) for level, name, _, end in found if name == title]
    after = [begin for other, _, begin, _ in found if begin >= start and other <= level]
    return text[start : min(after, default=len(text))]


def own_text(text):
    """The text of a section before its first subsection."""
    return text[: min((begin for _, _, begin, _ in headings(text)), default=len(text))]


def headings(text):
    """Each heading outside of code blocks: its level, its text, where it begins and where it ends."""
    code = [found.span() for found in re.finditer(CODE_BLOCK, text)]
    return [
        (len(found[1]), found[2], found.start(), found.end())
        for found in re.finditer(r"^(#+) (.+)\n", text, re.MULTILINE)
        if not any(begin <= found.start() < end for begin, end in code)
    ]


def tables(text):
    """The rows of every table in a text, header lines left out; `\\|` is a pipe within a cell."""
    rows = []
    for line in text.splitlines():
        if line.startswith("|") and not re.fullmatch(r"[|\s-]+", line):
            cells = re.split(r"(?<!\\)\|", line)[1:-1]
            rows.append([cell.strip().replace("\\|", "|") for cell in cells])
        elif line.startswith(("|---", "| ---")):
            rows.pop()
    return rows


def first_column(text):
    return [row[0].strip("`") for row in tables(text)]


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def prose(text):
    """A text without its code blocks, those within lists too."""
    return re.sub(CODE_BLOCK, "", text)


def anchors(text):
    """The anchors of a page's headings, as GitHub and GitLab make them."""
    found = []
    for _, heading, _, _ in headings(text):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        found.append(f"{anchor}-{found.count(anchor)}" if anchor in found else anchor)
    return found


def script(path):
    """A script of the project as a module."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

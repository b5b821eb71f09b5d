"""docs/troubleshooting.md against the program: every message that it explains is one that batchclf prints."""

import ast
import re

import pytest
from doc_pages import ROOT, headings, read

MESSAGES = [name for level, name, _, _ in headings(read("docs/troubleshooting.md")) if level == 3]
OF_THE_SYSTEM = {"No space left on device"}


@pytest.fixture(scope="module")
def printed():
    """Every text in the source, docstrings aside; `…` stands for what is filled in."""
    texts = []
    for path in sorted((ROOT / "batchclf").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                texts.append("".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not {id(node)} & (inside | alone):
                texts.append(node.value)
    return texts


def test_there_are_messages():
    assert len(MESSAGES) == len(set(MESSAGES)) > 25


@pytest.mark.parametrize("heading", MESSAGES)
def test_the_message_is_one_that_the_program_prints(heading, printed):
    message = re.fullmatch("`(.+)`", heading)[1]
    assert message in OF_THE_SYSTEM or any(message in text for text in printed), message

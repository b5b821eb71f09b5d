"""Write python.ipynb, which is python.md as a notebook: `python docs/notebook.py`.

Text and code are cells in their order; the code of other libraries, which may not be installed, stays text. There are
no outputs: they would have times and paths of one machine.
"""

import json
import re
from pathlib import Path

DOCS = Path(__file__).resolve().parent
PAGE, NOTEBOOK = DOCS / "python.md", DOCS / "python.ipynb"
NOT_RUN = ("From a loop of PyTorch", "From a Keras model", "From a pipeline of Hugging Face")
"""Sections whose code needs what the page does not make."""

_CODE = re.compile(r"^```python\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
_SECTION = re.compile(r"^(?=#+ )", re.MULTILINE)


def notebook(page: str) -> str:
    """Make the notebook, nbformat 4.5, as text."""
    cells = []
    for section in _SECTION.split(page):
        is_run = not any(section.startswith(f"## {title}\n") for title in NOT_RUN)
        pieces = _CODE.split(section) if is_run else [section]
        for number, piece in enumerate(pieces):
            if piece.strip():
                cells.append(_cell("code" if number % 2 else "markdown", piece.strip("\n"), len(cells)))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    content = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _cell(kind: str, text: str, number: int) -> dict[str, object]:
    cell: dict[str, object] = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}}
    if kind == "code":
        cell |= {"execution_count": None, "outputs": []}
    return cell | {"source": text.splitlines(keepends=True)}


if __name__ == "__main__":
    NOTEBOOK.write_text(notebook(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

"""Values of JSON and of arrays as the texts that cells hold."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from batchclf.errors import PredictionsError


def cell(value: Any, place: str, column: str) -> str:
    """Write a value as a cell: text as it is, null as nothing, numbers with all their digits.

    Raises PredictionsError for an object or a list.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    raise PredictionsError(
        f"{place}: {column} holds a {type(value).__name__}, not a text or a number",
        hint="write a column for each value",
    )


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Give each value of a list a column of its own: `prob` of three becomes prob_0, prob_1, prob_2.

    A list of objects, such as the answers of a Hugging Face pipeline, gives the columns label_0, score_0, label_1, …
    """
    found: dict[str, Any] = {}
    for name, value in row.items():
        if not isinstance(value, list | tuple):
            found[name] = value
            continue
        for number, each in enumerate(value):
            if isinstance(each, Mapping):
                found |= {f"{key}_{number}": inner for key, inner in each.items()}
            else:
                found[f"{name}_{number}"] = each
    return found


def list_in_text(text: str) -> list[str] | None:
    """Take the text of a Python list or a NumPy array apart, as pandas writes one into a CSV; None for other text."""
    if not (text.startswith("[") and text.endswith("]")):
        return None
    inner = text[1:-1].strip()
    if inner.startswith(("'", '"')):
        return list(_quoted(inner))
    return inner.replace(",", " ").split()


def _quoted(text: str) -> Iterator[str]:
    """Yield the texts in quotes, with commas, blanks or line breaks between them."""
    place = 0
    while place < len(text):
        quote = text[place]
        if quote in "'\"":
            end, part = place + 1, []
            while end < len(text) and text[end] != quote:
                end += text[end] == "\\"
                part.append(text[end : end + 1])
                end += 1
            yield "".join(part)
            place = end
        place += 1


def columns_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """List the columns of some rows, in the order in which they come first."""
    return list(dict.fromkeys(name for row in rows for name in row))

"""Make the tables in docs/ that say what the program has: `python docs/tables.py` writes them into the pages.

Each stands between `<!-- table: NAME -->` and `<!-- end -->`. tests/test_docs.py compares the pages with the program.
"""

import argparse
import json
import re
from collections.abc import Iterable
from pathlib import Path

from batchclf.cli.main import build_parser
from batchclf.cli.options import common
from batchclf.core.options import REQUIRED, type_words
from batchclf.jobs.config.keys import keys_of

DOCS = Path(__file__).parent
_TABLE = re.compile(r"(<!-- table: (.+?) -->\n).*?(<!-- end -->\n)", re.DOTALL)
_DEFAULT = re.compile(r" \(default: (.*)\)$", re.DOTALL)


def tables() -> dict[str, str]:
    """Make every table, by its name."""
    made = {"options of every command": _options_table(common()), "keys of a job file": _keys_table()}
    for name, parser in commands().items():
        made[f"options of {name}"] = _options_table(parser)
    return made


def commands(parser: argparse.ArgumentParser | None = None, above: str = "") -> dict[str, argparse.ArgumentParser]:
    """Give the parser of each command by its name, such as `history list`."""
    found = {}
    for action in (parser or build_parser())._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                found |= commands(below, f"{above}{name} ") or {f"{above}{name}": below}
    return found


def spelling(action: argparse.Action) -> str:
    """Write an argument as the tables do: `--batch-size N`, `--labels {auto,none}`, `DIR`, `[DIR]`, `[DIR ...]`."""
    value = action.metavar or ("{" + ",".join(map(str, action.choices)) + "}" if action.choices else "")
    value = str(value).replace("%%", "%")
    if not action.option_strings:
        return {"?": f"[{value}]", "*": f"[{value} ...]"}.get(str(action.nargs), value)
    if isinstance(action, argparse.BooleanOptionalAction):
        return "`, `".join(action.option_strings)
    return f"{action.option_strings[-1]} {value}".strip() if action.nargs != 0 else action.option_strings[-1]


def _options_table(parser: argparse.ArgumentParser) -> str:
    shared = {action.dest for action in common()._actions} if parser.prog.startswith("batchclf") else set()
    rows = []
    for action in parser._actions:
        if action.option_strings and action.dest not in {"help", *shared}:
            about = (action.help or "").replace("%%", "%")
            default = _DEFAULT.search(about)
            about = _text(_DEFAULT.sub("", about), vars(action).get("more", ""))
            spelt = spelling(action).replace("|", r"\|")
            rows.append((f"`{spelt}`", _default_of(action, default[1] if default else ""), about))
    return _table(("option", "default", "what it does"), rows)


def _default_of(action: argparse.Action, shown: str) -> str:
    if action.required:
        return "required"
    if action.nargs == 0 and action.default is False:
        return "off"
    if action.default in (None, []):
        return _escaped(shown) or "none"
    return f"`{shown}`"


def _keys_table() -> str:
    rows = []
    for key in keys_of():
        if key.kind is not None:
            option = key.option
            shown = f"`{json.dumps(option.default)}`" if option.example == option.default else _escaped(option.unset)
            if option.default is REQUIRED:
                shown = "required"
            rows.append((f"`{key.dotted}`", type_words(key.kind), shown or "none", _text(option.about, option.more)))
    return _table(("key", "type", "default", "what it means"), rows)


def _text(about: str, more: str) -> str:
    return _escaped(about) + (f"; {more}" if more else "")


def _escaped(text: str) -> str:
    """Keep a text from being taken for Markdown."""
    return re.sub(r"([*_|<>])", r"\\\1", text)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, ("---",) * len(head), *rows))


def with_tables(page: str, made: dict[str, str]) -> str:
    """Put the tables into a page. Raises KeyError if it wants one that is not made."""
    return _TABLE.sub(lambda found: f"{found[1]}{made[found[2]]}{found[3]}", page)


if __name__ == "__main__":
    new = tables()
    for path in sorted(DOCS.rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        if (wanted := with_tables(text, new)) != text:
            path.write_text(wanted, encoding="utf-8")
            print(f"wrote {path.name}")

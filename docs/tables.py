"""Make the tables in docs/ that say what the program has: `python docs/tables.py` writes them into the pages.

A whole table stands between `<!-- table: NAME -->` and `<!-- end -->`. Of tables that have other rows, too, the rows of
metrics are found by their first cell. tests/test_docs.py compares the pages with the program.
"""

import argparse
import json
import re
from collections.abc import Iterable, Iterator
from math import inf
from pathlib import Path

from batchclf.cli.main import build_parser
from batchclf.cli.options import common
from batchclf.core.gate.alarms import ALARMS
from batchclf.core.metrics.catalog import ENTRIES, find_metric
from batchclf.core.metrics.entry import Entry
from batchclf.core.metrics.formulas import OfHits
from batchclf.core.options import REQUIRED, type_words
from batchclf.jobs.config.keys import keys_of

DOCS = Path(__file__).parent
_TABLE = re.compile(r"(<!-- table: (.+?) -->\n).*?(<!-- end -->\n)", re.DOTALL)
FAMILY = OfHits(0)
"""The formula of the one entry that stands for all top-K accuracies."""

_OF_RULES = {
    "gap": "; takes no `subset`",
    "class": "; of the class that `class` names",
    "drift": "; takes no `against`",
    "pairs": "; bound it by `max`",
}
_PLACES = {"overall": "splits.*", "calibration": "splits.*", "scores": "splits.*", "gap": "gap"}
_DEFAULT = re.compile(r" \(default: (.*)\)$", re.DOTALL)


def tables() -> dict[str, str]:
    """Make every table, by its name."""
    made = {
        "options of every command": _options_table(common()),
        "keys of a job file": _keys_table(),
        "alarms": _table(("alarm", "when it goes off"), ((f"`{each.name}`", each.when) for each in ALARMS)),
        "metrics of rules": _table(("metric", "what it is", "values", "better", "95% interval"), _rows_of_rules()),
    }
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
    """Write an argument as the tables do: `--batch-size N`, `--labels {auto,none}`, `-o`, `--out FILE`, `[DIR]`."""
    value = action.metavar or ("{" + ",".join(map(str, action.choices)) + "}" if action.choices else "")
    value = str(value).replace("%%", "%")
    if not action.option_strings:
        return {"?": f"[{value}]", "*": f"[{value} ...]"}.get(str(action.nargs), value)
    options = "`, `".join(action.option_strings)
    return options if action.nargs == 0 else f"{options} {value}".strip()


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
    return _line(head) + "|---" * len(head) + "|\n" + "".join(map(_line, rows))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n".replace("|  |", "| |")


def _rows_of_rules() -> Iterator[tuple[str, ...]]:
    """Say what a rule of the gate can name."""
    better = {True: "more", False: "less", None: ""}
    for entry in ENTRIES:
        what = _what(entry) + _OF_RULES.get(entry.source, "")
        if entry.formula == FAMILY:
            what += ": `top2_accuracy`, `top3_accuracy`, … up to `scoring.topk`"
        interval = entry.interval_kind or "none"
        yield f"`{entry.name}`", what, _range(entry), better[entry.larger_is_better], interval


def _rows_of_metrics_json() -> Iterator[tuple[str, ...]]:
    """Say which keys of metrics.json are metrics; of top-K accuracies the first two."""
    for entry in ENTRIES:
        place = _PLACES.get(entry.source)
        names = ("top2_accuracy", "top3_accuracy") if entry.formula == FAMILY else (entry.name,)
        for each in filter(None, map(find_metric, names if place else ())):
            values = "" if _range(each) in ("0 to 1", "any") else f"; {_range(each)}"
            kind = f"; {each.interval_kind} interval" if each.interval_kind else ""
            yield f"`{place}.{each.name}`", _what(each, values + kind)


def _rows_of_gauges() -> Iterator[tuple[str, ...]]:
    """Say which gauges for Prometheus are metrics."""
    for entry in ENTRIES:
        if entry.gauge:
            labels = "" if entry.source == "gap" else "`subset`"
            what = entry.gauge if entry.gauge[:2].isupper() else entry.gauge[0].lower() + entry.gauge[1:]
            yield f"`batchclf_{entry.name}`", labels, what.removesuffix(".")


ROWS = {"run-directory.md": _rows_of_metrics_json, "notify.md": _rows_of_gauges}


def _what(entry: Entry, between: str = "") -> str:
    """Give the definition, what stands behind it, and what it needs."""
    needs = "; needs the probability columns" if entry.needs_probabilities else ""
    return f"{entry.definition}{between}{needs}".replace("|", r"\|")


def _range(entry: Entry) -> str:
    least, most = (f"{end:g}".replace("-", "−") for end in (entry.least, entry.most))
    if entry.most < inf:
        return f"{least} to {most}"
    return f"from {least} on" if entry.least > -inf else "any"


def with_tables(name: str, page: str, made: dict[str, str]) -> str:
    """Put tables and rows into the page `name`. Raises KeyError if it wants a table that is not made."""
    page = _TABLE.sub(lambda found: f"{found[1]}{made[found[2]]}{found[3]}", page)
    lines = page.splitlines(keepends=True)
    after = 0
    for row in ROWS.get(name, tuple)():
        line = _line(row)
        places = [place for place, each in enumerate(lines) if each.startswith(f"| {row[0]} |")]
        if places:
            after = places[0]
            lines[after] = line
        else:  # a new metric, behind the one that comes before it in the catalogue
            after += 1
            lines.insert(after, line)
    return "".join(lines)


if __name__ == "__main__":
    new = tables()
    for path in sorted(DOCS.rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        if (wanted := with_tables(path.name, text, new)) != text:
            path.write_text(wanted, encoding="utf-8")
            print(f"wrote {path.name}")

"""What is wrong with a command line, and what may have been meant; loaded only to say so, or for the help."""

import argparse
import difflib
import os
import re
import shlex
from collections.abc import Iterable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from batchclf.cli.options import common, names_folder, run_path
from batchclf.errors import UsageError

_ARGUMENT = re.compile(r"^argument ")
_SHORT = re.compile(r"-\w/(?=--)")


def usage(parser: argparse.ArgumentParser) -> str:
    """Write the usage in one line: `batchclf score [options] [DIR]`; of options only those that are required."""
    words = [parser.prog]
    if any(action.option_strings and not action.required for action in parser._actions):
        words.append("[options]")
    for action in parser._actions:
        if action.required and action.option_strings:
            words.append(f"{action.option_strings[-1]} {action.metavar or action.dest.upper()}")
    for action in parser._actions:
        if not action.option_strings:
            words.append(_positional(action))
    return " ".join(words)


def _positional(action: argparse.Action) -> str:
    if isinstance(action, argparse._SubParsersAction):
        return f"{action.metavar} ..."
    value = str(action.metavar or "{" + ",".join(map(str, action.choices or ())) + "}")
    return {"?": f"[{value}]", "*": f"[{value} ...]"}.get(str(action.nargs), value)


def left_over(parser: argparse.ArgumentParser, words: Sequence[str]) -> UsageError:
    """Say which arguments a parser does not take."""
    options = [word for word in words if word.startswith("-")]
    if options:
        return _unknown_option(parser, options[0].partition("=")[0])
    return UsageError(f"unexpected argument: {words[0]}", hint=f"{parser.prog} --help shows what it takes")


def wrong_usage(parser: argparse.ArgumentParser, given: Sequence[str], message: str) -> UsageError:
    """Put what argparse found in our words; an unknown option among what was given may be why another is missing."""
    # What follows a command, or --, is not of this parser
    of_parser = takewhile(lambda word: word.startswith("-") or parser._subparsers is None, given)
    for word in takewhile(lambda word: word != "--", of_parser):
        name = word.partition("=")[0]
        if name.startswith("--") and not any(option.startswith(name) for option in _options(parser)):
            return _unknown_option(parser, name)
    return UsageError(_SHORT.sub("", _ARGUMENT.sub("", message)), hint=f"{parser.prog} --help shows what it takes")


def _unknown_option(parser: argparse.ArgumentParser, name: str) -> UsageError:
    from batchclf.core.renames import OPTIONS

    hint = f"{parser.prog} --help lists the options"
    if name in OPTIONS:
        hint = f"{name} is called {OPTIONS[name]} now"
    elif near := nearest(name, _options(parser)):
        hint = f"did you mean {near}?"
    elif parser._subparsers is not None and name in _options(common()):
        hint = f"options follow the command: {parser.prog} COMMAND {name}"
    return UsageError(f"unknown option {name}", hint=hint)


def wrong_choice(parser: argparse.ArgumentParser, action: argparse.Action, value: Any) -> UsageError:
    """Say that a value is none of an argument's, or a word no command."""
    known = [str(each) for each in action.choices or ()]
    near = nearest(value, known)
    if isinstance(action, argparse._SubParsersAction):
        of_path = _command_for(str(value)) if parser.prog == "batchclf" else ""
        meant = of_path or (near and f"{parser.prog} {near}")
        hint = f"did you mean: {meant}" if meant else f"the commands are: {', '.join(known)}"
        return UsageError(f"there is no command '{value}'", hint=hint)
    name = action.option_strings[-1] if action.option_strings else action.metavar or action.dest
    message = f"{name}: invalid choice: '{value}'"
    return UsageError(message, hint=f"did you mean {near}?" if near else f"choose from: {', '.join(known)}")


def nearest(word: str, known: Iterable[str]) -> str:
    """Give the one of some words that comes nearest, without regard to leading dashes; "" if none is near."""
    bare = {each.lstrip("-"): each for each in known if len(each) > len("-x")}
    found = difflib.get_close_matches(str(word).lstrip("-").lower(), bare, 1)
    return bare[found[0]] if found else ""


def _options(parser: argparse.ArgumentParser) -> list[str]:
    return list(parser._option_string_actions)


def _command_for(text: str) -> str:
    """Say which command takes a path; "" for what looks like none."""
    if "://" in text:
        return f"batchclf score {text}"
    if not (Path(text).suffix or names_folder(text)):
        return ""
    # Only now: they load numpy, for which a typo need not wait
    from batchclf.models.import_hint import import_command
    from batchclf.storage.predictions.foreign.open_table import SUFFIXES
    from batchclf.storage.run.directory import RECORD_FILE

    suffix, quoted = Path(text).suffix.lower(), shlex.quote(text)
    if suffix == ".toml":
        return f"batchclf run {quoted}"
    if command := import_command(Path(text)):
        return command
    if os.path.isfile(run_path(text) / RECORD_FILE):  # noqa: PTH113 (Path's raises for long names)
        return f"batchclf report {quoted}"
    if suffix in SUFFIXES:
        return f"batchclf evaluate {quoted}"
    return f"batchclf score {quoted}" if names_folder(text) else ""

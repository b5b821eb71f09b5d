"""Options on the command line: those that job files have, too, made from their fields; and what several verbs share.

Such as the names of files and folders to write, which are checked before the work.
"""

import argparse
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin

import msgspec

from batchclf.core.options import (
    Option,
    Positive,
    choices,
    expected,
    fits,
    given_of,
    meant_share,
    options_of,
    without_bounds,
)

if TYPE_CHECKING:
    from batchclf.cli.console import Console
    from batchclf.data.sources.addresses import Location

STDOUT = "-"
JOB_HELP = "job file, or the name of a job here or in jobs/; paths in the file are relative to it"
Group = argparse.ArgumentParser | argparse._ArgumentGroup
Struct = TypeVar("Struct", bound=msgspec.Struct)


def add_options(group: Group, struct: type[msgspec.Struct], *names: str) -> None:
    """Add options of a struct by their names, or all of them."""
    for name in names or options_of(struct):
        add_option(group, struct, name)


def add_option(
    group: Group,
    struct: type[msgspec.Struct],
    name: str,
    *,
    flag: str = "",
    about: str = "",
    unset: str = "",
    more: str | None = None,
) -> None:
    """Add one option of a struct; what is given here stands in place of what its field says.

    `flag` is spelt as the name unless given.
    """
    option = options_of(struct)[name]
    kind, unset = option.kind, unset or option.unset
    action = group.add_argument(
        flag or f"--{name.replace('_', '-')}", dest=option.attribute, default=option.default, **_form(option)
    )
    values = f"; choose of: {', '.join(choices(kind))}" if choices(kind) and action.choices is None else ""
    action.help = (about or option.about) + values
    describe(action, unset=unset, more=option.more if more is None else more)


def _form(option: Option) -> dict[str, Any]:
    """Give what argparse wants to know about an option by its type."""
    base = without_bounds(option.kind)
    if base is bool:
        return {"action": "store_true" if option.default is False else argparse.BooleanOptionalAction}
    if get_origin(base) is list:
        text = without_bounds(get_args(base)[0]) is str
        more = {"action": "append"} if text else {}
        return {"type": reader(get_args(base)[0] if text else option.kind), "metavar": option.metavar, **more}
    if values := choices(base):
        return {"choices": values}
    return {"type": reader(option.kind), "metavar": option.metavar or None}


def reader(kind: Any) -> Callable[[str], Any]:
    """Make what argparse calls to read a value of an option's type; of a list, with commas between its items."""
    base = without_bounds(kind)

    def read(text: str) -> Any:
        if get_origin(base) is list:
            (item,) = get_args(base)
            read_item = reader(item) if choices(item) else lambda each: _parsed(each, without_bounds(item))
            value = [read_item(each.strip()) for each in text.split(",")]
        else:
            value = _parsed(text, base)
        if not fits(value, kind):
            share = meant_share(text, kind)
            wrong = f"'{text}' is not {expected(kind).replace(' in quotes', '')}"
            raise argparse.ArgumentTypeError(wrong + (f"; did you mean {share}?" if share else ""))
        return value

    return read


def _parsed(text: str, base: Any) -> Any:
    """Read a number where one is wanted; a text that is none stays."""
    try:
        return base(text) if base in (int, float) and text.isascii() else text
    except ValueError:
        return text


def describe(action: argparse.Action, *, unset: str = "", more: str = "") -> argparse.Action:
    """Complete an option's help by its default, or by what `unset` says of it; `more` is Markdown for the docs."""
    default = action.default
    if isinstance(default, list):
        default = ",".join(default)
    shown = unset or ("" if default is None or default is False else str(default))
    action.help = ((action.help or "") + (f" (default: {shown})" if shown else "")).replace("%", "%%")
    vars(action)["more"] = more
    return action


def options_from(args: argparse.Namespace, struct: type[Struct]) -> Struct:
    """Give the options of a struct that were read; those that the verb does not have keep their defaults."""
    names = [option.attribute for option in options_of(struct).values()]
    return struct(**{name: getattr(args, name) for name in names if hasattr(args, name)})


def as_path(text: str | None) -> Path | None:
    """Make a path of an option that may not be given."""
    if text is not None and "://" in text:
        from batchclf.data.sources.addresses import located
        from batchclf.errors import UsageError

        place = located(text)
        if not isinstance(place, Path):
            raise UsageError(f"{text} is an address, and a path is expected", hint="copy it, and give the copy")
        return place
    return None if text is None else Path(text)


def as_location(text: str | None) -> "Location | None":
    """Make a path or an address of an option that may not be given; raises UsageError."""
    if text is None or "://" not in text:
        return as_path(text)
    from batchclf.data.sources.addresses import located

    return located(text)


def given(options: msgspec.Struct, names: tuple[str, ...]) -> list[str]:
    """Name those of some options that are not at their defaults, as the command line spells them."""
    return [f"--{name.replace('_', '-')}" for name in given_of(options, names)]


def common() -> argparse.ArgumentParser:
    """Make the parent parser of every verb."""
    parser = argparse.ArgumentParser(add_help=False)
    group = parser.add_argument_group("output")
    group.add_argument("-q", "--quiet", action="store_true", help="print errors and warnings only")
    group.add_argument("-v", "--verbose", action="store_true", help="print more: a line for each skipped image")
    group.add_argument("--json", action="store_true", help="print one JSON object; all else goes to standard error")
    return parser


positive = reader(Positive)


def add_reports(parser: argparse.ArgumentParser) -> None:
    """Add --reports."""
    describe(
        parser.add_argument(
            "--reports",
            type=path,
            default=Path("reports"),
            metavar="DIR",
            help="reports folder: where published models are looked for and runs are written",
        )
    )


def path(text: str) -> Path:
    """Read a path, which an empty text is not: pathlib takes that for the current folder. For argparse."""
    place = location(text)
    if not isinstance(place, Path):
        raise argparse.ArgumentTypeError(f"{text} is an address, and a path is expected")
    return place


def location(text: str) -> "Location":
    """Read a path or an address, likewise."""
    if not text:
        raise argparse.ArgumentTypeError("it is empty, and a path is expected; the current folder is .")
    if "://" not in text:
        return Path(text)
    from batchclf.data.sources.addresses import located
    from batchclf.errors import UsageError

    try:
        return located(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(f"{error.message}; {error.hint}") from error


def run_path(text: str) -> Path:
    """Read the path of a run directory or of a file in one, through a file in place of the link `latest`."""
    from batchclf.storage.run.directory import RECORD_FILE

    place = followed_path(text)
    in_run = os.path.isfile(place) and os.path.isfile(place.with_name(RECORD_FILE))  # noqa: PTH113 (never raises)
    return place.parent if in_run else place


def followed_path(text: str) -> Path:
    """Read a path, likewise through a file in place of the link `latest`."""
    from batchclf import atomic

    return atomic.followed(path(text))


def job_path(text: str) -> Path:
    """Read the path of a job file, or the name of a job. For argparse."""
    from batchclf.errors import UsageError
    from batchclf.jobs.config.job_files import job_file

    try:
        return job_file(path(text))
    except UsageError as error:
        raise argparse.ArgumentTypeError(f"{error.message}; {error.hint}") from error


def file_path(text: str) -> Path:
    """Read the name of a file to write; `-` is standard output, `./-` a file of that name. For argparse."""
    if names_folder(text):
        raise argparse.ArgumentTypeError(f"'{text}' is a folder, and a file is expected")
    return file_or_folder(text)


def file_or_folder(text: str) -> Path:
    """Read the name of a file or folder to write, likewise."""
    # pathlib drops the `./`, by which a file of that name is told from standard output
    return Path(os.path.abspath(text)) if text != STDOUT and Path(text) == Path(STDOUT) else path(text)  # noqa: PTH100


def folder_path(text: str) -> Path:
    """Read the name of a folder to write, which standard output cannot be. For argparse."""
    if text == STDOUT:
        raise argparse.ArgumentTypeError("'-' is standard output, and a folder is expected; one of that name is ./-")
    return file_or_folder(text)


def names_folder(text: str) -> bool:
    """Whether a text ends as that of a folder does, or one is there."""
    return text.endswith(tuple(filter(None, (os.sep, os.altsep)))) or os.path.isdir(text)  # noqa: PTH112


def keep_output_free(outs: Iterable[Path], console: "Console") -> None:
    """If a file goes to standard output, let all lines go to standard error. Raises UsageError with --json."""
    from batchclf import atomic
    from batchclf.errors import UsageError

    for out in filter(atomic.is_standard_output, outs):
        if console.as_json:
            raise UsageError(
                f"--json prints on standard output, and {out} is standard output, too",
                hint="leave out --json, or give the name of a file",
            )
        console.lines_to_stderr()


def shown(out: Path) -> str:
    """Name a file in a line."""
    return "standard output" if out == Path(STDOUT) else str(out)

"""`batchclf completion`: the script by which a shell completes commands, options, their values and paths."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from batchclf.cli.console import Console

SHELLS = ("bash", "zsh", "fish")
EXAMPLES = """\
examples:
  eval "$(batchclf completion bash)"                                    in this shell, or in ~/.bashrc
  batchclf completion bash > ~/.local/share/bash-completion/completions/batchclf
  batchclf completion zsh > ~/.zfunc/_batchclf                          with ~/.zfunc in $fpath before compinit
  batchclf completion fish > ~/.config/fish/completions/batchclf.fish
"""
_FOLDERS = {"BUNDLE", "DIR", "OUT"}
_FILES = {"FILE", "JOB", "JOB.toml", "FILE.toml", "OTHER_RUN_DIR", "PATH", "RUN_DIR"}
"""Metavars of paths: files are offered with the folders on the way to them, so a run and its report.html both are."""


def add(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verb's parser."""
    parser = verbs.add_parser(
        "completion",
        parents=[common],
        help="print the script by which a shell completes commands, options and paths",
        description="Print the script by which a shell completes commands, options, their values and paths.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell")
    parser.set_defaults(handle=handle)


def handle(args: argparse.Namespace, console: "Console") -> int:
    """Print the script."""
    import shtab

    from batchclf.cli.main import VERBS, build_parser

    parser = build_parser()
    for action in _actions(parser):
        words = set(str(action.metavar).replace("|", ",").strip("{}").split(","))
        if action.dest == "topic":  # of `help`
            action.choices = VERBS
        elif words & (_FILES | _FOLDERS):
            vars(action)["complete"] = shtab.FILE if words & _FILES else shtab.DIRECTORY
    script = shtab.complete(parser, args.shell)
    if console.as_json:
        return console.result({"shell": args.shell, "script": script})
    print(script)
    return console.result({})


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _actions(below)

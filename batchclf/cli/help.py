"""`batchclf help`: listed here, done by `main`, which puts --help behind the command."""

import argparse
from typing import Any

EXAMPLES = """\
examples:
  batchclf help
  batchclf help score
  batchclf help history list
"""


def add(verbs: Any, _: argparse.ArgumentParser) -> None:
    """Add the verb's parser."""
    parser = verbs.add_parser(
        "help",
        help="show the help of a command",
        description="Show the help of a command, as --help behind it does, or list the commands.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("topic", nargs="*", metavar="COMMAND", help="a command, such as: history list")

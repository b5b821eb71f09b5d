"""Exit codes and statuses: one table in errors.py, from which the program, its help and the docs take them."""

import ast
import inspect
import re
from typing import get_args

import pytest
from doc_pages import read, section, tables

from batchclf import errors
from batchclf.cli.main import build_parser
from batchclf.errors import ExitCode, OutcomeStatus, Status


def test_statuses_are_those_of_the_table():
    assert sorted(code.published for code in ExitCode if code.published) == sorted(get_args(Status))
    assert {code.unpublished for code in ExitCode} == set(get_args(OutcomeStatus)) - set(get_args(Status))
    for status in get_args(Status):
        assert ExitCode.of(status).published == status


def test_every_exception_has_a_code_of_a_run_that_is_not_good():
    raised = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, Exception)]
    assert len(raised) > 10
    assert all(isinstance(each.exit_code, ExitCode) and each.exit_code != ExitCode.OK for each in raised)


def test_usage_ends_as_argparse_ends():
    with pytest.raises(SystemExit) as ended:
        build_parser().parse_args(["no-such-verb"])
    assert ended.value.code == ExitCode.USAGE


def test_the_page_has_the_rows_of_the_table():
    rows = tables(section(read("docs/commands.md"), "Exit codes"))
    assert [int(code) for code, *_ in rows] == list(ExitCode), "put its row into docs/commands.md, Exit codes"
    listed = set()
    for code, (_, cell, meaning) in zip(ExitCode, rows, strict=True):
        assert re.match(rf"{code.words}\b", meaning)
        statuses = re.findall("`(.*?)`", cell)
        assert statuses in ([code.published], [code.unpublished], [code.published, code.unpublished])
        listed |= set(statuses)
    assert listed == set(get_args(OutcomeStatus))


def test_help_lists_the_table():
    text = " ".join(build_parser().format_help().split())
    assert text.endswith("exit codes: " + ", ".join(f"{code} {code.words}" for code in ExitCode))


def names_a_code(node):
    return getattr(node, "id", getattr(node, "attr", getattr(node, "value", ""))) == "exit_code"


def codes_in(node):
    """The expressions below a node that stand for an exit code wherever they are."""
    match node:
        case ast.Dict(keys, values):
            return [value for key, value in zip(keys, values, strict=True) if names_a_code(key)]
        case ast.keyword(arg="exit_code", value=value):
            return [value]
        case ast.Assign(value=value, targets=[target]) | ast.AnnAssign(value=value, target=target):
            return [value] if names_a_code(target) else []
        case ast.Compare(left, _, [right]) if names_a_code(left) or names_a_code(right):
            return [left, right]
    return []


def codes_of_a_verb(node):
    """Those that do so in a module of cli/."""
    match node:
        case ast.Return(value) | ast.BoolOp(values=[ast.Name("code"), value]):
            return [value]
        case ast.Call(ast.Attribute(attr="exit" | "_exit"), [value]):
            return [value]
    return []


def is_text_with_a_code(node):
    text = node.value if isinstance(node, ast.Constant) else None
    return isinstance(text, str) and re.search(r"(?i)exit ?(code|status)( is)?\W*\d", text) is not None


def numbers_for_codes(tree, *, of_a_verb):
    """The lines of a module in which a number stands for an exit code."""
    for node in ast.walk(tree):
        values = codes_in(node) + (codes_of_a_verb(node) if of_a_verb else [])
        numbers = [each for each in values if isinstance(each, ast.Constant) and type(each.value) is int]
        if numbers or is_text_with_a_code(node):
            yield node.lineno


@pytest.mark.parametrize(
    "line",
    [
        "return 1",
        "d = {'job': name, 'exit_code': 0}",
        "record(exit_code=3)",
        "class E(Exception):\n    exit_code = 4",
        "good = outcome.exit_code == 0",
        "sys.exit(1)",
        "code = code or 1",
        "text = 'SuccessExitStatus=75'",
        "text = f'failed (exit code 3), {name}'",
        "text = 'otherwise the exit code is 3'",
    ],
)
def test_a_number_for_a_code_is_found(line):
    assert list(numbers_for_codes(ast.parse(line), of_a_verb=True))


def test_no_other_file_knows_a_number(repo_root):
    package = repo_root / "batchclf"
    found = [
        f"{name}, line {line}"
        for path in sorted(package.rglob("*.py"))
        if (name := path.relative_to(package).as_posix()) != "errors.py"
        for line in numbers_for_codes(ast.parse(path.read_text()), of_a_verb=name.startswith("cli/"))
    ]
    assert found == [], "take the code from errors.ExitCode"

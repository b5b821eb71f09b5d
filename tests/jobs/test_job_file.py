"""Job files: what is wrong is told with its line, its key and the nearest right one."""

from datetime import date
from fractions import Fraction
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchclf.core.choices import Format
from batchclf.core.gate.rules import Alarms, Gate
from batchclf.errors import JobFileError, UsageError
from batchclf.jobs.config.gate_rules import scoring_options
from batchclf.jobs.config.limits import parse_budget
from batchclf.jobs.config.load import load_job, read_job

DATA = '[data]\ndataset = "digits"\n'


RULE = DATA + "[[gate.rules]]\nmetric = 'accuracy'\n"
FOLDERS = DATA + "[scoring.directories.shop]\npath = 'shop'\n[scoring.directories.'a-b']\n"


def load(tmp_path, text, **of):
    path = tmp_path / "nightly.toml"
    path.write_text(text)
    return load_job(path, **of)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (DATA + "[scoring]\nbatchsize = 3\n", ["line 4", "[scoring]", "'batchsize'", "batch_size"]),
        (DATA + "[gate]\nmin_accuracy = 0.5\n", ["line 4", "'min_accuracy'"]),
        (DATA + "[publish]\nreport = 'x'\n", ["line 4", "'report'", "reports"]),
        (DATA + "[model]\nepoch = 3\n", ["line 4", "'epoch'", "did you mean 'epochs'?"]),
        ("nmae = 'x'\n" + DATA, ["line 1", "the top level", "did you mean 'name'?"]),
        ("data.datset = 'digits'\n", ["line 1", "'datset'"]),
        (DATA + "[model]\nretrain = 1\n", ["line 4", "model.retrain", "true or false is expected, not a whole number"]),
        (DATA + "[model]\nepochs = 0\n", ["line 4", "model.epochs", "a whole number from 1 on is expected, not 0"]),
        (DATA + "[gate]\nmax_gap = 5\n", ["line 4", "gate.max_gap", "a number from 0 to 1 is expected, not 5"]),
        (
            DATA + "[scoring]\nsplits = ['test', 'dev']\n",
            ["line 4", "scoring.splits", "'dev'", "value 2", "choose of: test, train"],
        ),
        (DATA + "[scoring]\nsplits = []\n", ["line 4", "names no split"]),
        (DATA + "[scoring]\nsplits = ['test']\n[gate]\nmax_gap = 0.1\n", ["line 6", "needs both splits"]),
        (DATA + "[scoring]\nsplits = ['train']\n[gate]\nmin_test_accuracy = 0.1\n", ["line 6", "needs the test split"]),
        (DATA + "[model]\nrecipe = 'resnet'\n", ["line 4", "'resnet'", "choose one of: mlp"]),
        (DATA + "[model]\nrecipe = 'nets.py:small()'\n", ["line 4", "model.recipe", "module:function"]),
        ("[data]\n", ["line 1", "either dataset or directory"]),
        (DATA + "directory = 'x'\n", ["line 1", "either dataset or directory"]),
        ("name = 'a/b'\n" + DATA, ["line 1", "a name of letters", "'a/b'"]),
        ("data = 3\n", ["line 1", "data: a table is expected"]),
        ("# only a comment\n", ["[data] is missing"]),
        ("[data]\ndataset = digits\n", ["line 2"]),
        (f"x = {'[' * 5000}{']' * 5000}\n", ["is not valid TOML"]),
        ("data = { datset = 'digits' }\n", ["line 1", "'datset'", "did you mean 'dataset'?"]),
        ("\n[[data]]\ndataset = 'digits'\n", ["line 2", "data", "a list"]),
        (DATA + "['model']\n'epochs' = 1.5\n", ["line 4", "model.epochs", "a number"]),
        (DATA + "[model]\nepochs = true\n", ["line 4", "model.epochs", "true or false"]),
        (DATA + "[model]\nseed = 4294967296\n", ["line 4", "model.seed", "from 0 to 4294967295"]),
        (DATA + "[model]\nbundle = ''\n", ["line 4", "model.bundle", "a path that is not empty"]),
        ("[data]\ndirectory = ''\n", ["line 2", "data.directory", "a path that is not empty"]),
        (DATA + "[publish]\nreports = 'a\\u0000'\n".replace("'", '"'), ["line 4", "publish.reports"]),
        (DATA + "[publish]\nreports = 3\n", ["line 4", "publish.reports", "a text in quotes", "a whole number"]),
        ('name = "nightly\\n"\n' + DATA, ["line 1", "name"]),
        (DATA + "[gate]\nmax_gap = nan\n", ["line 4", "gate.max_gap"]),
        (DATA + "[gate]\nmin_test_accuracy = -0.1\n", ["line 4", "gate.min_test_accuracy", "from 0 to 1"]),
        (DATA + "[scoring]\nruntime = 'onx'\n", ["line 4", "scoring.runtime", "choose of: onnx, tensorflow"]),
        (DATA + "[scoring]\nsplits = [\n  'test',\n  'dev',\n]\n", ["line 4", "choose of: test, train"]),
        (DATA + "[scoring]\nsplits = ['test', 'test']\n", ["line 4", "names one twice"]),
        (DATA + "[model.recipe]\nname = 'mlp'\n", ["line 3", "model.recipe"]),
        ("[data]\ndataset = 'mnist'\n", ["line 2", "choose of: fashion-mnist, digits"]),
        ("[[data]]\n[data.x]\n", ["line 1", "data: a table is expected"]),
        (DATA + "[model]\nepochs = 2026-01-01\n", ["line 4", "a whole number is expected, not a date"]),
        (DATA + f"[model]\nepochs = {'9' * 5000}\n", ["is not valid TOML"]),
        ("deadline = 'soon'\n" + DATA, ["line 1", "deadline", "'soon'", "2h"]),
        ("deadline = 2\n" + DATA, ["line 1", "deadline", "a text in quotes"]),
        ("name = 'cache'\n" + DATA, ["line 1", "cannot have the name 'cache'"]),
        (FOLDERS, ["line 5", "[scoring.directories.a-b] lacks the key 'path'"]),
        (FOLDERS + "path = 'x'\nlables = 'none'\n", ["line 7", "[scoring.directories.a-b]", "did you mean 'labels'?"]),
        (FOLDERS + "path = ''\n", ["line 6", "scoring.directories.a-b.path", "not empty"]),
        (FOLDERS + "path = 'x'\nglob = '*.png'\n", ["line 7", "scoring.directories.a-b.glob", "a list"]),
        (FOLDERS + "path = 'x'\nmax_skipped = 'few'\n", ["line 7", "'few'", "20 or 1%"]),
        (FOLDERS + "path = 'x'\nmax_skipped = 3\n", ["line 7", "max_skipped", "a text in quotes"]),
        (FOLDERS + "path = 'x'\nfixed = 'yes'\n", ["line 7", "fixed", "true or false"]),
        (DATA + "[scoring.directories.test]\npath = 'x'\n", ["line 3", "the name of a split"]),
        (DATA + "[scoring.directories.'a b']\npath = 'x'\n", ["line 3", "a name of letters", "'a b'"]),
        (DATA + "[scoring.directories]\nshop = 'x'\n", ["line 4", "scoring.directories.shop: a table is expected"]),
        (DATA + "[scoring]\ndirectories = ['x']\n", ["line 4", "a table is expected, not a list"]),
        (DATA + "[scoring]\ndirectories.shop.pth = 'x'\n", ["line 4", "'pth'", "did you mean 'path'?"]),
        (DATA + "[scoring]\nresize = 'slow'\n", ["line 4", "choose of: fast, exact"]),
        (
            DATA + "[scoring]\nformat = ['csv', 'xlsx']\n",
            ["line 4", "'xlsx'", f"choose of: {', '.join(get_args(Format))}"],
        ),
        (DATA + "[scoring]\nworkers = 0\n", ["line 4", "from 1 on"]),
        ("[scoring.directories.shop]\npath = 'x'\n", ["without [data] nothing can be trained", "model.bundle"]),
        ("[scoring.directories.shop]\npath = 'x'\n[model]\nbundle = 'm'\nretrain = true\n", ["line 5", "retrain"]),
        (
            "[model]\nbundle = 'm'\n[scoring]\nsplits = ['test']\n[scoring.directories.shop]\npath = 'x'\n",
            ["line 4", "scoring.splits needs [data]"],
        ),
        (RULE + "[[gate.rules]]\nmetrik = 'f1'\n", ["line 6", "[gate.rules[1]] has no key 'metrik'", "'metric'?"]),
        (RULE + "[[gate.rules]]\nmin = 0.5\n", ["line 5", "[gate.rules[1]] lacks the key 'metric'"]),
        (RULE + "class_name = 'a'\n", ["line 5", "has no key 'class_name'", "did you mean 'class'?"]),
        (RULE + "min = nan\n", ["line 5", "gate.rules[0].min", "finite"]),
        (RULE + "max_drop = -0.1\n", ["line 5", "gate.rules[0].max_drop", "from 0 on"]),
        (RULE + "min = 0.1\nmin_support = 0\n", ["line 6", "gate.rules[0].min_support"]),
        (RULE + "min = 0.1\nwhen_uncertain = 'maybe'\n", ["line 6", "choose of: value, pass, fail"]),
        (
            RULE + "min = 0.5\n[[gate.rules]]\nmetric = 'ece'\nsubset = 'shop'\n",
            ["line 8", "rule 2", "'shop' is not scored"],
        ),
        (RULE + "against = 'best'\nmax_drop = 0.1\n", ["line 5", "rule 1", "'best' is neither last-good nor"]),
        (DATA + "[gate]\nrules = [{metric = 'accuracy', mni = 0.5}]\n", ["line 4", "'mni'", "did you mean 'min'?"]),
        (DATA + "[gate]\nrules = [3]\n", ["line 4", "gate.rules[0]: a table is expected"]),
        (DATA + "[gate.rules]\nmetric = 'accuracy'\n", ["line 3", "gate.rules: a list is expected, not a table"]),
        (DATA + "[gate.alarms]\noff = ['all']\n", ["line 4", "'all'", "no-images"]),
        (DATA + "[gate.alarms]\none_class = 95\n", ["line 4", "from 0 to 1"]),
        (DATA + "[baselines]\nlast-good = 'x'\n", ["line 4", "always the last good run"]),
        (DATA + "[baselines]\nbest = 3\n", ["line 4", "baselines.best", "a text in quotes"]),
        (DATA + "[report]\nformat = ['pdf']\n", ["line 4", "choose of: html, json, md"]),
        (DATA + "[retention]\nkeep_runs = 0\n", ["line 4", "from 1 on"]),
        (DATA + "[retention]\nkeep_run = 3\n", ["line 4", "'keep_run'", "did you mean 'keep_"]),
        (DATA + "[notify]\non_failure = 'mail'\n", ["line 4", "notify.on_failure", "a list"]),
        (DATA + "[notify]\non_failure = []\n", ["line 4", "a list that is not empty is expected, not an empty list"]),
        (
            DATA + "[notify]\non_failure = ['mail', '']\n",
            ["line 4", "a text in quotes that is not empty is expected, not '' (value 2 of the list)"],
        ),
        (DATA + "[notify]\nwebhook_on = 'never'\n", ["line 4", "choose of: failure, always"]),
        *(
            (DATA + f"[notify]\nwebhook = '{address}'\n", ["line 4", "no address of the web", "https://host/path"])
            for address in ("x", "ftp://host", "https://", "https:///x", "http://host:x/", "http://[::1", "http://a b")
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, named):
    with pytest.raises(JobFileError) as caught:
        load(tmp_path, text)
    told = f"{caught.value.message} | {caught.value.hint}"
    assert "nightly.toml" in told
    for part in named:
        assert part in told
    assert caught.value.hint


def test_not_text(tmp_path):
    (tmp_path / "nightly.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(JobFileError, match="not UTF-8"):
        load_job(tmp_path / "nightly.toml")


def test_no_such_file_and_a_folder(tmp_path):
    cases = (tmp_path / "none.toml", "No such file", "batchclf job new"), (tmp_path, "directory", "path of a job file")
    for path, why, hint in cases:
        with pytest.raises(JobFileError, match=why) as caught:
            load_job(path)
        assert hint in caught.value.hint


def test_a_byte_order_mark_is_passed_over(tmp_path):
    (tmp_path / "nightly.toml").write_text(DATA, encoding="utf-8-sig")
    assert load_job(tmp_path / "nightly.toml").spec.data.dataset == "digits"


KEYS = [
    *("name", "data", "model", "scoring", "gate", "publish", "gate.max_gap", "data.dataset", "model.seed", "x", '"="'),
    *("deadline", "baselines", "baselines.a", "report", "retention", "notify", "notify.webhook", "notify.on_failure"),
    *("gate.rules", "gate.alarms", "metric", "class", "min", "against", "scoring.directories", "scoring.directories.a"),
    *("path", "labels", "glob", "max_skipped", "model.bundle", "retention.keep_runs", "count_fell_by"),
]
VALUES = [
    *("1", "-1", "1e400", "nan", "true", "''", "'digits'", "'..'", "[]", "['test']", "[[1]]", "{}", "{epochs = 0}"),
    *(
        "'${HOME}'",
        "'{date}'",
        "'{date:%H}'",
        "'${'",
        "'1%'",
        "'2h'",
        "2026-01-01",
        "{path = 'x'}",
        "[{metric = 'f1'}]",
    ),
    *("'last-good'", "1" + "0" * 400, '"\\u0000"'),
]
LINES = [f"[{key}]" for key in KEYS] + [
    "[[gate]]",
    "[[gate.rules]]",
    "[scoring.directories.a.b]",
    "dataset = 'digits'",
    "directory = '/'",
    "splits = ['train']",
    "# x",
    'x = """',
]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(LINES) | st.builds("{} = {}".format, st.sampled_from(KEYS), st.sampled_from(VALUES))))
def test_whatever_stands_in_it_loads_or_is_refused_in_our_words(tmp_path, lines):
    refused = None
    try:
        job = load(tmp_path, "\n".join(lines))
    except JobFileError as error:
        refused = error
    if refused is None:
        if job.spec.data is None:
            assert job.directories
            assert job.spec.model.bundle is not None
        else:
            assert (job.spec.data.dataset is None) != (job.directory is None)
        assert set(job.splits) | set(job.directories)
        assert job.folder.parent == tmp_path.parent / "reports"
    else:
        assert "nightly.toml" in refused.message
        assert refused.hint


def test_defaults_and_paths_are_relative_to_the_file(tmp_path):
    (tmp_path / "jobs").mkdir()
    job = load(tmp_path / "jobs", DATA)
    assert job.name == "nightly"
    assert job.folder == tmp_path / "reports" / "nightly"
    assert job.bundle == tmp_path / "reports" / "nightly" / "model"
    assert job.splits == ["test", "train"]
    assert (job.directories, job.budgets, job.baselines, job.deadline) == ({}, {}, {}, None)
    assert job.gate == Gate(alarms=Alarms())
    assert job.run_date == date.today()
    job = load(tmp_path / "jobs", "name = 'n'\n[data]\ndirectory = '../photos'\n[model]\nbundle = 'm'\n")
    assert (job.directory, job.bundle) == (tmp_path / "photos", tmp_path / "jobs" / "m")
    assert job.folder == tmp_path / "reports" / "n"


EVERYTHING = """
name = "nightly"
deadline = "1h30m"
[model]
bundle = "models/{date:%Y}"
[scoring]
workers = 2
resize = "exact"
[scoring.directories.zoo]
path = "zoo/{yesterday}"
glob = ["*.png", "!a/"]
fixed = true
[scoring.directories.shop]
path = "${SHOP:-shop}/{date:%Y/%m/%d}"
labels = "labels.csv"
max_skipped = "1%"
[baselines]
best = "20261101T010203Z"
golden = "golden/metrics.json"
[[gate.rules]]
metric = "recall"
subset = "shop"
class = "*"
against = "golden"
max_drop = 0.02
[gate.alarms]
off = ["one-class"]
count_fell_by = 0.9
[publish]
reports = "/srv/reports"
[report]
format = ["html", "md"]
templates = "templates"
[retention]
keep_runs = 30
[notify]
on_failure = ["mail", "-s", "${date}", "{ops}"]
webhook = "https://user@host:8443/${TOKEN}?x=1"
prometheus = "nightly.prom"
junit = "junit.xml"
"""


def test_a_job_of_folders_with_every_table(tmp_path):
    job = load(tmp_path, EVERYTHING, run_date=date(2026, 11, 25), environment={"TOKEN": "t{date}"})
    assert (job.run_date, job.splits, job.deadline) == (date(2026, 11, 25), [], 5400)
    assert job.bundle == tmp_path / "models" / "2026"
    assert list(job.directories) == ["shop", "zoo"]
    shop, zoo = job.directories.values()
    assert (shop.source.root, shop.labels) == (tmp_path / "shop" / "2026" / "11" / "25", tmp_path / "labels.csv")
    assert (zoo.source.root, zoo.labels) == (tmp_path / "zoo" / "2026-11-24", "auto")
    assert zoo.selection.globs == ("*.png", "!a/")
    assert job.budgets == {"shop": parse_budget("1%")}
    assert job.baselines == {"best": "20261101T010203Z", "golden": tmp_path / "golden" / "metrics.json"}
    (rule,) = job.gate.rules
    assert (rule.class_name, rule.against, rule.max_drop, rule.when_uncertain) == ("*", "golden", 0.02, "pass")
    assert job.gate.alarms == Alarms(frozenset({"one-class"}), 0.9, 0.95, frozenset({"zoo"}))
    assert (str(job.reports), job.templates) == ("/srv/reports", tmp_path / "templates")
    assert (job.prometheus, job.junit) == (tmp_path / "nightly.prom", tmp_path / "junit.xml")
    assert job.spec.notify.webhook == "https://user@host:8443/t{date}?x=1"
    # What a command is given stays as it is: a shell or the program may have its own use for braces.
    assert job.spec.notify.on_failure == ["mail", "-s", "${date}", "{ops}"]


def test_only_folders_may_be_scored_of_a_job_that_trains(tmp_path):
    job = load(tmp_path, DATA + "[scoring]\nsplits = []\n[scoring.directories.shop]\npath = 'shop'\n")
    assert (job.splits, list(job.directories)) == ([], ["shop"])


MANY_FAULTS = """nmae = 1
[data]
dataset = '${NO_SUCH}'
[[gate.rules]]
metric = 3
[model]
epochs = '''
epochs = 5
'''
[notify]
# timeout = 1
timeout = 0
"""


def test_all_that_is_wrong_is_told_with_its_line(tmp_path):
    path = tmp_path / "nightly.toml"
    path.write_text(MANY_FAULTS)
    read = read_job(path, environment={})
    assert read.job is None
    assert [(each.line, each.key) for each in read.problems] == [
        (3, "data.dataset"),
        (1, "nmae"),
        (5, "gate.rules[0].metric"),
        (7, "model.epochs"),
        (12, "notify.timeout"),
    ]
    path.write_text(
        "name = 'score'\n" + RULE + "min = 0.1\nsubset = 'a'\n"
        "[[gate.rules]]\nmetric = 'accuracy'\nmin = 0.1\nsubset = 'b'\n[notify]\nwebhook = '/'\n"
    )
    read = read_job(path)
    assert [each.key.split(".")[0] for each in read.problems] == ["name", "notify", "gate", "gate"]
    assert read.problems[0].line == 1
    assert read.problems[1].line == 13
    assert read.problems[2].line in range(4, 8)
    assert read.problems[3].line in range(8, 12)


def test_links_in_a_circle_are_told(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(JobFileError, match="cannot be followed"):
        load(tmp_path, DATA + "[model]\nbundle = 'a/m'\n")


def test_a_hidden_file_gives_no_hidden_job(tmp_path):
    (tmp_path / ".toml").write_text(DATA)
    with pytest.raises(JobFileError, match=r"'\.toml'"):
        load_job(tmp_path / ".toml")


@given(st.integers(0, 10**9), st.integers(0, 10**6), st.integers(0, 10**6))
def test_budget_of_a_number(allowed, skipped, scored):
    assert parse_budget(str(allowed)).exceeded(skipped, skipped + scored) == (skipped > allowed)


@given(st.integers(0, 100), st.integers(0, 1000), st.integers(0, 1000))
def test_budget_of_a_share(percent, skipped, scored):
    exceeded = parse_budget(f"{percent}%").exceeded(skipped, skipped + scored)
    assert exceeded == (100 * skipped > percent * (skipped + scored))


@given(st.integers(0, 1000), st.integers(1, 50))
def test_budget_is_kept_at_the_bound(per_mille, thousands):
    """2.3 / 100 is a little less than 23 / 1000 in floating point; a share is held exactly."""
    budget = parse_budget(f"{per_mille // 10}.{per_mille % 10}%")
    assert budget.share == Fraction(per_mille, 1000)
    assert not budget.exceeded(per_mille * thousands, 1000 * thousands)
    assert budget.exceeded(per_mille * thousands + 1, 1000 * thousands)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1",
        "1.5",
        "%",
        "101%",
        "-1%",
        "1 %",
        "many",
        "1e3",
        "١",
        "1\n",
        "9" * 5000,
        "9" * 400 + "%",
        "nan%",
        "0x1",
        "1_0",
    ],
)
def test_what_is_no_budget(text):
    with pytest.raises(UsageError, match="percentage"):
        parse_budget(text)


@pytest.mark.parametrize(
    ("rules", "scoring", "asked"),
    [
        ("", "", None),
        ("[[gate.rules]]\nmetric = 'ece'\nmax = 0.1\n", "", None),
        ("[[gate.rules]]\nmetric = 'log_loss'\nmax = 0.5\n", "", True),
        ("[[gate.rules]]\nmetric = 'brier'\nmax = 0.5\n", "probabilities = true\n", True),
        ("", "probabilities = false\n", False),
    ],
)
def test_a_rule_that_needs_all_probabilities_has_them_written(tmp_path, rules, scoring, asked):
    """However many classes the model has: by default only a model of few has a column for each."""
    spec = load(tmp_path, f"{DATA}[scoring]\n{scoring}{rules}").spec
    assert scoring_options(spec).probabilities is asked

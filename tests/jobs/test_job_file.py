"""Job files: what is wrong is told with its line, its key and the nearest right one."""

from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchclf.core.gate import Gate, check_gate
from batchclf.errors import JobFileError, UsageError
from batchclf.jobs.budget import parse_budget
from batchclf.jobs.spec import load_job

DATA = '[data]\ndataset = "digits"\n'


def load(tmp_path, text):
    path = tmp_path / "night.toml"
    path.write_text(text)
    return load_job(path)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (DATA + "[scoring]\nbatchsize = 3\n", ["line 4", "[scoring]", "'batchsize'", "batch_size"]),
        (DATA + "[gate]\nmin_accuracy = 0.5\n", ["line 4", "'min_accuracy'"]),
        (DATA + "[publish]\nreport = 'x'\n", ["line 4", "'report'", "reports"]),
        (DATA + "[model]\nepoch = 3\n", ["line 4", "'epoch'", "did you mean 'epochs'?"]),
        ("nmae = 'x'\n" + DATA, ["line 1", "the top level", "did you mean 'name'?"]),
        ("data.datset = 'digits'\n", ["line 1", "'datset'"]),
        (DATA + "[model]\nretrain = 1\n", ["line 4", "model.retrain", "bool"]),
        (DATA + "[model]\nepochs = 0\n", ["line 4", "model.epochs", ">= 1"]),
        (DATA + "[gate]\nmax_gap = 5\n", ["line 4", "gate.max_gap", "<= 1"]),
        (DATA + "[scoring]\nsplits = ['test', 'dev']\n", ["line 4", "scoring.splits"]),
        (DATA + "[scoring]\nsplits = []\n", ["line 4", "names no split"]),
        (DATA + "[scoring]\nsplits = ['test']\n[gate]\nmax_gap = 0.1\n", ["line 6", "needs both splits"]),
        (DATA + "[scoring]\nsplits = ['train']\n[gate]\nmin_test_accuracy = 0.1\n", ["line 6", "needs the test split"]),
        (DATA + "[model]\nrecipe = 'resnet'\n", ["line 4", "'resnet'", "choose one of: mlp"]),
        ("[data]\n", ["line 1", "either dataset or directory"]),
        (DATA + "directory = 'x'\n", ["line 1", "either dataset or directory"]),
        ("name = 'a/b'\n" + DATA, ["line 1", "name"]),
        ("data = 3\n", ["line 1", "data"]),
        ("# only a comment\n", ["[data] is missing"]),
        ("[data]\ndataset = digits\n", ["line 2"]),
        (f"x = {'[' * 5000}{']' * 5000}\n", ["is not valid TOML"]),
        ("data = { datset = 'digits' }\n", ["line 1", "'datset'", "did you mean 'dataset'?"]),
        ("\n[[data]]\ndataset = 'digits'\n", ["line 2", "data", "array"]),
        (DATA + "['model']\n'epochs' = 1.5\n", ["line 4", "model.epochs", "float"]),
        (DATA + "[model]\nepochs = true\n", ["line 4", "model.epochs", "bool"]),
        (DATA + "[model]\nseed = 4294967296\n", ["line 4", "model.seed", "<= 4294967295"]),
        (DATA + "[model]\nbundle = ''\n", ["line 4", "model.bundle", "length >= 1"]),
        ("[data]\ndirectory = ''\n", ["line 2", "data.directory", "length >= 1"]),
        (DATA + "[publish]\nreports = 'a\\u0000'\n".replace("'", '"'), ["line 4", "publish.reports"]),
        (DATA + "[publish]\nreports = 3\n", ["line 4", "publish.reports", "str", "int"]),
        ('name = "night\\n"\n' + DATA, ["line 1", "name"]),
        (DATA + "[gate]\nmax_gap = nan\n", ["line 4", "gate.max_gap"]),
        (DATA + "[gate]\nmin_test_accuracy = -0.1\n", ["line 4", "gate.min_test_accuracy", ">= 0"]),
        (DATA + "[scoring]\nruntime = 'onx'\n", ["line 4", "scoring.runtime", "choose of: onnx, tensorflow"]),
        (DATA + "[scoring]\nsplits = [\n  'test',\n  'dev',\n]\n", ["line 4", "choose of: test, train"]),
        (DATA + "[scoring]\nsplits = ['test', 'test']\n", ["line 4", "one twice"]),
        (DATA + "[model.recipe]\nname = 'mlp'\n", ["line 3", "model.recipe"]),
        ("[data]\ndataset = 'mnist'\n", ["line 2", "choose of: fashion-mnist, digits"]),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, named):
    with pytest.raises(JobFileError) as caught:
        load(tmp_path, text)
    told = f"{caught.value.message} | {caught.value.hint}"
    assert "night.toml" in told
    for part in named:
        assert part in told
    assert caught.value.hint


def test_not_text(tmp_path):
    (tmp_path / "night.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(JobFileError, match="not UTF-8"):
        load_job(tmp_path / "night.toml")


def test_no_such_file_and_a_folder(tmp_path):
    for path, why in ((tmp_path / "none.toml", "No such file"), (tmp_path, "directory")):
        with pytest.raises(JobFileError, match=why) as caught:
            load_job(path)
        assert "jobs/fashion-mnist.toml" in caught.value.hint


def test_a_byte_order_mark_is_passed_over(tmp_path):
    (tmp_path / "night.toml").write_text(DATA, encoding="utf-8-sig")
    assert load_job(tmp_path / "night.toml").spec.data.dataset == "digits"


KEYS = ["name", "data", "model", "scoring", "gate", "publish", "gate.max_gap", "data.dataset", "model.seed", "x", '"="']
VALUES = ["1", "-1", "1e400", "nan", "true", "''", "'digits'", "'..'", "[]", "['test']", "[[1]]", "{}", "{epochs = 0}"]
LINES = [f"[{key}]" for key in KEYS] + [
    "[[gate]]",
    "dataset = 'digits'",
    "directory = '/'",
    "splits = ['train']",
    "# x",
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
        assert (job.spec.data.dataset is None) != (job.directory is None)
        assert job.folder.parent == tmp_path.parent / "reports"
    else:
        assert "night.toml" in refused.message
        assert refused.hint


def test_defaults_and_paths_are_relative_to_the_file(tmp_path):
    (tmp_path / "jobs").mkdir()
    job = load(tmp_path / "jobs", DATA)
    assert job.name == "night"
    assert job.folder == tmp_path / "reports" / "night"
    assert job.bundle == tmp_path / "reports" / "night" / "model"
    assert job.spec.scoring.splits == ["test", "train"]
    assert job.gate == Gate(None, None)
    job = load(tmp_path / "jobs", "name = 'n'\n[data]\ndirectory = '../photos'\n[model]\nbundle = 'm'\n")
    assert (job.directory, job.bundle) == (tmp_path / "photos", tmp_path / "jobs" / "m")
    assert job.folder == tmp_path / "reports" / "n"


def test_the_jobs_that_people_copy_load(repo_root):
    files = sorted((repo_root / "jobs").glob("*.toml"))
    assert [path.name for path in files] == ["digits.toml", "fashion-mnist.toml"]
    for path in files:
        assert load_job(path).folder == repo_root / "reports" / path.stem


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


class TestGate:
    """Bounds are met at the bound, and never passed for want of a value."""

    @pytest.fixture
    def measured(self):
        import numpy as np

        from batchclf.core.evaluation import Tally
        from batchclf.core.gap import overfitting_gap
        from batchclf.core.types import PredictionRows

        def evaluate(split, right, of):
            labels = np.zeros(of, np.int64)
            predictions = (np.arange(of) >= right).astype(np.int64)
            ones = np.ones(of)
            paths = tuple(f"{i:03d}" for i in range(of))
            tally = Tally(split, ("a", "b"))
            splits, ranked = (split,) * of, predictions[:, None]
            tally.update(PredictionRows(("a", "b"), paths, splits, labels, predictions, ones, ones, None, ranked))
            return tally.evaluation().labelled

        test, train = evaluate("test", 75, 100), evaluate("train", 50, 50)
        return test, overfitting_gap(train, test)

    @pytest.mark.parametrize(("bound", "passed"), [(0.75, True), (0.7501, False), (0.0, True)])
    def test_accuracy(self, measured, bound, passed):
        (result,) = check_gate(Gate(min_test_accuracy=bound), *measured)
        assert (result.value, result.bound, result.passed) == (0.75, bound, passed)
        assert "75.00%" in result.sentence

    @pytest.mark.parametrize(("bound", "passed"), [(0.25, True), (0.2499, False), (1.0, True)])
    def test_gap(self, measured, bound, passed):
        (result,) = check_gate(Gate(max_gap=bound), *measured)
        assert (result.value, result.passed) == (0.25, passed)
        assert "25.00 points" in result.sentence

    def test_no_bounds_no_results(self, measured):
        assert check_gate(Gate(), *measured) == []

    def test_a_bound_without_a_value_is_never_passed(self, measured):
        with pytest.raises(ValueError, match="both splits"):
            check_gate(Gate(max_gap=0.5), measured[0], None)

"""Every verb writes what it wrote before the terms were renamed, under the names of today.

before/ holds the outputs of `scenario.py` with the version before, 645f870. Predictions are compared to the byte; of
the other files all names and values are compared after RENAMED, of sentences the numbers in them. What differs from run
to run (times, ids, versions, folders) is left out.
"""

import csv
import json
import re
import shutil
import sqlite3
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from scenario import JOB, SENTENCES, TRAIN, Verbs, run_verbs

BEFORE = Path(__file__).parent / "before"

RENAMED = {
    # keys of run.json, model.json, report.json, comparison.json, the summary and the outputs of --json
    "targets": "subsets",
    "main_target": "main_subset",
    "target": "subset",
    "night": "run_date",
    "test_share": "test_size",
    "suspicions": "label_issues",
    "lost": "negative_flips",
    "gained": "positive_flips",
    "validation": "validation_split",
    "schedule": "learning_rate_schedule",
    "early_stopping": "patience",
    "average_mirrored": "flip_tta",
    "members": "ensemble_size",
}
"""Old key, column or label → its name now."""

RENAMED_VALUES = {"lost": "negative", "gained": "positive", "lost_share": "negative_flip_rate"}
"""Kinds of flips.csv, and metrics of rules."""

RENAMED_TABLES = {"targets": "subsets"}
RENAMED_GAUGES = {"batchclf_target_complete": "batchclf_subset_complete"}
RENAMED_JOB = (
    ("test_share", "test_size"),
    ('target = "t', 'subset = "t'),
    ("lost_share", "negative_flip_rate"),
    ("[scoring]\n", "[scoring]\ncache = true\nprobabilities = true\n"),  # the defaults of then
)
RENAMED_OPTIONS = {
    "--validation": "--validation-split",
    "--early-stopping": "--patience",
    "--schedule": "--learning-rate-schedule",
    "--average-mirrored": "--flip-tta",
    "--members": "--ensemble-size",
}
NEW_FORMATS = {"run.json": 2, "model.json": 4, "report.json": 2, "comparison.json": 2, "summary": 2, "runs.json": 2}

NEW_OF_A_RUN = {"device": "cpu"}
"""Keys that a run has besides its runtime and precision now, as they are read from runs that have none."""

NEW_OF_A_RECORD = {"pictures": True}
"""Keys that a run.json has besides its settings now."""

STUDIES = {"slices", "thresholds", "unlabelled", "because", "cause"}
"""Keys of JSON files on slices, thresholds, drift without labels and the causes of a failure: new since then."""

NEW_OF_A_SUBSET = {
    "excluded_suffixes": {},
    "warnings": [],
    "among_labelled": None,
    "resumed": 0,
    "images": "",
    "images_missing": False,
}
"""Keys that a subset has besides its counts now; a run of then does not know them."""

NEW_OF_A_BUNDLE = {"batch_size": None}
NEW_OF_PREPROCESSING = {"renormalize": False, "geometry": {}}
"""Keys that a model.json and its preprocessing have now."""

NEW_OF_A_MODEL = {"geometry": {}, "source": "bundle"}
"""Keys that a run.json's model has now; what it is of a model that was imported then was not asked for."""

NEW_OF_A_SPLIT = {"label_map": {}, "follow_symlinks": False}
"""Keys that the split of class folders has besides its seed now."""

NEW_INTERVALS = (
    "log_loss",
    "brier",
    "log_loss_gap",
    "train_loss",
    "test_loss",
    "loss_gap",
    "train_log_loss",
    "test_log_loss",
)
"""Metrics that have intervals of another kind now (decision 144); their values are the same."""

OF_AN_INTERVAL = {"low", "high", "interval", "method"}

OTHER_OF_A_DRIFT = {"test", "p_value", "sentence"}
"""What the permutation test of few images changes."""

AREA_ERRORS = {"auc_error", "average_precision_error"}
"""Columns that the classes have besides their areas now."""

AREAS = {"auc", "auc_low", "auc_high", "average_precision", "roc", "precision_recall"}
"""What came from bins then and is exact now (decision 147)."""

NEW_REASONS = {
    b"damaged: Unsupported BMP header type (0)": b"damaged: a header of 0 bytes is of no known kind of BMP",
}
"""Why images are skipped, in other words now."""

EXACT = (
    "predictions.csv",
    "predictions.jsonl",
    "images.csv",
    "skipped.csv",
    "duplicates.csv",
    "confusion.csv",
)
"""Files that are the same to the byte on every processor: whole numbers, and one division."""

VOLATILE = re.compile(
    r"(seconds|timings|started|created|generated|versions|batchclf|run_id|folder|first_run|second_run|first|against|run|"
    r"path|source|sources|origin|command|model|report|log|bytes|sha256|file|files|digest|format|args|hint|digests|id|"
    r"model_digest|model\.onnx)"
)
"""Keys whose texts or numbers are those of one run, one machine or one version, as a graph is (decision 206)."""


@pytest.fixture(scope="module")
def now(tmp_path_factory):
    """The outputs of today's version."""
    pytest.importorskip("onnx")
    pytest.importorskip("tensorflow")
    pytest.importorskip("duckdb")
    folder = tmp_path_factory.mktemp("renames") / "batchclf"
    job = JOB
    for old, new in RENAMED_JOB:
        job = job.replace(old, new)
    run_verbs(folder, job, tuple((RENAMED_OPTIONS[name], *values) for name, *values in TRAIN), ("--no-probabilities",))
    return folder


def run_folders(folder):
    """The two runs of the job, the earlier one first."""
    return sorted(each for each in folder.iterdir() if re.fullmatch(r"[0-9]{8}T[0-9]{6}Z", each.name))


@pytest.fixture(scope="module")
def pairs(now):
    """Folder before and folder now of each run."""
    jobs = zip(run_folders(BEFORE / "published/renames"), run_folders(now / "reports/renames"), strict=True)
    return [*jobs, *((BEFORE / name, now / name) for name in ("scored", "labelled"))]


class Shown(float):
    """A number as a sentence shows it, which has another number of digits now (decision 151)."""

    __hash__ = None

    def __eq__(self, other):
        return abs(self - other) <= 0.06


def words(value):
    """A sentence by the numbers in it: its words may be put better."""
    of_this_run = r"[0-9]{8}T[0-9]{6}Z|[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{2}(:[0-9]{2})+|/\S*/batchclf\b\S*|[0-9.]+ GB"
    value = re.sub(of_this_run, "", value)
    if "confidence" in value and "reference" in value:
        return []  # its numbers are other ones now (decision 152)
    return [Shown(each.replace(",", "")) for each in re.findall(r"(?<![\w.])[0-9]+(?:[.,][0-9]+)*", value)]


def with_new(kept):
    """Add the keys that a table has now to one of then."""
    new = [
        ({"runtime", "precision"}, NEW_OF_A_RUN),
        ({"command", "topk"}, NEW_OF_A_RECORD),
        ({"group_by", "seed"}, NEW_OF_A_SPLIT),
        ({"excluded", "timings"}, NEW_OF_A_SUBSET),
        ({"onnx_difference", "preprocessing"}, NEW_OF_A_BUNDLE),
        ({"color_mode", "temperature"}, NEW_OF_PREPROCESSING),
        ({"color_mode", "trained_on"}, NEW_OF_A_MODEL),
    ]
    for keys, added in new:
        if keys <= kept.keys():
            kept = {**added, **kept}
    return kept


def is_new(key, value):
    """Whether a key is new: of the tables' rows and digests, an area's error, a study, a cause or a drift in words."""
    tables = key == "files" and isinstance(value, dict) and all("sha256" in each for each in value.values())
    of_drift = key == "change" and isinstance(value, str)
    return tables or of_drift or key in AREA_ERRORS | STUDIES


def plain(value, *, old, key=""):
    """Decoded JSON with today's names and without what differs from run to run."""
    if isinstance(value, dict):
        # The reason is about the subset that failed now, not about the main one
        value = {name: each for name, each in value.items() if (key, name) != ("verdict", "reason")}
        names = RENAMED if old else {}
        # The settings' share has the name of what `final` measures on.
        names = {**names, "validation": "validation"} if "train" in value or "accuracy" in value else names
        kept = {names.get(name, name): each for name, each in value.items() if not is_new(name, each)}
        if old:
            kept = with_new(kept)
        # What it counts or how it is tested is new, so there is nothing to compare.
        new = NEW_OF_A_SUBSET.keys() | NEW_OF_A_MODEL.keys() | (OTHER_OF_A_DRIFT if key == "drift" else set()) | AREAS
        kept |= {name: {} for name in new & kept.keys()}
        if {key, value.get("name"), value.get("metric")} & {*NEW_INTERVALS}:
            kept |= dict.fromkeys(OF_AN_INTERVAL & kept.keys())
        inner = {name: plain(each, old=old, key=name) for name, each in kept.items() if not VOLATILE.fullmatch(name)}
        return inner | {f"{name} is there": True for name in kept}
    if isinstance(value, list):
        return [plain(each, old=old, key=key) for each in value]
    if isinstance(value, str):
        if key in SENTENCES:
            return words(value)
        if old and key == "key":  # of a job file
            return ".".join(RENAMED.get(part, part) for part in value.split("."))
        if old and key in ("kind", "name", "metric"):
            first, *rest = re.split(r"(?=\[)", value, maxsplit=1)
            value = "".join([RENAMED_VALUES.get(first, first), *rest])
        return re.sub(r"/\S*/batchclf/|[0-9]{8}T[0-9]{6}Z", "", value)
    if isinstance(value, float):
        # A training in float32 ends a little otherwise on another type of processor.
        return pytest.approx(value, rel=1e-5, abs=1e-12) if old else value
    return value


def same_json(before, now):
    """Compare two JSON texts under today's names."""
    expected, found = (plain(json.loads(text), old=old) for text, old in ((before, True), (now, False)))
    assert no_paths(found) == no_paths(expected)


def no_paths(value):
    """Take the folder off names that are paths, as the directories of a summary are."""
    if isinstance(value, dict):
        return {re.sub(r"^/.*/batchclf/", "", str(name)): no_paths(each) for name, each in value.items()}
    return [no_paths(each) for each in value] if isinstance(value, list) else value


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def same_rows(before, now):
    """Compare two CSVs under today's names; numbers to nine digits."""
    old, new = rows(before), rows(now)
    assert len(old) == len(new)
    for expected, found in zip(old, new, strict=True):
        assert [RENAMED.get(name, name) for name in expected] == [name for name in found if name not in AREA_ERRORS]
        for name, value in expected.items():
            given = found[RENAMED.get(name, name)]
            if VOLATILE.fullmatch(name) or re.fullmatch("(log_loss|brier|log_loss_gap)_(low|high)", name):
                continue
            if name == "kind":
                assert given == RENAMED_VALUES.get(value, value)
            elif re.fullmatch(r"-?[0-9]+(\.[0-9]+)?(e-?[0-9]+)?", value):
                assert float(given) == pytest.approx(float(value), rel=1e-9, abs=0.02 if name in AREAS else 1e-12)
            else:
                assert given == value, name


@pytest.mark.parametrize("name", EXACT)
def test_the_rows_of_images_are_the_same_to_the_byte(pairs, name):
    compared = 0
    for before, now in pairs:
        assert (before / name).exists() == (now / name).exists()
        if (before / name).exists():
            content = (before / name).read_bytes()
            for old, new in NEW_REASONS.items():
                content = content.replace(old, new)
            assert (now / name).read_bytes() == content, now
            compared += 1
    assert compared >= (1 if name == "predictions.jsonl" else 4)


@pytest.mark.parametrize("name", ["per_class.csv", "flips.csv"])
def test_tables_are_the_same_under_the_new_names(pairs, name):
    for before, now in pairs:
        same_rows(before / name, now / name)


def test_flips_of_both_kinds_were_there_to_compare(pairs):
    kinds = {row["kind"] for before, _ in pairs for row in rows(before / "flips.csv")}
    assert kinds == {"lost", "gained", "changed"}


@pytest.mark.parametrize("name", ["run.json", "metrics.json", "predictions.schema.json", "report.json"])
def test_json_files_of_a_run_are_the_same_under_the_new_names(pairs, name):
    for before, now in pairs:
        if (before / name).exists():
            same_json((before / name).read_text(), (now / name).read_text())
        if name in NEW_FORMATS and (now / name).exists():
            assert json.loads((now / name).read_text())["format"] == NEW_FORMATS[name]


@pytest.mark.parametrize(
    "name", ["again/report.json", "compared/comparison.json", "evaluated/metrics.json", "runs.json"]
)
def test_other_json_files_are_the_same_under_the_new_names(now, name):
    same_json((BEFORE / name).read_text(), (now / name).read_text())


@pytest.mark.parametrize("name", ["again/report.md", "compared/comparison.md"])
def test_markdown_has_the_same_numbers(now, name):
    old, new = ((folder / name).read_text().replace("–", "") for folder in (BEFORE, now))
    # When it was, how long it took and where it lies; what is said since.
    others = r"\nRun of .*|\n- (?:Left out by suffix:|Slices:|Weak slice|Accuracy falls) .*"
    others += r"|\n\| [^|]*(log loss|Log loss|Brier)[^|]*\|.*"
    assert words(re.sub(others, "", new)) == words(re.sub(others, "", old))


def test_the_table_of_the_history_is_the_same_under_the_new_names(now):
    same_rows(BEFORE / "runs.csv", now / "runs.csv")


def test_what_verbs_print_is_the_same_under_the_new_names(now):
    before, after = (json.loads((folder / "printed.json").read_text()) for folder in (BEFORE, now))
    assert after.keys() == before.keys()
    assert after.pop("query") == before.pop("query")
    for verb, printed in before.items():
        # `job check` counts the images of class folders now
        said = re.sub(r"(class folders), [0-9,]+ images", r"\1", after[verb])
        # The summary's text says what is known without labels now
        same_json(printed, re.sub(r'("text": ?"[^":]*: ok): [^"]*none labelled[^"]*"', r'\1"', said))
    assert json.loads(after["run"])["format"] == NEW_FORMATS["summary"]


def test_a_trained_bundle_says_the_same_of_itself(now):
    before, after = (json.loads((folder / "trained/model.json").read_text()) for folder in (BEFORE, now))
    settings = {RENAMED.get(name, name): value for name, value in before.pop("settings").items()}
    assert after.pop("settings") == settings
    assert list(after) == [*before, *NEW_OF_A_BUNDLE]
    assert after["format"] == NEW_FORMATS["model.json"]


def test_the_gauges_are_the_same_under_the_new_names(now):
    def samples(text):
        text = re.sub(r"\btarget=", "subset=", text)
        for old, new in RENAMED_GAUGES.items():
            text = text.replace(old, new)
        lines = [line.replace("lost_share", "negative_flip_rate") for line in text.splitlines() if line[0] != "#"]
        kept = [line for line in lines if not re.match(r"batchclf_last_\w+(timestamp|duration)", line)]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in kept)}

    before, after = ((folder / "night.prom").read_text() for folder in (BEFORE, now))
    assert samples(after) == pytest.approx(samples(before), rel=1e-9)
    assert "target" not in after


def test_the_test_cases_of_junit_are_the_same(now):
    def cases(path, names):
        tree = ET.parse(path)
        found = [
            (
                each.get("name").replace("lost_share", "negative_flip_rate"),
                [(why.tag, words(why.get("message"))) for why in each],
            )
            for each in tree.iter("testcase")
        ]
        return found, [names.get(each.get("name"), each.get("name")) for each in tree.iter("property")]

    assert cases(now / "night.xml", {}) == cases(BEFORE / "night.xml", RENAMED)


def dump(path):
    """Every table of a history: its columns, and its rows without what differs from run to run."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        tables = {}
        for name in names:
            cursor = connection.execute(f"SELECT * FROM {name}")
            columns = [column[0] for column in cursor.description]
            tables[name] = columns, [dict(zip(columns, row, strict=True)) for row in cursor]
    connection.close()
    return tables


def test_the_history_holds_the_same_under_the_new_names(now):
    before, after = dump(BEFORE / "published/history.sqlite"), dump(now / "reports/history.sqlite")
    assert {RENAMED_TABLES.get(name, name) for name in before} == set(after)
    for name, (columns, rows) in before.items():
        new_columns, new_rows = after[RENAMED_TABLES.get(name, name)]
        assert [each for each in new_columns if each not in STUDIES] == [RENAMED.get(each, each) for each in columns]
        if name != "digests":
            assert [plain(row, old=False) for row in new_rows if row.get("job") != "score"] == [
                plain(row, old=True) for row in rows if row.get("job") != "score"
            ]


@pytest.fixture
def moved(tmp_path, now):
    """A reports folder of the version before beside today's pictures, and today's verbs."""
    shutil.copytree(BEFORE / "published", tmp_path / "reports", symlinks=True)
    for name in ("photos", "incoming", "kept"):
        shutil.copytree(now / name, tmp_path / name)
    return Verbs(tmp_path)


def test_an_old_history_is_read_and_can_be_made_again(moved, now):
    expected = json.loads((now / "printed.json").read_text())
    runs = [each.name for each in run_folders(moved.folder / "reports/renames")]
    for again in (False, True):
        if again:
            (moved.folder / "reports/history.sqlite").unlink()
            moved.call("rebuild", "history", "rebuild", "--json")
            assert json.loads(moved.printed["rebuild"])["exit_code"] == 0
        moved.call("list", "history", "list", "renames", "--json")
        moved.call("show", "history", "show", "renames", "latest", "--json")
        moved.call("diff", "history", "diff", "renames", *runs, "--json")
        for verb in ("list", "show", "diff"):
            same_json(moved.printed[verb], expected[f"history-{verb}"])
    assert (moved.folder / "reports" / "history.v2.sqlite").is_file()


def test_old_runs_are_rendered_and_compared_as_new_ones(moved, now):
    runs = [f"reports/renames/{each.name}" for each in run_folders(moved.folder / "reports/renames")]
    moved.call("report", "report", runs[0], "--out", "again", "--format", "json,md")
    moved.call("compare", "report", *runs, "--out", "compared", "--format", "json,md")
    for name in ("again/report.json", "compared/comparison.json"):
        same_json((moved.folder / name).read_text(), (now / name).read_text())


@pytest.mark.parametrize("bundle", ["bundle", "trained"])
def test_an_old_bundle_scores(moved, bundle):
    shutil.copytree(BEFORE / bundle, moved.folder / bundle)
    moved.call("score", "score", "incoming", "--model", bundle, "--out", "scored", "--json")
    assert json.loads(moved.printed["score"])["status"] == "ok"
    moved.call("show", "model", "show", bundle, "--json")
    assert not RENAMED.keys() & json.loads(moved.printed["show"])["settings"].keys()


def test_an_old_job_file_is_refused_key_by_key(moved):
    shutil.copy(BEFORE / "job.toml", moved.folder)
    moved.call("check", "job", "check", "job.toml", "--json", code=1)
    problems = json.loads(moved.printed["check"])["checks"]
    wrong = {(each["key"], each["line"]): each["hint"] for each in problems if each["state"] != "ok"}
    assert wrong == {
        ("data.test_share", 4): "it is called 'test_size' now",
        ("gate.rules[0].target", 17): "it is called 'subset' now",
        ("report.target", 24): "it is called 'subset' now",
    }

"""README, the pages of docs/, ARCHITECTURE and CONTRIBUTING against the program: what they show is what it does."""

import configparser
import contextlib
import importlib.util
import io
import json
import re
import shlex
import tomllib
from typing import Any, get_args

import pandas as pd
import pytest
from doc_pages import DOCUMENTS, ROOT, blocks, first_column, own_text, read, script, section, tables
from run_cases import run_record

from batchclf import __version__
from batchclf.cli import main as cli_main
from batchclf.core.choices import FORMAT_WORDS, REPORT_ENDINGS, Format
from batchclf.core.gate.alarms import ALARMS
from batchclf.core.gate.rules import AlarmName
from batchclf.core.images.drift import SURE_P
from batchclf.core.images.near_duplicates import MOST_BITS, SAME_CORRELATION, WINDOW
from batchclf.core.metrics.catalog import ENTRIES
from batchclf.core.metrics.formulas import LOWEST_PROBABILITY
from batchclf.core.metrics.gap import STRONG_GAP
from batchclf.core.suffixes import BUILT_IN, EXTRAS
from batchclf.core.text import FORMULA_STARTS, plain_text
from batchclf.jobs.config.load import load_job
from batchclf.jobs.config.spec import AlarmSpec
from batchclf.jobs.evaluate.duplicates import COMPARED_FILES, COMPARED_IN_MEMORY, LISTED_DUPLICATES
from batchclf.jobs.run.train_model import TRAINING_PAGE
from batchclf.models.bundle import INFO_FILE, KERAS_FILE, ONNX_FILE
from batchclf.report.formats.run_readme import FILES, run_readme
from batchclf.storage.csv_files.cells import safe_cell
from batchclf.storage.images.duplicates import COLUMNS as DUPLICATES_COLUMNS
from batchclf.storage.images.facts import COLUMNS as IMAGES_COLUMNS
from batchclf.storage.predictions.columns import column_names
from batchclf.storage.predictions.data_dictionary import describe_columns
from batchclf.storage.predictions.flips import COLUMNS as FLIPS_COLUMNS
from batchclf.storage.predictions.read import REQUIRED_COLUMNS
from batchclf.storage.run.skipped import COLUMNS as SKIPPED_COLUMNS
from batchclf.training.recipes.builtin import RECIPES

README = read("README.md")
COMMANDS_PAGE = read("docs/commands.md")
JOBS_PAGE = read("docs/jobs.md")
RUN_PAGE = read("docs/run-directory.md")
SCORING_PAGE = read("docs/scoring.md")


TABLES = script("docs/tables.py")
COMMANDS = TABLES.commands()


def test_the_tables_of_the_docs_are_the_programs():
    made = TABLES.tables()
    used = set()
    for path in sorted((ROOT / "docs").rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        used |= set(re.findall(r"<!-- table: (.+?) -->", text))
        assert text == TABLES.with_tables(path.name, text, made), f"{path.name} is old: run python docs/tables.py"
    assert used == {name for name, table in made.items() if table.count("\n") > 2}


def test_commands_table_is_the_parser():
    expected = []
    for name, parser in COMMANDS.items():
        positionals = [TABLES.spelling(action) for action in parser._actions if not action.option_strings]
        expected.append(" ".join(["batchclf", name, *positionals]))
    assert first_column(section(README, "Commands")) == expected
    assert re.findall(r"^## Options of `batchclf (.+)`$", COMMANDS_PAGE, re.MULTILINE) == list(COMMANDS)


def test_the_job_files_shown_are_understood(tmp_path):
    (of_readme,) = blocks(section(README, "Every night"), "toml")
    first, *steps = blocks(section(JOBS_PAGE, "A first job") + section(JOBS_PAGE, "Step by step"), "toml")
    rules = "".join(blocks(section(JOBS_PAGE, "Gates"), "toml"))
    notify = "".join(blocks(section(read("docs/notify.md"), "Notifications"), "toml"))
    with_data = '[data]\ndataset = "digits"\n[scoring.directories.incoming]\npath = "photos"\n'
    whole = (of_readme, first, first + "".join(steps), with_data + rules + notify)
    pages = [blocks(read(page), "toml") for page in ("docs/nightly.md", "docs/pytorch.md")]
    for text in (*whole, *(block for page in pages for block in page if block.startswith("# jobs/"))):
        (tmp_path / "shown.toml").write_text(text, encoding="utf-8")
        job = load_job(tmp_path / "shown.toml", environment={"CHAT_WEBHOOK": "https://chat.example.org/hook"})
        assert text == first or job.directories


def test_extras_are_those_of_the_package():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = set(setup["options.extras_require"]) - {"test"}
    assert sorted(first_column(section(README, "Installing a part"))) == sorted(extras)


def test_the_metrics_of_rules_are_those_of_the_program():
    assert first_column(section(JOBS_PAGE, "Gates")) == [entry.name for entry in ENTRIES]


def test_alarms_are_those_of_the_program():
    text = section(JOBS_PAGE, "Alarms")
    alarms = AlarmSpec()
    assert first_column(text) == [alarm.name for alarm in ALARMS]
    assert sorted(get_args(AlarmName)) == sorted(alarm.name for alarm in ALARMS)
    assert alarms.count_fell_by == 0.5
    assert "`count_fell_by` (half)" in text
    assert f"`one_class` ({alarms.one_class:.0%})" in text
    assert f"p below {SURE_P}" in text


def test_columns_of_the_prediction_csv():
    columns = section(RUN_PAGE, "predictions.csv (format 1)")
    rows = [(row[0].strip("`"), row[1]) for row in tables(columns)]
    described = list(describe_columns(("CLASS",), 3, True))
    assert [name for name, _ in rows] == [each.name for each in described] == column_names(("CLASS",), 3, True)
    for (_, what), each in zip(rows, described, strict=True):
        assert re.split(rf"^{re.escape(each.meaning)}(?=;|$)", what)[0] == ""
    spelt = {"\t": "a tab", "\r": "a carriage return"}
    *starts, last = [spelt.get(start, f"`{start}`") for start in FORMULA_STARTS]
    assert f"begins with {', '.join(starts)} or {last}" in columns
    needed = ", ".join(f"`{name}`" for name in REQUIRED_COLUMNS[:-1])
    assert f"needs the columns {needed} and `{REQUIRED_COLUMNS[-1]}`" in columns
    assert first_column(section(RUN_PAGE, "skipped.csv")) == SKIPPED_COLUMNS
    assert first_column(section(RUN_PAGE, "images.csv (format 1)")) == IMAGES_COLUMNS
    assert first_column(section(RUN_PAGE, "flips.csv (format 2)")) == FLIPS_COLUMNS
    duplicates = section(RUN_PAGE, "duplicates.csv (format 1)")
    assert first_column(duplicates) == DUPLICATES_COLUMNS
    counts = (f"{count:,}" for count in (COMPARED_IN_MEMORY, COMPARED_FILES, LISTED_DUPLICATES))
    for bound in (MOST_BITS, f"{WINDOW:.0f} levels", SAME_CORRELATION, *counts):
        assert f" {bound}" in duplicates


def test_a_runs_own_readme_says_what_this_one_says():
    listed = {row[0].strip("`"): row[1] for row in tables(own_text(section(RUN_PAGE, "The run directory")))}
    assert FORMAT_WORDS.keys() == set(get_args(Format))
    on_request = {f"predictions.{name}" for name in FORMAT_WORDS if name != "csv"} | {
        f"report{ending}" for ending in REPORT_ENDINGS.values() if ending != ".html"
    }
    assert listed.keys() == FILES.keys() - on_request - {"predictions"}
    text = run_readme(run_record("a", ("a", "b"), []), [], [])
    page = read("docs/analysts.md")
    for title, language in (("With pandas", "python"), ("In R", "r")):
        (snippet,) = blocks(section(page, title), language)
        assert f"```{language}\n{snippet}```" in text


def test_data_places_name_the_variables_and_the_digests_file():
    from batchclf.data import providers
    from batchclf.data.fashion_mnist import FILE_SET

    text = section(SCORING_PAGE, "Where the data comes from")
    for name in (providers.DATA_DIR_VARIABLE, providers.OFFLINE_VARIABLE, FILE_SET.debian_package):
        assert name in text
    assert str(providers.SYSTEM_FOLDER / FILE_SET.name) in text


def test_suffixes_of_images_and_what_adds_them():
    text = section(SCORING_PAGE, "How images are read")
    named = re.search(r"Image files end in (.*?),\s+in small", text, re.DOTALL)[1]
    assert re.findall(r"`(.*?)`", named) == list(BUILT_IN)
    install = section(read("docs/commands.md"), "Image formats of extras")
    assert "'.[" + ",".join(extra.name for extra in EXTRAS) + "]'" in install
    of_extras = re.search(r"With the extra .*?\(", text, re.DOTALL)[0]
    expected = [word for extra in EXTRAS for word in (extra.name, *extra.suffixes)]
    assert re.findall(r"`(.*?)`", of_extras) == expected


def test_the_tests_that_the_page_on_scoring_names():
    rows = tables(own_text(section(SCORING_PAGE, "How images are read")))
    assert len(rows) > 20
    for *_, named in rows:
        file, test = re.fullmatch(r"`(test_\w+\.py)::(test_\w+)`", named).groups()
        text = (ROOT / "tests" / "data" / "decoding" / file).read_text(encoding="utf-8")
        assert f"\ndef {test}(" in text, named


def test_bounds_that_the_metrics_table_names():
    rows = {row[0].strip("`"): row[1] for row in tables(section(RUN_PAGE, "metrics.json (format 2)"))}
    assert f"`strong` ({STRONG_GAP:.2f} and more)" in rows["gap.overfitting"]
    assert f"at least {LOWEST_PROBABILITY:.2g};" in rows["splits.*.log_loss"]


def shown_commands(text):
    """Every command line of batchclf that a document shows, as arguments."""
    for block in blocks(text, "(?:console|crontab)") + re.findall(r"`(batchclf [a-z][^`\n]+)`", text):
        for line in block.splitlines() if "\n" in block else [block]:
            found = re.match(r"(?:\$ |.*&& \.venv/bin/python -m )?batchclf (.+)", line)
            if found:
                yield shlex.split(found[1], comments=True)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_shown_is_understood(document):
    parser = cli_main.build_parser()
    usages = {row.removeprefix("batchclf ") for row in first_column(section(README, "Commands"))}
    for arguments in shown_commands(read(document)):
        if " ".join(arguments) in usages | COMMANDS.keys() | {"--version", "COMMAND --help"}:
            continue
        parser.parse_args(arguments)


def test_dev_commands():
    spec = importlib.util.spec_from_file_location("dev", ROOT / "dev.py")
    dev = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(dev)
    first = blocks(section(README, "Two commands"), "console")[0]
    assert re.findall(r"\$ python3 dev\.py (\w+)\n", first) == list(dev.COMMANDS)
    assert "-m batchclf run jobs/fashion-mnist.toml" in " ".join(dev.COMMANDS["job"])


TOUR = section(README, "A quick tour")


def skeleton(line):
    """A line without what differs from run to run and between Fashion MNIST and the digits."""
    line = re.sub(r"fashion-mnist|digits", "NAME", line)
    line = re.sub(r"(^|[ (])[^ (]*/[^ ):,]*", r"\1PATH", line)
    line = re.sub(r"\d[\d,.:TZ+x-]*%?", "#", line)
    line = re.sub(r"^(the model is right on).*", r"\1", line, flags=re.IGNORECASE)
    line = re.sub(r"^class .*", "class", line)
    return " ".join(line.split())


@pytest.fixture(scope="module")
def tour(tmp_path_factory):
    """The tour's commands, run in order on the digits: (command, lines shown, lines printed) of each; the folder."""
    folder = tmp_path_factory.mktemp("tour")
    (folder / "jobs").mkdir()
    of_fashion = tomllib.loads((ROOT / "jobs" / "fashion-mnist.toml").read_text(encoding="utf-8"))
    assert of_fashion["scoring"]["cache"]
    assert list(of_fashion["gate"]) == ["min_test_accuracy", "max_gap", "rules"]
    rule = {"metric": "accuracy", "subset": "test", "against": "last-good", "max_drop": 0.01}
    assert of_fashion["gate"]["rules"] == [rule]
    job = '[data]\ndataset = "digits"\n[scoring]\ncache = true\n'
    job += "[gate]\nmin_test_accuracy = 0.1\nmax_gap = 0.9\n[[gate.rules]]\n"
    job += "".join(f"{key} = {json.dumps(value)}\n" for key, value in rule.items())
    (folder / "jobs" / "digits.toml").write_text(job, encoding="utf-8")
    taken = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        # The tour begins with a run that loads the model.
        run(["run", "jobs/digits.toml", "--quiet"], folder)
        for block in blocks(TOUR, "console"):
            for part in block.removeprefix("$ ").split("\n$ "):
                command, *shown = part.splitlines()
                arguments = shlex.split(command.replace("fashion-mnist", "digits"))[1:]
                taken.append((command, shown, run(arguments, folder)))
    return taken, folder


def run(arguments, folder):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert cli_main.main(arguments) == 0, arguments
    return out.getvalue().splitlines()


def test_tour_shows_what_the_program_prints(tour):
    taken, _ = tour
    assert {command.split()[1] for command, _, _ in taken} == {"run", "data", "score", "evaluate", "report"}
    for command, shown, printed in taken:
        rest = iter([skeleton(line) for line in printed])
        missing = [line for line in shown if line != "…" and skeleton(line) not in rest]
        assert missing == [], f"{command} printed: {printed}"


def test_run_directory_files(tour):
    _, folder = tour
    listed = first_column(own_text(section(RUN_PAGE, "The run directory")))
    for run_directory in (folder / "reports" / "digits" / "latest", folder / "reports" / "score" / "latest"):
        assert sorted(listed) == sorted(path.name for path in run_directory.iterdir())
    bundle = {path.name for path in (folder / "reports" / "digits" / "model").iterdir()}
    assert bundle == {KERAS_FILE, ONNX_FILE, INFO_FILE, TRAINING_PAGE}
    assert all(f"`{name}`" in section(read("docs/models.md"), "The model bundle") for name in bundle)


@pytest.mark.parametrize("name", ["per_class.csv", "confusion.csv"])
def test_columns_of_the_metrics_csvs(tour, name):
    header = (tour[1] / "reports" / "digits" / "latest" / name).read_bytes().decode().split("\r\n")[0].split(",")
    assert first_column(section(RUN_PAGE, name)) == list(
        dict.fromkeys(re.sub("^predicted:.*", "predicted:CLASS", column) for column in header)
    )


def test_keys_of_metrics_json(tour):
    metrics = json.loads((tour[1] / "reports" / "digits" / "latest" / "metrics.json").read_bytes())
    expected = [f"splits.*.{key}" for key in metrics["splits"]["test"]] + [f"gap.{key}" for key in metrics["gap"]]
    assert first_column(section(RUN_PAGE, "metrics.json (format 2)")) == expected


def test_read_predictions_undoes_the_guard_as_the_page_says(tmp_path, monkeypatch):
    names = ["=1+1", "'=1+1", "-5", "plain", "''", "NA", "@x", "\ttab"]
    columns = column_names(("a",), 2, False)
    table = pd.DataFrame(
        [
            [safe_cell(name), "test", safe_cell(name), safe_cell(name), "true", 0.5, 0.1, safe_cell(second), 0.4]
            for name, second in zip(names, [*names[1:], names[0]], strict=True)
        ],
        columns=columns,
    )
    folder = tmp_path / "reports" / "score" / "latest"
    folder.mkdir(parents=True)
    table.to_csv(folder / "predictions.csv", index=False, lineterminator="\r\n")
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {}
    (code,) = blocks(section(RUN_PAGE, "predictions.csv (format 1)"), "python")
    exec(code, scope)
    for column in ("path", "label", "prediction"):
        assert list(scope["rows"][column]) == names == [plain_text(safe_cell(name)) for name in names]
    assert len(scope["errors"]) == 0


def test_recipe_of_the_contributing_guide_trains(digits, tmp_path, monkeypatch):
    from batchclf.training.recipes import builtin as recipes
    from batchclf.training.train_bundle import TrainSettings, train

    function, entry = blocks(section(read("CONTRIBUTING.md"), "Add a recipe"), "python")
    monkeypatch.setattr(recipes, "RECIPES", dict(RECIPES))
    exec(function + entry, {**vars(recipes)})
    (name,) = recipes.RECIPES.keys() - RECIPES.keys()
    bundle = train(digits, TrainSettings(name, epochs=1), tmp_path / "m", say=lambda _: None, on_epoch=lambda *_: None)
    assert bundle.info.recipe == name


def test_custom_recipes_in_the_page_on_models(tmp_path):
    from batchclf.training.recipes.custom import build_checked, find_recipe

    function, more = blocks(section(read("docs/models.md"), "Custom recipes"), "python")
    (tmp_path / "nets_of_the_docs.py").write_text(function + more)
    small, longer = (find_recipe(f"nets_of_the_docs:{name}", [tmp_path]) for name in ("small", "longer"))
    assert (small.epochs, small.batch_size, small.description) == (10, 32, "Build two convolutions.")
    assert (longer.epochs, longer.batch_size) == (30, 64)
    for recipe in (small, longer):
        assert build_checked(recipe, (28, 28, 1), 10, "nets_of_the_docs:small").output_shape == (None, 10)


def test_pictures_are_small():
    pictures = sorted((ROOT / "docs").glob("*.png"))
    assert pictures
    assert all(f"(docs/{path.name})" in README for path in pictures)
    assert all(path.stat().st_size < 250_000 for path in pictures)


def test_changes_begin_with_the_version():
    first = re.search(r"^## (\S+)", (ROOT / "CHANGES.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert first[1] == __version__

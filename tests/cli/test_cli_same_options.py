"""The options that `score`, `train` and job files share: one default, one range, one help."""

import argparse

import pytest
from PIL import Image

from batchclf.cli.main import build_parser
from batchclf.core.options import choices, options_of
from batchclf.jobs.config.options import DataSpec, DirectoryOptions, ScoringOptions
from batchclf.jobs.config.spec import JobSpec
from batchclf.training.options import TrainingOptions

SHARED = [
    *(("score", ScoringOptions, name) for name in options_of(ScoringOptions)),
    *(("score", DirectoryOptions, name) for name in options_of(DirectoryOptions)),
    *(("train", TrainingOptions, name) for name in options_of(TrainingOptions)),
    *(("train", DataSpec, name) for name in options_of(DataSpec)),
]


def actions(verb):
    (verbs,) = (each for each in build_parser()._actions if isinstance(each, argparse._SubParsersAction))
    return {each.dest: each for each in verbs.choices[verb]._actions}


@pytest.mark.parametrize(("verb", "struct", "name"), SHARED)
def test_an_option_of_a_job_is_one_of_the_command_line(verb, struct, name):
    option, action = options_of(struct)[name], actions(verb)[name]
    assert action.default == option.default
    assert not action.choices or tuple(action.choices) == choices(option.kind)
    assert option.about.split(":")[0].replace("%", "%%") in action.help or name == "glob"


def test_every_key_of_scoring_is_an_option_of_score_but_what_a_job_alone_has():
    of_job = {*options_of(options_of(JobSpec)["scoring"].kind)}
    assert of_job - {*options_of(ScoringOptions)} == {"splits", "directories"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--dropout", "1"), "error: --dropout: '1' is not a number from 0 to below 1"),
        (("--dropout", "nan"), "'nan' is not a number from 0 to below 1"),
        (("--epochs", "0"), "error: --epochs: '0' is not a whole number from 1 on"),
        (("--epochs", "1.5"), "'1.5' is not a whole number from 1 on"),
        (("--seed", "4294967296"), "'4294967296' is not a whole number from 0 to 4294967295"),
        (("--test-size", "x"), "'x' is not a number above 0 and below 1"),
        (("--input-size", "28"), "'28' is not a height and a width such as 224x224"),
        (("--augment", ""), "'' is not a text that is not empty"),
        (("--recipe", ""), "'' is not a text that is not empty"),
        (("--class-weights", "all"), "invalid choice: 'all'"),
    ],
)
def test_a_wrong_value_is_an_error_in_the_words_of_job_files(cli, options, says):
    code, _, err = cli("train", "--dataset", "digits", "--recipe", "mlp", "--out", "x", *options)
    assert code == 2
    assert says in err


@pytest.mark.parametrize(("classes", "columns"), [(100, True), (101, False)])
def test_probabilities_are_written_for_up_to_100_classes(cli, onnx_model, tmp_path, classes, columns):
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (8, 8), (9, 99, 199)).save(tmp_path / "photos" / "a.png")
    model = onnx_model(classes=classes)
    names = ",".join(f"c{number}" for number in range(classes))
    imported = ("--classes", names, "--scale", "0..1", "--output", "logits", "--like", "batchclf", "--out", "bundle")
    assert cli("model", "import", model.path, *imported)[0] == 0
    for more, wanted in ((), columns), (("--probabilities",), True), (("--no-probabilities",), False):
        out = f"run{len(more)}{wanted}"
        assert cli("score", "photos", "--model", "bundle", "--out", out, *more)[0] == 0
        header = (tmp_path / out / "predictions.csv").read_text().splitlines()[0]
        assert ("prob:c0" in header) == wanted

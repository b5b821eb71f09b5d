"""`batchclf report`: formats, comparisons, templates, and what it says when something is wrong."""

import json
import re

import pytest
from doc_pages import blocks, read, section
from run_cases import NAMES, drawn, missed_gate, rows_of, write_png, write_run

jsonschema = pytest.importorskip("jsonschema")


@pytest.fixture
def runs(tmp_path):
    """Two runs of one folder of images, the second one better."""
    source = tmp_path / "photos"
    paths = [f"{i:03d}.png" for i in range(120)]
    for path in paths[:10]:
        write_png(source / path)
    of_folder = {"kind": "directory", "source": str(source), "dataset": None, "job": None}
    first, second = (
        drawn(NAMES, 120, seed=seed, skill=skill, split="", paths=paths) for seed, skill in ((1, 0.4), (2, 0.9))
    )
    write_run(tmp_path / "first", first, skipped=[("x.png", "cut off")], **of_folder)
    write_run(tmp_path / "second", second, **of_folder)
    return tmp_path / "first", tmp_path / "second"


def test_html_goes_into_the_run_directory(runs, cli):
    code, out, err = cli("report", runs[0])
    assert (code, err) == (0, "")
    page = (runs[0] / "report.html").read_text()
    assert re.fullmatch(r"the report goes without .*\nreport: \S*/first/report\.html \(\d+ kB\)\n", out)
    assert "<!doctype html>" in page


def test_every_format_has_the_same_numbers(runs, cli, tmp_path, repo_root):
    code, out, err = cli("report", runs[0], "--format", "html,json,md", "--out", tmp_path / "again")
    assert (code, err) == (0, "")
    folder = tmp_path / "again"
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json", "report.md"]
    assert out.count("report: ") == 3
    values = json.loads((folder / "report.json").read_text())
    schema = json.loads((repo_root / "docs" / "report.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(values)
    page, text = ((folder / f"report.{kind}").read_text() for kind in ("html", "md"))
    metrics = {each["name"]: each for each in values["splits"][0]["labelled"]["metrics"]}
    of_run = json.loads((runs[0] / "metrics.json").read_text())["splits"][""]
    for name in ("accuracy", "macro_f1", "log_loss"):
        assert metrics[name]["value"] == of_run[name]["value"]
    accuracy, interval = metrics["accuracy"]["value"], metrics["accuracy"]["interval"]
    for each in (page, text):
        assert f"{accuracy:.2%}" in each
        assert f"{interval['low']:.2%} to {interval['high']:.2%}" in each
        assert f"{metrics['macro_f1']['value']:.4f}" in each
        assert "cut off" in each
    assert values["skipped"] == [{"reason": "cut off", "images": 1}]


@pytest.mark.parametrize("kind", ["json", "md"])
def test_out_names_the_file_of_one_format(runs, cli, tmp_path, kind):
    out = tmp_path / "new" / "again.txt"
    assert cli("report", runs[0], "--format", kind, "--out", out)[0] == 0
    assert out.read_text().startswith({"json": "{", "md": "# "}[kind])
    assert cli("report", runs[0], "--format", kind, "--out", out.parent)[0] == 0
    assert (out.parent / f"report.{kind}").read_bytes() != b""


def test_one_file_for_several_formats_makes_no_sense(runs, cli, tmp_path):
    code, _, err = cli("report", runs[0], "--format", "html,md", "--out", tmp_path / "a.html")
    assert code == 2
    assert "--out" in err
    assert "report.html, report.md" in err
    assert not (tmp_path / "a.html").exists()


def test_two_runs_are_compared(runs, cli, repo_root):
    code, values, err = cli.json("report", *runs, "--format", "html,json,md")
    assert code == 0
    assert values["comparison"].endswith("second/comparison.html")
    assert values["files"].keys() == {"html", "json", "md"}
    assert values["p_value"] < 0.001
    assert "better, beyond chance" in values["sentence"]
    assert values["sentence"] in err
    folder = runs[1]
    of_json = json.loads((folder / "comparison.json").read_text())
    schema = json.loads((repo_root / "docs" / "report.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(of_json)
    assert of_json["comparison"]["metrics"] == values["metrics"]
    accuracy = of_json["comparison"]["metrics"][0]
    points = f"+{100 * accuracy['difference']:.1f} points"
    assert points in (folder / "comparison.html").read_text()
    assert points in (folder / "comparison.md").read_text()


def test_runs_that_cannot_be_compared(runs, cli, tmp_path):
    names = ("cat", "yak")
    write_run(tmp_path / "other", rows_of(names, [0], [1], split=""), names=names)
    code, _, err = cli("report", runs[0], tmp_path / "other")
    assert code == 1
    assert "have different classes: only the first has 'dog', 'eel'; only the second has 'yak'" in err
    assert "hint: compare runs of models with the same classes" in err
    assert not (tmp_path / "other" / "comparison.html").exists()


@pytest.mark.parametrize("arguments", [["nowhere"], ["first", "nowhere"], ["nowhere", "--out", "new/x.html"]])
def test_a_run_that_is_not_there(runs, cli, tmp_path, arguments):
    code, _, err = cli("report", *arguments)
    assert code == 1
    assert "there is no run directory nowhere" in err
    assert "hint: give a folder that" in err
    assert not (tmp_path / "new").exists()


def test_a_run_is_needed_and_formats_are_known(cli):
    code, _, err = cli("report")
    assert (code, "report needs a RUN_DIR" in err) == (2, True)
    code, _, err = cli("report", "x", "--format", "html,pdf")
    assert (code, "'pdf' is not one of: html, json, md, github, model-index, dvc" in err) == (2, True)
    code, _, err = cli("report", "x", "--format", "json", "--templates", "t")
    assert (code, "--templates is for HTML" in err) == (2, True)


def test_blocks_are_listed_without_a_run(cli):
    code, out, err = cli("report", "--list-blocks")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == ["template", "block", "what", "it", "is"]
    assert any(line.split()[:2] == ["verdict.html", "verdict_headline"] for line in lines)
    code, values, _ = cli.json("report", "--list-blocks")
    assert code == 0
    assert len(values["blocks"]) == len(lines) - 1
    assert values["blocks"][0].keys() == {"template", "block", "about"}


def test_templates_of_ones_own(runs, cli, tmp_path):
    (own,) = blocks(section(read("docs/reports.md"), "Custom templates"), "html")
    (tmp_path / "our-templates").mkdir()
    (tmp_path / "our-templates" / "report.html").write_text(own)
    assert cli("report", runs[0], "--templates", "our-templates")[0] == 0
    page = (runs[0] / "report.html").read_text()
    assert "Ask the data team" in page
    assert "Written by batchclf" in page
    assert 'id="skipped"' not in page
    assert "letter-spacing: 0.02em" in page


def test_a_wrong_template_is_told_with_its_line(runs, cli, tmp_path):
    before = (runs[0] / "report.html").read_bytes()
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "report.html").write_text('{% extends "batchclf/report.html" %}\n{% block %}')
    code, _, err = cli("report", runs[0], "--templates", "t")
    assert code == 1
    assert "report.html, line 2" in err
    assert (runs[0] / "report.html").read_bytes() == before


def test_a_failed_gate_is_in_every_format(tmp_path, cli):
    rows = drawn(NAMES, 40, seed=1, skill=0.4)
    write_run(tmp_path / "run", rows, gates=[missed_gate()], status="gate failed")
    assert cli("report", "run", "--format", "html,json,md")[0] == 0
    for kind in ("html", "json", "md"):
        assert "test accuracy 70.00% is below the minimum of 90%" in (tmp_path / f"run/report.{kind}").read_text()


@pytest.mark.parametrize("name", ["images.csv", "duplicates.csv"])
def test_damaged_facts_of_the_images_cost_only_their_section(name, digits_bundle, cli, tmp_path):
    for i in range(4):
        write_png(tmp_path / "photos" / f"{i}.png")
    assert cli("score", tmp_path / "photos", "--model", digits_bundle, "--out", tmp_path / "run")[0] == 0
    (tmp_path / "run" / name).write_text('garbage,"')
    code, out, err = cli("report", tmp_path / "run")
    assert (code, err) == (0, "")
    # What is left of a table that the run has counted has fewer rows.
    why = f"has 0 rows, and the run wrote {4 if name == 'images.csv' else 3}"
    assert f"the report goes without what the images look like: {tmp_path / 'run' / name} {why}" in out
    assert out.count(why) == 1
    assert f"{name} {why}" in (tmp_path / "run" / "report.html").read_text()


NO_NETWORK = """\
import sys
from pathlib import Path
from batchclf.data import providers

providers.SYSTEM_FOLDER = Path("none")  # what this machine has

def refuse(event, arguments):
    sockets = "connect getaddrinfo gethostbyname sendto sendmsg bind".split()
    programs = "subprocess.Popen os.system os.posix_spawn".split()
    started = event in programs and arguments[0] != "fc-list"  # by which matplotlib finds fonts
    if started or event in [f"socket.{each}" for each in sockets]:
        print("USED:", event, arguments, file=sys.stderr, flush=True)
        raise SystemExit(99)

sys.addaudithook(refuse)
from batchclf.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("verb", ["report", "comparison"])
def test_a_report_never_uses_the_network(tmp_path, process, verb):
    for name, skill in (("first", 0.5), ("second", 0.8)):
        write_run(tmp_path / name, drawn(NAMES, 60, seed=1, skill=skill), source="fashion-mnist")
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    env = {"HOME": nothing, "XDG_CACHE_HOME": nothing / "cache", "KERAS_HOME": nothing / "keras"}
    env |= {"BATCHCLF_DATA_DIR": "", "BATCHCLF_OFFLINE": ""}
    runs = ["first"] if verb == "report" else ["first", "second"]
    done = process("-c", NO_NETWORK, "report", *runs, "--out", "page.html", cwd=tmp_path, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line for line in done.stdout.splitlines() if "pictures" in line]
    assert lines == [
        "the report goes without pictures: Fashion MNIST is not on this machine; "
        "fetch it with: batchclf data fetch fashion-mnist"
    ]
    assert "<!doctype html>" in (tmp_path / "page.html").read_text()


def test_images_that_are_gone_are_counted_in_one_line(tmp_path, cli):
    source = tmp_path / "photos"
    rows = drawn(NAMES, 40, seed=1, skill=0.2, split="", paths=[f"{i:03d}.png" for i in range(40)])
    write_run(tmp_path / "run", rows, kind="directory", source=str(source), dataset=None, job=None)
    for number, row in enumerate(rows):
        write_png(source / row["path"], value=number)
    code, out, err = cli("report", tmp_path / "run")
    assert (code, len(out.splitlines()), err) == (0, 1, "")
    wanted = pictures_of(tmp_path / "run")
    for row in rows[::2]:
        (source / row["path"]).unlink()
    code, out, err = cli("report", tmp_path / "run")
    assert (code, err) == (0, "")
    left = pictures_of(tmp_path / "run")
    assert 0 < len(left) < len(wanted)
    assert out.splitlines()[0] == (
        f"the report goes without {len(wanted) - len(left)} of {len(wanted)} pictures: "
        f"{next(iter(re.findall(r'[0-9]+.png', out)))}: cannot be read: No such file or directory"
    )


def pictures_of(run):
    """The pictures on the page of a run, each once."""
    return set(re.findall(r"data:image/png;base64,[^\")]+", (run / "report.html").read_text()))

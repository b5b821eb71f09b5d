"""README.md of a run directory: its snippets are run, and no name breaks its Markdown."""

import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from analyst_cases import HOSTILE, write_run
from markdown_it import MarkdownIt

from batchclf import read_predictions
from batchclf.storage.run.directory import write_record


def snippet(folder, language):
    text = (folder / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return code


@pytest.fixture
def run(tmp_path):
    record = write_run(tmp_path / "run", unlabelled=(3,))
    write_record(tmp_path / "run", record)
    return tmp_path / "run"


def test_pandas_snippet(run, monkeypatch):
    monkeypatch.chdir(run)
    scope = {}
    exec(snippet(run, "python"), scope)
    rows, expected = scope["rows"], read_predictions(run)
    assert list(rows.columns) == list(expected.columns)
    for name in rows:
        if pd.api.types.is_float_dtype(rows[name]):
            np.testing.assert_array_equal(rows[name], expected[name])
        else:
            read, known = (table[name].astype("object") for table in (rows, expected))
            assert read.where(read.notna(), "").tolist() == known.where(known.notna(), "").tolist(), name
    assert [label for number, label in enumerate(rows["label"]) if number != 3] == [*HOSTILE[:3], *HOSTILE[4:]]
    assert rows["label"].isna().tolist() == rows["correct"].isna().tolist() == [i == 3 for i in range(len(HOSTILE))]


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed")
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_r_snippet(run, locale):
    code = snippet(run, "r") + (
        'stopifnot(is.numeric(rows$confidence), is.numeric(rows[["prob:NA"]]), is.logical(rows$correct))\n'
        "stopifnot(all(abs(rows$confidence - 0.5) < 1e-6), sum(is.na(rows$correct)) == 1, all(is.na(rows$split)))\n"
        "texts <- ifelse(is.na(rows$label), 'missing', rows$label)\n"
        "for (text in c(texts, rows$prediction)) cat(paste(charToRaw(enc2utf8(text)), collapse = ''), '\\n')\n"
    )
    (run / "snippet.R").write_text(code)
    done = subprocess.run(
        ["Rscript", "--vanilla", "snippet.R"],
        cwd=run,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": locale},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    texts = [bytes.fromhex(line.strip()).decode() for line in done.stdout.splitlines()]
    assert texts == [*HOSTILE[:3], "missing", *HOSTILE[4:], *HOSTILE]


def test_no_name_breaks_the_markdown(tmp_path):
    nasty = ("`", "``` \n# x", "</code><script>", "a|b", "![x](y)", "@everyone", "\u202eabc", "\n\n- x", " ", "<b>")
    plain = tuple(f"class {number}" for number in range(len(nasty)))
    texts = []
    for number, names in enumerate((nasty, plain)):
        record = write_run(
            tmp_path / str(number), names=names, split=names[5], probabilities=False, job=names[2], run_id=names[1]
        )
        assert record.model.class_names == list(names)
        texts.append((tmp_path / str(number) / "README.md").read_text(encoding="utf-8"))
    parsed = [MarkdownIt("commonmark", {"html": True}).enable("table").parse(text) for text in texts]
    # The same blocks, and in each the same kinds of words: names change nothing but the text of code.
    shapes = [
        [(token.type, token.tag, [child.type for child in token.children or ()]) for token in tokens]
        for tokens in parsed
    ]
    assert shapes[0] == shapes[1]
    kinds = {child.type for token in parsed[0] for child in token.children or ()}
    assert not kinds & {"html_inline", "link_open", "image"}
    assert not any(token.type == "html_block" for token in parsed[0])
    assert "@everyone" not in texts[0]


def test_only_files_that_are_there_are_listed(tmp_path):
    write_run(tmp_path / "a", formats=("csv", "parquet"))
    text = (tmp_path / "a" / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([\w.]+)` \| [^|]+ \|$", text.split("## predictions.csv")[0], re.MULTILINE)
    assert sorted(listed) == sorted(path.name for path in (tmp_path / "a").iterdir())
    assert "images.csv" not in listed


def test_a_thousand_classes_are_not_all_named(tmp_path):
    write_run(tmp_path / "a", names=tuple(f"c{number}" for number in range(1000)), probabilities=False)
    text = (tmp_path / "a" / "README.md").read_text(encoding="utf-8")
    assert "The 1,000 classes" in text
    assert "`c99` and 900 more" in text
    assert len(text) < 10_000


@pytest.mark.parametrize(
    ("status", "said"), [("partial", "**The run is partial"), ("gate failed", "**The gate failed")]
)
def test_a_bad_run_is_told(tmp_path, status, said):
    write_run(tmp_path / "a", status=status)
    assert said in (tmp_path / "a" / "README.md").read_text(encoding="utf-8")

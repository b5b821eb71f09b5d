"""Damaged copies of real files are scored as another library reads them, or skipped with a reason: nothing else."""

import csv
import json
import os
import re
import subprocess
import sys
import time

import bmp_cases
import mutants
import orientation_cases
import other_cases
import png_cases
import pytest
import tiff_cases
from container_writers import write_apng
from decoding_cases import Case, noise
from hypothesis import given, note, settings
from hypothesis import strategies as st

EXAMPLES = 500
"""Of all formats together, each time the tests run."""

SECONDS_VARIABLE = "BATCHCLF_MUTANT_SECONDS"
"""How long the slow test goes on; half an hour without it."""

JUDGE_CANNOT_SAY = {
    "bmp": "Unsupported BMP bitfields layout",
    "gif": "^code$",
    "heic": "no other reader is here",
    "jp2": "subsampling not supported",
    "pnm": "values above the most",
    "tiff": "a directory that readers mend in different ways|photometric|Destination buffer is too small",
}
"""What the judge says, by format, of files that may well be right: a regular expression."""


def _fault(file_format, kind, words):
    """Whether a verdict is a fault of batchclf, and not of the file or the judge."""
    if kind == "alone":
        return re.search(JUDGE_CANNOT_SAY.get(file_format, "(?!)"), words) is None
    return kind not in ("same", "skipped")


@pytest.mark.parametrize("file_format", mutants.SEEDS)
def test_a_mutant_is_read_as_the_judge_reads_it_or_skipped(file_format):
    # Nothing to shrink: the seed is all there is. The same seeds each time, so that a red test stays red.
    @settings(max_examples=EXAMPLES // len(mutants.SEEDS), derandomize=True, database=None)
    @given(st.integers(0, 2**32))
    def search(seed):
        kind, words = mutants.verdict(file_format, mutants.mutant(file_format, seed))
        note(f"{file_format} {seed}: {kind}, {words}")
        assert not _fault(file_format, kind, words)

    search()


@pytest.mark.parametrize("file_format", [name for name in mutants.SEEDS if name != "heic"])
def test_the_judge_reads_the_files_that_mutants_are_made_of(file_format):
    for content in mutants.SEEDS[file_format]:
        assert mutants.verdict(file_format, content) == ("same", "")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    pytest.importorskip("onnx")
    from onnx_cases import import_rows

    return import_rows(tmp_path_factory.mktemp("model"), 1, size=8)


def _score(bundle, photos, processes):
    """Score a folder by the command line, with decoding in threads or in processes; (exit code, run directory)."""
    program = (
        "import sys\n"
        "from batchclf.scoring import processes\n"
        "from batchclf.scoring.engines import local\n"
        f"processes.PROCESSES_FROM = local.PROCESSES_FROM = {1 if processes else 10**9}\n"
        "from batchclf.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    out = photos.parent / f"{photos.name}-{'processes' if processes else 'threads'}"
    arguments = ["score", photos, "--model", bundle, "--out", out]
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=photos.parent,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=300,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, out


def _rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _check_accounts(bundle, photos, written):
    """found = scored + skipped + excluded in both ways of decoding, with the same rows and reasons."""
    runs = []
    for processes in (False, True):
        code, out = _score(bundle, photos, processes)
        assert code == 0
        scored, skipped = _rows(out / "predictions.csv"), _rows(out / "skipped.csv")
        (subset,) = json.loads((out / "run.json").read_text())["subsets"]
        counts = [subset[name] for name in ("found", "scored", "skipped", "excluded")]
        assert counts == [written, len(scored), len(skipped), 0]
        assert sum(counts[1:]) == written
        assert {row["path"] for row in scored}.isdisjoint(row["path"] for row in skipped)
        assert all(row["reason"] and len(row["reason"].splitlines()) == 1 for row in skipped)
        runs.append((scored, skipped))
    assert runs[0] == runs[1]
    return runs[0]


def test_a_folder_of_mutants_is_accounted_for_in_threads_and_in_processes(bundle, tmp_path):
    written = mutants.write_mutants(tmp_path / "photos", range(99))
    scored, skipped = _check_accounts(bundle, tmp_path / "photos", written)
    assert scored
    assert skipped


def test_whole_files_of_every_kind_give_the_same_in_threads_and_in_processes(bundle, tmp_path):
    """Animated PNGs and turned pictures among them."""
    makers = {
        **{name: cases[name] for cases in (png_cases.CASES, bmp_cases.CASES, other_cases.CASES) for name in cases},
        **{name: make for name, make in orientation_cases.EVERY.items() if name.endswith("-6")},
        **{name: make for name, make in tiff_cases.MATRIX.items() if name.endswith(("-tiles-lzw", "-strips-deflate"))},
        "apng": lambda: Case(write_apng([(noise(seed=1), (0, 0))], stand_in=noise()), None),
    }
    (tmp_path / "photos").mkdir()
    for name, make in makers.items():
        # The content decides, and not the suffix.
        (tmp_path / "photos" / f"{name}.png").write_bytes(make().content)
    _, skipped = _check_accounts(bundle, tmp_path / "photos", len(makers))
    unread = {f"{name}.png" for name in makers if name in bmp_cases.UNSUPPORTED | tiff_cases.UNSUPPORTED}
    assert {row["path"] for row in skipped} == unread


@pytest.mark.slow
def test_mutants_for_half_an_hour(bundle, tmp_path):
    """Batches of 198 in processes of their own, so that a crash or a hang names its file."""
    end = time.monotonic() + float(os.environ.get(SECONDS_VARIABLE, 1800))
    start, faults = int(time.time()), []
    while time.monotonic() < end:
        photos = tmp_path / str(start)
        written = mutants.write_mutants(photos, range(start, start + 198))
        _check_accounts(bundle, photos, written)
        done = subprocess.run(
            [sys.executable, mutants.__file__, str(photos)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        verdicts = [json.loads(line) for line in done.stdout.splitlines()]
        assert done.returncode == 0, f"after {verdicts[-1:]}: {done.stderr[-2000:]}"
        assert len(verdicts) == written
        faults += [each for each in verdicts if _fault(each[0].split("-")[0], *each[1:])]
        start += 198
    assert faults == []

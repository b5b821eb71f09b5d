"""`batchclf score SHARDS`: shards of `batchclf pack` give what the folder gives."""

import json
import os
import shutil
import sys

import pytest
from shard_cases import image, rows, run, skipped, world, write_images  # noqa: F401 (a fixture)

from batchclf.cli.main import main


@pytest.fixture(scope="module")
def loose(world):  # noqa: F811
    return world.score(world.photos, "--labels", world.labels)[0]


@pytest.fixture(scope="module")
def tars(world):  # noqa: F811
    return world.pack("tars", "--shard-size", "60KB")[0]


@pytest.fixture(scope="module")
def parquet(world):  # noqa: F811
    return world.pack("parquet", "--shard-size", "5KB", "--format", "parquet")[0]


def same(one, other, *names):
    for name in names:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_shards_give_the_rows_of_the_folder_to_the_byte(world, loose, tars, parquet):  # noqa: F811
    of_folder = skipped(loose)
    for place, workers in ((tars, 1), (tars, 2), (parquet, 2)):
        out, counts, lines = world.score(place, "--labels", world.labels, "--workers", workers, "--batch-size", 128)
        same(loose, out, "predictions.csv", "images.csv", "duplicates.csv")
        assert skipped(out) == {"3/bad.png": of_folder["3/bad.png"]}
        assert (counts["skipped"], counts["excluded"]) == (1, 0)
        assert "labels of 30 files from labels.csv" in lines
        record = json.loads((out / "run.json").read_text())
        assert record["subsets"][0]["source"] == str(place)
        page, of_page = ((each / "report.html").read_text() for each in (out, loose))
        assert page.count("data:image/") == of_page.count("data:image/") > 20
        assert "the report goes without" not in lines
    pictures = page.count("data:image/")
    assert main(["report", str(out), "--out", str(world.folder / "again.html")]) == 0
    assert (world.folder / "again.html").read_text().count("data:image/") == pictures


def test_a_selection_and_the_cache_are_those_of_the_folder(world, tars, parquet):  # noqa: F811
    (world.folder / "list.txt").write_text("0/k.1.png\n5/nothing.png\n2/same.jpg\n")
    chosen = ["--glob", "*.png", "--sample", "20", "--seed", "3"]
    for options in (chosen, ["--shard", "2/3"], ["--files-from", world.folder / "list.txt"]):
        one, _, _ = world.score(world.photos, *options)
        for place in (tars, parquet):
            other, _, _ = world.score(place, *options)
            same(one, other, "predictions.csv")
    assert skipped(other) == {"5/nothing.png": f"there is no such file in {parquet}"}
    cached = ["--cache", "--reports", world.folder / "reports"]
    world.score(world.photos, *cached)
    _, counts, lines = world.score(tars, *cached)
    assert f"{counts['scored']:,} scores come from the cache" in lines


def test_a_killed_run_goes_on(world, loose, tars, monkeypatch):  # noqa: F811
    from batchclf.jobs.score.run_files import Results

    write, blocks = Results.write, []

    def stopping(self, block):
        if len(blocks) == 2:
            raise KeyboardInterrupt
        blocks.append(block)
        write(self, block)

    monkeypatch.setattr("batchclf.jobs.score.score_subsets.files_per_block", lambda *_: 16)
    whole, _, _ = world.score(tars, "--labels", world.labels)
    out = world.folder / "resumed"
    command = ("score", tars, "--model", world.model, "--labels", world.labels, "--out", out)
    with monkeypatch.context() as patched:
        patched.setattr(Results, "write", stopping)
        assert run(*command)[0] == 130
    code, _, lines = run(*command, "--resume")
    assert code == 0, lines
    assert json.loads((out / "run.json").read_text())["subsets"][0]["resumed"] == 31
    same(whole, out, "predictions.csv", "images.csv", "skipped.csv")


def test_a_job_scores_shards(world, parquet):  # noqa: F811
    (world.folder / "job.toml").write_text(
        f'[model]\nbundle = "rows"\n[scoring.directories.packed]\npath = "parquet"\nlabels = "{world.labels}"\n'
        '[publish]\nreports = "job reports"\n'
    )
    code, result, err = run("job", "check", world.folder / "job.toml")
    assert code == 0, err
    code, result, err = run("run", world.folder / "job.toml")
    assert code == 0, err
    assert result["subsets"]["packed"]["scored"] > 40


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "shard-000001.tar").unlink(), "shard-000001.tar with"),
        (lambda folder: os.truncate(folder / "shard-000001.tar", 9_000), "shard-000001.tar has 9,000 bytes"),
        (lambda folder: shutil.copy(folder / "shard-000001.tar", folder / "more.tar"), "more.tar is not listed"),
        (lambda folder: (folder / "shards.json").unlink(), "without shards.json"),
        (lambda folder: os.truncate(folder / "shards.json", 100), "shards.json is no list of shards"),
        (lambda folder: (folder / "shards.json").write_text('{"format": 9}'), "is of format 9, expected 1"),
        (lambda folder: (folder / "shards.json").write_text('{"format": 1, "shards": 3}'), "is no list of shards"),
    ],
)
def test_a_pack_that_is_not_whole_is_refused_by_name(world, tars, tmp_path, change, words):  # noqa: F811
    folder = tmp_path / "damaged"
    shutil.copytree(tars, folder)
    change(folder)
    _, result, _ = world.score(folder, code=1)
    assert words in result["error"]
    assert result["hint"]


def test_of_a_damaged_shard_what_is_good_is_scored(world, loose, tars, parquet, tmp_path):  # noqa: F811
    scored = rows(loose).set_index("path")["prediction"]
    cut = tmp_path / "cut.tar"
    shutil.copy(tars / "shard-000000.tar", cut)
    whole = rows(world.score(cut)[0])
    os.truncate(cut, 30_000)
    out, counts, _ = world.score(cut, code=4)
    assert 5 < counts["scored"] < len(whole)
    assert (scored[rows(out)["path"]] == rows(out)["prediction"].to_numpy()).all()
    assert list(skipped(out)) == ["cut.tar"]
    assert "it breaks off at byte" in skipped(out)["cut.tar"]
    code, packed, lines = run("pack", cut, tmp_path / "again")
    assert (code, packed["packed"]) == (4, counts["scored"])
    assert "an unknown number of images is missing: cut.tar" in lines
    for place, suffix in ((tars, "tar"), (parquet, "parquet")):
        flipped = tmp_path / f"flipped.{suffix}"
        content = bytearray((place / f"shard-000000.{suffix}").read_bytes())
        at = content.index(b"IDAT") + 8
        content[at] ^= 1
        flipped.write_bytes(content)
        out, counts, _ = world.score(flipped)
        reasons = skipped(out)
        reasons.pop("3/bad.png", None)
        (reason,) = reasons.values()
        assert "holds other bytes than were packed" in reason
    headless = tmp_path / "headless.tar"
    content = bytearray((tars / "shard-000000.tar").read_bytes())
    content[20 * 1024 + 3] ^= 1
    headless.write_bytes(content)
    out, counts, _ = world.score(headless, code=4)
    assert counts["scored"] > 3
    assert "damaged" in "".join(skipped(out).values())


@pytest.mark.parametrize("kind", ["tar", "parquet", "zeros"])
def test_each_image_that_a_pack_promises_is_a_row_or_a_skip(world, tars, parquet, tmp_path, kind):  # noqa: F811
    source, folder = parquet if kind == "parquet" else tars, tmp_path / "pack"
    shutil.copytree(source, folder)
    shards = json.loads((folder / "shards.json").read_text())["shards"]
    damaged = folder / shards[1]["name"]
    content = bytearray(damaged.read_bytes())
    if kind == "zeros":  # what a copy that was cut off leaves in a file whose size was set before
        half = len(content) // 2 // 512 * 512
        content[half:] = bytes(len(content) - half)
    elif kind == "tar":
        content[20 * 1024 + 3] ^= 1
    else:
        first = shards[1]["first"].encode()
        content[content.index(first, content.index(first) + 1)] ^= 1  # the first one is in the page's header
    damaged.write_bytes(content)
    whole = rows(world.score(source)[0])
    out, counts, _ = world.score(folder)
    assert counts["found"] == sum(each["images"] for each in shards) == len(rows(out)) + len(skipped(out))
    lost = {path: reason for path, reason in skipped(out).items() if path.startswith(f"{damaged.name}/")}
    assert 1 <= len(lost) <= shards[1]["images"]
    assert all(reason.startswith("the shard is damaged: ") for reason in lost.values())
    # All others have their rows, and no image is lost without a skip
    assert rows(out).equals(whole[whole["path"].isin(rows(out)["path"])].reset_index(drop=True))
    assert world.score(folder, "--max-skipped", counts["skipped"])[1] == counts
    assert world.score(folder, "--max-skipped", counts["skipped"] - 1, code=4)[1]["skipped"] == counts["skipped"]


def test_parquet_without_pyarrow_says_what_to_install(world, parquet, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    _, result, _ = world.score(parquet, code=1)
    code, packed, _ = run("pack", world.photos, tmp_path / "out", "--format", "parquet")
    assert code == 1
    for each in (result, packed):
        assert "needs the package pyarrow" in each["error"]
        assert "pip install 'batchclf[parquet]'" in each["hint"]


def test_from_python(world, loose, parquet):  # noqa: F811
    import batchclf

    found = batchclf.score(parquet, world.model, world.folder / "from python", labels=world.labels)
    same(loose, found.path, "predictions.csv")

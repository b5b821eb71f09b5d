"""`batchclf pack`: what it writes, as other libraries read it, and how the files add up."""

import hashlib
import json
import os
import subprocess
import tarfile

import pandas as pd
import polars
import pyarrow.parquet as pq
import pytest
import webdataset
from shard_cases import PATHS, image, run, world  # noqa: F401 (a fixture)

IMAGES = sorted([*(path for path in PATHS if "/." not in path), "3/bad.png"])
"""What is packed: not the hidden file, the ignored one and the link to nothing."""


@pytest.fixture(scope="module")
def tars(world):  # noqa: F811
    return world.pack("tars", "--shard-size", "60KB", "--labels", "folders")


@pytest.fixture(scope="module")
def parquet(world):  # noqa: F811
    return world.pack("parquet", "--shard-size", "5KB", "--format", "parquet", "--labels", world.labels)


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_the_files_add_up_and_the_manifest_says_what_is_where(world, tars):  # noqa: F811
    folder, result = tars
    manifest = json.loads((folder / "shards.json").read_text())
    assert manifest["excluded"] == {
        "hidden": 2,
        "ignored by .batchclfignore": 1,
        "not an image by its suffix": 1,
    }
    counts = {name: manifest[name] for name in ("found", "packed", "skipped")}
    assert counts == {"found": len(IMAGES) + 5, "packed": len(IMAGES), "skipped": 1}
    assert {**counts, "excluded": 4} == {name: result[name] for name in ("found", "packed", "skipped", "excluded")}
    assert (folder / "skipped.csv").read_text().splitlines()[1] == "gone.png,,,cannot be read: broken symbolic link"
    assert len(manifest["shards"]) == len(result["shards"]) > 1
    assert sum(shard["images"] for shard in manifest["shards"]) == len(IMAGES)
    for shard in manifest["shards"]:
        content = (folder / shard["name"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (shard["bytes"], shard["sha256"])
        assert len(content) <= 60_000
    assert sorted(path.name for path in folder.iterdir()) == [*result["shards"], "shards.json", "skipped.csv"]


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # webdataset 1.0.2 leaves them open
def test_webdataset_reads_the_tars_with_a_sample_for_each_image(world, tars):  # noqa: F811
    folder, result = tars
    names = [str(folder / name) for name in result["shards"]]
    samples = list(webdataset.WebDataset(names, shardshuffle=False))
    assert len({sample["__key__"] for sample in samples}) == len(samples) == len(IMAGES)
    about = [json.loads(sample["json"]) for sample in samples]
    # As names of members "0/k.1.png" and "0/k.2.png" would be one sample, and "1/v1.2/img.3.png" have a field "3.png"
    assert [each["path"] for each in about] == IMAGES
    for sample, each in zip(samples, about, strict=True):
        suffix = each["path"].rpartition(".")[2].lower()
        content = sample[suffix]
        assert content == (world.photos / each["path"]).read_bytes()
        assert each["label"] == each["path"][0]
        assert each["digest"] == hashlib.blake2b(content, digest_size=16).hexdigest()


def test_tarfile_and_gnu_tar_read_the_tars(tars, tmp_path):
    folder, result = tars
    for name in result["shards"]:
        with tarfile.open(folder / name) as archive:
            members = archive.getmembers()
        assert {(member.mtime, member.mode, member.uid, member.gid) for member in members} == {(0, 0o644, 0, 0)}
        listed = subprocess.run(["tar", "tf", folder / name], capture_output=True, text=True, check=True)
        assert listed.stdout.splitlines() == [member.name for member in members]
        assert listed.stderr == ""
    subprocess.run(["tar", "xf", folder / result["shards"][0], "-C", tmp_path], check=True)
    first = json.loads((tmp_path / "000000000.json").read_text())
    assert first["path"] == IMAGES[0]


def test_pyarrow_pandas_and_polars_read_the_parquet_files(world, parquet):  # noqa: F811
    folder, result = parquet
    labels = dict(pd.read_csv(world.labels, dtype=str).itertuples(index=False))
    frame = pd.concat([pd.read_parquet(folder / name) for name in result["shards"]])
    assert list(frame.columns) == ["path", "label", "content", "digest"]
    assert list(frame["path"]) == IMAGES
    assert list(frame["label"].astype(object).where(frame["label"].notna(), None)) == [
        labels.get(path) for path in IMAGES
    ]
    for row in frame.itertuples():
        assert row.content == (world.photos / row.path).read_bytes()
        assert row.digest == hashlib.blake2b(row.content, digest_size=16).hexdigest()
    assert polars.concat([polars.read_parquet(folder / name) for name in result["shards"]])["path"].to_list() == IMAGES
    assert len(result["shards"]) > 1
    assert pq.ParquetFile(folder / result["shards"][0], page_checksum_verification=True).read().num_rows > 1


@pytest.mark.parametrize("shard_format", ["tar", "parquet"])
def test_the_same_images_give_the_same_bytes(world, shard_format):  # noqa: F811
    one, _ = world.pack(f"one {shard_format}", "--format", shard_format)
    for number, path in enumerate(world.photos.rglob("*.png")):
        if path.is_file():
            os.utime(path, (number, number))
            path.chmod(0o600 if number % 2 else 0o640)
    two, _ = world.pack(f"two {shard_format}", "--format", shard_format)
    assert digests(one) == digests(two)


def test_a_name_that_is_not_utf8_goes_into_a_tar_and_is_said_for_parquet(world, tmp_path):  # noqa: F811
    root = tmp_path / "odd"
    root.mkdir()
    image(1).save(root / os.fsdecode(b"\xff.png"), format="png")
    image(2).save(root / "b.png")
    out, result = world.pack("odd tar", source=root)
    assert result["packed"] == 2
    with tarfile.open(out / "shard-000000.tar") as archive:
        names = [json.load(archive.extractfile(member))["path"] for member in archive if member.name.endswith("json")]
    assert sorted(names) == sorted(path.name for path in root.iterdir())
    out, result = world.pack("odd parquet", "--format", "parquet", source=root)
    assert (result["packed"], result["skipped"]) == (1, 1)
    assert "its name is not UTF-8, which Parquet cannot hold; --format tar can" in (out / "skipped.csv").read_text()


def test_selection_and_classes_json(world, tmp_path):  # noqa: F811
    root = tmp_path / "mapped"
    for number in range(12):
        (root / f"f{number % 3}").mkdir(parents=True, exist_ok=True)
        image(number).save(root / f"f{number % 3}" / f"{number}.png")
    (root / "classes.json").write_text('{"format": 1, "classes": {"f0": "0", "f1": "1", "f2": "2"}}')
    options = ("--glob", "f[01]/**", "--sample", "5", "--labels", "folders")
    out, result = world.pack("mapped", *options, source=root)
    assert (result["found"], result["packed"]) == (13, 5)
    assert (out / "classes.json").read_bytes() == (root / "classes.json").read_bytes()
    assert set(json.loads((out / "shards.json").read_text())["labels"]) <= {"0", "1"}
    plain, _ = world.pack("mapped plain", source=root)
    _, _, lines = world.score(plain)
    assert "labels from the 3 class folders" in lines
    again, result = world.pack("mapped again", "--format", "parquet", source=out)
    assert result["packed"] == 5
    assert pd.read_parquet(again / "shard-000000.parquet")["label"].tolist() == [
        path[1] for path in pd.read_parquet(again / "shard-000000.parquet")["path"]
    ]


def test_exit_codes_and_nothing_is_overwritten_or_left_behind(world, tmp_path):  # noqa: F811
    out = tmp_path / "out"
    code, result, err = run("pack", world.photos, out, "--max-skipped", "0")
    assert (code, result["skipped"]) == (4, 1)
    assert "--max-skipped 0" in err
    before = digests(out)
    code, result, _ = run("pack", world.photos, out)
    assert code == 1
    assert result["error"] == f"{out} is there already; nothing is overwritten"
    assert digests(out) == before
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a.txt").write_text("no image")
    for arguments, expected, words in (
        ((tmp_path / "empty", tmp_path / "none"), 5, "there is no image to pack"),
        ((world.photos, world.photos / "shards"), 1, "lies in the folder that is packed"),
        ((world.photos, tmp_path / "none", "--shard-size", "big"), 2, "'big' is not a size in bytes"),
        ((world.photos, tmp_path / "none", "--label-map", world.labels), 2, "a label map is given"),
        ((tmp_path / "no", tmp_path / "none"), 1, "there is no folder"),
    ):
        code, result, _ = run("pack", *arguments)
        assert code == expected, result
        assert words in result["error"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "out"]


def test_what_breaks_off_leaves_nothing(world, tmp_path, monkeypatch):  # noqa: F811
    from batchclf.data.sources.write_tar import TarWriter

    def full(self, *arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(TarWriter, "write", full)
    code, result, _ = run("pack", world.photos, tmp_path / "out")
    assert code == 1
    assert "No space left on device" in result["error"]
    assert list(tmp_path.iterdir()) == []

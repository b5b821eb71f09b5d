"""`batchclf score` on shards that other programs have written: paths, labels, damage, hostile members."""

import gzip
import io
import json
import os
import shutil
import subprocess
import tarfile

import pandas as pd
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import webdataset
from shard_cases import image, rows, run, skipped, world, write_images  # noqa: F401 (a fixture)

NAMES = sorted(f"{number % 10}/{number:02}.v1.png" for number in range(12))
LABELS = [name[0] for name in NAMES]


@pytest.fixture(scope="module")
def small(world):  # noqa: F811
    """Twelve images in class folders, their contents by name, and the rows of the folder."""
    root = world.folder / "small"
    write_images(root, NAMES)
    return root, {name: (root / name).read_bytes() for name in NAMES}, rows(world.score(root)[0])


def with_size(field, kind=b"0"):
    """A header of Python's tarfile with another size and the checksum of that."""
    header = bytearray(tarfile.TarInfo("b.png").tobuf(tarfile.USTAR_FORMAT))
    header[124:136], header[156:157] = field.ljust(12, b"\0"), kind
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def write_tar(path, contents, **how):
    """Write members with Python's tarfile; a TarInfo stands for itself."""
    with tarfile.open(path, "w", **how) as archive:
        for name, content in contents:
            member = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            member.size = len(content) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(content))
    return path


def test_tars_of_gnu_tar_python_and_webdataset(world, small, tmp_path):  # noqa: F811
    root, contents, expected = small
    by_gnu = tmp_path / "gnu.tar"
    subprocess.run(["tar", "cf", by_gnu, "--sort=name", "-C", root, "."], check=True)
    formats = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
    written = [by_gnu]
    for name, number in formats.items():
        written.append(write_tar(tmp_path / f"python {name}.tar", contents.items(), format=number))
    by_webdataset = tmp_path / "webdataset.tar"
    with webdataset.TarWriter(str(by_webdataset)) as writer:
        for name, content in contents.items():
            writer.write({"__key__": name.partition(".")[0], "v1.png": content})
    for path in [*written, by_webdataset]:
        out, counts, lines = world.score(path)
        assert "labels from the 10 class folders" in lines
        pd.testing.assert_frame_equal(rows(out), expected)
        assert (counts["found"], counts["skipped"], counts["excluded"]) == (12, 0, 0)


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # webdataset 1.0.2 leaves it open
def test_rows_have_the_paths_that_webdataset_splits_and_need_no_order_of_samples(world, small, tmp_path):  # noqa: F811
    _, contents, _ = small
    some = list(contents.values())
    names = ["v1.2/img.3.png", "k.1.png", "k.2.png", "a.png", "b.png", "a.cls"]
    path = write_tar(tmp_path / "dots.tar", zip(names, [*some[:5], b"3"], strict=True))
    fields = [
        (each["__key__"], *sorted(key for key in each if key[0] != "_"))
        for each in webdataset.WebDataset(str(path), shardshuffle=False)
    ]
    assert fields[:2] == [("v1.2/img", "3.png"), ("k", "1.png", "2.png")]
    out, _, lines = world.score(path)
    assert list(rows(out)["path"]) == names[:5]
    # The label of a.png comes too late: it is not used, and that is said
    assert "1 a label that has no image next to it" in lines
    assert set(rows(out)["label"]) == {""}


def test_long_and_foreign_names_come_back_whole(world, tmp_path):  # noqa: F811
    names = [f"{'folder/' * 30}{'n' * 120}.png", "é" * 60 + ".png", os.fsdecode(b"\xff\xfe.png"), "a.b.c/d.e.f.png"]
    for number in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        content = [(name, b"no image") for name in names]
        path = write_tar(tmp_path / f"{number}.tar", content, format=number)
        code, result, _ = run("pack", path, tmp_path / f"out {number}")
        assert code == 0
        assert result["packed"] == len(names)
        with tarfile.open(tmp_path / f"out {number}" / "shard-000000.tar") as archive:
            found = [json.load(archive.extractfile(each))["path"] for each in archive if each.name.endswith("json")]
        assert found == names


def test_hostile_members_are_left_out_and_said(world, small, tmp_path):  # noqa: F811
    _, contents, _ = small
    content = contents[NAMES[0]]

    def special(name, kind, **values):
        member = tarfile.TarInfo(name)
        member.type = kind
        for key, value in values.items():
            setattr(member, key, value)
        return member

    members = [
        ("/etc/absolute.png", content),
        ("../above.png", content),
        ("a/../../above.png", content),
        (special("link.png", tarfile.SYMTYPE, linkname="/etc/passwd"), b""),
        (special("hard.png", tarfile.LNKTYPE, linkname="good.png"), b""),
        (special("device.png", tarfile.CHRTYPE), b""),
        (special("pipe.png", tarfile.FIFOTYPE), b""),
        (special("folder.png", tarfile.DIRTYPE), b""),
        (".hidden.png", content),
        ("__MACOSX/x.png", content),
        ("./good.png", content),
        ("sub//./good.png", contents[NAMES[1]]),
        ("good.png", contents[NAMES[2]]),
        ("notes.txt", b"text"),
    ]
    path = write_tar(tmp_path / "hostile.tar", members, format=tarfile.PAX_FORMAT)
    out, counts, lines = world.score(path)
    assert list(rows(out)["path"]) == ["good.png", "sub/good.png"]
    assert skipped(out) == {"good.png": "its path comes a second time, in hostile.tar"}
    assert counts["excluded"] == 10
    for words in ("3 its path leads out of the archive", "2 a link in an archive", "2 a pipe, socket or device"):
        assert words in lines
    sparse = tmp_path / "hole.png"
    sparse.write_bytes(content)
    os.truncate(sparse, 2**20)
    for how in (["--format=gnu"], ["--format=posix", "--sparse-version=1.0"]):
        subprocess.run(["tar", "cSf", path, *how, "-C", tmp_path, "hole.png"], check=True)
        subprocess.run(["tar", "rf", path, *how[:1], "-C", small[0], NAMES[3]], check=True)
        out, counts, _ = world.score(path)
        assert list(rows(out)["path"]) == [NAMES[3]]
        assert "sparse" in skipped(out)["hole.png"]
    huge = special("x", tarfile.GNUTYPE_LONGNAME, size=2**50).tobuf(tarfile.GNU_FORMAT)
    one = write_tar(tmp_path / "one.tar", [("a.png", content)]).read_bytes()[:1024]
    # A walk that went back by a size below 0 would not end
    for member, words in (
        (huge, "claims"),
        (with_size(b"-0000002000"), "its header at byte 1,024 is damaged"),
        (with_size(b"\x80" + b"\xff" * 11), "it breaks off at byte"),
        (with_size(b"\x80" + b"\xff" * 11, kind=b"V"), "it breaks off at byte"),
    ):
        path.write_bytes(one + member)
        out, counts, _ = world.score(path, code=4)
        assert (counts["scored"], counts["skipped"]) == (1, 1)
        assert words in skipped(out)["hostile.tar"]


def test_ends_of_tars(world, small, tmp_path):  # noqa: F811
    _, contents, _ = small
    names = NAMES[:4]
    one = write_tar(tmp_path / "one.tar", [(name, contents[name]) for name in names[:2]]).read_bytes()
    two = write_tar(tmp_path / "two.tar", [(name, contents[name]) for name in names[2:]]).read_bytes()
    joined, unended, empty = (tmp_path / f"{name}.tar" for name in ("joined", "unended", "empty"))
    joined.write_bytes(one + two)
    unended.write_bytes(one[: one.rindex(b"IEND")] + one[one.rindex(b"IEND") :].rstrip(b"\0") + bytes(300))
    for path, words in ((joined, "it goes on behind the mark of its end"), (unended, "it breaks off")):
        # How many images are behind that nobody knows, so the run is partial and says so
        out, _, lines = world.score(path, code=4)
        assert set(rows(out)["path"]) <= set(names[:2])
        assert words in skipped(out)[path.name]
        assert f"an unknown number of images is missing: {path.name}: the shard is damaged: {words}" in lines
        page = (out / "report.html").read_text()
        assert f"An unknown number of images is missing from {path}: a shard is incomplete." in page
    write_tar(empty, [])
    _, result, _ = world.score(empty, code=5)
    assert "there is no image to score" in result["error"]
    folder = tmp_path / "both"
    folder.mkdir()
    shutil.copy(tmp_path / "two.tar", folder / "a.tar")
    shutil.copy(tmp_path / "one.tar", folder / "b.tar")
    shutil.copy(empty, folder / "c.tar")
    (folder / "README.md").write_text("shards")
    out, _, _ = world.score(folder)
    # In the order of the shards, which is not that of the paths
    assert list(rows(out)["path"]) == [*names[2:], *names[:2]]
    code, result, err = run("evaluate", out / "predictions.csv", "--out", tmp_path / "evaluated")
    assert code == 0, err


def test_what_cannot_be_read_at_a_place_is_refused_with_the_command(world, small, tmp_path):  # noqa: F811
    path = write_tar(tmp_path / "plain.tar", small[1].items())
    for name in ("x.tar.gz", "x.tgz", "x.tar"):
        packed = tmp_path / name
        packed.write_bytes(gzip.compress(path.read_bytes()))
        _, result, _ = world.score(packed, code=1)
        assert "is compressed by gzip" in result["error"]
        assert f"gunzip --keep '{packed}'" in result["hint"]
        packed.unlink()
    (tmp_path / "no.tar").write_bytes(b"no tar at all" * 100)
    _, result, _ = world.score(tmp_path / "no.tar", code=1)
    assert "no.tar is no tar" in result["error"]
    (tmp_path / "no.parquet").write_bytes(b"PAR1 and no more")
    _, result, _ = world.score(tmp_path / "no.parquet", code=1)
    assert "no.parquet cannot be read" in result["error"]
    pd.DataFrame({"a": [1], "b": ["x"]}).to_parquet(tmp_path / "other.parquet")
    _, result, _ = world.score(tmp_path / "other.parquet", code=1)
    assert "has no column of image files (bytes, or bytes and path); its columns are a, b" in result["error"]


def test_shards_beside_images_are_left_out_with_a_reason(world, small, tmp_path):  # noqa: F811
    folder = tmp_path / "mixed"
    write_images(folder, ["a.png"])
    write_tar(folder / "x.tar", small[1].items())
    out, counts, lines = world.score(folder)
    assert list(rows(out)["path"]) == ["a.png"]
    assert "1 a shard among other files; score it by itself" in lines
    assert counts["excluded"] == 1


# Labels that shards hold


def with_cls(path, contents, values):
    with webdataset.TarWriter(str(path)) as writer:
        for (name, content), value in zip(contents.items(), values, strict=True):
            key = name.partition(".")[0].replace("/", "-")
            writer.write({"__key__": key, "png": content, **({} if value is None else {"cls": value})})
    return path


def test_labels_of_webdatasets(world, small, tmp_path):  # noqa: F811
    _, contents, expected = small
    path = with_cls(tmp_path / "cls.tar", contents, [*map(int, LABELS[:-1]), None])
    out, counts, lines = world.score(path)
    assert list(rows(out)["label"]) == [*LABELS[:-1], ""]
    assert list(rows(out)["prediction"]) == list(expected["prediction"])
    assert "labels of 9 classes from the shards, by their names" in lines
    assert counts["excluded"] == 11
    out, _, lines = world.score(path, "--labels", "none")
    assert set(rows(out)["label"]) == {""}
    map_file = tmp_path / "map.csv"
    map_file.write_text("label,class\nnine,9\neight,8\n")
    text = tmp_path / "text.tar"
    write_tar(text, [("a.png", contents[NAMES[0]]), ("a.cls", b"nine\n"), ("b.png", contents[NAMES[1]]),
                     ("b.json", b'{"label": "eight", "caption": "x"}'), ("c.cls", b"nine")])  # fmt: skip
    out, _, lines = world.score(text)
    assert set(rows(out)["label"]) == {""}
    assert "no labels are used: the label 'eight' in the shards is neither a class of the model" in lines
    assert "1 a label that has no image next to it" in lines
    out, _, lines = world.score(text, "--label-map", map_file)
    assert list(rows(out)["label"]) == ["9", "8"]


@pytest.fixture(scope="module")
def named(world):  # noqa: F811
    """Models whose classes are names, and numbers that are not their places."""
    out = {}
    for name, classes in (
        ("named", [f"class {letter}" for letter in "abcdefghij"]),
        ("shifted", [*map(str, range(1, 11))]),
    ):
        how = ["--scale", "0..1", "--like", "batchclf", "--classes", ",".join(classes)]
        assert run("model", "import", world.folder / "rows.onnx", "--out", world.folder / name, *how)[0] == 0
        out[name] = world.folder / name
    return out


def test_numbers_are_places_if_the_classes_are_names(world, small, named, tmp_path):  # noqa: F811
    path = with_cls(tmp_path / "cls.tar", small[1], map(int, LABELS))

    def score(model, place=path):
        code, _, lines = run("score", place, "--model", named[model], "--out", out, "--no-pictures")
        assert code == 0, lines
        return rows(out), lines

    out = tmp_path / "a"
    found, lines = score("named")
    assert list(found["label"]) == [f"class {'abcdefghij'[int(label)]}" for label in LABELS]
    assert "by their places in the model's classes, from 0" in lines
    out = tmp_path / "b"
    found, lines = score("shifted")
    assert set(found["label"]) == {""}
    assert "may be the name of a class or its place" in lines
    out = tmp_path / "c"
    with_cls(path, small[1], [10, *map(int, LABELS[1:])])
    found, lines = score("named")
    assert set(found["label"]) == {""}
    assert "the label '10' in the shards is neither a class of the model nor the place of one" in lines


def test_parquet_files_of_others(world, small, tmp_path):  # noqa: F811
    _, contents, expected = small
    structs = pa.array([{"bytes": content, "path": name} for name, content in contents.items()])
    names = [f"{number}" for number in range(10)][::-1]
    places = [9 - int(label) for label in LABELS]
    features = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}, "image": {"_type": "Image"}}}}
    table = pa.table({"image": structs, "label": places}, metadata={"huggingface": json.dumps(features)})
    hugging_face, by_pandas, by_polars = (tmp_path / f"{name}.parquet" for name in ("hf", "pandas", "polars"))
    pq.write_table(table, hugging_face, row_group_size=5, compression="zstd")
    frame = pd.DataFrame({"bytes": contents.values(), "path": contents.keys(), "size": 3})
    frame.to_parquet(by_pandas)
    polars.DataFrame(frame.drop(columns="size").to_dict("list")).write_parquet(by_polars)
    for path in (hugging_face, by_pandas, by_polars):
        out, _, lines = world.score(path)
        pd.testing.assert_frame_equal(rows(out), expected)
        assert ("labels of 10 classes from the shards" in lines) == (path == hugging_face)
    without = pa.table({"image": pa.array([{"bytes": content, "path": None} for content in contents.values()])})
    pq.write_table(without, hugging_face, row_group_size=5)
    out, _, _ = world.score(hugging_face)
    assert list(rows(out)["path"][:6]) == [f"hf.parquet/0-{row}" for row in range(5)] + ["hf.parquet/1-0"]
    assert list(rows(out)["prediction"]) == list(expected["prediction"])
    pq.write_table(pa.table({"picture": list(contents.values())}), hugging_face, row_group_size=7)
    out, _, _ = world.score(hugging_face)
    assert list(rows(out)["path"][6:8]) == ["hf.parquet/0-6", "hf.parquet/1-0"]
    lost = pa.table(
        {"image": pa.array([{"bytes": None, "path": "a.png"}, {"bytes": contents[NAMES[0]], "path": "b.png"}])}
    )
    pq.write_table(lost, hugging_face)
    out, _, _ = world.score(hugging_face)
    assert skipped(out) == {"a.png": "cannot be read: hf.parquet holds no bytes of it"}

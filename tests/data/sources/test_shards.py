"""Shards as a source of images: any paths come back, and what cannot be read ends as a skip."""

import io
import os
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchclf.cli.main import main
from batchclf.core.types import ExcludedFile, ImageRef, SkippedImage
from batchclf.data.labels import LabelRule
from batchclf.data.sources.registry import source_of
from batchclf.errors import DataError

# Any bytes that a file system takes, and names that begin and end as they like
PART = st.one_of(
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12),
    st.binary(min_size=1, max_size=12).map(lambda raw: os.fsdecode(raw.replace(b"/", b"x").replace(b"\0", b"y"))),
    st.sampled_from(["a.b", "v1.2", "...x", "%2E", "a b", " ", "'", "x.tar", "con", "é", "\n", "\\"]),
).filter(lambda part: part not in (".", "..") and part[0] != "." and len(os.fsencode(part)) < 200)
PATH = st.builds(
    lambda folders, name, suffix: "/".join([*folders, name + suffix]),
    st.lists(PART, max_size=3),
    PART,
    st.sampled_from([".png", ".JPG", ".v1.png", ".jpeg"]),
)


def entries(place):
    source = source_of(place).opened()
    return source, list(source.discover(LabelRule(None, "")))


@pytest.mark.parametrize("shard_format", ["tar", "parquet"])
@settings(max_examples=20)
@given(paths=st.lists(PATH, min_size=1, max_size=8, unique=True))
def test_any_paths_come_back_from_what_pack_has_written(tmp_path_factory, shard_format, paths):
    folder = tmp_path_factory.mktemp("paths")
    contents = {}
    for number, path in enumerate(paths):
        try:
            (folder / "in" / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / "in" / path).write_bytes(b"%d" % number)
        except OSError:  # one is a folder of another
            continue
    _, found = entries(folder / "in") if (folder / "in").is_dir() else (None, [])
    contents = {each.path: (folder / "in" / each.path).read_bytes() for each in found if isinstance(each, ImageRef)}
    if not contents:
        return
    assert main(["pack", str(folder / "in"), str(folder / "out"), "--format", shard_format, "--shard-size", "5KB"]) in (
        0,
        5,
    )
    if not (folder / "out").is_dir():  # no name of them is UTF-8
        assert shard_format == "parquet"
        return
    source, images = entries(folder / "out")
    held = {each.path: source.read(each.at) for each in images}
    if shard_format == "parquet":
        contents = {path: content for path, content in contents.items() if _is_utf8(path)}
    assert held == contents
    assert [each.path for each in images] == sorted(held)
    assert {path: source.read(at) for path, at in source.find(list(held)).items()} == held


def _is_utf8(path):
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


@settings(max_examples=60)
@given(data=st.data())
def test_a_damaged_tar_gives_good_images_or_says_that_something_is_lost(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damaged") / "x.tar"
    contents = {
        f"{number}/{'long/' * 25 if number == 2 else ''}{number}.png": b"%d" % number * 700 for number in range(4)
    }
    with tarfile.open(path, "w", format=data.draw(st.sampled_from([0, 1, 2]))) as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        path.write_bytes(whole[:at])
    else:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :])
    try:
        source, found = entries(path)
    except DataError:  # not even the first header is good
        return
    assert all(isinstance(each, ImageRef | SkippedImage | ExcludedFile) for each in found)
    images = {each.path: source.read(each.at) for each in found if isinstance(each, ImageRef)}
    same = [name for name, content in images.items() if contents.get(name) == content]
    # One byte of an image may be another one, which its decoder sees or nobody; a lost image is a skip
    assert len(same) >= len(images) - 1
    assert len(images) == 4 or any(isinstance(each, SkippedImage | ExcludedFile) for each in found)

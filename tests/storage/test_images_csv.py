"""images.csv: what pandas reads is what was written, whatever the paths; damage is told."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchclf.core.images.facts import FACTS, MODES, content_digest
from batchclf.core.text import plain_text, utf8_text
from batchclf.core.types import ImageRef
from batchclf.errors import RunError
from batchclf.storage.images import facts as image_facts
from batchclf.storage.images.facts import COLUMNS, ImageFactsWriter, read_image_rows

PATHS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)


@st.composite
def _facts(draw, count):
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    facts = np.zeros(count, FACTS)
    high = draw(st.sampled_from([1, 2, 2**32]))
    for name in ("width", "height"):
        facts[name] = random.integers(0, high, count)
    facts["mode"] = random.integers(0, len(MODES), count)
    facts["brightness"], facts["contrast"] = random.uniform(0, 255, count), random.uniform(0, 127.5, count)
    facts["dhash"] = random.integers(0, 256, (count, 16))
    return facts


def _digests(count):
    return [content_digest(str(number).encode()) for number in range(count)]


def _write(path, paths, facts, *, split="test", cut=1000):
    with ImageFactsWriter(path) as writer:
        for start in range(0, len(paths), cut):
            some = slice(start, start + cut)
            writer.write([ImageRef(p, None) for p in paths[some]], facts[some], _digests(len(paths))[some], split)
    return path


def _read(path):
    return list(read_image_rows(path))


def _joined(pieces, name):
    return np.concatenate([getattr(piece, name) for piece in pieces])


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_what_was_written_is_read_by_pandas_and_by_us(tmp_path_factory, data):
    paths = data.draw(st.lists(PATHS | st.just("plain/name.png"), min_size=1, max_size=20))
    facts = data.draw(_facts(len(paths)))
    path = _write(tmp_path_factory.mktemp("facts") / "images.csv", paths, facts, cut=data.draw(st.integers(1, 20)))
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert list(table.columns) == COLUMNS
    assert table["path"].map(plain_text).tolist() == [utf8_text(p) for p in paths]
    assert table["width"].tolist() == [str(width or "") for width in facts["width"]]
    assert table["mode"].tolist() == [MODES[mode] for mode in facts["mode"]]
    for name in ("brightness", "contrast"):
        assert table[name].tolist() == [f"{round(float(value) * 100) / 100:.2f}" for value in facts[name]]
    assert table["dhash"].tolist() == [each.tobytes().hex() for each in facts["dhash"]]
    assert table["digest"].tolist() == [each.hex() for each in _digests(len(paths))]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_facts, "_BLOCK", data.draw(st.sampled_from([120, 500, 2**19])))
        pieces = _read(path)
    assert [stored for piece in pieces for stored in piece.stored] == table[["width", "height", "mode"]].agg(
        ",".join, axis=1
    ).tolist()
    for name in ("brightness", "contrast"):
        np.testing.assert_array_equal(_joined(pieces, name), table[name].astype(np.float64).astype(np.float32))
    assert [f"{high:016x}{low:016x}" for high, low in _joined(pieces, "dhash").tolist()] == table["dhash"].tolist()
    assert [f"{first:016x}" for first in _joined(pieces, "digest").tolist()] == table["digest"].str[:16].tolist()
    assert {piece.split for piece in pieces} == {"test"}


def test_names_that_are_no_utf8(tmp_path):
    path = _write(tmp_path / "images.csv", ["a\udcff.png"], np.zeros(1, FACTS))
    assert path.read_bytes().split(b"\r\n")[1].startswith(b"a\\udcff.png,test,,,unknown,0.00,0.00,")


def test_splits_come_one_after_the_other(tmp_path):
    with ImageFactsWriter(tmp_path / "images.csv") as writer:
        for split in ("test", "train"):
            refs = [ImageRef(f"{split}/{number}", None) for number in range(3)]
            writer.write(refs, np.zeros(3, FACTS), _digests(3), split)
    assert [(piece.split, len(piece)) for piece in _read(tmp_path / "images.csv")] == [("test", 3), ("train", 3)]


def test_writing_goes_on_where_it_was(tmp_path):
    facts = np.zeros(9, FACTS)
    facts["width"] = np.arange(9)
    paths = [f"{number}.png" for number in range(9)]
    whole = _write(tmp_path / "whole.csv", paths, facts).read_bytes()
    path = _write(tmp_path / "images.csv", paths[:5], facts[:5])
    with ImageFactsWriter(path, resume_at={"rows": 5, "images.csv": path.stat().st_size}) as writer:
        position = writer.positions()
        writer.write([ImageRef("negative", None)] * 2, facts[:2], _digests(2), "test")
    with ImageFactsWriter(path, resume_at=position) as writer:
        writer.write([ImageRef(p, None) for p in paths[5:]], facts[5:], _digests(9)[5:], "test")
        assert writer.rows == 9
    assert path.read_bytes() == whole


CHANGES = {
    "another header": lambda text: text.replace(b"width", b"breadth"),
    "no number": lambda text: text.replace(b"17.25", b"1x.25"),
    "a number without decimals": lambda text: text.replace(b"17.25", b"17"),
    "no hex digit": lambda text: text[:-3] + b"g\r\n",
    "a cell too few": lambda text: text.replace(b"grayscale,", b""),
    "half a line": lambda text: text[:-20],
    "not UTF-8": lambda text: text.replace(b"8.png", b'"\xff.png"'),
}


@pytest.mark.parametrize("change", CHANGES)
def test_damage_is_told(tmp_path, change):
    facts = np.zeros(16, FACTS)
    facts["mode"], facts["brightness"][3] = MODES.index("grayscale"), 17.25
    path = _write(tmp_path / "images.csv", [f"{number}.png" for number in range(16)], facts)
    content = path.read_bytes()
    path.write_bytes(CHANGES[change](content))
    assert path.read_bytes() != content
    with pytest.raises(RunError, match="is damaged") as caught:
        _read(path)
    assert str(path) in caught.value.message
    assert caught.value.hint == "score again"


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(RunError, match="is damaged"):
        _read(tmp_path / "images.csv")

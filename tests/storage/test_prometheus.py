"""The .prom file, read by Prometheus' own Python client."""

import math
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchclf.storage.exports.prometheus import Gauge, gauges_text, read_sample, write_gauges

parser = pytest.importorskip("prometheus_client.parser")

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    ['a"b', "a\\", "\\n", "\n", "\r", "{x}", "#"]
)
NUMBERS = st.floats() | st.integers(-(2**60), 2**60).map(float)


def families(text):
    return {family.name: family for family in parser.text_string_to_metric_families(text)}


def test_the_format():
    gauges = [
        Gauge(
            "batchclf_accuracy", "Share of the images.\nTwo \\ lines.", {(("job", 'a "b"'), ("subset", "test")): 0.5}
        ),
        Gauge("batchclf_nothing", "No sample.", {}),
        Gauge("batchclf_plain", "No label.", {(): 3.0}),
    ]
    assert gauges_text(gauges) == (
        "# HELP batchclf_accuracy Share of the images.\\nTwo \\\\ lines.\n"
        "# TYPE batchclf_accuracy gauge\n"
        'batchclf_accuracy{job="a \\"b\\"",subset="test"} 0.5\n'
        "# HELP batchclf_plain No label.\n"
        "# TYPE batchclf_plain gauge\n"
        "batchclf_plain 3\n"
    )


@given(st.dictionaries(st.tuples(TEXTS, TEXTS), NUMBERS, max_size=4), TEXTS)
def test_prometheus_reads_the_same(samples, text):
    gauge = Gauge("batchclf_x", text, {(("job", job), ("subset", subset)): v for (job, subset), v in samples.items()})
    found = families(gauges_text([gauge, gauge]) if not samples else gauges_text([gauge]))
    if not samples:
        assert found == {}
        return
    family = found["batchclf_x"]
    assert family.type == "gauge"
    read = {(sample.labels["job"], sample.labels["subset"]): sample.value for sample in family.samples}
    assert read.keys() == samples.keys()
    assert all(value == read[key] or (math.isnan(value) and math.isnan(read[key])) for key, value in samples.items())


def test_text_that_is_not_utf8_is_escaped():
    assert 'job="\\\\udcff"' in gauges_text([Gauge("x", "", {(("job", "\udcff"),): 1})])


@given(TEXTS, TEXTS, st.floats(allow_nan=False, allow_infinity=False))
def test_a_value_is_read_back_by_its_labels(tmp_path_factory, job, other, value):
    path = tmp_path_factory.mktemp("prom") / "b.prom"
    samples = {(("job", other),): 1.0, (("job", job),): value}
    write_gauges(path, [Gauge("batchclf_y", "", {(): 5.0}), Gauge("batchclf_x", "", samples)])
    assert read_sample(path, "batchclf_x", (("job", job),)) == value
    assert read_sample(path, "batchclf_y", (("job", job),)) is None


@pytest.mark.parametrize("content", [b"", b"x{", b"x nan\n", b"x one\n", b"x +Inf\n", b"\xff\xfe\0", b"# x 1\n"])
def test_a_damaged_file_has_no_value(tmp_path, content):
    path = tmp_path / "b.prom"
    path.write_bytes(content)
    assert read_sample(path, "x", ()) is None
    assert read_sample(tmp_path / "none.prom", "x", ()) is None


def test_a_file_that_is_written_half_is_never_one_that_is_read(tmp_path, monkeypatch):
    path = tmp_path / "b.prom"
    write_gauges(path, [Gauge("x", "", {(): 1})])
    seen = []

    def full(handle):
        seen.extend(tmp_path.glob("*.prom"))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_gauges(path, [Gauge("x", "", {(): 2})])
    assert seen == [path]
    assert read_sample(path, "x", ()) == 1
    assert [each.name for each in tmp_path.iterdir()] == ["b.prom"]

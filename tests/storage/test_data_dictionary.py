"""predictions.schema.json against the real files, with tools that know nothing of batchclf."""

import csv
import json
import warnings

import jsonschema
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from analyst_cases import HOSTILE, write_run
from hypothesis import given, settings
from prediction_cases import scored, write
from run_cases import run_record

from batchclf.core.records.run import SubsetRecord
from batchclf.core.types import BatchScores, ImageRef
from batchclf.storage.predictions.data_dictionary import write_data_dictionary


def schema_of(folder):
    return json.loads((folder / "predictions.schema.json").read_bytes())


def rows_of(folder):
    with (folder / "predictions.csv").open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle, strict=True))


def subset(split, count):
    return SubsetRecord(split, "directory", "/srv/photos", "folders", count, count, 0, 0, seconds=0.1)


def as_json_schema(schema):
    """What the Table Schema says of a row, for a validator of JSON: the standard's words mean the same there."""
    fields = {}
    for field in schema["fields"]:
        constraints = {key: value for key, value in field["constraints"].items() if key != "required"}
        fields[field["name"]] = {"type": field["type"], **constraints}
    required = [field["name"] for field in schema["fields"] if field["constraints"]["required"]]
    return {"type": "object", "properties": fields, "required": required, "additionalProperties": False}


def as_values(row, schema):
    """A row of the CSV as the Table Schema reads it; what is missing is left out."""
    values = {}
    for field in schema["fields"]:
        cell = row[field["name"]]
        if cell in schema["missingValues"]:
            continue
        if field["type"] == "boolean":
            (value,) = [value for value in (True, False) if cell in field[f"{str(value).lower()}Values"]]
        else:
            value = float(cell) if field["type"] == "number" else cell
        values[field["name"]] = value
    return values


def check(folder):
    schema = schema_of(folder)
    rows = rows_of(folder)
    assert [field["name"] for field in schema["fields"]] == list(rows[0])
    assert schema["rows"] == len(rows)
    validator = jsonschema.Draft202012Validator(as_json_schema(schema))
    for row in rows:
        validator.validate(as_values(row, schema))
    return schema


@settings(max_examples=60, deadline=None)
@given(scored())
def test_every_row_keeps_what_the_dictionary_says(tmp_path_factory, case):
    names, batches, options = case
    folder = write(tmp_path_factory.mktemp("run"), names, batches, formats=("csv",), **options)
    count = sum(len(batch.refs) for batch in batches)
    write_data_dictionary(folder, run_record("a", names, [subset("test", count)], **options))
    schema = check(folder)
    assert schema["classes"] == list(names)
    cells = {field["name"]: field["constraints"].get("enum") for field in schema["fields"]}
    assert [cell[cell.startswith("'") :] for cell in cells["prediction"]] == list(names)
    assert cells["label"] == cells["prediction"]
    assert cells["split"] == ["test"]


@pytest.mark.parametrize(("split", "unlabelled"), [("", range(len(HOSTILE))), ("=in", ()), ("incoming", (0, 3))])
def test_folders_and_unknown_labels(tmp_path, split, unlabelled):
    write_run(tmp_path / "run", split=split, unlabelled=unlabelled)
    schema = check(tmp_path / "run")
    field = next(each for each in schema["fields"] if each["name"] == "split")
    assert field["constraints"]["required"] is bool(split)
    assert schema["primaryKey"] == (["split", "path"] if split else ["path"])


def test_a_cell_that_breaks_a_promise_is_found(tmp_path):
    write_run(tmp_path / "run")
    path = tmp_path / "run" / "predictions.csv"
    for right, wrong in ((b",0.5,", b",1.5,"), (b",true,", b",yes,"), (b",TRUE,", b",True,")):
        content = path.read_bytes()
        assert right in content
        path.write_bytes(content.replace(right, wrong))
        with pytest.raises((jsonschema.ValidationError, ValueError)):
            check(tmp_path / "run")
        path.write_bytes(content)
    check(tmp_path / "run")


def test_frictionless_takes_the_dictionary_and_the_file(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frictionless = pytest.importorskip("frictionless")
        write_run(tmp_path / "run", split="incoming", unlabelled=(2, 5))
        path = tmp_path / "run" / "predictions.csv"
        for content, valid in ((path.read_bytes(), True), (path.read_bytes().replace(b",0.5,", b",1.5,"), False)):
            path.write_bytes(content)
            with frictionless.system.use_context(trusted=True):
                resource = frictionless.Resource(str(path), schema=str(path.with_suffix(".schema.json")))
                report = frictionless.validate(resource)
            assert report.valid is valid, report.to_summary()
        assert {error.type for error in report.tasks[0].errors} == {"constraint-error"}


STABLE = {
    "path": "string",
    "split": "string",
    "label": "string",
    "prediction": "string",
    "correct": "boolean",
    "confidence": "number",
    "margin": "number",
    "top2_prediction": "string",
    "top2_confidence": "number",
}
"""The columns as they are promised to analysts; a change is a new format."""

CASES = {
    "labelled": (("a", "b", "c"), (0, 1, 2)),
    "no labels": (("a", "b", "c"), (None, None, None)),
    "some labels": (("a", "b", "c"), (None, 1, None)),
    "one class": (("a", "b", "c"), (1, 1, 1)),
    "one image": (("a", "b"), (0,)),
    "hostile": (("=a", "1", "NA", "a,b\n"), (0, 1, None)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("probabilities", [False, True])
def test_columns_have_one_order_and_one_type_in_every_format(tmp_path, case, probabilities):
    names, labels = CASES[case]
    matrix = np.random.default_rng(0).dirichlet(np.ones(len(names)), len(labels)).astype(np.float32)
    refs = tuple(ImageRef(f"{i}.png", None if label is None else names[label]) for i, label in enumerate(labels))
    options = {"topk": 2, "probabilities": probabilities}
    folder = write(tmp_path / "run", names, [BatchScores(refs, matrix)], **options)
    write_data_dictionary(folder, run_record("a", names, [subset("test", len(refs))], **options))
    expected = {**STABLE, **dict.fromkeys((f"prob:{name}" for name in names if probabilities), "number")}
    assert {field["name"]: field["type"] for field in schema_of(folder)["fields"]} == expected
    assert list(rows_of(folder)[0]) == list(expected)
    lines = (folder / "predictions.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    kinds = {"string": str, "number": float, "boolean": bool}
    for row in map(json.loads, lines):
        assert list(row) == list(expected)
        for name, value in row.items():
            if not (value is None and name in ("label", "correct")):
                assert type(value) is kinds[expected[name]] or (kinds[expected[name]] is float and type(value) is int)
    arrow = {"string": pa.string(), "number": pa.float32(), "boolean": pa.bool_()}
    schema = pq.read_schema(folder / "predictions.parquet")
    assert [(field.name, field.type) for field in schema] == [(name, arrow[kind]) for name, kind in expected.items()]


def test_pandas_reads_the_same_values_from_all_formats_by_the_dictionary(tmp_path):
    write_run(tmp_path / "run", formats=("csv", "jsonl", "parquet"), unlabelled=(1,))
    schema = schema_of(tmp_path / "run")
    kinds = {"string": "str", "number": "float64", "boolean": "boolean"}
    types = {field["name"]: kinds[field["type"]] for field in schema["fields"]}
    rows = pd.read_csv(
        tmp_path / "run" / "predictions.csv", dtype=types, keep_default_na=False, na_values=schema["missingValues"]
    )
    parquet = pd.read_parquet(tmp_path / "run" / "predictions.parquet")
    for name, kind in types.items():
        if kind == "str":
            texts = rows[name].str.removeprefix("'")
            assert texts.fillna("").tolist() == parquet[name].fillna("").tolist(), name
        elif kind == "boolean":
            assert rows[name].isna().tolist() == parquet[name].isna().tolist()
            assert rows[name].dropna().tolist() == parquet[name].dropna().tolist()
        else:
            np.testing.assert_allclose(rows[name], parquet[name], rtol=5.1e-7)

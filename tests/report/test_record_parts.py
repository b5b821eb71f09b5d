"""Parts of records: a document shows keys of a record with the record's own types, and nothing twice."""

from dataclasses import fields
from typing import get_type_hints

import msgspec
import pytest
from report_cases import record

from batchclf.core.records.run import GateResult, ModelRecord, RunRecord, SubsetRecord
from batchclf.jobs.notify import summary
from batchclf.report.formats import json_report
from batchclf.report.formats.record_parts import part, part_of

PARTS = [
    (json_report.GatePart, GateResult),
    (json_report.ModelPart, ModelRecord),
    (json_report.RunPart, RunRecord),
    (summary.GatePart, GateResult),
    (summary.SubsetPart, SubsetRecord),
]


@pytest.mark.parametrize(("kind", "of"), PARTS)
def test_types_are_those_of_the_record(kind, of):
    """Where both have a key, a document that wants another type says so: a history without NaN, a model in part."""
    types, own = get_type_hints(kind), get_type_hints(of)
    shared = [field.name for field in fields(of) if field.name in types]
    assert len(shared) >= 5
    assert {key for key in shared if types[key] != own[key]} <= {"history", "model"}


def test_values_are_those_of_the_record_in_the_order_of_the_keys():
    @part_of(GateResult, "outcome class_name value name", rename={"class_name": "class"})
    class Shown:
        """Some of it."""

    gate = GateResult("recall", 0.5, 0.4, True, "it is", certain=False, class_name="cat")
    assert msgspec.json.encode(part(Shown, gate)) == (
        b'{"outcome":"uncertain","class":"cat","value":0.5,"name":"recall"}'
    )
    (schema,) = msgspec.json.schema_components([Shown])[1].values()
    assert schema["description"] == "Some of it."
    assert schema["properties"]["outcome"] == {"enum": ["failed", "missing", "passed", "uncertain"]}


def test_what_is_computed_takes_the_place_of_the_attribute():
    run = record()
    model = part(json_report.ModelPart, run.model, regularisation=None)
    values = msgspec.to_builtins(part(json_report.RunPart, run, model=model))
    assert values["model"]["digest"] == run.model.digest
    assert "reference" not in values["model"]


def test_a_key_that_the_record_does_not_have_is_an_error():
    with pytest.raises(AttributeError, match="nme"):

        @part_of(GateResult, "nme")
        class Shown:
            """Misspelt."""

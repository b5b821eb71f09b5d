"""The JSON schema of job files; `python -m batchclf.jobs.config.schema` prints it, and docs/job.schema.json is that."""

import json
from typing import Any

import msgspec

from batchclf.jobs.config.key_help import EXPLAINED, TABLES
from batchclf.jobs.config.spec import JobSpec

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def job_schema() -> dict[str, Any]:
    """Make the schema from the types in `jobs.spec`: keys as TOML has them, defaults, bounds, what each means."""
    schema = msgspec.json.schema(JobSpec)
    definitions: dict[str, Any] = schema["$defs"]
    root = {**definitions[JobSpec.__name__], "description": "A job file of batchclf. Paths are relative to the file."}
    _explain(root, "", definitions)
    return {
        "$schema": _DIALECT,
        "title": "A job file of batchclf",
        **_portable(root),
        "$defs": {name: _portable(each) for name, each in definitions.items() if name != JobSpec.__name__},
    }


def _explain(of: dict[str, Any], above: str, definitions: dict[str, Any]) -> None:
    """Put what each key means into a table's schema, and into those below it."""
    of.pop("title", None)
    for key, value in of["properties"].items():
        dotted = above + key
        inner = _table(value)
        if "additionalProperties" in value:
            dotted += ".NAME"
            inner = _table(value["additionalProperties"])
        if inner is None:
            value["description"] = EXPLAINED[dotted][0]
        else:
            value["description"] = TABLES[dotted]
            definitions[inner]["description"] = TABLES[dotted]
            _explain(definitions[inner], f"{dotted}.", definitions)


def _table(value: dict[str, Any]) -> str | None:
    """Name the definition that a key's schema refers to, by itself, in a list or beside null; None without one."""
    for each in (value, value.get("items", {}), *value.get("anyOf", [])):
        if "$ref" in each:
            return str(each["$ref"]).rpartition("/")[2]
    return None


def _portable(value: Any) -> Any:
    """Take away what TOML has not (null), and write patterns as every dialect of regular expressions knows them."""
    if isinstance(value, list):
        return [_portable(each) for each in value]
    if not isinstance(value, dict):
        return value
    value = {key: _portable(each) for key, each in value.items() if not (key == "default" and each is None)}
    if "pattern" in value:
        value["pattern"] = value["pattern"].replace(r"\Z", "$")
    if isinstance(value.get("enum"), list):
        value["enum"] = [each for each in value["enum"] if each is not None]
    if "anyOf" in value:
        rest = [each for each in value.pop("anyOf") if each != {"type": "null"}]
        value = {**rest[0], **value} if len(rest) == 1 else {**value, "anyOf": rest}
    return value


if __name__ == "__main__":
    print(json.dumps(job_schema(), indent=2))

"""The JSON schema of job files; `python -m batchclf.jobs.config.schema` prints it, and docs/job.schema.json is that."""

import json
from typing import Any

import msgspec

from batchclf.jobs.config.spec import JobSpec

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def job_schema() -> dict[str, Any]:
    """Make the schema from the types in `jobs.config.spec`: keys as TOML has them, bounds, what each means."""
    schema = msgspec.json.schema(JobSpec)
    definitions: dict[str, Any] = schema["$defs"]
    root = {**definitions.pop(JobSpec.__name__), "description": "A job file. Paths are relative to the file."}
    del root["title"]
    return {
        "$schema": _DIALECT,
        "title": "A job file of batchclf",
        **_portable(root),
        "$defs": {name: _portable(_without_own_words(each)) for name, each in definitions.items()},
    }


def _without_own_words(table: dict[str, Any]) -> dict[str, Any]:
    """Leave out a struct's name and docstring, which are for developers; the key that holds it says what it is."""
    return {key: value for key, value in table.items() if key not in ("title", "description")}


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

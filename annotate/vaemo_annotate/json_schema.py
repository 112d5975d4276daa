"""What the prompt's JSON Schemas are asked: are they sound, what would a reply look like, is a reply right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import orjson
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match
from referencing import Registry
from referencing.exceptions import Unresolvable

Schema = Mapping[str, Any]
_NOT_JSON = "a key is no string; put quotes around yes, no, on, off and numbers"


def schema_fault(schema: Schema) -> str | None:
    """Return what is wrong with a schema as a structured-output schema, or None."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        where = "".join(f".{part}" for part in error.absolute_path)
        return f"not a valid JSON Schema{' at ' + where[1:] if where else ''}: {error.message}"
    except TypeError:
        return f"not a valid JSON Schema: {_NOT_JSON}"
    try:
        orjson.dumps(schema)
    except TypeError:
        return f"not a valid JSON Schema: {_NOT_JSON}"
    if schema.get("type") != "object" or not schema.get("properties"):
        return "must be of type 'object' and have 'properties': chat servers take nothing else as structured output"
    try:
        reply_fault(schema, sample_value(schema))
    except Unresolvable as error:
        return f"not a valid JSON Schema: {error.ref!r} is defined nowhere in it"
    return None


def unbounded_fields(schema: Schema | bool, path: str = "") -> Iterator[str]:
    """Yield the fields without `maxLength` / `maxItems`, on which a model can loop until its token cap."""
    if isinstance(schema, bool):
        return
    for option in schema.get("anyOf", []):
        yield from unbounded_fields(option, path)
    kind = set() if "anyOf" in schema else _types(schema)
    if "string" in kind and not ({"maxLength", "enum", "const"} & schema.keys()):
        yield path
    if "array" in kind:
        if "maxItems" not in schema:
            yield path
        yield from unbounded_fields(schema.get("items", {}), f"{path}[]")
    for name, child in schema.get("properties", {}).items():
        yield from unbounded_fields(child, f"{path}.{name}".lstrip("."))


def field_types(schema: Schema, path: list[str]) -> set[str] | None:
    """Return the JSON types of the field at `path` (`[]`: an array's items), or None where there is no such field."""
    node: Schema = schema
    for name in path:
        child = node.get("items") if name == "[]" else node.get("properties", {}).get(name)
        if not isinstance(child, Mapping):
            return None
        node = child
    return _types(node)


def is_required(schema: Schema, path: list[str]) -> bool:
    """Return whether every reply that fits the schema has the field at `path`."""
    node: Schema = schema
    for name in path:
        if name not in node.get("required", []):
            return False
        node = node["properties"][name]
    return True


def sample_value(schema: Schema | bool, *, optional: bool = True) -> Any:
    """Return a stand-in reply of the schema's shape, with or without the fields that a reply may leave out."""
    if isinstance(schema, bool):
        return "…"
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    kinds = _types(schema)
    if "object" in kinds:
        required = schema.get("required", [])
        return {
            name: sample_value(child, optional=optional)
            for name, child in schema.get("properties", {}).items()
            if optional or name in required
        }
    if "array" in kinds:
        return [sample_value(schema.get("items", {}), optional=optional)]
    if kinds & {"number", "integer"}:
        return schema.get("minimum", 0)
    return True if "boolean" in kinds else "…"


def reply_fault(schema: Schema, value: Any) -> str | None:
    """Return in one line why a parsed reply breaks the schema (the validator's words), or None."""
    validator = _validator(orjson.dumps(schema))
    if validator.is_valid(value):
        return None
    error = best_match(validator.iter_errors(value))
    where = ".".join(str(part) for part in error.absolute_path) or "the reply"
    message = error.message if len(error.message) <= 200 else f"{error.message[:200]}…"
    return f"{where}: {message}"


@lru_cache(maxsize=64)
def _validator(schema_json: bytes) -> Draft202012Validator:
    return Draft202012Validator(orjson.loads(schema_json), registry=Registry())  # which fetches no remote reference


def _types(schema: Schema) -> set[str]:
    kind = schema.get("type", [])
    if isinstance(kind, str):
        return {kind}
    if kind:
        return set(kind)
    if "properties" in schema:
        return {"object"}
    if "enum" in schema or "const" in schema:
        return {_type_of(value) for value in schema.get("enum", [schema.get("const")])}
    return {type_name for option in schema.get("anyOf", []) for type_name in _types(option)}


def _type_of(value: Any) -> str:
    names = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
    return names.get(type(value), "null")

"""What the prompt's JSON Schemas are asked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaemo_annotate.json_schema import (
    field_types,
    is_required,
    reply_fault,
    sample_value,
    schema_fault,
    unbounded_fields,
)

SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["seen", "inner"],
    "properties": {
        "seen": {"type": "string", "maxLength": 5},
        "open": {"type": "string"},
        "face": {"enum": ["clear", None]},
        "kind": {"const": 3},
        "valence": {"type": ["number", "null"], "minimum": -1, "maximum": 1},
        "tags": {"type": "array", "items": {"type": "string"}},
        "either": {"anyOf": [{"type": "string", "maxLength": 9}, {"type": "null"}]},
        "inner": {"type": "object", "required": ["deep"], "properties": {"deep": {"type": "boolean"}}},
        "anything": True,
    },
}


def test_a_sound_schema_has_no_fault() -> None:
    assert schema_fault(SCHEMA) is None


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "object", "properties": {"a": {"type": "x"}}}, "not a valid JSON Schema at properties.a.type: 'x'"),
        ({"type": "object", "required": "a", "properties": {"a": {}}}, "not a valid JSON Schema at required: "),
        ({"type": "object"}, "must be of type 'object' and have 'properties'"),
        ({"properties": {"a": {}}}, "must be of type 'object'"),
        ({"type": "array", "items": {}}, "must be of type 'object'"),
        ({"type": "object", "properties": {False: {}}}, "JSON Schema: a key is no string; put quotes around"),
        ({"type": "object", "properties": {"a": {"$ref": "#/$defs/b"}}}, "'/$defs/b' is defined nowhere"),
    ],
)  # fmt: skip
def test_an_unsound_schema_is_told_where_and_why(schema: Any, message: str) -> None:
    fault = schema_fault(schema)
    assert fault is not None
    assert message in fault


def test_a_reference_to_a_definition_of_the_schema_is_followed() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/short"}},
        "$defs": {"short": {"type": "string", "maxLength": 2}},
    }
    assert schema_fault(schema) is None
    assert reply_fault(schema, {"a": "xyz"}) == "a: 'xyz' is too long"


def test_the_sample_reply_fits_the_schema_with_and_without_optional_fields() -> None:
    assert reply_fault(SCHEMA, sample_value(SCHEMA)) is None
    assert reply_fault(SCHEMA, sample_value(SCHEMA, optional=False)) is None
    assert set(sample_value(SCHEMA)) == set(SCHEMA["properties"])
    assert sample_value(SCHEMA, optional=False) == {"seen": "…", "inner": {"deep": True}}


@pytest.mark.parametrize(
    ("path", "types"),
    [
        (["seen"], {"string"}),
        (["face"], {"string", "null"}),
        (["kind"], {"integer"}),
        (["valence"], {"number", "null"}),
        (["either"], {"string", "null"}),
        (["inner", "deep"], {"boolean"}),
        (["tags"], {"array"}),
        (["tags", "[]"], {"string"}),
        ([], {"object"}),
        (["none"], None),
        (["seen", "deeper"], None),
        (["anything"], None),
    ],
)
def test_the_type_of_a_field(path: list[str], types: set[str] | None) -> None:
    assert field_types(SCHEMA, path) == types


@pytest.mark.parametrize(
    ("path", "required"), [(["seen"], True), (["open"], False), (["inner", "deep"], True), (["inner", "x"], False)]
)
def test_whether_a_reply_must_have_a_field(path: list[str], required: bool) -> None:
    assert is_required(SCHEMA, path) is required


def test_fields_in_which_a_model_can_loop_are_found_at_any_depth() -> None:
    nested = {"type": "object", "properties": {"outer": {**SCHEMA, "properties": SCHEMA["properties"]}}}
    assert list(unbounded_fields(SCHEMA)) == ["open", "tags", "tags[]"]
    assert list(unbounded_fields(nested)) == ["outer.open", "outer.tags", "outer.tags[]"]


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ({"seen": "x", "inner": {"deep": True}}, None),
        ({"seen": "too long", "inner": {"deep": True}}, "seen: 'too long' is too long"),
        ({"seen": "x", "inner": {"deep": 1}}, "inner.deep: 1 is not of type 'boolean'"),
        ({"seen": "x", "inner": {"deep": True}, "valence": 1.5}, "valence: 1.5 is greater than the maximum of 1"),
        ({"seen": "x"}, "the reply: 'inner' is a required property"),
        ([], "the reply: [] is not of type 'object'"),
    ],
)
def test_a_reply_that_breaks_the_schema_is_told_in_one_line(value: Any, fault: str | None) -> None:
    assert reply_fault(SCHEMA, value) == fault


@given(st.text(min_size=200, max_size=400))
def test_the_validators_words_stay_short_and_in_one_line(text: str) -> None:
    fault = reply_fault(SCHEMA, {"seen": text, "inner": {"deep": True}})
    assert fault is not None
    assert len(fault) < 250
    assert "\n" not in fault

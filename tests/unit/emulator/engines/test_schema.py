"""Guided decoding stands on this: every value written is valid under its schema."""

from __future__ import annotations

import random
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clore_emulator.engines.schema import UnsupportedSchemaError, instance

TRIAGE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "severity": {"type": "string", "enum": ["low", "medium", "high", "critical"]},
        "categories": {"type": "array", "items": {"type": "string", "enum": ["auth", "db"]}},
        "summary": {"type": "string", "maxLength": 24},
        "next_action": {"type": "string"},
    },
    "required": ["severity", "categories", "summary", "next_action"],
    "additionalProperties": False,
}

leaves = st.one_of(
    st.builds(lambda n: {"type": "string", "minLength": n, "maxLength": n + 5}, st.integers(0, 40)),
    st.builds(lambda n: {"type": "integer", "minimum": n, "maximum": n + 3}, st.integers(-9, 9)),
    st.builds(lambda n: {"type": "number", "minimum": n}, st.integers(-9, 9)),
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"const": 7}, {"enum": ["a", 2]}]),
    st.sampled_from(
        [{"type": "string", "pattern": "^[A-Z]{3}-\\d+$"}, {"type": ["null", "string"]}]
    ),
)
schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(
            lambda s, n: {"type": "array", "items": s, "minItems": n}, inner, st.integers(0, 3)
        ),
        st.builds(lambda s: {"anyOf": [s, {"type": "string"}]}, inner),
        st.builds(
            lambda p: {"type": "object", "properties": p, "required": list(p)},
            st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
        ),
    ),
    max_leaves=6,
)


@settings(max_examples=60)
@given(schemas, st.integers())
def test_what_is_written_is_valid(schema: dict[str, Any], seed: int) -> None:
    jsonschema.validate(instance(schema, random.Random(seed)), schema)


def test_the_guides_schema_is_satisfied_and_repeatable() -> None:
    first = instance(TRIAGE, random.Random(3))
    assert first == instance(TRIAGE, random.Random(3))
    assert set(first) == set(TRIAGE["required"])


def test_identifiers_come_from_what_was_asked() -> None:
    schema = {
        "type": "object",
        "properties": {"user_id": {"type": "string"}},
        "required": ["user_id"],
    }
    value = instance(schema, random.Random(0), "Find all orders for user u_4821.")
    assert value == {"user_id": "u_4821"}


def test_local_references_are_followed() -> None:
    schema = {
        "$defs": {"kind": {"enum": ["x"]}},
        "type": "array",
        "items": {"$ref": "#/$defs/kind"},
    }
    assert instance(schema, random.Random(0)) == ["x"]


@pytest.mark.parametrize(
    "schema", [{"type": "nonsense"}, False, {"type": "string", "minLength": 9, "maxLength": 2}]
)
def test_a_schema_nobody_can_satisfy_is_refused(schema: Any) -> None:
    with pytest.raises(UnsupportedSchemaError):
        instance(schema, random.Random(0))

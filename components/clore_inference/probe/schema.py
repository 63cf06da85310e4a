"""As much of JSON Schema as the proof's own schemas use.

Words: type, enum, properties, required, additionalProperties (false), items, maxLength.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

TYPES: Final[Mapping[str, type]] = {"object": dict, "array": list, "string": str}


def violation(value: Any, schema: Mapping[str, Any], where: str = "the answer") -> str | None:
    """Return what breaks the schema first, in words; `None` when nothing does."""
    kind = schema.get("type")
    if kind is not None and not isinstance(value, TYPES[kind]):
        return f"{where} is not of type {kind}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{where} is none of {', '.join(schema['enum'])}"
    if "maxLength" in schema and len(value) > schema["maxLength"]:
        return f"{where} has {len(value)} characters, more than {schema['maxLength']}"
    if kind == "object":
        return _in_object(value, schema, where)
    if kind == "array":
        found = (violation(item, schema["items"], f"an item of {where}") for item in value)
        return next((text for text in found if text), None)
    return None


def _in_object(value: Mapping[str, Any], schema: Mapping[str, Any], where: str) -> str | None:
    known = schema.get("properties", {})
    missing = [name for name in schema.get("required", ()) if name not in value]
    if missing:
        return f"{where} has no {missing[0]}"
    extra = [name for name in value if name not in known]
    if extra and schema.get("additionalProperties") is False:
        return f"{where} has the unknown field {extra[0][:40]!r}"
    found = (violation(value[name], known[name], name) for name in value if name in known)
    return next((text for text in found if text), None)

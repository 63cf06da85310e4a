"""A small value that satisfies a JSON schema, chosen by a seed: what guided decoding would emit."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import Any, Final

import jsonschema
from jsonschema.validators import validator_for

DEPTH_LIMIT: Final = 12
_WORDS: Final = ("request", "token", "bucket", "limit", "payment", "webhook", "login", "order")
_FORMATS: Final = {
    "date": "2026-04-01",
    "date-time": "2026-04-01T12:00:00Z",
    "time": "12:00:00Z",
    "email": "user@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
}


class UnsupportedSchemaError(ValueError):
    """The schema is wrong, or uses something the generator cannot satisfy."""


def instance(schema: Any, draw: random.Random, hints: str = "") -> Any:
    """A value valid under `schema`; strings borrow identifiers from `hints`.

    Raises UnsupportedSchemaError.
    """
    try:
        validator = validator_for(schema)
        validator.check_schema(schema)
        value = _Writer(schema, draw, hints).value(schema, "", 0)
        validator(schema).validate(value)
    except (jsonschema.SchemaError, jsonschema.ValidationError) as error:
        raise UnsupportedSchemaError(error.message) from error
    return value


class _Writer:
    """Walks one schema; `root` resolves local references."""

    def __init__(self, root: Any, draw: random.Random, hints: str) -> None:
        self._root = root
        self._draw = draw
        self._identifiers = re.findall(r"\b\w*[A-Za-z_]\w*\d\w*\b", hints)
        self._dates = re.findall(r"\b\d{4}-\d{2}-\d{2}\b", hints)

    def value(self, schema: Any, name: str, depth: int) -> Any:
        if schema is True or schema == {}:
            return self._words(1)
        if not isinstance(schema, Mapping) or depth > DEPTH_LIMIT:
            message = f"no value can be written for {schema!r} at depth {depth}"
            raise UnsupportedSchemaError(message)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._draw.choice(schema["enum"])
        if (target := self._elsewhere(schema)) is not None:
            return self.value(target, name, depth + 1)
        return self._typed(schema, name, depth)

    def _elsewhere(self, schema: Mapping[str, Any]) -> Any:
        """The schema that stands behind a reference or a choice, or None."""
        if "$ref" in schema:
            node = self._root
            for part in str(schema["$ref"]).removeprefix("#").strip("/").split("/"):
                if part:
                    node = node.get(part) if isinstance(node, Mapping) else None
            return node if node is not None else False
        for word in ("anyOf", "oneOf"):
            if schema.get(word):
                return schema[word][0]
        if schema.get("allOf"):
            merged: dict[str, Any] = {}
            for part in schema["allOf"]:
                properties = {**merged.get("properties", {}), **part.get("properties", {})}
                required = [*merged.get("required", []), *part.get("required", [])]
                merged |= part
                merged |= {"properties": properties} if properties else {}
                merged |= {"required": required} if required else {}
            return merged
        return None

    def _typed(self, schema: Mapping[str, Any], name: str, depth: int) -> Any:
        kind = schema.get("type", "object" if "properties" in schema else "string")
        kind = kind[0] if isinstance(kind, list) else kind
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, name, depth)
        if kind in ("integer", "number"):
            return self._number(schema, whole=kind == "integer")
        if kind == "boolean":
            return self._draw.random() < 0.5
        return None if kind == "null" else self._string(schema, name)

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties", {})
        required = list(schema.get("required", properties))
        return {key: self.value(properties.get(key, {}), key, depth + 1) for key in required}

    def _array(self, schema: Mapping[str, Any], name: str, depth: int) -> list[Any]:
        least = int(schema.get("minItems", 1))
        items = schema.get("items", {})
        drawn: list[Any] = []
        # Unique items are found by drawing again; a bound keeps an impossible schema finite.
        for _ in range(50 * (least + 1)):
            if len(drawn) >= min(max(least, 1), int(schema.get("maxItems", least + 1))):
                break
            item = self.value(items, name, depth + 1)
            if not (schema.get("uniqueItems") and item in drawn):
                drawn.append(item)
        return drawn

    def _number(self, schema: Mapping[str, Any], *, whole: bool) -> float:
        low: float = schema.get("minimum", schema.get("exclusiveMinimum", 0))
        high: float = schema.get("maximum", schema.get("exclusiveMaximum", low + 10))
        step: float | None = schema.get("multipleOf")
        if step:
            return (low // step + 1) * step if low % step else low or step
        if whole:
            first = int(low) + ("exclusiveMinimum" in schema)
            last = int(high) - ("exclusiveMaximum" in schema)
            return self._draw.randint(first, max(first, last))
        return round(low + (high - low) / 2, 3)

    def _string(self, schema: Mapping[str, Any], name: str) -> str:
        if (form := schema.get("format")) in _FORMATS:
            return self._dates[0] if form == "date" and self._dates else _FORMATS[form]
        if "pattern" in schema:
            return _match(str(schema["pattern"]))
        text = self._identifiers[0] if name.endswith("id") and self._identifiers else ""
        text = text or self._words(4)
        text = text.ljust(int(schema.get("minLength", 0)), "x")
        return text[: schema["maxLength"]] if "maxLength" in schema else text

    def _words(self, count: int) -> str:
        return " ".join(self._draw.choice(_WORDS) for _ in range(count))


def _match(pattern: str) -> str:
    """A string for the plain patterns people write: literals, classes, counted repeats."""
    body = pattern.removeprefix("^").removesuffix("$")
    written: list[str] = []
    token = re.compile(r"(\[[^\]]+\]|\\[dws]|\\.|[^\\\[{+*?])(\{(\d+)(?:,\d*)?\}|[+*?])?")
    for atom, repeat, least in token.findall(body):
        count = int(least) if least else 0 if repeat in ("*", "?") else 1
        written.append(_one(atom) * count)
    return "".join(written)


def _one(atom: str) -> str:
    if atom.startswith("["):
        inner = atom[1:-1]
        return _one(inner[:2]) if inner.startswith("\\") else inner[0]
    return {"\\d": "1", "\\w": "a", "\\s": " "}.get(atom, atom.removeprefix("\\"))

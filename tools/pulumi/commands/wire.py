"""Property values as they travel between engine and plugin.

A secret travels as an object with a signature, an unknown value of a preview as one fixed text
(pulumi/pulumi, sdk/go/common/resource/plugin/rpc.go).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from google.protobuf import json_format, struct_pb2  # type: ignore[import-untyped]

SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a mark of the protocol
UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

Properties = dict[str, Any]
"""Names and values of a resource; values are None, bool, float, str, list or dict."""


def from_struct(struct: struct_pb2.Struct) -> Properties:
    """Return the values of a message."""
    return dict(json_format.MessageToDict(struct))


def to_struct(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    """Return the message for values; a property that is None is left out."""
    struct = struct_pb2.Struct()
    struct.update({key: value for key, value in properties.items() if value is not None})
    return struct


def is_secret(value: Any) -> bool:
    """Whether the value itself, not a part of it, is marked secret."""
    return isinstance(value, dict) and value.get(SIGNATURE) == SECRET


def secret(value: Any) -> Any:
    """Mark a value secret; one that is, or that is not there, stays as it is."""
    if value is None or is_secret(value):
        return value
    return {SIGNATURE: SECRET, "value": value}


def plain(value: Any) -> Any:
    """Return the value without any marks."""
    if is_secret(value):
        return plain(value["value"])
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return value


def secret_texts(value: Any, *, inside: bool = False) -> Iterator[str]:
    """Yield every text that is marked secret, or stands inside something that is."""
    if is_secret(value):
        yield from secret_texts(value["value"], inside=True)
    elif isinstance(value, dict):
        for part in value.values():
            yield from secret_texts(part, inside=inside)
    elif isinstance(value, list):
        for part in value:
            yield from secret_texts(part, inside=inside)
    elif inside and isinstance(value, str):
        yield value


def has_unknown(value: Any) -> bool:
    """Whether the value, or a part of it, is not known yet."""
    if isinstance(value, dict):
        return any(map(has_unknown, value.values()))
    if isinstance(value, list):
        return any(map(has_unknown, value))
    return bool(value == UNKNOWN)

"""A value that cannot be printed, and the masking of values that others print.

`Secret` has no string form, no pickle and no JSON form that shows it: only `reveal()` does, so every
place where a secret leaves can be found by searching for that word.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Iterable
from typing import Any, Final, NoReturn
from urllib.parse import quote

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

MASK: Final = "[secret]"
SHORTEST_MASKED: Final = 8
"""Characters; shorter values are not masked in text, they would blank out ordinary words."""


class Secret:
    """A string that shows only that it is there."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        if not isinstance(value, str):
            message = f"a secret is a string, not {type(value).__name__}"
            raise TypeError(message)
        self._value = value

    def reveal(self) -> str:
        """Return the value; the only way out."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(
            self._value.encode(), other._value.encode()
        )

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> NoReturn:
        message = "a secret cannot be pickled"
        raise TypeError(message)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, Secret) else Secret(value),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda _: MASK),
        )


def spellings(value: str) -> tuple[str, ...]:
    """The forms in which a value can turn up in text: plain, URL, JSON, base64."""
    raw = value.encode()
    encoded = base64.b64encode(raw).decode().rstrip("=")
    forms = {value, quote(value, safe=""), json.dumps(value)[1:-1], encoded}
    return tuple(sorted((form for form in forms if form), key=len, reverse=True))


def redact(text: str, secrets: Iterable[Secret | str]) -> str:
    """Return `text` with every spelling of every secret masked."""
    for secret in secrets:
        value = secret.reveal() if isinstance(secret, Secret) else secret
        if len(value) < SHORTEST_MASKED:
            continue
        for form in spellings(value):
            text = text.replace(form, MASK)
    return text

"""One configured value, from any spelling of it to its type.

Pulumi hands over text for numbers and JSON for lists; a program hands over real ones. Both read
alike here, and what cannot be read becomes a sentence, not an exception.
"""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Final

from clore_inference.spec.keys import Key

Value = str | int | float | Decimal | tuple[str, ...]

WORDS: Final = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "money": "an amount in USD",
    "strings": "a list of texts",
}
LONGEST_SHOWN: Final = 60
"""Characters of a rejected value that a message repeats."""


class UnreadableError(ValueError):
    """The value is of the wrong type; the message says what it was and what is wanted."""


def is_unset(value: object) -> bool:
    """Whether a value means "not set": nothing, or empty text (the default in Pulumi.yaml)."""
    return value is None or value == ""


def read(key: Key, value: object) -> Value:
    """Return `value` in the type of `key`; UnreadableError if it is of another type."""
    match key.kind:
        case "string":
            return _text(key, value)
        case "integer":
            return _integer(key, value)
        case "number":
            return float(_decimal(key, value))
        case "money":
            return _decimal(key, value)
        case "strings":
            return _texts(key, value)


def _refuse(key: Key, value: object) -> UnreadableError:
    shown = repr(value)
    if len(shown) > LONGEST_SHOWN:
        shown = f"{shown[:LONGEST_SHOWN]}…"
    return UnreadableError(f"{key.name} is {shown}, which is not {WORDS[key.kind]}")


def _text(key: Key, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise _refuse(key, value)
    return str(value).strip()


def _decimal(key: Key, value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise _refuse(key, value)
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        raise _refuse(key, value) from None
    if not number.is_finite():
        raise _refuse(key, value)
    return number


def _integer(key: Key, value: object) -> int:
    number = _decimal(key, value)
    if number != number.to_integral_value():
        raise _refuse(key, value)
    return int(number)


def _texts(key: Key, value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            raise _refuse(key, value) from None
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise _refuse(key, value)
    return tuple(one.strip() for one in value)

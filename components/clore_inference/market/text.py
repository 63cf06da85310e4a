"""Text of strangers, made fit to be shown on a terminal."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Final

from pydantic import AfterValidator

LONGEST: Final = 200
"""Characters; a name on the marketplace is far shorter."""

_HIDDEN: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
"""Unicode categories that move the cursor, reorder or hide text."""


def plain(text: str) -> str:
    """Return `text` without control, format and direction characters, cut to a sane length."""
    if text.isascii() and text.isprintable():
        return text[:LONGEST]
    shown = "".join(char for char in text if unicodedata.category(char) not in _HIDDEN)
    return shown[:LONGEST]


PlainText = Annotated[str, AfterValidator(plain)]

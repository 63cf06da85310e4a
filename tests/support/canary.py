"""Secrets that are looked for in everything that a run leaves, in every form they can turn up in."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

HANDED_OUT = frozenset({"api-key", "stranger-api-key"})
"""Files by which the emulator hands out its own keys."""
_CARRIES_THE_PREFIX = (0, 2, 3)
"""How many characters of base64 depend on what stands 0, 1 or 2 bytes before a secret."""


def spellings(secret: str) -> frozenset[bytes]:
    """Return a secret as text, in a URL, in JSON, in hexadecimal, and in base64 at any offset."""
    raw = secret.encode()
    plain = {raw, quote(secret, safe="").encode(), quote_plus(secret).encode(), raw.hex().encode()}
    escaped = json.dumps(secret)[1:-1]
    return frozenset(
        {*plain, escaped.encode(), json.dumps(escaped)[1:-1].encode(), *_in_base64(raw)}
    )


def _in_base64(raw: bytes) -> Iterator[bytes]:
    for before, cut in enumerate(_CARRIES_THE_PREFIX):
        whole = (before + len(raw)) // 3 * 4
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * before + raw)[cut:whole]


def exposed(files: Iterable[tuple[Path, bytes]], secrets: Iterable[str]) -> list[Path]:
    """Return the files that hold one of these secrets."""
    forms = frozenset(form for secret in secrets for form in spellings(secret))
    return [file for file, content in files if any(form in content for form in forms)]


def kept(directory: Path) -> Iterator[tuple[Path, bytes]]:
    """Return what the marketplace's side wrote, but for the files that hand out its own keys."""
    for file in sorted(directory.rglob("*")):
        if file.name not in HANDED_OUT and file.is_file() and not file.is_symlink():
            yield file, file.read_bytes()

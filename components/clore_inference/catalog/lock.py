"""What an engine release is installed from: its files, each by size and SHA-256.

The text is one line per file behind a head of comments; `python 3.12` in the head names the
interpreter that the files are made for. `tools/engine_locks` writes those of `locks/`.
"""

import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import Final

from pydantic import BaseModel, ConfigDict

_PYTHON: Final = re.compile(r"^# python (\d+\.\d+)$", re.MULTILINE)
_LINE: Final = re.compile(r"([0-9a-f]{64}) (\d{1,12}) ([A-Za-z0-9][A-Za-z0-9._+!-]*)")


class EngineLock(BaseModel):
    """The files of one engine release, and of everything that it needs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    python: str
    """Version of the interpreter, `3.12`; empty where any will do."""
    count: int
    fetch_bytes: int

    @property
    def digest(self) -> str:
        """Tells two locks apart."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:12]


def parse_lock(text: str) -> EngineLock:
    """Read a lock; ValueError names the first line that is none."""
    sizes = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        if found is None:
            message = f"line {number} is not `<sha256> <bytes> <file name>`: {line[:80]!r}"
            raise ValueError(message)
        sizes.append(int(found[2]))
    if not sizes:
        raise ValueError("it names no file")
    python = _PYTHON.search(text)
    return EngineLock(
        text=text,
        python=python[1] if python else "",
        count=len(sizes),
        fetch_bytes=sum(sizes),
    )


@cache
def engine_lock(engine: str, version: str) -> EngineLock | None:
    """Return the lock that this package has of a release; None where it has none."""
    place = files("clore_inference.catalog") / "locks" / f"{engine}-{version}.lock"
    return parse_lock(place.read_text(encoding="utf-8")) if place.is_file() else None


def locked_versions(engine: str) -> tuple[str, ...]:
    """Return the releases of an engine that can be installed beside another one."""
    places = (files("clore_inference.catalog") / "locks").iterdir()
    names = sorted(place.name.removesuffix(".lock") for place in places)
    return tuple(name.removeprefix(f"{engine}-") for name in names if name.startswith(f"{engine}-"))

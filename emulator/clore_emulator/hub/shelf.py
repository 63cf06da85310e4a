"""Repositories from a directory in the place of the seeded ones: `DIR/hub/OWNER/NAME/FILE`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from clore_emulator.hub.repository import File, Repository
from clore_emulator.hub.seeds import repositories as seeded

LARGE: Final = (".safetensors", ".gguf", ".bin")
"""Names that the hub keeps by SHA-256."""


def stocked(folder: Path | None) -> tuple[Repository, ...]:
    """The seeded repositories; what the directory has under one's name replaces its files.

    A replaced repository stays as gated as it was, and gets a commit of its own.
    """
    known = {one.name: one for one in seeded()}
    for found in _on_disk(folder / "hub") if folder else ():
        gated = found.name in known and known[found.name].gated
        known[found.name] = Repository(found.name, found.commit, found.files, gated=gated)
    return tuple(known.values())


def _on_disk(folder: Path) -> Iterator[Repository]:
    for place in sorted(folder.glob("*/*")):
        files = tuple(
            File(path.relative_to(place).as_posix(), path.read_bytes(), path.suffix in LARGE)
            for path in sorted(place.rglob("*"))
            if path.is_file()
        )
        digest = hashlib.sha1(usedforsecurity=False)
        for file in files:
            digest.update(f"{file.path} {file.sha256}\n".encode())
        yield Repository(place.relative_to(folder).as_posix(), digest.hexdigest(), files)

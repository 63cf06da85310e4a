"""Weights that already lie on the host: verified where they are and linked, never fetched or copied.

They are held to the hub's own list, or to a `SHA256SUMS` beside them (the format of `sha256sum`)
where the hub has no such repository. The cache then shows them as the hub client would have laid
them out, so that an engine finds them by the repository's name.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

from .refusal import Refusal

SUMS = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](.+)")


class Summed(NamedTuple):
    """One line of the sums."""

    path: str
    sha256: str


def folder(path: str) -> Path:
    """The folder that was named; raises Refusal where there is none."""
    found = Path(path).expanduser()
    if not found.is_dir():
        raise Refusal("not_found", f"there is no folder {path} on this host")
    return found


def sums(path: Path) -> tuple[str, list[Summed]]:
    """What stands for a commit, and the files that `SHA256SUMS` names; empty where there is none."""
    try:
        text = (path / SUMS).read_text(encoding="utf-8")
    except FileNotFoundError:
        return "", []
    rows = [_LINE.fullmatch(line.rstrip()) for line in text.splitlines() if line.strip()]
    if not all(rows):
        raise Refusal("unexpected", f"{path / SUMS} has a line that sha256sum does not write")
    named = [(row.group(2), row.group(1)) for row in rows if row]
    files = [Summed(name.removeprefix("./"), sha) for name, sha in named]
    commit = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    return commit, [one for one in files if _inside(one.path)]


def _inside(path: str) -> bool:
    """Whether a name stays in its folder."""
    parts = Path(path).parts
    return bool(parts) and not Path(path).is_absolute() and ".." not in parts


def present(at: Path, path: str) -> Path:
    """One file of the folder; raises Refusal where it is missing."""
    found = at / path
    if not found.is_file():
        raise Refusal("not_found", f"{path} is not in {at}, and nothing is fetched beside it")
    return found


def link(blob: Path, source: Path) -> None:
    """Let a place of the cache's store show a file of one's own."""
    if blob.is_symlink() and blob.resolve() == source.resolve():
        return
    if blob.exists() and not blob.is_symlink():
        return  # the same content, fetched earlier
    blob.parent.mkdir(parents=True, exist_ok=True)
    beside = blob.with_name(f"{blob.name}.link")
    beside.unlink(missing_ok=True)
    beside.symlink_to(source.resolve())
    beside.replace(blob)


def lay_out(storage: Path, commit: str, revision: str, files: dict[str, Path]) -> Path:
    """The snapshot of these blobs by name, and the branch that points to it, as the client has it."""
    snapshot = storage / "snapshots" / commit
    for path, blob in files.items():
        place = snapshot / path
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = place.with_name(f".{place.name}.link")
        beside.unlink(missing_ok=True)
        up = "../" * (2 + len(Path(path).parts) - 1)
        beside.symlink_to(f"{up}blobs/{blob.name}")
        beside.replace(place)
    if revision != commit:
        reference = storage / "refs" / revision
        reference.parent.mkdir(parents=True, exist_ok=True)
        reference.write_text(commit, encoding="utf-8")
    return snapshot

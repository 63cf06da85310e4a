"""Where the fetched files of a repository lie, for an engine that is given one of them by path."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

MARK = "{snapshot}"
"""Stands at the start of a word of a command line; behind its slash stands a pattern."""


class NoSuchFile(Exception):
    """The pattern matches no fetched file."""


def snapshot(cache: Path, repository: str, revision: str) -> Path:
    """The folder of a revision in the hub client's cache; it need not exist."""
    storage = cache / ("models--" + repository.replace("/", "--"))
    named = storage / "refs" / revision
    commit = named.read_text(encoding="utf-8").strip() if named.is_file() else revision
    return storage / "snapshots" / commit


def expanded(argv: list[str], folder: Path) -> list[str]:
    """`argv` with the first match, in sorted order, in the place of each pattern.

    The patterns are those that the files were fetched by: `*` also matches a slash. Raises
    NoSuchFile.
    """
    return [_path(word, folder) if word.startswith(f"{MARK}/") else word for word in argv]


def _path(word: str, folder: Path) -> str:
    pattern = word[len(MARK) + 1 :]
    names = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
    found = [name for name in names if fnmatchcase(name, pattern)]
    if not found:
        raise NoSuchFile(f"no file of {folder} matches {pattern}; it has {len(names)} files")
    return str(folder / found[0])

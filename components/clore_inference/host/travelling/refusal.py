"""Names the reason why a fetch ended, from whatever the host's hub client raised; pure.

Clients of different versions raise different classes (`requests`, `httpx`), so a class is known by
its name and an answer by its status.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any, Optional

from .death import presentable

_BY_CLASS = {
    "GatedRepoError": "gated",
    "RevisionNotFoundError": "revision_not_found",
    "EntryNotFoundError": "not_found",
    "HFValidationError": "not_found",
}
_PASSING = (
    "TransportError",
    "RequestException",
    "HTTPError",
    "FileMetadataError",
    "LocalEntryNotFoundError",
    "IncompleteSnapshotError",
    "OSError",
)
"""Classes of `httpx`, `requests` and the client itself that a later try may not meet again."""
_FULL = {errno.ENOSPC: "disk_full", errno.EDQUOT: "quota"}


class Refusal(Exception):
    """A fetch that ended, with one of the names in `fetch.KINDS` and what is true."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text

    def kept(self) -> dict[str, str]:
        """As documents keep it."""
        return {"kind": self.kind, "text": presentable(self.text)}


def cause(error: BaseException) -> Refusal:
    """The named reason behind an exception of any hub client."""
    for one in _chain(error):
        if isinstance(one, Refusal):
            return one
        named = _by_class(one) or _by_status(one) or _by_errno(one)
        if named:
            return Refusal(named, _first_line(one))
    kind = "network" if _passes(error) else "unexpected"
    return Refusal(kind, f"{type(error).__name__}: {_first_line(error)}")


def _passes(error: BaseException) -> bool:
    return any(kind.__name__ in _PASSING for kind in type(error).__mro__)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and those it was raised from."""
    one: Optional[BaseException] = error  # noqa: UP045 - Python 3.9
    for _ in range(8):
        if one is None:
            return
        yield one
        one = one.__cause__ or one.__context__


def _by_class(error: BaseException) -> str:
    names = [kind.__name__ for kind in type(error).__mro__]
    for name, kind in _BY_CLASS.items():
        if name in names and "LocalEntryNotFoundError" not in names:
            return kind
    if "RepositoryNotFoundError" in names:
        return "gated" if _status(error) in (401, 403) else "not_found"
    return ""


def _by_status(error: BaseException) -> str:
    status = _status(error)
    if status in (401, 403):
        return "gated"
    if status in (404, 410):
        return "not_found"
    return "network" if status >= 400 else ""


def _by_errno(error: BaseException) -> str:
    return _FULL.get(error.errno or 0, "") if isinstance(error, OSError) else ""


def _status(error: BaseException) -> int:
    response: Any = getattr(error, "response", None)
    return int(getattr(response, "status_code", 0) or 0)


def _first_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0].strip() if lines else type(error).__name__

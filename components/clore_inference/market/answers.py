"""What an answer means: one table for purchases, one for listings.

HTTP status and `code` do not agree on Clore: a business error came with 500, another with 200, and
rate limiting with 429 and code 5. So the body is read first, and every combination has a row; the
first that matches counts, the last matches everything. A purchase is repeated by nobody: what is not
a definite refusal is ambiguous, and only a listing can settle it. Codes: https://docs.clore.ai.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Literal

from clore_inference.market.text import plain
from clore_inference.market.transport import Raw, Unsent
from clore_inference.market.wire import Malformed, body_of

Outcome = Literal["done", "refused", "ambiguous"]
Reading = Literal["ok", "failed", "limited", "denied"]
Then = Literal["next", "stop", "settle"]

HOUR_S: Final = 3600.0


@dataclass(frozen=True)
class PostRow:
    """One line of the purchase table; None matches anything."""

    outcome: Outcome
    reason: str
    then: Then
    code: int | None = None
    status: range | None = None
    error: str | None = None
    exclude_s: float = 0
    """How long the server is not asked again, marketplace seconds."""


ANY_2XX: Final = range(200, 300)
STATUS_429: Final = range(429, 430)
STATUS_403: Final = range(403, 404)

ALREADY_RENTED: Final = "server-already-rented"
DATABASE_ERROR: Final = "database error"
BLOCKED: Final = "error code: 1010"
"""Cloudflare's plain text for a program that does not name itself; the API was not reached."""

POST_TABLE: Final[tuple[PostRow, ...]] = (
    PostRow("done", "accepted", "settle", code=0, status=ANY_2XX),
    PostRow("ambiguous", "success with an HTTP error", "settle", code=0),
    PostRow("ambiguous", "rate limited", "settle", status=STATUS_429),
    PostRow("ambiguous", "rate limited", "settle", code=5),
    PostRow("ambiguous", DATABASE_ERROR, "settle", code=1),
    PostRow("refused", "invalid input", "stop", code=2),
    PostRow("refused", "invalid API token", "stop", code=3),
    PostRow("refused", "invalid endpoint", "stop", code=4),
    PostRow("refused", ALREADY_RENTED, "next", code=6, error=ALREADY_RENTED, exclude_s=600),
    PostRow("refused", "server-offline", "next", code=6, error="server-offline", exclude_s=HOUR_S),
    PostRow(
        "refused",
        "currency-not-allowed",
        "next",
        code=6,
        error="currency-not-allowed",
        exclude_s=24 * HOUR_S,
    ),
    PostRow("refused", "not_enough_balance", "stop", code=6, error="not_enough_balance"),
    PostRow("refused", "another reason", "next", code=6, exclude_s=600),
    PostRow("refused", "blocked by Cloudflare", "stop", status=STATUS_403, error=BLOCKED),
    PostRow("ambiguous", "unreadable answer", "settle"),
)


@dataclass(frozen=True)
class GetRow:
    """One line of the listing table; None matches anything."""

    reading: Reading
    reason: str
    code: int | None = None
    status: range | None = None
    error: str | None = None


GET_TABLE: Final[tuple[GetRow, ...]] = (
    GetRow("ok", "ok", code=0, status=ANY_2XX),
    GetRow("limited", "rate limited", code=5),
    GetRow("limited", "rate limited", status=STATUS_429),
    GetRow(
        "denied",
        "the API key is refused; export the valid one as CLORE_API_KEY, since a `pulumi destroy` "
        "uses the configured key of the last update",
        code=3,
    ),
    GetRow("failed", "blocked by Cloudflare", status=STATUS_403, error=BLOCKED),
    GetRow("failed", "database error", code=1),
    GetRow("failed", "an answer that is no listing"),
)


@dataclass(frozen=True)
class Answer:
    """What became of one POST."""

    outcome: Outcome
    reason: str
    then: Then
    exclude_s: float = 0


@dataclass(frozen=True)
class _Shape:
    code: int | None
    error: str | None


def _shape(raw: Raw) -> tuple[_Shape, dict[str, Any] | None]:
    """The code and error text of an answer; a code of another type is no code."""
    try:
        body = body_of(raw.text)
    except Malformed:
        blocked = BLOCKED if raw.text.strip() == BLOCKED else None
        return _Shape(None, blocked), None
    code, error = body.get("code"), body.get("error")
    return (
        _Shape(
            code if isinstance(code, int) and not isinstance(code, bool) else None,
            error if isinstance(error, str) else None,
        ),
        body,
    )


def of_post(raw: Raw | Unsent) -> Answer:
    """Classify the answer to create_order or cancel_order, or the exception in its place."""
    if isinstance(raw, Unsent):
        return Answer("ambiguous", raw.reason, "settle")
    shape, _ = _shape(raw)
    row = next(row for row in POST_TABLE if _matches(row, shape, raw.status))
    reason = row.reason
    if row.code == 6 and row.error is None and shape.error:
        reason = plain(shape.error)
    return Answer(row.outcome, reason, row.then, row.exclude_s)


def _matches(row: PostRow | GetRow, shape: _Shape, status: int) -> bool:
    return (
        (row.code is None or row.code == shape.code)
        and (row.status is None or status in row.status)
        and (row.error is None or _words(row.error) == _words(shape.error))
    )


def _words(text: str | None) -> str:
    """An error text without what its sources do not agree on: case, hyphens, underscores."""
    return re.sub(r"[-_\s]+", " ", text or "").strip().casefold()


@dataclass(frozen=True)
class Read:
    """What became of one GET; only `ok` has a body."""

    reading: Reading
    reason: str
    body: dict[str, Any] | None = None


def of_get(raw: Raw | Unsent) -> Read:
    """Classify the answer to a listing; everything but code 0 in a success is no listing."""
    if isinstance(raw, Unsent):
        return Read("failed", raw.reason)
    shape, body = _shape(raw)
    row = next(row for row in GET_TABLE if _matches(row, shape, raw.status))
    if row.reading == "ok":
        return Read("ok", row.reason, body)
    code = "no code" if shape.code is None else f"code {shape.code}"
    return Read(row.reading, f"{row.reason} (HTTP {raw.status}, {code})")

"""An answer of the marketplace: HTTP status and body, which do not agree with each other.

Recorded: success is HTTP 200 with code 0; a rate limit is 429 with code 5; a business error is code
6 with HTTP 500 or 200, depending on the error; `&` in an environment value is 500 with code 1. The
statuses of codes 2, 3 and 4 were never recorded and are ours.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final, Literal

HTML: Final = "text/html; charset=UTF-8"
JSON: Final = "application/json"


@dataclass(frozen=True)
class Answer:
    """What goes back to the client; `ending` other than `answer` sends nothing."""

    status: int
    body: dict[str, Any] | str = field(default_factory=dict)
    content_type: str = JSON
    ending: Literal["answer", "drop", "hang"] = "answer"

    @property
    def accepted(self) -> bool:
        """Whether the marketplace did what was asked."""
        return isinstance(self.body, dict) and self.body.get("code") == 0

    @property
    def code(self) -> int | None:
        """The `code` of the body, if it has one."""
        code = self.body.get("code") if isinstance(self.body, dict) else None
        return code if isinstance(code, int) else None

    def content(self) -> bytes:
        """The body as sent."""
        text = self.body if isinstance(self.body, str) else json.dumps(self.body)
        return text.encode()


DROP: Final = Answer(0, ending="drop")
HANG: Final = Answer(0, ending="hang")

DATABASE_ERROR: Final = Answer(500, {"code": 1})
INVALID_INPUT: Final = Answer(200, {"code": 2})
INVALID_TOKEN: Final = Answer(200, {"code": 3})
INVALID_ENDPOINT: Final = Answer(404, {"code": 4})
RATE_LIMITED: Final = Answer(429, {"code": 5})
USER_AGENT_BLOCKED: Final = Answer(403, "error code: 1010", "text/plain; charset=UTF-8")
"""Cloudflare's answer to a program that does not name itself."""

_HTTP_500_ERRORS: Final = frozenset({"currency-not-allowed"})
"""Business errors recorded with HTTP 500; `server-already-rented` was recorded with 200."""


def ok(**fields: Any) -> Answer:
    """Success; a POST's answer has nothing but the code."""
    return Answer(200, {**fields, "code": 0})


def error(name: str, **fields: Any) -> Answer:
    """A business error, code 6, with the HTTP status that was recorded for it."""
    status = 500 if name in _HTTP_500_ERRORS else 200
    body: dict[str, Any] = {**fields, "error": name, "code": 6}
    if name == "server-already-rented":
        body = {"status": "error", **body}
    return Answer(status, body)

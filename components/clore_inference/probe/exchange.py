"""One request and its answer, bounded in time and size as a whole, not from byte to byte."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import requests
from requests.auth import AuthBase

from clore_inference.clock import is_loopback
from clore_inference.probe.target import Target
from clore_inference.secret import Secret

MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
"""No answer to these questions is near that size; a host that sends more is not answering them."""
USER_AGENT: Final = "clore-inference"


class NoAnswer(Exception):
    """Nothing usable came back; the text says why, without address or key."""


@dataclass(frozen=True)
class Answer:
    """A complete answer."""

    status: int
    content_type: str
    text: str

    @property
    def json(self) -> Any:
        """The body as JSON; `None` when it is not."""
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            return None

    @property
    def message(self) -> str:
        """What an error says, short enough for a line."""
        body = self.json
        error = body.get("error", body) if isinstance(body, dict) else {}
        found = error.get("message") if isinstance(error, dict) else None
        return " ".join(str(found or self.text).split())[:200]


class _Bearer(AuthBase):
    """Sets the key; given as `auth`, so that no .netrc entry replaces it."""

    def __init__(self, key: Secret | None) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._key is not None:
            request.headers["Authorization"] = f"Bearer {self._key.reveal()}"
        return request


@dataclass
class Exchange:
    """Asks one endpoint until `deadline_at` (of `now`, real seconds)."""

    target: Target
    deadline_at: float
    now: Callable[[], float] = time.monotonic
    _session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self._session.trust_env = not is_loopback(self.target.base_url)
        self._session.headers["User-Agent"] = USER_AGENT
        self._trusted = _kept(self.target.certificate) if self.target.certificate else None

    def get(self, path: str, *, key: Secret | None) -> Answer:
        """GET a route."""
        return self._ask("GET", path, None, key)

    def post(self, path: str, payload: Mapping[str, Any], *, key: Secret | None) -> Answer:
        """POST a JSON object; an event stream is read to its end."""
        return self._ask("POST", path, payload, key)

    def chat(self, **fields: Any) -> Answer:
        """POST a chat for the target's model, with its key."""
        payload = {"model": self.target.model, **fields}
        return self.post("/v1/chat/completions", payload, key=self.target.key)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()
        if self._trusted:
            Path(self._trusted).unlink(missing_ok=True)

    def _ask(
        self, method: str, path: str, payload: Mapping[str, Any] | None, key: Secret | None
    ) -> Answer:
        end = min(self.now() + self.target.timeout_s, self.deadline_at)
        try:
            with self._session.request(
                method,
                self.target.url(path),
                json=payload,
                auth=_Bearer(key),
                verify=self._trusted,
                timeout=self._left(end),
                allow_redirects=False,
                stream=True,
            ) as response:
                text = self._read(response, end).decode("utf-8", "replace")
                return Answer(response.status_code, response.headers.get("content-type", ""), text)
        except requests.Timeout:
            message = f"no answer within {self.target.timeout_s:g} s"
            raise NoAnswer(message) from None
        except requests.RequestException as error:
            raise NoAnswer(_cause(error)) from None

    def _left(self, end: float) -> float:
        left = end - self.now()
        if left <= 0:
            message = "the time for the proof is over"
            raise NoAnswer(message)
        return left

    def _read(self, response: requests.Response, end: float) -> bytes:
        body = b""
        for chunk in response.iter_content(None):
            body += chunk
            self._left(end)
            if len(body) > MAX_ANSWER_BYTES:
                message = f"the answer is larger than {MAX_ANSWER_BYTES} bytes"
                raise NoAnswer(message)
        return body


def _kept(certificate: str) -> str:
    """A file with the certificate, which is how the HTTP client takes it."""
    with tempfile.NamedTemporaryFile("w", suffix=".pem", delete=False, encoding="ascii") as file:
        file.write(certificate)
    return file.name


def _cause(error: requests.RequestException) -> str:
    """The innermost reason: `Connection refused` instead of a pile of wrappers."""
    text = str(error)
    for known in ("Connection refused", "Name or service not known", "Connection reset by peer"):
        if known in text:
            return known.lower()
    if isinstance(error, requests.exceptions.SSLError):
        return "the TLS certificate is not accepted"
    return f"the connection failed ({type(error).__name__})"

"""One HTTP request to the marketplace, never repeated and never followed elsewhere.

The key travels in the header `auth` only. Exceptions of the HTTP library carry requests, headers
and bodies, so none of them leaves this module.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final, Literal, Protocol
from urllib.parse import urlsplit

import requests

from clore_inference.clock import Clock, is_loopback
from clore_inference.errors import ConfigError
from clore_inference.secret import Secret

USER_AGENT: Final = "clore-inference/0.1"
"""Cloudflare answers programs without a name of their own with HTTP 403."""
CONNECT_TIMEOUT_S: Final = 10.0
READ_TIMEOUT_S: Final = 30.0
SHORTEST_TIMEOUT_REAL_S: Final = 5.0
"""A fast clock shortens waits, not the time that a machine needs to answer."""
LARGEST_BODY_BYTES: Final = 64 * 2**20
"""The whole market was 2.1 MB for 3,500 servers in 2024."""


@dataclass(frozen=True)
class Call:
    """What is asked."""

    method: Literal["GET", "POST"]
    path: str
    query: Mapping[str, str] | None = None
    body: Mapping[str, Any] | None = None
    needs_key: bool = True


@dataclass(frozen=True)
class Raw:
    """An answer: status, text, and the marketplace's clock from the Date header."""

    status: int
    text: str
    server_time: float | None = None


@dataclass(frozen=True)
class Unsent:
    """No answer; whether the request was carried out is unknown."""

    reason: str


class Transport(Protocol):
    """The way to the marketplace."""

    def send(self, call: Call, *, timeout_s: float | None = None) -> Raw | Unsent:
        """Send once; never raises for the network. `timeout_s` is marketplace seconds."""


class HttpTransport:
    """The real way: requests, one connection pool per thread."""

    def __init__(self, api_url: str, key: Secret | None, clock: Clock) -> None:
        parts = urlsplit(api_url)
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(api_url)):
            finding = (
                f"apiUrl {api_url!r} is not https, and plain http is for loopback addresses only; "
                "the API key would travel in clear. Use https://api.clore.ai"
            )
            raise ConfigError([finding])
        self._base = api_url.rstrip("/") + "/v1"
        self._key = key
        self._clock = clock
        self._local = threading.local()
        self._uses_proxies = not is_loopback(api_url)

    def send(self, call: Call, *, timeout_s: float | None = None) -> Raw | Unsent:
        try:
            return self._send(call, timeout_s)
        except requests.Timeout:
            return Unsent("no answer in time")
        except (requests.RequestException, OSError) as error:
            return Unsent(f"no answer ({type(error).__name__})")

    def _send(self, call: Call, timeout_s: float | None) -> Raw | Unsent:
        begun = self._clock.now()
        headers = {"User-Agent": USER_AGENT, "Accept": "application/json"}
        if call.needs_key:
            headers["auth"] = require_key(self._key).reveal()
        data = None
        if call.body is not None:
            headers["Content-type"] = "application/json"
            data = json.dumps(call.body).encode()
        with self._session().request(
            call.method,
            self._base + call.path,
            params=dict(call.query) if call.query else None,
            data=data,
            headers=headers,
            timeout=self._timeouts(timeout_s),
            allow_redirects=False,
            stream=True,
        ) as response:
            content = self._bounded(response, begun, timeout_s)
            if content is None:
                return Unsent("an answer too long in bytes or in seconds")
            text = content.decode("utf-8", errors="replace")
            return Raw(response.status_code, text, _date(response.headers.get("Date")))

    def _bounded(
        self, response: requests.Response, begun: float, timeout_s: float | None
    ) -> bytes | None:
        """Read a body; None where it is too large, or drips in for longer than allowed."""
        chunks: list[bytes] = []
        size = 0
        for chunk in response.iter_content(65536):
            size += len(chunk)
            late = timeout_s is not None and self._clock.now() - begun > timeout_s
            if late or size > LARGEST_BODY_BYTES:
                return None
            chunks.append(chunk)
        return b"".join(chunks)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            session.trust_env = self._uses_proxies
            self._local.session = session
        return session

    def _timeouts(self, timeout_s: float | None) -> tuple[float, float]:
        if timeout_s is not None:
            real = max(0.05, self._clock.real(timeout_s))
            return real, real
        return (
            max(SHORTEST_TIMEOUT_REAL_S, self._clock.real(CONNECT_TIMEOUT_S)),
            max(SHORTEST_TIMEOUT_REAL_S, self._clock.real(READ_TIMEOUT_S)),
        )


def require_key(key: Secret | None) -> Secret:
    """Return the key, or raise ConfigError with the fix."""
    if not key:
        finding = (
            "there is no Clore API key, so orders can neither be seen nor bought nor cancelled. "
            "Export CLORE_API_KEY, or run `pulumi config set --secret cloreApiKey`"
        )
        raise ConfigError([finding])
    return key


def _date(value: str | None) -> float | None:
    """Unix seconds of a Date header; None where it is absent or unreadable."""
    if value is None:
        return None
    try:
        return parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return None

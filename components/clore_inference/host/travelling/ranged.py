"""Ranges of a file over HTTP, by the standard library alone.

The hub client's own plain download refuses files of more than 50 GB, since CDNs answer no request
with more (`MAX_HTTP_DOWNLOAD_SIZE` in huggingface_hub `constants.py`; CloudFront's quota of a GET):
a GGUF file of this model has 75. Asked for in ranges, a file may have any size.
"""

from __future__ import annotations

import http.client
import re
import ssl
import time
from collections.abc import Mapping
from typing import Any, NamedTuple, Optional
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from .schedule import Run

TIMEOUT_S = 30.0
"""Real seconds without a byte before a stream connects again."""
WRITE_BYTES = 256 * 1024
"""Collected before they are written: what a killed process loses of each stream at most."""
WRITE_EVERY_S = 0.1
"""Real seconds after which fewer are written: on a slow link a killed process loses less."""
REDIRECTS = 5
_MOVED = (301, 302, 303, 307, 308)
_GONE_OVER = (http.client.HTTPException, ConnectionError)
"""What a server that closed an idle connection looks like to its next request."""


class Place(NamedTuple):
    """Where the content of a file lies now, and with which headers it may be asked for."""

    url: str
    headers: Mapping[str, str]
    is_hub: bool
    """Whether that is the hub itself, whose word on who may read is final; else a CDN."""


class Answered(Exception):
    """The server answered, but not with the bytes."""

    def __init__(self, status: int, text: str, headers: Mapping[str, str]) -> None:
        super().__init__(f"the hub answered {status}{f': {text}' if text else ''}")
        self.status = status
        self.final = False
        """Whether asking again cannot help."""
        self.was_known = False
        """Whether the address was looked up for an earlier request."""
        self.wait_s = announced_wait_s(headers)


class NoRanges(Exception):
    """The server sends whole files only."""


class Short(ConnectionError):
    """The connection ended before the range did."""


class Stream:
    """One connection that is kept from request to request."""

    def __init__(self, context: Optional[ssl.SSLContext] = None) -> None:  # noqa: UP045
        self._context = context
        self._to = ("", "")
        self._connection: Optional[http.client.HTTPConnection] = None  # noqa: UP045 - Python 3.9
        self._buffer = memoryview(bytearray(WRITE_BYTES))

    def bring(self, run: Run, place: Place) -> None:
        """Write the bytes of a run to its file; what arrives before an error is kept.

        Raises Answered, NoRanges, OSError, http.client.HTTPException or partial.Superseded.
        """
        first, last = run.start_byte, run.end_byte - 1
        if first > last:
            return
        answer = self._asked(place, {"Range": f"bytes={first}-{last}"})
        try:
            self._check(answer, first, run)
            self._receive(answer, run, first)
        except BaseException:
            self.close()
            raise

    def _check(self, answer: http.client.HTTPResponse, first: int, run: Run) -> None:
        if answer.status == 206:
            said = re.match(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
            if said and int(said.group(1)) == first and said.group(2) in ("*", str(run.file.size)):
                return
            raise Answered(206, f"another range or size than {run.file.path} has", {})
        if answer.status == 200:
            if first == 0 and run.end_byte == run.file.size:
                return
            raise NoRanges
        text = answer.headers.get("X-Error-Message") or answer.reason
        raise Answered(answer.status, text, dict(answer.headers.items()))

    def _receive(self, answer: http.client.HTTPResponse, run: Run, at: int) -> None:
        """Collect what arrives, however small the pieces, and write it in larger ones."""
        while at < run.end_byte:
            room = min(WRITE_BYTES, run.end_byte - at)
            filled, until = 0, time.monotonic() + WRITE_EVERY_S
            try:
                while filled < room and (not filled or time.monotonic() < until):
                    count = _some(answer, self._buffer[filled:room])
                    if not count:
                        raise Short(
                            f"the connection ended at byte {at + filled} of {run.file.size}"
                        )
                    filled += count
            finally:
                run.file.write(at, self._buffer[:filled])
            at += filled
        if answer.length:
            self.close()  # a run that was shortened meanwhile

    def _asked(self, place: Place, extra: Mapping[str, str]) -> http.client.HTTPResponse:
        url, headers = place.url, {**place.headers, **extra, "Accept-Encoding": "identity"}
        for _ in range(REDIRECTS):
            answer = self._answer(url, headers)
            if answer.status not in _MOVED or not answer.headers.get("Location"):
                return answer
            self.close()
            following = urljoin(url, answer.headers["Location"])
            if urlsplit(following)[:2] != urlsplit(url)[:2]:
                headers = without_token(headers)
            url = following
        raise Answered(310, "too many redirects", {})

    def _answer(self, url: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        parts = urlsplit(url)
        to = (parts.scheme, parts.netloc)
        kept = self._connection if self._to == to else None
        if kept is not None:
            try:
                return _request(kept, url, headers)
            except _GONE_OVER:
                self.close()
        self.close()
        self._to, self._connection = to, connection(url, self._context)
        return _request(self._connection, url, headers)

    def close(self) -> None:
        """Drop the connection; the next request makes another."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def _some(answer: http.client.HTTPResponse, room: memoryview) -> int:
    """What one read of the socket brings into `room`; 0 at the end."""
    if answer.chunked:
        piece = answer.read1(len(room))
        room[: len(piece)] = piece
        return len(piece)
    left = answer.length
    if left is not None:
        room = room[:left]
    if not room or answer.fp is None:
        return 0
    stream: Any = answer.fp
    count = int(stream.readinto1(room))
    if left is not None:
        answer.length = left - count
        if not answer.length:
            answer.read()  # lets the connection be used again
    return count


def _request(
    to: http.client.HTTPConnection, url: str, headers: Mapping[str, str]
) -> http.client.HTTPResponse:
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    through_proxy = to.host != parts.hostname and not isinstance(to, http.client.HTTPSConnection)
    to.request("GET", url if through_proxy else path, headers=dict(headers))
    return to.getresponse()


def connection(
    url: str,
    context: Optional[ssl.SSLContext] = None,  # noqa: UP045 - Python 3.9
) -> http.client.HTTPConnection:
    """A connection to the server of a URL, through the proxy that the environment names."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    proxy = "" if proxy_bypass(host) else getproxies().get(parts.scheme, "")
    via = urlsplit(proxy if "://" in proxy or not proxy else f"http://{proxy}")
    if parts.scheme != "https":
        return http.client.HTTPConnection(
            via.hostname or host, via.port or parts.port, timeout=TIMEOUT_S
        )
    made = http.client.HTTPSConnection(
        via.hostname or host,
        via.port or parts.port,
        timeout=TIMEOUT_S,
        context=context or trusted(),
    )
    if via.hostname:
        made.set_tunnel(host, parts.port or 443, _proxy_login(via.username, via.password))
    return made


def _proxy_login(user: Optional[str], password: Optional[str]) -> dict[str, str]:  # noqa: UP045
    if not user:
        return {}
    import base64  # noqa: PLC0415 - only behind such a proxy

    pair = f"{unquote(user)}:{unquote(password or '')}".encode()
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def trusted() -> ssl.SSLContext:
    """The certificates of the image, and those that the hub client brought."""
    context = ssl.create_default_context()
    try:
        import certifi  # noqa: PLC0415 - comes with the hub client
    except ImportError:
        return context
    context.load_verify_locations(certifi.where())
    return context


def without_token(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers for another server than the hub: a token goes to the hub itself only."""
    return {name: value for name, value in headers.items() if name.lower() != "authorization"}


def announced_wait_s(headers: Mapping[str, str]) -> float:
    """Seconds that a server asks us to stay away; 0 where it does not say.

    `Retry-After` in seconds, or the hub's own `RateLimit: "...";r=0;t=55` (its documentation on rate
    limits: seconds until the window ends).
    """
    found = {name.lower(): value for name, value in headers.items()}
    said = re.fullmatch(r"\s*(\d+)\s*", found.get("retry-after", ""))
    limit = re.search(r"\bt=(\d+)", found.get("ratelimit", ""))
    return float(said.group(1)) if said else float(limit.group(1)) if limit else 0.0

"""A hub in small: one repository, ranges, hashes, and faults that are set from outside."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import unquote, urlsplit

COMMIT: Final = "c4be198" + "0" * 33
REPOSITORY: Final = "mistralai/Tiny"
PIECE: Final = 256 * 1024


class Link:
    """One link that all answers share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free_at = 0.0
        self._uses: Counter[str] = Counter()

    def count(self, address: str) -> int:
        """How often a signed address was used, this time included."""
        with self._lock:
            self._uses[address] += 1
            return self._uses[address]

    def pass_on(self, count: int, bytes_per_s: float) -> None:
        """Wait until so many bytes are through."""
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + count / bytes_per_s
            wait_s = self._free_at - now
        if wait_s > 0.005:
            time.sleep(wait_s)


@dataclass
class SmallHub:
    """Files by path; what ends in `.safetensors` or `.gguf` is large and has a SHA-256."""

    files: dict[str, bytes]
    url: str = ""
    token: str = ""
    """Empty: open to everybody; else what `Authorization` must carry."""
    cut_after: dict[str, int] = field(default_factory=dict)
    """Path to bytes that are sent once before the connection is cut."""
    damaged: Counter[str] = field(default_factory=Counter)
    """Path to how many times its first byte is sent wrong."""
    failing: Counter[int] = field(default_factory=Counter)
    """Status to how many times it is answered to a file's GET."""
    retry_after_s: int = 0
    """With each of those failures: the header, when it is not 0."""
    refusing: dict[str, int] = field(default_factory=dict)
    """Path prefix to the status that everything under it is answered with, for ever."""
    cut_every: int = 0
    """Bytes after which each answer is cut; 0: none is."""
    ranged: bool = True
    """False: a range is ignored, and the whole file sent."""
    most_bytes: int = 0
    """What one answer may have, as CDNs limit it; 0: anything."""
    cdn: str = ""
    """Another origin of this hub that holds the files; addresses there are good for `signed` uses."""
    signed: int = 1_000_000
    bytes_per_s: float = 0.0
    """Of all answers together; 0: as fast as it goes."""
    slow_s: float = 0.0
    sent: Counter[str] = field(default_factory=Counter)
    """Bytes sent of each path."""
    asked: list[str] = field(default_factory=list)
    ranges: list[tuple[str, int, int]] = field(default_factory=list)
    """Path, first and last byte of each answer with content."""
    asked_at: list[float] = field(default_factory=list)
    """When content was asked for, on the monotonic clock."""
    tokens_at_cdn: list[str] = field(default_factory=list)
    link: Link = field(default_factory=Link)
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    release: threading.Event = field(default_factory=threading.Event)

    def row(self, path: str) -> dict[str, Any]:
        """A file as the tree lists it; its content never changes."""
        if path not in self.rows:
            self.rows[path] = self._row(path)
        return self.rows[path]

    def _row(self, path: str) -> dict[str, Any]:
        content = self.files[path]
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        row: dict[str, Any] = {"type": "file", "path": path, "size": len(content), "oid": blob}
        if path.endswith((".safetensors", ".gguf")):
            digest = hashlib.sha256(content).hexdigest()
            row["lfs"] = {"oid": digest, "size": len(content), "pointerSize": 134}
        return row

    def etag(self, path: str) -> str:
        row = self.row(path)
        return str(row["lfs"]["oid"] if "lfs" in row else row["oid"])


class _Door(BaseHTTPRequestHandler):
    hub: SmallHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(head=True)

    def do_GET(self) -> None:
        self._answer(head=False)

    def _answer(self, *, head: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        refused = [self.hub.refusing[one] for one in self.hub.refusing if path.startswith(one)]
        if refused:
            return self._refuse(refused[0], "")
        if path.startswith("/cdn/"):
            return self._stored(path.removeprefix("/cdn/"))
        return self._hub(path, head=head)

    def _hub(self, path: str, *, head: bool) -> None:
        if not path.startswith((f"/api/models/{REPOSITORY}/", f"/{REPOSITORY}/resolve/")):
            return self._refuse(404, "RepoNotFound")
        if self.hub.token and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            return self._refuse(403 if self.headers.get("Authorization") else 401, "GatedRepo")
        parts = path.split("/")
        if path.startswith("/api/"):
            if parts[6] not in ("main", COMMIT):
                return self._refuse(404, "RevisionNotFound")
            info = {"id": REPOSITORY, "sha": COMMIT, "siblings": []}
            rows = [self.hub.row(one) for one in self.hub.files]
            return self._json(info if parts[5] == "revision" else rows)
        return self._file("/".join(parts[5:]), head=head)

    def _stored(self, path: str) -> None:
        """What a CDN does: no token, an address that is good for a while."""
        self.hub.tokens_at_cdn.append(self.headers.get("Authorization") or "")
        name, _, uses = path.rpartition("/")
        if self.hub.link.count(uses) > self.hub.signed:
            return self._refuse(403, "")
        return self._content(name)

    def _file(self, path: str, *, head: bool) -> None:
        if path not in self.hub.files:
            return self._refuse(404, "EntryNotFound")
        if self.hub.cdn and "lfs" in self.hub.row(path):
            address = f"{self.hub.cdn}/cdn/{path}/{len(self.hub.asked)}"
            return self._elsewhere(path, address)
        if head:
            self._begin(200, path, len(self.hub.files[path]))
            return self.end_headers()
        return self._content(path)

    def _elsewhere(self, path: str, address: str) -> None:
        self.send_response(302)
        self.send_header("Location", address)
        self.send_header("X-Linked-Etag", f'"{self.hub.etag(path)}"')
        self.send_header("X-Linked-Size", str(len(self.hub.files[path])))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _begin(self, status: int, path: str, length: int) -> None:
        self.send_response(status)
        self.send_header("ETag", f'"{self.hub.etag(path)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(length))

    def _content(self, path: str) -> None:
        content = self.hub.files[path]
        self.hub.asked_at.append(time.monotonic())
        if +self.hub.failing:
            status = next(iter(+self.hub.failing))
            self.hub.failing[status] -= 1
            return self._refuse(status, "")
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        ranged = asked is not None and self.hub.ranged
        first = int(asked[1]) if asked and ranged else 0
        last = len(content) - 1
        if asked and ranged and asked[2]:
            last = min(last, int(asked[2]))
        body = content[first : last + 1]
        if self.hub.most_bytes and len(body) > self.hub.most_bytes:
            return self._refuse(400, "")
        self.hub.ranges.append((path, first, last))
        if self.hub.damaged[path] > 0:
            self.hub.damaged[path] -= 1
            body = bytes([body[0] ^ 1]) + body[1:]
        self._begin(206 if ranged else 200, path, len(body))
        if ranged:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.end_headers()
        return self._send(path, body)

    def _send(self, path: str, body: bytes) -> None:
        limit = self.hub.cut_after.pop(path, None)
        if limit is None and self.hub.cut_every:
            limit = self.hub.cut_every
        part = body if limit is None else body[:limit]
        for start in range(0, len(part), PIECE):
            piece = part[start : start + PIECE]
            if self.hub.bytes_per_s:
                self.hub.link.pass_on(len(piece), self.hub.bytes_per_s)
            self.wfile.write(piece)
            self.hub.sent[path] += len(piece)
            if self.hub.slow_s:
                self.hub.release.wait(self.hub.slow_s)
        if len(part) < len(body):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)
            self.close_connection = True

    def _json(self, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        if self.hub.retry_after_s:
            self.send_header("Retry-After", str(self.hub.retry_after_s))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words: Any) -> None:
        return


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *words: Any) -> None:
        return


@contextmanager
def a_hub(files: dict[str, bytes], **facts: Any) -> Iterator[SmallHub]:
    hub = SmallHub(files, **facts)

    door = type("Door", (_Door,), {"hub": hub})
    server = _Server(("127.0.0.1", 0), door)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        hub.release.set()
        server.shutdown()
        server.server_close()

"""A hub in small: one repository, ranges, hashes, and faults that are set from outside."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import unquote, urlsplit

COMMIT: Final = "c4be198" + "0" * 33
REPOSITORY: Final = "mistralai/Tiny"


@dataclass
class SmallHub:
    """Files by path; what ends in `.safetensors` is large and has a SHA-256."""

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
    slow_s: float = 0.0
    sent: Counter[str] = field(default_factory=Counter)
    """Bytes sent of each path."""
    asked: list[str] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)

    def row(self, path: str) -> dict[str, Any]:
        content = self.files[path]
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        row: dict[str, Any] = {"type": "file", "path": path, "size": len(content), "oid": blob}
        if path.endswith(".safetensors"):
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

    def _file(self, path: str, *, head: bool) -> None:
        if path not in self.hub.files:
            return self._refuse(404, "EntryNotFound")
        content = self.hub.files[path]
        if not head and +self.hub.failing:
            status = next(iter(+self.hub.failing))
            self.hub.failing[status] -= 1
            return self._refuse(status, "")
        first = int(self.headers.get("Range", "bytes=0-")[6:].split("-")[0])
        body = content[first:]
        if not head and self.hub.damaged[path] > 0:
            self.hub.damaged[path] -= 1
            body = bytes([body[0] ^ 1]) + body[1:]
        self.send_response(206 if first else 200)
        self.send_header("ETag", f'"{self.hub.etag(path)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(body)))
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if head:
            return None
        return self._send(path, body)

    def _send(self, path: str, body: bytes) -> None:
        limit = self.hub.cut_after.pop(path, None)
        part = body if limit is None else body[:limit]
        for start in range(0, len(part), 262144):
            self.wfile.write(part[start : start + 262144])
            self.hub.sent[path] += len(part[start : start + 262144])
            if self.hub.slow_s:
                self.hub.release.wait(self.hub.slow_s)
        if limit is not None:
            self.wfile.flush()
            self.connection.shutdown(2)
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

"""The few calls of the Docker Engine API that are made here, over one connection at a time.

https://docs.docker.com/reference/api/engine/: JSON over HTTP/1.1, and for a command in a container
a raw stream of frames (type, three zero bytes, length, content) after `101 UPGRADED`.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from clore_inference.errors import CloreInferenceError
from clore_inference.host.docker.daemon import Daemon, Stream, dialled
from clore_inference.host.ssh import Output

STDERR: Final = 2
LARGEST_OUTPUT_BYTES: Final = 16 * 1024 * 1024
CALL_TIMEOUT_S: Final = 60.0
"""Real seconds; starting a container with GPUs takes some."""


class DockerRefused(CloreInferenceError):
    """The Docker engine answered, and said no."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"the Docker engine answers {status}: {text}")
        self.status = status
        self.text = text


@dataclass(frozen=True)
class Docker:
    """A Docker engine; every call opens a connection of its own unless `kept` holds one."""

    daemon: Daemon
    stream: Stream | None = None

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[Docker]:
        """The same engine with one connection for all calls; over SSH each one costs a second."""
        async with dialled(self.daemon) as stream:
            yield Docker(self.daemon, stream)

    async def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> Any:
        """Return the JSON of an answer, None where it has none; raises DockerRefused."""
        async with asyncio.timeout(timeout_s):
            if self.stream is not None:
                return await _called(self.stream, method, path, body)
            async with dialled(self.daemon) as stream:
                return await _called(stream, method, path, body)

    async def run(
        self, container: str, command: list[str], *, stdin: str = "", timeout_s: float
    ) -> Output:
        """Run a command in a running container; its input is in no argument and no environment."""
        async with asyncio.timeout(timeout_s):
            wish = {
                "AttachStdin": bool(stdin),
                "AttachStdout": True,
                "AttachStderr": True,
                "Cmd": command,
            }
            made = await self.call("POST", f"/containers/{container}/exec", wish)
            async with dialled(self.daemon) as stream:
                out, err = await _streamed(stream, f"/exec/{made['Id']}/start", stdin.encode())
            ended = await self.call("GET", f"/exec/{made['Id']}/json")
            return Output(int(ended["ExitCode"] or 0), out, err)


async def _called(stream: Stream, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
    _send(stream, method, path, body, "keep-alive")
    status, headers = await _head(stream)
    content = await _content(stream, status, headers)
    found = json.loads(content) if content.strip() else None
    if status >= 400:
        raise DockerRefused(status, str((found or {}).get("message", "")))
    return found


async def _streamed(stream: Stream, path: str, given: bytes) -> tuple[str, str]:
    _send(stream, "POST", path, {"Detach": False, "Tty": False}, "Upgrade")
    status, headers = await _head(stream)
    if status != 101:
        content = await _content(stream, status, headers)
        raise DockerRefused(status, content.decode(errors="replace").strip())
    if given:
        stream.writer.write(given)
        await stream.end_of_input()
    out, err = bytearray(), bytearray()
    while frame := await _frame(stream.reader):
        kind, content = frame
        target = err if kind == STDERR else out
        target += content[: LARGEST_OUTPUT_BYTES - len(target)]
    return out.decode(errors="replace"), err.decode(errors="replace")


def _send(
    stream: Stream, method: str, path: str, body: Mapping[str, Any] | None, connection: str
) -> None:
    content = json.dumps(body).encode() if body is not None else b""
    lines = [f"{method} {path} HTTP/1.1", "Host: docker", f"Connection: {connection}"]
    if connection == "Upgrade":
        lines.append("Upgrade: tcp")
    if body is not None:
        lines.append("Content-Type: application/json")
    lines += [f"Content-Length: {len(content)}", "", ""]
    stream.writer.write("\r\n".join(lines).encode() + content)


async def _head(stream: Stream) -> tuple[int, dict[str, str]]:
    raw = await stream.reader.readuntil(b"\r\n\r\n")
    first, *lines = raw.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    return int(first.split(" ")[1]), {name.lower(): text.strip() for name, _, text in pairs}


async def _content(stream: Stream, status: int, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding") == "chunked":
        return await _chunks(stream.reader)
    if status in (204, 304):
        return b""
    if "content-length" in headers:
        return await stream.reader.readexactly(int(headers["content-length"]))
    return await stream.reader.read(LARGEST_OUTPUT_BYTES)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    found = bytearray()
    while size := int(await reader.readuntil(b"\r\n"), 16):
        found += (await reader.readexactly(size + 2))[:-2]
    await reader.readuntil(b"\r\n")
    return bytes(found)


async def _frame(reader: asyncio.StreamReader) -> tuple[int, bytes] | None:
    try:
        kind, length = struct.unpack(">BxxxL", await reader.readexactly(8))
    except asyncio.IncompleteReadError:
        return None
    return int(kind), await reader.readexactly(length)

"""Answers in the hub's shapes: errors with their codes, and the bytes of a file."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from typing import Final

from starlette.responses import JSONResponse, Response, StreamingResponse

from clore_emulator.hub.desk import Fault, Traffic
from clore_emulator.hub.repository import File, Repository

CHUNK_BYTES: Final = 64 * 1024


class Cut(ConnectionError):
    """Ends an answer in the middle of its body, as a broken connection does."""


def error(status: int, code: str | None, message: str) -> Response:
    """An error: huggingface_hub decides by the X-Error-Code header."""
    headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
    return JSONResponse({"error": message}, status_code=status, headers=headers)


def gated(repository: Repository, *, known: bool) -> Response:
    """401 for strangers, 403 for members who have not been let in."""
    name = repository.name
    if not known:
        text = f"Access to model {name} is restricted. You must have access to it and be "
        return error(401, "GatedRepo", f"{text}authenticated to access it. Please log in.")
    text = f"Access to model {name} is restricted and you are not in the authorized list. Visit "
    return error(403, "GatedRepo", f"{text}https://huggingface.co/{name} to ask for access.")


def file_headers(repository: Repository, file: File) -> dict[str, str]:
    """What huggingface_hub reads before it downloads."""
    headers = {
        "ETag": f'"{file.etag}"',
        "X-Repo-Commit": repository.commit,
        "Accept-Ranges": "bytes",
        "Content-Disposition": f'inline; filename="{file.path.rpartition("/")[2]}"',
    }
    if file.lfs:
        headers |= {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(file.size)}
    return headers


def body(
    repository: Repository, file: File, asked: str | None, faults: Sequence[Fault], cost: Traffic
) -> Response:
    """The file, or the range `asked` for (206), or 416; faults bend it on the way."""
    content = file.content
    headers = file_headers(repository, file)
    cost.requests += 1
    first, last = 0, file.size - 1
    status = 200
    if match := re.fullmatch(r"bytes=(\d+)-(\d*)", asked or ""):
        first = int(match[1])
        last = min(last, int(match[2]) if match[2] else last)
        if first > last:
            headers["Content-Range"] = f"bytes */{file.size}"
            return Response(status_code=416, headers=headers)
        status = 206
        headers["Content-Range"] = f"bytes {first}-{last}/{file.size}"
        cost.ranges.append([first, last])
    if any(fault.name == "wrong_hash" for fault in faults):
        content = bytes([content[0] ^ 0xFF]) + content[1:]
    part = content[first : last + 1]
    headers["Content-Length"] = str(len(part))
    stream = _send(part, faults, cost)
    kind = "application/octet-stream"
    return StreamingResponse(stream, status_code=status, headers=headers, media_type=kind)


async def _send(part: bytes, faults: Sequence[Fault], cost: Traffic) -> AsyncIterator[bytes]:
    by_name = {fault.name: fault.parameters for fault in faults}
    limit = by_name.get("cut_after", {}).get("bytes")
    rate = by_name.get("slow", {}).get("bytes_per_s")
    # Ten steps a second, so that who watches a slow download sees it move.
    size = max(1, min(CHUNK_BYTES, rate // 10)) if rate else CHUNK_BYTES
    end = len(part) if limit is None else min(limit, len(part))
    for start in range(0, end, size):
        chunk = part[start : min(start + size, end)]
        if rate:
            await asyncio.sleep(len(chunk) / rate)
        cost.bytes += len(chunk)
        yield chunk
    if end < len(part):
        # Give the last chunk its way out before the connection breaks.
        await asyncio.sleep(0.05)
        message = f"cut after {end} of {len(part)} bytes"
        raise Cut(message)

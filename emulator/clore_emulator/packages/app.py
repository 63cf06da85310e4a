"""The index's routes, in front of the hub's."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from clore_emulator.packages.releases import lock, releases
from clore_emulator.packages.wheel import Package

JSON: Final = "application/vnd.pypi.simple.v1+json"
FAULTS: Final = ("answers_503", "damages", "cuts")
"""What can be armed by `PUT /packages/_admin/faults` as `[{"name": …, "file": "*", "times": 1}]`."""


def beside(hub: ASGIApp) -> ASGIApp:
    """The hub with the index under `/packages/`."""
    index = _Index()
    app = Starlette(
        routes=[
            Route("/packages/simple/{project}/", index.listing),
            Route("/packages/files/{file}", index.file),
            Route("/packages/locks/{name}.lock", index.lock),
            Route("/packages/_admin", index.report),
            Route("/packages/_admin/faults", index.arm, methods=["PUT"]),
        ]
    )

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        ours = scope["type"] == "http" and scope["path"].startswith("/packages/")
        await (app if ours else hub)(scope, receive, send)

    return serve


class _Index:
    """Files by project, what was served of them, and how it fails on request."""

    def __init__(self) -> None:
        self._served: Counter[str] = Counter()
        self._faults: list[dict[str, Any]] = []

    async def listing(self, request: Request) -> Response:
        """Where the files of a project are."""
        found = self._files(lambda one: one.project == request.path_params["project"])
        if not found:
            return PlainTextResponse("404 Not Found", status_code=404)
        links = [(name, f"../../files/{name}", one) for name, one in sorted(found.items())]
        if JSON in request.headers.get("accept", ""):
            rows = [
                {"filename": name, "url": url, "hashes": {"sha256": one.sha256}}
                for name, url, one in links
            ]
            body = {"meta": {"api-version": "1.0"}, "name": request.path_params["project"]}
            return JSONResponse({**body, "files": rows}, media_type=JSON)
        anchors = [f'<a href="{url}#sha256={one.sha256}">{name}</a>' for name, url, one in links]
        return Response("<!DOCTYPE html>\n" + "\n".join(anchors), media_type="text/html")

    async def file(self, request: Request) -> Response:
        """One file, or what is left of it behind a range."""
        name = str(request.path_params["file"])
        found = self._files(lambda one: one.file == name).get(name)
        if found is None:
            return PlainTextResponse("404 Not Found", status_code=404)
        fault = self._struck(name)
        if fault == "answers_503":
            return PlainTextResponse("503 Service Unavailable", status_code=503)
        first = _first_byte(request.headers.get("range", ""), len(found.content))
        content = found.content[first:]
        self._served[name] += len(content)
        headers = {"Content-Length": str(len(content))}
        if fault == "damages":
            content = content[:-1] + bytes([content[-1] ^ 1])
        if fault == "cuts":
            headers = {"Transfer-Encoding": "chunked"}
            content = content[: len(content) // 2]
            self._served[name] -= len(found.content[first:]) - len(content)
        status = 206 if first else 200
        return Response(content, status, headers, "application/octet-stream")

    async def lock(self, request: Request) -> Response:
        """What a release consists of."""
        name = str(request.path_params["name"])
        if name not in releases():
            return PlainTextResponse("404 Not Found", status_code=404)
        return PlainTextResponse(lock(name))

    async def report(self, request: Request) -> Response:
        """Bytes that were served, by file."""
        del request
        return JSONResponse({"files": dict(self._served), "faults": self._faults})

    async def arm(self, request: Request) -> Response:
        """Replace the armed faults."""
        rows = json.loads(await request.body())
        unknown = [row.get("name") for row in rows if row.get("name") not in FAULTS]
        if unknown:
            text = f"no fault of the index is called {unknown}; known: {', '.join(FAULTS)}"
            return JSONResponse({"error": text}, status_code=400)
        self._faults = [{"file": "*", "times": 1, **row} for row in rows]
        return await self.report(request)

    def _struck(self, name: str) -> str:
        for fault in self._faults:
            if fault["times"] > 0 and fnmatchcase(name, fault["file"]):
                fault["times"] -= 1
                return str(fault["name"])
        return ""

    @staticmethod
    def _files(wanted: Callable[[Package], bool]) -> dict[str, Package]:
        every = [one for files in releases().values() for one in files]
        return {one.file: one for one in every if wanted(one)}


def _first_byte(header: str, size: int) -> int:
    """Where an open range starts; 0 for none, and for one that this index does not serve."""
    start, dash, end = header.removeprefix("bytes=").partition("-")
    fits = header.startswith("bytes=") and dash and not end and start.isdigit()
    return int(start) if fits and int(start) < size else 0

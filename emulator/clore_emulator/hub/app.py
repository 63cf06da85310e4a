"""The hub's routes.

Shapes follow what huggingface_hub 0.3x to 2.4 reads (`hf_api.py`, `file_download.py`,
`utils/_http.py`): model documents, tree listings, file answers, error codes. No xet.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from clore_emulator.hub import reply
from clore_emulator.hub.desk import DEMO_TOKEN, EVERY_REPOSITORY, Desk, Fault
from clore_emulator.hub.repository import Repository
from clore_emulator.hub.seeds import repositories as seeded

OWN_TOKENS: Final[dict[str, Sequence[str]]] = {
    DEMO_TOKEN: (EVERY_REPOSITORY,),
    "hf_emulator_without_access": (),
}
_NAME: Final = r"(?P<name>[\w.-]+/[\w.-]+)"
_API: Final = re.compile(
    rf"api/models/{_NAME}(?:/(?P<what>revision|tree|paths-info|refs|auth-check)(?:/(?P<rest>.*))?)?"
)
_RESOLVE: Final = re.compile(rf"{_NAME}/resolve/(?P<rest>.+)")


def create_app(
    repositories: Iterable[Repository] | None = None,
    *,
    tokens: Mapping[str, Sequence[str]] | None = None,
) -> Starlette:
    """The hub with these repositories, by default the seeded ones.

    `tokens` maps a token to the gated repositories it opens, `*` for all. The application's
    `state.desk` is its Desk.
    """
    desk = Desk(seeded() if repositories is None else repositories, tokens or OWN_TOKENS)
    log = logging.getLogger("uvicorn.error")
    if _is_no_cut not in log.filters:
        log.addFilter(_is_no_cut)
    hub = _Hub(desk)
    app = Starlette(
        routes=[
            Route("/_admin/hub", hub.report, methods=["GET"]),
            Route("/_admin/hub/faults", hub.arm, methods=["PUT"]),
            Route("/_admin/hub/tokens", hub.admit, methods=["PUT"]),
            Route("/api/whoami-v2", hub.whoami),
            Route("/{path:path}", hub.read, methods=["GET", "HEAD", "POST"]),
        ]
    )
    app.state.desk = desk
    return app


def _is_no_cut(record: logging.LogRecord) -> bool:
    """A connection that is cut on purpose is no error worth a traceback."""
    return not (record.exc_info and isinstance(record.exc_info[1], reply.Cut))


class _Hub:
    """The routes, over one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def report(self, request: Request) -> Response:
        """Traffic per file, armed faults."""
        del request
        return JSONResponse(self._desk.report())

    async def arm(self, request: Request) -> Response:
        """Replace the armed faults."""
        try:
            self._desk.faults = [Fault.of(row) for row in await request.json()]
        except ValueError as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        return JSONResponse(self._desk.report())

    async def admit(self, request: Request) -> Response:
        """Add tokens: `{token: [repository, ...]}`, `*` for all."""
        self._desk.tokens |= {str(k): list(v) for k, v in (await request.json()).items()}
        return JSONResponse({"tokens": len(self._desk.tokens)})

    async def whoami(self, request: Request) -> Response:
        """Who a token is."""
        if not self._desk.knows(_token(request)):
            return reply.error(401, None, "Invalid user token.")
        return JSONResponse({"type": "user", "name": "emulator", "auth": {"type": "access_token"}})

    async def read(self, request: Request) -> Response:
        """Everything else: model documents, listings, files."""
        path = request.url.path.lstrip("/")
        faults = self._desk.strike(path) if request.method == "GET" else []
        if (trouble := _trouble(faults)) is not None:
            return trouble
        token = _token(request)
        if token is not None and not self._desk.knows(token):
            return reply.error(401, None, "Invalid credentials in Authorization header")
        match = _API.fullmatch(path) or _RESOLVE.fullmatch(path)
        if match is None:
            return reply.error(404, None, "Sorry, we can't find the page you are looking for.")
        repository = self._desk.repositories.get(match["name"])
        if repository is None:
            return reply.error(404, "RepoNotFound", "Repository not found")
        if match.re is _RESOLVE:
            return self._file(request, repository, match["rest"], faults)
        return await self._about(request, repository, match["what"], match["rest"] or "")

    async def _about(
        self, request: Request, repository: Repository, what: str | None, rest: str
    ) -> Response:
        if what == "refs":
            branches = [
                {"name": name, "ref": f"refs/heads/{name}", "targetCommit": repository.commit}
                for name in repository.branches
            ]
            return JSONResponse({"branches": branches, "converts": [], "tags": []})
        if what == "auth-check":
            return self._closed(request, repository) or Response(status_code=200)
        revision, path = _split(rest, repository) if rest else ("main", "")
        if not repository.knows(revision):
            return _no_revision(revision)
        if what == "tree":
            return JSONResponse(_tree(repository, path, request.query_params))
        if what == "paths-info":
            wanted = (await request.json()).get("paths", [])
            found = [repository.by_path[name] for name in wanted if name in repository.by_path]
            return JSONResponse([file.entry() for file in found])
        blobs = request.query_params.get("blobs", "").lower() in ("1", "true")
        return JSONResponse(repository.document(blobs=blobs))

    def _file(
        self, request: Request, repository: Repository, rest: str, faults: list[Fault]
    ) -> Response:
        if (closed := self._closed(request, repository)) is not None:
            return closed
        revision, path = _split(rest, repository)
        if not repository.knows(revision):
            return _no_revision(revision)
        file = repository.by_path.get(path)
        if file is None:
            answer = reply.error(404, "EntryNotFound", "Entry not found")
            answer.headers["X-Repo-Commit"] = repository.commit
            return answer
        cost = self._desk.of(repository.name, path)
        if request.method == "HEAD":
            cost.heads += 1
            headers = reply.file_headers(repository, file) | {"Content-Length": str(file.size)}
            return Response(headers=headers, media_type="application/octet-stream")
        return reply.body(repository, file, request.headers.get("range"), faults, cost)

    def _closed(self, request: Request, repository: Repository) -> Response | None:
        token = _token(request)
        if self._desk.opens(token, repository):
            return None
        return reply.gated(repository, known=self._desk.knows(token))


def _token(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else None


def _trouble(faults: Sequence[Fault]) -> Response | None:
    for fault in faults:
        if fault.name == "http_429":
            answer = reply.error(429, None, "Too many requests")
            answer.headers["Retry-After"] = str(fault.parameters["retry_after_s"])
            return answer
        if fault.name in ("http_5xx", "refused"):
            return reply.error(fault.parameters["status"], None, "The hub has a bad day")
    return None


def _no_revision(revision: str) -> Response:
    return reply.error(404, "RevisionNotFound", f"Invalid rev id: {revision}")


def _split(rest: str, repository: Repository) -> tuple[str, str]:
    """Revision and path; a revision may hold slashes (`refs/heads/main`)."""
    parts = rest.split("/")
    for count in range(1, len(parts) + 1):
        revision = "/".join(parts[:count])
        if repository.knows(revision):
            return revision, "/".join(parts[count:])
    return parts[0], "/".join(parts[1:])


def _tree(repository: Repository, path: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
    recursive = query.get("recursive", "").lower() in ("1", "true")
    below = f"{path}/" if path else ""
    files = [file for file in repository.files if file.path.startswith(below)]
    if not recursive:
        files = [file for file in files if "/" not in file.path.removeprefix(below)]
    return [file.entry() for file in files]

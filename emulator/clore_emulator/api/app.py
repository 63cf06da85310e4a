"""The whole API of one emulator as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from clore_emulator import answer
from clore_emulator.world import World

from .admin import Admin
from .renter import routes
from .reply import reply


def create_app(world: World) -> Starlette:
    """Serve a world; its hosts come up with the application and end with it."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await world.lodging.open()
        yield
        world.pauses.release()
        await world.lodging.close()
        world.exchange.journal.record("tick", world.exchange.now())
        world.close_journal()

    async def no_such_endpoint(_request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        return reply(
            answer.Answer(status, answer.INVALID_ENDPOINT.body), world.exchange.now(), None
        )

    return Starlette(
        routes=[*routes(world), *Admin(world).routes()],
        lifespan=lifespan,
        exception_handlers={404: no_such_endpoint, 405: no_such_endpoint},
    )

"""The whole API of one emulator as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from clore_emulator.world import World

from .admin import Admin
from .renter import routes


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

    return Starlette(routes=[*Admin(world).routes(), *routes(world)], lifespan=lifespan)

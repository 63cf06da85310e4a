"""One emulator as a process: the API and the hub on loopback ports, in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from .api.app import create_app
from .api.reply import CONNECTION
from .clock import VirtualClock
from .exchange import NO_LAGS, Lags
from .faults import Profile
from .hosts import Hosts as HostProcesses
from .hub import create_app as create_hub
from .hub.shelf import stocked
from .ledger import Journal
from .market import Liars, build_market, load_market
from .packages import beside as with_packages
from .seams import Hosts
from .world import RENTER, STRANGER, World, digest_of, key_from_file, open_world

HOST: Final = "127.0.0.1"
SHUTDOWN_S: Final = 1
"""Real seconds that open connections get at the end; some hang on purpose."""


@dataclass(frozen=True)
class Settings:
    """What `clore-emulator serve` was asked for."""

    state: Path
    port: int = 0
    hub_port: int = 0
    time_scale: float = 1.0
    seed: int = 0
    market: Path | None = None
    liars: Liars = "dear"
    profile: Profile = "calm"
    faults: tuple[dict[str, Any], ...] = ()
    api_key_file: Path | None = None
    hosts: bool = True
    lags: bool = True
    engines: Path | None = None
    """Directory whose `bin` holds engines and whose `hub` holds repositories, for the simulators'."""

    @property
    def key_file(self) -> Path:
        return self.api_key_file or self.state / "api-key"


class Connection(H11Protocol):
    """An HTTP connection whose transport the application can cut."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, CONNECTION: transport}


class Listener(uvicorn.Server):
    """A server that leaves signals to whoever runs several of them."""

    def __init__(self, app: ASGIApp, protocol: type[asyncio.Protocol]) -> None:
        super().__init__(
            uvicorn.Config(
                app, loop="asyncio", http=protocol, ws="none", log_config=None, access_log=False,
                date_header=False, server_header=False, timeout_graceful_shutdown=SHUTDOWN_S,
            )
        )  # fmt: skip
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.should_exit:
            raise RuntimeError("the emulator could not start; see the lines above")
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; raises StateInUse, ValueError, OSError (port taken)."""
    journal = Journal(settings.state)
    with (
        contextlib.closing(journal),
        _bind(settings.port) as api,
        _bind(settings.hub_port) as hub,
    ):
        start = time.time() if journal.is_new else journal.ledger.latest
        clock = VirtualClock(start=start, scale=settings.time_scale)
        hosts = _hosts(settings, clock, _url(hub)) if settings.hosts else None
        world = _world(settings, journal, clock, hosts)
        for rule in settings.faults:
            world.board.arm(rule)
        asyncio.run(_serve(world, settings, api, hub))


async def _serve(world: World, settings: Settings, api: socket.socket, hub: socket.socket) -> None:
    listeners = [
        (Listener(with_packages(create_hub(stocked(settings.engines))), H11Protocol), hub),
        (Listener(create_app(world), Connection), api),
    ]
    tasks = [asyncio.create_task(one.serve(sockets=[on])) for one, on in listeners]
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for wanted in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(wanted, stop.set)
    ready = asyncio.gather(*(one.ready.wait() for one, _ in listeners))
    started: set[asyncio.Future[Any]] = {ready, *tasks}
    await asyncio.wait(started, return_when=asyncio.FIRST_COMPLETED)
    if not ready.done():
        await asyncio.gather(*tasks)
    print(json.dumps(_ready(settings, api, hub)), flush=True)
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
    world.pauses.release()
    for one, _ in listeners:
        one.should_exit = True
    await asyncio.gather(*tasks)
    stopped.cancel()


def _hosts(settings: Settings, clock: VirtualClock, hub_url: str) -> Hosts:
    return HostProcesses(
        settings.state / "hosts",
        time_scale=settings.time_scale,
        seed=settings.seed,
        hub_url=hub_url,
        log=lambda text: print(text, file=sys.stderr, flush=True),
        sleep=clock.sleep,
        engines=settings.engines,
    )


def _world(settings: Settings, journal: Journal, clock: VirtualClock, hosts: Hosts | None) -> World:
    market = (
        load_market(settings.market)
        if settings.market is not None
        else build_market(settings.seed, liars=settings.liars)
    )
    world = open_world(
        market, clock=clock, journal=journal, seed=settings.seed, hosts=hosts,
        lags=Lags() if settings.lags else NO_LAGS, profile=settings.profile, state=settings.state,
    )  # fmt: skip
    for account, path in (
        (RENTER, settings.key_file),
        (STRANGER, settings.state / "stranger-api-key"),
    ):
        key = key_from_file(path)
        if world.account(account).keys.get(account) != digest_of(key):
            world.add_key(account, account, key)
    return world


def _bind(port: int) -> socket.socket:
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.bind((HOST, port))
    return opened


def _url(opened: socket.socket) -> str:
    return f"http://{HOST}:{opened.getsockname()[1]}"


def _ready(settings: Settings, api: socket.socket, hub: socket.socket) -> dict[str, Any]:
    return {
        "api": _url(api),
        "hub": _url(hub),
        "api_key_file": str(settings.key_file),
        "stranger_api_key_file": str(settings.state / "stranger-api-key"),
        "state": str(settings.state),
        "time_scale": settings.time_scale,
        "pid": os.getpid(),
    }

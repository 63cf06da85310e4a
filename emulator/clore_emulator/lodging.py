"""Keeps the hosts as the ledger says: each active order has one, nothing else has."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from .engines.faults import parse as check_engine_faults
from .exchange import Exchange
from .ledger import Order
from .seams import HostAddress, Hosts
from .wire import PUBLIC_HOST

NOTED_EVERY_REAL_S: Final = 10.0
LONGEST_WAIT_S: Final = 30.0
"""Virtual seconds between two looks at the ledger when no order is due to end."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClosedPorts:
    """Public ports behind which nothing listens."""

    ssh_port_public: int | None
    http_port_public: int | None
    relay: Mapping[int, int]


class NoHosts:
    """Orders without machines: their ports exist and refuse every connection.

    The sockets stay bound, so that no other program can answer in a host's place.
    """

    def __init__(self) -> None:
        self._held: dict[int, list[socket.socket]] = {}

    async def start(
        self,
        order: dict[str, Any],
        server: dict[str, Any],  # noqa: ARG002 - the protocol's word
    ) -> HostAddress:
        held = self._held.setdefault(order["id"], [])
        relay, http = {}, None
        for port, kind in order["ports"].items():
            reserved = socket.socket()
            reserved.bind((PUBLIC_HOST, 0))
            held.append(reserved)
            public = int(reserved.getsockname()[1])
            if kind == "http":
                http = public
            else:
                relay[int(port)] = public
        return ClosedPorts(relay.get(22), http, relay)

    async def stop(self, order_id: int) -> None:
        for reserved in self._held.pop(order_id, []):
            reserved.close()

    async def disappear(self, order_id: int) -> None:
        """Nothing was there."""

    def freeze(self, order_id: int) -> None:
        """Nothing is there to hang."""

    def thaw(self, order_id: int) -> None:
        """Nothing hangs."""

    async def restart_container(self, order_id: int) -> None:
        """Nothing is there to restart."""

    def set_engine_faults(self, order_id: int, document: str) -> None:
        """No engine reads them."""

    async def bring_back(self, orders: Sequence[dict[str, Any]]) -> Mapping[int, HostAddress]:
        return {order["id"]: await self.start(order, order["server"]) for order in orders}

    async def close(self) -> None:
        for order_id in list(self._held):
            await self.stop(order_id)


@dataclass
class Lodging:
    """Starts and stops hosts in the background, after every change of the ledger."""

    exchange: Exchange
    hosts: Hosts
    _running: set[int] = field(default_factory=set)
    _lost: set[int] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _starting: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    _engine_faults: str | None = None
    _noted_at: float = 0.0
    _watch: asyncio.Task[None] | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def open(self) -> None:
        """Bring back what was running before a restart, then follow the ledger."""
        wanted = [order for order in self.exchange.ledger.active() if order.host_lost_at is None]
        known = [order for order in wanted if order.address is not None]
        documents = [{**order_document(order), "server": server_document(order)} for order in known]
        self._running.update(order.id for order in known)
        for order_id, address in (await self.hosts.bring_back(documents)).items():
            self._record(self.exchange.ledger.orders[order_id], address)
        self.follow()
        self._watch = asyncio.create_task(self._watch_time())

    async def close(self) -> None:
        """Stop following and end the hosts; they come back with the next `open`."""
        if self._watch is not None:
            self._watch.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.hosts.close()

    def arm_engines(self, faults: Any, order_id: int | None = None) -> None:
        """Give engine faults to one host, or to all that are there and all that come.

        Takes a list of names or of `{"name": …}`; raises ValueError for what no engine knows.
        """
        document = json.dumps(faults)
        check_engine_faults(document)
        if order_id is None:
            self._engine_faults = document
        for one in self.running() if order_id is None else [order_id]:
            self.hosts.set_engine_faults(one, document)

    def restart_container(self, order_id: int) -> None:
        """Restart the container of an order, in the background."""
        self._spawn(self._after_start(order_id, self.hosts.restart_container))

    def running(self) -> list[int]:
        """Orders whose host is up or on its way."""
        return sorted(self._running)

    def follow(self) -> None:
        """Start what the ledger has and we have not; stop what it has not any more."""
        active = {order.id: order for order in self.exchange.ledger.active()}
        alive = {order_id for order_id, order in active.items() if order.host_lost_at is None}
        for order_id in sorted(alive - self._running):
            self._running.add(order_id)
            self._starting[order_id] = self._spawn(self._start(active[order_id]))
        for order_id in sorted((active.keys() & self._running) - alive):
            self._running.discard(order_id)
            self._lost.add(order_id)
            self._spawn(self._after_start(order_id, self.hosts.disappear))
        for order_id in sorted((self._running | self._lost) - active.keys()):
            self._running.discard(order_id)
            self._lost.discard(order_id)
            self._spawn(self._after_start(order_id, self.hosts.stop))
        self._changed.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a host failed: %s", error, exc_info=error)

    async def _start(self, order: Order) -> None:
        address = await self.hosts.start(order_document(order), server_document(order))
        if self._engine_faults is not None:
            self.hosts.set_engine_faults(order.id, self._engine_faults)
        self._record(order, address)

    async def _after_start(self, order_id: int, work: Callable[[int], Awaitable[None]]) -> None:
        starting = self._starting.get(order_id)
        if starting is not None:
            await asyncio.wait([starting])
        await work(order_id)

    def _record(self, order: Order, address: HostAddress) -> None:
        document = {
            "relay": {str(inside): public for inside, public in address.relay.items()},
            "http": address.http_port_public,
        }
        if document != order.address:
            self.exchange.journal.record(
                "address", self.exchange.now(), order_id=order.id, address=document
            )

    async def _watch_time(self) -> None:
        """Orders end by themselves: look when the next one is due."""
        while True:
            now = self.exchange.now()
            self.follow()
            self._changed.clear()
            self._keep_time(now)
            due = self.exchange.ledger.next_end()
            wait = min(LONGEST_WAIT_S, max(0.0, (due or now + LONGEST_WAIT_S) - now) + 0.01)
            nap = asyncio.create_task(self.exchange.clock.sleep(wait))
            change = asyncio.create_task(self._changed.wait())
            _, pending = await asyncio.wait([nap, change], return_when=asyncio.FIRST_COMPLETED)
            for task in pending:
                task.cancel()

    def _keep_time(self, now: float) -> None:
        """Note the time now and then, so that a killed emulator goes on about where it was."""
        if now - self._noted_at >= NOTED_EVERY_REAL_S * self.exchange.clock.scale:
            self._noted_at = now
            self.exchange.journal.record("tick", now)


def order_document(order: Order) -> dict[str, Any]:
    """What the host side learns of an order."""
    return {
        "id": order.id,
        "server_id": order.server_id,
        "account": order.account,
        **order.request,
        "created_at": order.created_at,
        "address": order.address,
    }


def server_document(order: Order) -> dict[str, Any]:
    """The server's row with the truth about the machine."""
    return {**order.server, "truth": order.truth}

"""What runs inside a host: SSH, the relays, the way to the hub, the startup scripts."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

from clore_emulator.hosts import relay
from clore_emulator.hosts.address import SSH
from clore_emulator.hosts.children import Children
from clore_emulator.hosts.namespaces import OUTER_ADDRESS
from clore_emulator.hosts.plan import Plan
from clore_emulator.hosts.scratch import Scratch
from clore_emulator.hosts.sessions import handler
from clore_emulator.hosts.sshd import Sshd, host_key

_HUB_OUTSIDE: Final = "127.0.0.1"


class Server:
    """The inside of one host."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._scratch = Scratch(Path(plan.scratch))
        self._children = Children(self._scratch.home, plan.environment)
        self._sockets = {
            int(port): _inherited(descriptor) for port, descriptor in plan.relay_fds.items()
        }
        self._sshd = self._make_sshd()
        self._deployed = False
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self, orders: bytes) -> int:
        """Serve until the orders end; `orders` are those already read."""
        os.chdir(self._scratch.home)
        self._children.watch()
        await self._open_relays()
        _tell("up")
        reader = asyncio.StreamReader()
        reader.feed_data(orders)
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer
        )
        while line := await reader.readline():
            order: dict[str, Any] = json.loads(line)
            if order["do"] == "deploy":
                self._deploy(ssh=order["ssh"], resetting=order["resetting"])
            elif order["do"] == "settle" and self._sshd:
                self._sshd.mood = "open"
        return 0

    def _deploy(self, *, ssh: bool, resetting: bool) -> None:
        """The container runs: startup scripts start, SSH answers."""
        self._run_scripts()
        self._deployed = True
        if ssh and self._sshd:
            self._sshd.open("resetting" if resetting else "open")
            self._run(self._sshd.serve())
        _tell("deployed")

    def _run_scripts(self) -> None:
        """`command` runs once per order, onstart.sh at every start of the container."""
        scratch = self._scratch
        shell = self._plan.environment["SHELL"]
        if scratch.startup.exists() and not scratch.startup_done.exists():
            scratch.startup_done.touch()
            log = scratch.root / "startup.log"
            self._children.start_script([shell, str(scratch.startup)], log)
        onstart = scratch.home / "onstart.sh"
        if onstart.exists():
            self._children.start_script([shell, str(onstart)], scratch.root / "onstart.log")

    async def _open_relays(self) -> None:
        plan = self._plan
        for port, listener in self._sockets.items():
            if port != SSH:
                self._run(relay.accept(listener, relay.tcp(relay.to_port(self._outer, port))))
        if plan.http_fd is not None and plan.http_port is not None:
            inside = relay.to_port(self._outer, plan.http_port)
            self._run(relay.accept(_inherited(plan.http_fd), relay.http(inside, self._page)))
        if plan.isolated or plan.loopback != _HUB_OUTSIDE:
            self._run(relay.accept(self._hub_listener(), self._hub_relay()))

    @property
    def _outer(self) -> str:
        """Where relays come in; without a namespace there is only the loopback."""
        return OUTER_ADDRESS if self._plan.isolated else self._plan.loopback

    def _hub_listener(self) -> socket.socket:
        return socket.create_server((self._plan.loopback, self._plan.hub_port), backlog=128)

    def _hub_relay(self) -> relay.Serve:
        plan = self._plan
        hub = (
            relay.to_socket(plan.hub_socket)
            if plan.hub_socket
            else relay.to_port(_HUB_OUTSIDE, plan.hub_port)
        )
        return relay.tcp(hub, relay.Throttle(plan.hub_bytes_per_s))

    def _page(self) -> bytes | None:
        """What the public name shows in place of the host."""
        if self._plan.http_name == "proxy_not_found":
            return relay.proxy_not_found()
        if self._plan.http_name == "502" or not self._deployed:
            return relay.bad_gateway()
        return None

    def _make_sshd(self) -> Sshd | None:
        listener = self._sockets.get(SSH)
        if listener is None:
            return None
        return Sshd(
            listener=listener,
            host_key=host_key(self._scratch.host_key, fresh=self._plan.fresh_host_key),
            authorized_keys=self._scratch.home / ".ssh" / "authorized_keys",
            password=self._plan.ssh_password,
            loopback=self._plan.loopback,
            handle=handler(self._children),
        )

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(_report)
        self._tasks.append(task)


def _inherited(descriptor: int) -> socket.socket:
    os.set_inheritable(descriptor, False)
    return socket.socket(fileno=descriptor)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        print(f"host: {error!r}", file=sys.stderr, flush=True)


def _tell(event: str) -> None:
    print(json.dumps({"event": event}), flush=True)

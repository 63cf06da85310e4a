"""The rented hosts of one emulator: each order is a process tree that looks like a container."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from clore_emulator.hosts import namespaces
from clore_emulator.hosts.address import Doors, HostAddress, open_doors, recall, recorded, remember
from clore_emulator.hosts.hub_door import HubDoor
from clore_emulator.hosts.machine import Machine, hardware
from clore_emulator.hosts.plan import Plan
from clore_emulator.hosts.running import RunningHost
from clore_emulator.hosts.scratch import Scratch, write_whole

DEPLOY_S: Final = (45.0, 150.0)
"""Virtual seconds from order to SSH on honest hosts: renters saw one to three minutes."""
RESTART_S: Final = 8.0
"""Virtual seconds that a container needs to come back on a host that has its image."""

Stage = Literal["pulling", "starting", "deployed", "gone"]
_MON_CONTAINER: Final[dict[Stage, int]] = {"pulling": 0, "starting": 1, "deployed": 2, "gone": 2}


@dataclass(frozen=True)
class HostStatus:
    """`mon_container` as my_orders reports it: 0 and 1 deploying, 2 deployed."""

    stage: Stage
    mon_container: int
    online: bool
    frozen: bool


@dataclass
class _Host:
    """One order's host, running or not."""

    order: Mapping[str, Any]
    machine: Machine
    scratch: Scratch
    doors: Doors
    stage: Stage = "pulling"
    frozen: bool = False
    restarts: int = 0
    running: RunningHost | None = None
    deployment: asyncio.Task[None] | None = None
    deployed: asyncio.Event = field(default_factory=asyncio.Event)


class Hosts:
    """Starts, stops and troubles hosts. All methods belong to one event loop.

    `time_scale` virtual seconds pass in a real one; `sleep` waits virtual seconds (by default by
    that scale). `hub_socket` is the hub's Unix socket; without one a relay to `hub_url` is opened
    when it is needed. Under `root` lies one directory per order. What `engines`/bin has takes the
    place of the engine simulators.
    """

    def __init__(
        self,
        root: Path,
        *,
        time_scale: float,
        seed: int,
        hub_url: str,
        hub_socket: Path | None = None,
        log: Callable[[str], None] = lambda _: None,
        sleep: Callable[[float], Awaitable[None]] | None = None,
        engines: Path | None = None,
    ) -> None:
        self._root = root.resolve()
        self._time_scale = time_scale
        self._seed = seed
        self._engines = engines
        self._hub = HubDoor(hub_url, hub_socket, self._root)
        self._log = log
        self._sleep = sleep or (lambda seconds: asyncio.sleep(seconds / time_scale))
        self._hosts: dict[int, _Host] = {}
        # Held while a host is started or ended, so that neither overtakes the other.
        self._turns: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._isolated: bool | None = None

    async def start(
        self,
        order: Mapping[str, Any],
        server: Mapping[str, Any],
        lie: Mapping[str, Any] | None = None,
    ) -> HostAddress:
        """Bring up the host of an order; its address is final, SSH answers later.

        A host that is already there is left as it is. `lie` overrides facts of the server's
        `truth` (see `Machine`). Raises ValueError for facts that no machine has.
        """
        order_id, machine = int(order["id"]), Machine.of(server, lie)
        draw = random.Random(f"{self._seed}:{order_id}:deploy")  # noqa: S311 - a seeded world
        drawn_s = draw.uniform(*DEPLOY_S)
        fixed_s = machine.deploy_s
        return await self._bring_up(order, machine, drawn_s if fixed_s is None else fixed_s)

    async def bring_back(self, orders: Sequence[Mapping[str, Any]]) -> dict[int, HostAddress]:
        """Start the hosts of orders again after a restart of the emulator: same home, host key
        and, where still free, ports. `onstart.sh` runs. Each order has its `server` beside it.
        """
        return {
            int(order["id"]): await self._bring_up(
                order, Machine.of(order["server"], order.get("lie")), RESTART_S
            )
            for order in orders
        }

    async def stop(self, order_id: int) -> None:
        """End the host and everything on it, and delete its files; no error when there is none."""
        async with self._turns[order_id]:
            host = self._hosts.pop(order_id, None)
            if host is not None:
                await self._end(host)
                host.doors.close()
            files = self._scratch(order_id).root
            await asyncio.to_thread(shutil.rmtree, files, ignore_errors=True)

    async def close(self) -> None:
        """End every host but keep their files: `bring_back` goes on with them."""
        for order_id in list(self._hosts):
            async with self._turns[order_id]:
                host = self._hosts.pop(order_id, None)
                if host is not None:
                    await self._end(host)
                    host.doors.close()
        await self._hub.close()

    def status(self, order_id: int) -> HostStatus | None:
        """How the host of an order is; None when there is none."""
        host = self._hosts.get(order_id)
        if host is None:
            return None
        return HostStatus(
            stage=host.stage,
            mon_container=_MON_CONTAINER[host.stage],
            online=host.stage != "gone" and not host.frozen,
            frozen=host.frozen,
        )

    def home(self, order_id: int) -> Path:
        """Where the renter's files of an order lie, for tests and the admin API."""
        return self._scratch(order_id).home

    async def deployed(self, order_id: int) -> None:
        """Wait until the container runs (for ever on a host that never deploys)."""
        await self._hosts[order_id].deployed.wait()

    async def disappear(self, order_id: int) -> None:
        """The machine is gone: everything on it ends, its ports refuse; files stay until stop.

        As with every trouble here, no error when the order has no host.
        """
        async with self._turns[order_id]:
            host = self._hosts.get(order_id)
            if host is not None:
                host.stage = "gone"
                await self._end(host)
                host.doors.close()

    def freeze(self, order_id: int) -> None:
        """The machine hangs: connections are taken and never answered."""
        self._set_frozen(order_id, frozen=True)

    def thaw(self, order_id: int) -> None:
        """A frozen machine goes on."""
        self._set_frozen(order_id, frozen=False)

    async def restart_container(self, order_id: int) -> None:
        """Everything on the host ends and the container starts again: same home, `onstart.sh`."""
        async with self._turns[order_id]:
            host = self._hosts.get(order_id)
            if host is not None and host.stage != "gone":
                await self._end(host)
                host.restarts += 1
                await self._launch(host, RESTART_S)

    def set_engine_faults(self, order_id: int, document: str) -> None:
        """Write the file of engine faults that the engine simulators of a host read."""
        faults = self._scratch(order_id).engine_faults
        faults.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(faults, document)

    def _scratch(self, order_id: int) -> Scratch:
        return Scratch(self._root / str(order_id))

    async def _bring_up(
        self, order: Mapping[str, Any], machine: Machine, deploy_s: float
    ) -> HostAddress:
        order_id = int(order["id"])
        async with self._turns[order_id]:
            if order_id not in self._hosts:
                host = self._make(order, machine)
                self._hosts[order_id] = host
                await self._launch(host, deploy_s)
            return self._hosts[order_id].doors.address

    def _make(self, order: Mapping[str, Any], machine: Machine) -> _Host:
        order_id = int(order["id"])
        scratch = self._scratch(order_id)
        scratch.prepare(
            order,
            hardware(machine, f"{self._seed}:{order.get('server_id', order_id)}"),
            self._engines,
        )
        relay, http = recall(scratch.address)
        if not relay:
            relay, http = recorded(order.get("address"))
        doors = open_doors(order.get("ports") or {}, relay, http, f"{self._seed}:{order_id}")
        remember(scratch.address, doors.address)
        return _Host(order=order, machine=machine, scratch=scratch, doors=doors)

    async def _launch(self, host: _Host, deploy_s: float) -> None:
        """Start the host's process and let its container deploy."""
        plan = await self._plan(host, isolated=await self._are_isolated())
        host.stage, host.frozen = "pulling", False
        host.deployed.clear()
        descriptors = [door.fileno() for door in host.doors.all()]
        host.running = await RunningHost.start(
            plan, descriptors, host.scratch.log, lambda event: self._hear(host, event)
        )
        host.deployment = asyncio.create_task(self._deploy(host, host.running, deploy_s))

    def _hear(self, host: _Host, event: str) -> None:
        """Take notice of what a host says. One that we end ourselves is no longer `running`."""
        if event == "deployed":
            host.stage = "deployed"
            host.deployed.set()
        elif event == "ended" and host.running is not None and host.stage != "gone":
            host.stage = "gone"
            order_id = host.order["id"]
            self._log(f"the host of order {order_id} ended by itself; see {host.scratch.log}")

    async def _are_isolated(self) -> bool:
        if self._isolated is None:
            self._isolated = await asyncio.to_thread(can_isolate)
            kind = "network namespaces" if self._isolated else "loopback addresses"
            self._log(f"hosts are kept apart by {kind}")
        return self._isolated

    async def _plan(self, host: _Host, *, isolated: bool) -> Plan:
        loopback = "127.0.0.1" if isolated else self._own_loopback(host)
        doors, machine = host.doors, host.machine
        password = host.order.get("ssh_password")
        return Plan(
            parent_pid=os.getpid(),
            isolated=isolated,
            scratch=str(host.scratch.root),
            environment=host.scratch.environment(
                host.order, time_scale=self._time_scale, bind=None if isolated else loopback
            ),
            loopback=loopback,
            relay_fds={str(port): door.fileno() for port, door in doors.relay.items()},
            http_fd=doors.http.fileno() if doors.http else None,
            http_port=doors.http_port,
            http_name=machine.http,
            ssh_password=str(password) if password else None,
            fresh_host_key=machine.host_key_changes and host.restarts > 0,
            shm_bytes=hardware(machine, "")["shm"],
            hub_port=self._hub.port,
            hub_socket=await self._hub.path() if isolated else None,
            hub_bytes_per_s=machine.link_bytes_per_s(self._time_scale),
        )

    def _own_loopback(self, host: _Host) -> str:
        """An address in 127/8 for one host; other systems have only the one."""
        if sys.platform != "linux":
            return "127.0.0.1"
        digest = hashlib.sha256(str(host.scratch.root).encode()).digest()
        return f"127.{64 + digest[0] % 64}.{digest[1]}.{1 + digest[2] % 254}"

    async def _deploy(self, host: _Host, running: RunningHost, seconds: float) -> None:
        """Walk through the stages of a deployment in virtual time."""
        await self._sleep(seconds * 0.6)
        host.stage = "starting"
        await self._sleep(seconds * 0.4)
        if not host.machine.deploys:
            return
        resets_s = host.machine.ssh_resets_s
        ssh = host.machine.ssh and has_ssh(host.order)
        running.tell({"do": "deploy", "ssh": ssh, "resetting": resets_s > 0})
        if resets_s > 0:
            await self._sleep(resets_s)
            running.tell({"do": "settle"})

    async def _end(self, host: _Host) -> None:
        running, host.running = host.running, None
        if host.deployment is not None:
            host.deployment.cancel()
        if running is not None:
            await running.end()

    def _set_frozen(self, order_id: int, *, frozen: bool) -> None:
        host = self._hosts.get(order_id)
        if host is not None and host.running is not None:
            host.frozen = frozen
            _ = host.running.freeze() if frozen else host.running.thaw()


def has_ssh(order: Mapping[str, Any]) -> bool:
    """Whether a container has an SSH server: Clore's own images do, and `autossh_entrypoint`
    (which must be the boolean) puts one into any other.
    """
    image = str(order.get("image", ""))
    return order.get("autossh_entrypoint") is True or image.startswith("cloreai/")


def can_isolate() -> bool:
    """Whether hosts can have network namespaces here; CLORE_EMULATOR_NETNS=0 says no."""
    if sys.platform != "linux" or os.environ.get("CLORE_EMULATOR_NETNS") == "0":
        return False
    probe = [sys.executable, "-I", "-S", str(namespaces.__file__)]
    return subprocess.run(probe, check=False, capture_output=True).returncode == 0

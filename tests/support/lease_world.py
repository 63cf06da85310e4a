"""A machine, an engine with a checkpoint, and a plug that can be pulled at every effect.

The engine double does what Pulumi does with a guard and a lease: the guard is committed before the
lease is created, a create that does not return leaves nothing, and destroy deletes lease, then guard.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from clore_inference.errors import HostRejected
from clore_inference.market.acquire import acquire
from clore_inference.market.guard import open_lease, sweep_lease
from clore_inference.market.marketplace import Marketplace
from clore_inference.market.observe import Alive, Lost, Unknown, observe
from clore_inference.market.order import ActiveOrder, HeldOrder
from clore_inference.market.ownership import draw_lease_id
from clore_inference.market.release import release
from clore_inference.market.request import OrderRequest

from .fake_clock import FakeClock
from .market_double import MarketDouble

PROJECT = "clore-inference"
IMAGE = "vllm/vllm-openai@sha256:" + "ab" * 32

EFFECTS = ("post", "posted", "write", "commit", "accept")
"""Steps after which the world or a state file differs; between others a crash changes nothing."""


class Killed(BaseException):
    """kill -9: nothing of the process runs after it."""


def order_request(**other: Any) -> OrderRequest:
    """A request that the double's servers satisfy."""
    wanted: dict[str, Any] = {
        "gpu": "H100-80GB",
        "gpu_names": ("NVIDIA H100 80GB HBM3",),
        "gpu_count": 4,
        "min_gpu_memory_gb": 79,
        "min_disk_gb": 300,
        "min_cuda": "12.4",
        "max_usd_per_day": Decimal(50),
        "image": IMAGE,
        "ports": {22: "tcp", 8000: "http"},
        "ssh_public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA== someone",
    }
    return OrderRequest.model_validate({**wanted, **other})


class MemoryStore:
    """The state directory of one machine; text, as on disk."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.locked: set[str] = set()
        self.step: Callable[[str], None] = lambda _: None

    def read(self, name: str) -> dict[str, Any] | None:
        text = self.files.get(name)
        return json.loads(text) if text is not None else None

    def write(self, name: str, value: Mapping[str, Any], *, durable: bool = False) -> None:
        if durable:
            self.step("writing")
        self.files[name] = json.dumps(value)
        if durable:
            self.step("write")

    @contextmanager
    def lock(self, name: str, waiting: Callable[[], None]) -> Iterator[None]:
        assert name not in self.locked, f"{name} is locked by the same thread for ever"
        self.locked.add(name)
        try:
            yield
        finally:
            self.locked.discard(name)


@dataclass
class Plug:
    """Counts steps and pulls the plug at one of them."""

    crash_at: int | None = None
    effects_only: bool = False
    seen: int = 0
    steps: list[str] = field(default_factory=list)
    at_crash: Callable[[], None] | None = None

    def step(self, label: str) -> None:
        if self.effects_only and label.split(maxsplit=1)[0] not in EFFECTS:
            return
        self.steps.append(label)
        index, self.seen = self.seen, self.seen + 1
        if index == self.crash_at:
            if self.at_crash is None:
                raise Killed(label)
            self.at_crash()


class SteppingClock:
    """The market's clock as one process sees it: every wait is a step."""

    def __init__(self, clock: FakeClock, plug: Plug) -> None:
        self._clock = clock
        self._plug = plug

    def now(self) -> float:
        return self._clock.now()

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self._plug.step("sleep")
        self._clock.sleep(seconds)

    def real(self, seconds: float) -> float:
        return seconds


@dataclass
class Stack:
    """What Pulumi's checkpoint holds of one deployment."""

    guard: dict[str, Any] | None = None
    lease: dict[str, Any] | None = None


@dataclass
class World:
    """One marketplace, the machines that use it, and the stacks."""

    double: MarketDouble
    machine: MemoryStore = field(default_factory=MemoryStore)
    liars: set[int] = field(default_factory=set)
    processes: int = 0
    engine: bool = True
    with_guard: bool = True
    draw: Callable[[], str] = lambda: draw_lease_id(PROJECT, (22, 8000))
    said: list[str] = field(default_factory=list)
    request: OrderRequest = field(default_factory=order_request)
    alive: Callable[[], bool] | None = None
    judge: Callable[[ActiveOrder], dict[str, Any]] | None = None
    """Acceptance by somebody else than the list of liars."""

    @property
    def clock(self) -> FakeClock:
        return self.double.clock

    def market(self, plug: Plug | None = None) -> Marketplace:
        """A new process on the current machine."""
        plug = plug or Plug()
        self.processes += 1
        self.double.step = plug.step
        self.machine.step = plug.step
        return Marketplace.assemble(
            self.double,
            self.machine,
            clock=SteppingClock(self.clock, plug),
            engine_alive=self.alive or (lambda: self.engine),
            say=self.said.append,
            process=f"process-{self.processes}",
            rng=random.Random(self.processes),
        )

    def fresh_machine(self) -> None:
        """The next command runs where nothing is remembered, ten seconds later."""
        self.clock.time += 10  # no pace is shared between machines
        self.machine = MemoryStore()

    def accept(self, plug: Plug) -> Callable[[ActiveOrder], dict[str, Any]]:
        def judge(order: ActiveOrder) -> dict[str, Any]:
            plug.step("accept")
            if self.judge is not None:
                return self.judge(order)
            self.clock.sleep(20)
            if order.server_id in self.liars:
                message = f"server {order.server_id} has other GPUs"
                raise HostRejected(message, reason="other-gpu")
            return {"host_key": "ssh-ed25519 AAAA", "gpus": []}

        return judge

    def up(self, stack: Stack, plug: Plug | None = None) -> Alive | Lost | Unknown | None:
        """`pulumi up`: guard, then lease; returns what the diff of an existing lease saw."""
        plug = plug or Plug()
        market = self.market(plug)
        if stack.guard is None:
            lease_id = self.draw()
            account = open_lease(market, lease_id)
            plug.step("commit")
            stack.guard = {"lease_id": lease_id, "account": account}
        seen = None
        if stack.lease is not None:
            seen = self._diff(market, stack)
            if isinstance(seen, Alive):
                for order_id, server_id in seen.extras:
                    self._release(market, stack, order_id, server_id)
                return seen
            if isinstance(seen, Unknown):
                return seen
            self._delete_lease(market, stack, plug)
        held = acquire(market, **self._of(stack), request=self.request, accept=self.accept(plug))
        plug.step("commit")
        stack.lease = held.model_dump(mode="json")
        return seen

    def _of(self, stack: Stack) -> dict[str, Any]:
        assert stack.guard is not None
        return {"project": PROJECT, **stack.guard}

    def _diff(self, market: Marketplace, stack: Stack) -> Alive | Lost | Unknown:
        held = HeldOrder.model_validate(stack.lease)
        return observe(market, **self._of(stack), held=held)

    def _release(self, market: Marketplace, stack: Stack, order_id: int, server_id: int) -> None:
        release(market, **self._of(stack), order_id=order_id, server_id=server_id)

    def _delete_lease(self, market: Marketplace, stack: Stack, plug: Plug) -> None:
        assert stack.lease is not None
        self._release(market, stack, stack.lease["order_id"], stack.lease["server_id"])
        plug.step("commit")
        stack.lease = None

    def destroy(self, stack: Stack, plug: Plug | None = None) -> None:
        """`pulumi destroy`: lease, then guard."""
        plug = plug or Plug()
        market = self.market(plug)
        if stack.lease is not None:
            self._delete_lease(market, stack, plug)
        if stack.guard is not None:
            if self.with_guard:
                sweep_lease(market, **self._of(stack))
            plug.step("commit")
            stack.guard = None


def new_world(**double: Any) -> World:
    """A calm market."""
    return World(MarketDouble(FakeClock(), **double))

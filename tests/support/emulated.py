"""An emulated marketplace inside the test process, on a clock that only the test moves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from starlette.testclient import TestClient

from clore_emulator.api.app import create_app
from clore_emulator.clock import VirtualClock
from clore_emulator.exchange import NO_LAGS, Lags
from clore_emulator.faults import Profile
from clore_emulator.ledger import Journal
from clore_emulator.market import Market, build_market
from clore_emulator.seams import Hosts
from clore_emulator.world import RENTER, STRANGER, World, open_world

OPENED_AT: Final = 1_790_000_000.0
"""A whole second in 2026, so that billed seconds are easy to read."""
KEYS: Final = {RENTER: "r" * 32, STRANGER: "s" * 32}
FINE_SERVER: Final = 98001
"""An honest 4x H100 of the default market with seed 0, at 35.20 USD a day."""


@dataclass
class Time:
    """Seconds since the start, moved by hand."""

    seconds: float = 0.0


@dataclass
class Emulated:
    """A client of the emulator; every call comes `pause_s` after the one before."""

    world: World
    client: TestClient
    time: Time
    pause_s: float = 6.0
    journal: Journal = field(default_factory=Journal)

    def wait(self, seconds: float) -> None:
        self.time.seconds += seconds

    def call(self, method: str, path: str, key: str | None = KEYS[RENTER], **more: Any) -> Any:
        self.wait(self.pause_s)
        headers = {**({"auth": key} if key else {}), **more.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **more)

    def get(self, path: str, **more: Any) -> Any:
        return self.call("GET", path, **more)

    def post(self, path: str, body: Any, **more: Any) -> Any:
        return self.call("POST", path, json=body, **more)

    def create(self, server_id: int = FINE_SERVER, **changes: Any) -> Any:
        return self.post("/v1/create_order", order_body(server_id, **changes))

    def buy(self, server_id: int = FINE_SERVER, **changes: Any) -> int:
        """Create an order, and read its id from the ledger."""
        answer = self.create(server_id, **changes)
        assert answer.json() == {"code": 0}, f"the order was not accepted: {answer.text}"
        order = self.world.exchange.ledger.order_on(server_id)
        assert order is not None, "an accepted order is in the ledger"
        return order.id

    def cancel(self, order_id: int, **more: Any) -> Any:
        return self.post("/v1/cancel_order", {"id": order_id}, **more)

    def orders(self, *, completed: bool = False, **more: Any) -> list[dict[str, Any]]:
        asked = "true" if completed else "false"
        rows: list[dict[str, Any]] = self.get(
            f"/v1/my_orders?return_completed={asked}", **more
        ).json()["orders"]
        return rows

    def servers(self) -> dict[int, dict[str, Any]]:
        rows = self.get("/v1/marketplace", key=None).json()["servers"]
        return {row["id"]: row for row in rows}

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.client.request(method, f"/_admin{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def arm(self, **rule: Any) -> int:
        armed: int = self.admin("POST", "/faults", rule)[0]["id"]
        return armed

    def ledger(self, *, requests: bool = False) -> dict[str, Any]:
        report: dict[str, Any] = self.admin("GET", f"/ledger?requests={int(requests)}")
        return report


def order_body(server_id: int = FINE_SERVER, **changes: Any) -> dict[str, Any]:
    """A body of `create_order` that the market accepts."""
    body = {
        "currency": "USD-Blockchain",
        "image": "vllm/vllm-openai:v0.12.0",
        "renting_server": server_id,
        "type": "on-demand",
        "ports": {"22": "tcp", "8000": "http", "30001": "tcp"},
        "env": {"WORD": "value"},
        "command": "sleep 1",
        "ssh_key": "ssh-ed25519 AAAA test",
        "autossh_entrypoint": True,
    }
    return {name: value for name, value in {**body, **changes}.items() if value is not None}


@contextmanager
def emulated(
    *,
    market: Market | None = None,
    state: Path | None = None,
    hosts: Hosts | None = None,
    lags: Lags = NO_LAGS,
    profile: Profile = "calm",
    seed: int = 0,
) -> Iterator[Emulated]:
    """Open a marketplace, calm and without lags unless the test says otherwise."""
    time, journal = Time(), Journal(state)
    start = OPENED_AT if journal.is_new else journal.ledger.latest
    world = open_world(
        market or build_market(seed),
        clock=VirtualClock(start=start, source=lambda: time.seconds),
        journal=journal, seed=seed, hosts=hosts, lags=lags, profile=profile, state=state,
    )  # fmt: skip
    for account, key in KEYS.items():
        world.add_key(account, account, key)
    with TestClient(create_app(world), base_url="http://127.0.0.1") as client:
        yield Emulated(world, client, time)

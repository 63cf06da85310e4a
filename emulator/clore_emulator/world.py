"""Everything one emulator consists of, wired together."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from . import money
from .access_log import AccessLog
from .clock import VirtualClock
from .exchange import Exchange, Lags
from .faults import PROFILES, Board, Pauses, Profile
from .ledger import Account, Journal
from .lodging import Lodging, NoHosts
from .market import Market
from .pacing import Pacing
from .seams import Hosts

RENTER: Final = "renter"
STRANGER: Final = "stranger"
KEY_LENGTH: Final = 32
"""Characters; the length of recorded API tokens."""
DEPOSITS: Final = {"bitcoin": "0.02", "CLORE-Blockchain": "50000", "USD-Blockchain": "2000"}
"""What a new account owns, native."""


@dataclass
class World:
    """One emulated marketplace with its accounts, faults and hosts."""

    exchange: Exchange
    board: Board
    lodging: Lodging
    pacing: Pacing
    pauses: Pauses
    access_log: AccessLog
    profile: Profile = "calm"
    state: Path | None = None
    close_journal: Callable[[], None] = field(default=lambda: None)

    @property
    def clock(self) -> VirtualClock:
        return self.exchange.clock

    def account(self, name: str) -> Account:
        """An account by name; KeyError when there is none."""
        return self.exchange.ledger.accounts[name]

    def add_account(self, name: str, deposits: dict[str, str] | None = None) -> None:
        """Open an account without keys."""
        addresses = {
            currency: hashlib.sha256(f"{name}:{currency}".encode()).hexdigest()[:34]
            for currency in money.CURRENCIES
        }
        self.exchange.journal.record(
            "account", self.exchange.now(), name=name, deposits=deposits or DEPOSITS,
            addresses=addresses,
        )  # fmt: skip

    def add_key(self, account: str, name: str, key: str) -> None:
        """Let a key open an account; only its digest is kept."""
        self.exchange.journal.record(
            "key", self.exchange.now(), account=account, name=name, digest=digest_of(key)
        )

    def remove_key(self, account: str, name: str) -> None:
        """Revoke a key for good."""
        self.exchange.journal.record(
            "key", self.exchange.now(), account=account, name=name, digest=None
        )

    def set_profile(self, profile: Profile) -> None:
        """Replace every armed fault by those of a profile; KeyError for an unknown one."""
        rules = PROFILES[profile]
        self.board.disarm()
        for rule in rules:
            self.board.arm(rule)
        self.profile = profile


def open_world(
    market: Market,
    *,
    clock: VirtualClock,
    journal: Journal,
    seed: int = 0,
    hosts: Hosts | None = None,
    lags: Lags | None = None,
    profile: Profile = "calm",
    state: Path | None = None,
) -> World:
    """Wire a world over a journal, new or replayed."""
    if journal.is_new:
        journal.record("opened", clock.now(), seed=seed)
    exchange = Exchange(journal, market, clock, lags=lags, seed=seed)
    world = World(
        exchange=exchange,
        board=Board(seed),
        lodging=Lodging(exchange, hosts or NoHosts()),
        pacing=Pacing(),
        pauses=Pauses(),
        access_log=AccessLog(state),
        state=state,
        close_journal=journal.close,
    )
    for name in (RENTER, STRANGER):
        if name not in exchange.ledger.accounts:
            world.add_account(name)
    world.set_profile(profile)
    return world


def digest_of(key: str) -> str:
    """What is kept of an API key."""
    return hashlib.sha256(key.encode()).hexdigest()


def key_from_file(path: Path) -> str:
    """The API key in a file; a missing file is written with a new key, for its owner only."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new_file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(new_file, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(KEY_LENGTH // 2) + "\n")
    return path.read_text(encoding="utf-8").strip()


def status(world: World) -> dict[str, Any]:
    """What `GET /_admin` answers."""
    return {
        "now": world.exchange.now(),
        "time_scale": world.clock.scale,
        "seed": world.exchange.seed,
        "profile": world.profile,
        "faults_armed": sum(not armed.spent for armed in world.board.armed),
        "hosts": world.lodging.running(),
        "paused": world.pauses.waiting(),
        "active_orders": [order.id for order in world.exchange.ledger.active()],
    }

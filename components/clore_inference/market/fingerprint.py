"""Whose account a key opens: one hash per wallet name and deposit address.

Addresses outlive keys, so a rotated key is the same account, and another account's key is refused
before anything is decided: to that account, our orders look as if they had ended.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

from clore_inference.errors import ListingFailed, WrongAccount
from clore_inference.market.marketplace import Marketplace
from clore_inference.market.wire import Wallet

SCHEME: Final = "clore-account-1:"
"""Part of every state: it never changes."""
SHOWN: Final = 6
"""Hexadecimal digits of each hash that people are shown: enough to compare, no use for anything."""


def fingerprint(market: Marketplace) -> tuple[str, ...]:
    """Return the account's hashes, one per wallet; asks GET /wallets, posts nothing."""
    return fingerprint_of(market.client.wallets().rows)


def fingerprint_of(wallets: Iterable[Wallet]) -> tuple[str, ...]:
    """Return one hash per wallet that has a deposit address, sorted."""
    hashes = {_hash(wallet.name, wallet.deposit) for wallet in wallets if wallet.deposit}
    if not hashes:
        message = (
            "GET /wallets names no deposit address, so whose account this key opens is unknown, and "
            "nothing was decided. Open the Wallets page on https://clore.ai once, then run the "
            "command again"
        )
        raise ListingFailed(message)
    return tuple(sorted(hashes))


def _hash(name: str, deposit: str) -> str:
    return hashlib.sha256(f"{SCHEME}{name}:{deposit}".encode()).hexdigest()[:32]


def is_same(recorded: Sequence[str], seen: Sequence[str]) -> bool:
    """Whether two fingerprints are of one account: any common wallet says so."""
    return not set(recorded).isdisjoint(seen)


def in_short(account: Sequence[str]) -> str:
    """A fingerprint for people: the beginning of each hash, so that any common part is seen."""
    return "-".join(one[:SHOWN] for one in sorted(account)) or "unknown"


def wrong_account(recorded: Sequence[str], seen: Sequence[str], lease_id: str = "") -> WrongAccount:
    """Build the refusal of a key that opens another account than the recorded one."""
    lease = f"lease {lease_id}" if lease_id else "this lease"
    return WrongAccount(
        f"the Clore API key opens another account ({in_short(seen)}) than the one that holds {lease} "
        f"({in_short(recorded)}). Its orders cannot be seen with this key and may be billing; nothing "
        f"was changed. Use a key of account {in_short(recorded)} (CLORE_API_KEY, or `pulumi config "
        "set --secret cloreApiKey`); `clore-inference doctor` names the account of a key"
    )


def verify_account(market: Marketplace, account: Sequence[str]) -> tuple[Wallet, ...]:
    """Return the wallets of the recorded account, or raise WrongAccount."""
    wallets = market.client.wallets().rows
    seen = fingerprint_of(wallets)
    if not is_same(account, seen):
        raise wrong_account(account, seen)
    return wallets

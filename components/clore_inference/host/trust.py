"""Trust on first use, twice: a host key counts when two fresh connections show the same one."""

from __future__ import annotations

import asyncio

import asyncssh

from clore_inference.clock import Clock
from clore_inference.errors import HostUnreachable, TrustError
from clore_inference.host.login import HOST_PATTERN
from clore_inference.host.ssh import CONNECT_TIMEOUT_S, HOST_KEY_ALGORITHMS, in_loop

BETWEEN_TRIES_S = 5.0
"""Marketplace seconds between two tries while a host comes up."""


def scan_host_key(host: str, port: int, *, clock: Clock, deadline_s: float) -> str:
    """Return the host's key as an OpenSSH public key line.

    Waits up to `deadline_s` marketplace seconds for the host to come up. Raises TrustError when two
    connections see different keys, HostUnreachable when the deadline passes.
    """
    if not HOST_PATTERN.fullmatch(host):
        message = f"{host[:80]!r} is neither a host name nor an address"
        raise TrustError(message)
    until = clock.now() + deadline_s
    first = _seen(host, port, clock=clock, until=until)
    second = _seen(host, port, clock=clock, until=until)
    if first != second:
        message = (
            f"{host}:{port} showed two different host keys on two connections "
            f"({_short(first)}, then {_short(second)}). Somebody may stand in between, so nothing "
            "was sent to it."
        )
        raise TrustError(message)
    return first


def _short(line: str) -> str:
    return asyncssh.import_public_key(line).get_fingerprint()


def _seen(host: str, port: int, *, clock: Clock, until: float) -> str:
    reason = "no answer"
    while True:
        try:
            return in_loop(_key(host, port))
        except (OSError, TimeoutError, asyncssh.Error) as error:
            reason = str(error) or "no answer in time"
        left = until - clock.now()
        if left <= 0:
            message = f"{host}:{port} showed no host key: {reason}"
            raise HostUnreachable(message)
        clock.sleep(min(BETWEEN_TRIES_S, left))


async def _key(host: str, port: int) -> str:
    key = await asyncio.wait_for(
        asyncssh.get_server_host_key(
            host, port, server_host_key_algs=list(HOST_KEY_ALGORITHMS), config=None
        ),
        CONNECT_TIMEOUT_S,
    )
    if key is None:
        message = "the server shows no key"
        raise asyncssh.HostKeyNotVerifiable(message)
    parts = key.export_public_key("openssh").decode().split()
    return " ".join(parts[:2])

"""Acceptance: wait for a host, pin its key, let it prove what it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import asyncssh

from clore_inference.clock import Clock
from clore_inference.errors import HostRejected, HostUnreachable
from clore_inference.host.advert import broken_promises
from clore_inference.host.attest import SCRIPT, HostRequirement, complete, parse, shortfalls
from clore_inference.host.link import measure
from clore_inference.host.login import Login
from clore_inference.host.ssh import connected, fingerprint, in_loop, run, unreachable
from clore_inference.host.trust import scan_host_key
from clore_inference.units import duration

__all__ = ["HostRequirement", "accept", "shortfalls"]

BETWEEN_TRIES_S: Final = 5.0
"""Marketplace seconds between two tries: keys are installed after the SSH server is up."""
ATTEST_TIMEOUT_S: Final = 60.0
"""Real seconds for the script; a first nvidia-smi without the persistence daemon takes 10 to 20."""


def accept(
    login: Login,
    requirement: HostRequirement,
    *,
    clock: Clock,
    deadline_s: float,
    say: Callable[[str], None],
    advertised: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the attested facts of a host, with the key that is pinned from now on.

    Waits up to `deadline_s` marketplace seconds for SSH. Raises HostRejected when the host misses
    the deadline, or is less than required or than its row (`specs`) advertised: every shortfall at
    once, with both values. TrustError when its key changes. A login that has a pinned key already
    keeps it. What is only slow is measured and left to the caller.
    """
    started = clock.now()
    until = started + deadline_s
    say(f"waiting for SSH on {login.place}, at most {duration(deadline_s)}")
    try:
        host_key = login.host_key or scan_host_key(
            login.host, login.port, clock=clock, deadline_s=deadline_s
        )
        pinned = replace(login, host_key=host_key)
        say(f"host key {fingerprint(host_key)} pinned after {duration(clock.now() - started)}")
        text = _answers(pinned, clock=clock, until=until)
    except HostUnreachable as error:
        reason = f"missed its deadline of {duration(deadline_s)}: {error}"
        message = f"the host {login.place} {reason}. It is released and its server left out."
        raise HostRejected(message, reason=reason) from error
    facts = parse(text)
    lies = (*shortfalls(facts, requirement), *broken_promises(facts, advertised or {}))
    if lies:
        reason = "; ".join(lies)
        message = (
            f"the host {login.place} is not what was paid for: {reason}. "
            "It is released and its server left out."
        )
        raise HostRejected(message, reason=reason)
    if requirement.link is not None:
        found = measure(pinned, requirement.link, clock=clock)
        facts |= found.facts()
    for line in _summary(facts):
        say(line)
    return {"host_key": host_key, **facts}


def _answers(login: Login, *, clock: Clock, until: float) -> str:
    """What the attestation script prints, tried again until the deadline."""
    while True:
        try:
            return in_loop(_asked(login))
        except HostUnreachable:
            left = until - clock.now()
            if left <= 0:
                raise
            clock.sleep(min(BETWEEN_TRIES_S, left))


async def _asked(login: Login) -> str:
    async with connected(login) as connection:
        try:
            answer = await run(connection, SCRIPT, timeout_s=ATTEST_TIMEOUT_S)
        except (OSError, TimeoutError, asyncssh.Error) as error:
            raise unreachable(login, error) from error
    if not complete(answer.stdout):
        message = f"{login.place} ended the session before it had answered"
        raise HostUnreachable(message)
    return answer.stdout


def _summary(facts: dict[str, Any]) -> tuple[str, str]:
    names = sorted({gpu["name"] for gpu in facts["gpus"]})
    gpus = f"{len(facts['gpus'])}x {', '.join(names)}" if names else "no GPU"
    joined = f" over {', '.join(facts['links'])}" if facts.get("links") else ""
    parts = [
        f"{facts['memory_gb'] or 0:.0f} GB memory",
        f"{facts['shm_gb'] or 0:.0f} GB shared",
        f"{facts['disk_free_gb'] or 0:.0f} GB disk free",
    ]
    if facts.get("down_mbps"):
        parts.append(f"{facts['down_mbps']:g} Mbps")
    return (
        f"host attested: {gpus}{joined}, driver {facts['driver']}",
        f"host attested: {', '.join(parts)}",
    )

"""How a running command is killed: at a protocol point, or at a time."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import Any, Final

import psutil

from support.chaos.plan import Plan, Victim
from support.engine import Running
from support.market import Market
from support.rental import Rental

PAUSE: Final = "chaos"
POLL_S: Final = 0.05
SECOND_INTERRUPT_S: Final = 0.7
PROVIDER: Final = "pulumi.dynamic"


def _providers(rental: Rental) -> list[psutil.Process]:
    found = []
    for process in rental.processes():
        with contextlib.suppress(psutil.Error):
            if PROVIDER in process.cmdline():
                found.append(process)
    return found


def strike(rental: Rental, running: Running, victim: Victim) -> bool:
    """Kill or interrupt now; False where there is nobody any more."""
    if running.process.poll() is not None:
        return False
    match victim:
        case "interrupt" | "interrupt twice":
            running.interrupt()
            if victim == "interrupt twice":
                time.sleep(SECOND_INTERRUPT_S)
                with contextlib.suppress(ProcessLookupError):
                    running.interrupt()
            return True
        case "group":
            os.killpg(running.process.pid, signal.SIGKILL)
            return True
        case _:
            pass
    if victim in ("cli", "both"):
        running.kill()
    struck = victim == "cli"
    for process in _providers(rental) if victim in ("provider", "both") else []:
        with contextlib.suppress(psutil.Error):
            process.kill()
            struck = True
    return struck or victim == "both"


def _rules(plan: Plan, running: Running) -> list[dict[str, Any]]:
    """The emulator's own hooks for victims that it can kill; a pause for the others."""
    assert plan.hook is not None
    endpoint, phase, nth = plan.hook
    point = {"on": endpoint, "phase": phase, "nth": nth, "times": 1}
    match plan.victim:
        case "cli":
            return [{"do": "kill", "pid": running.process.pid, **point}]
        case "provider":
            return [{"do": "kill", "ancestors": 0, **point}]
        case "both":
            cli = {"do": "kill", "pid": running.process.pid, **point}
            return [cli, {"do": "kill", "ancestors": 0, **point}]
        case "group":
            return [{"do": "kill", "pgid": running.process.pid, **point}]
        case _:
            return [{"do": "pause", "name": PAUSE, **point}]


def carry_out(plan: Plan, rental: Rental, market: Market, running: Running) -> bool:
    """Wait for the plan's moment and strike; returns whether it came before the command's end."""
    if plan.hook is None:
        until = running.begun + (plan.after_s or 0)
        while running.process.poll() is None and time.monotonic() < until:
            time.sleep(POLL_S)
        while running.process.poll() is None:
            # A provider that is to die may not have been started yet.
            if strike(rental, running, plan.victim):
                return True
            time.sleep(POLL_S)
        return False
    rules = _rules(plan, running)
    ids = {row["id"] for row in market.admin("POST", "/faults", body=rules)}
    try:
        return _at_the_hook(plan, rental, market, running, ids)
    finally:
        for rule_id in ids:
            market.admin("DELETE", f"/faults/{rule_id}")


def _at_the_hook(
    plan: Plan, rental: Rental, market: Market, running: Running, ids: set[int]
) -> bool:
    while True:
        if plan.victim.startswith("interrupt") and market.admin("GET", "")["paused"].get(PAUSE):
            struck = strike(rental, running, plan.victim)
            market.admin("POST", "/release", name=PAUSE)
            return struck
        if running.process.poll() is not None:
            break
        time.sleep(POLL_S)
    rows = market.admin("GET", "/faults")
    return any(row["fired"] for row in rows if row["id"] in ids and row["do"] == "kill")

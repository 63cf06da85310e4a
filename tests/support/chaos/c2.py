"""A chaos run through the real Pulumi CLI: kill it, recover as an operator does, ask the ledger."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from support.canary import exposed, kept
from support.chaos.kill import carry_out
from support.chaos.plan import Plan
from support.chaos.verdict import Verdict, active, wasted
from support.engine import REPOSITORY, Engine, Result
from support.market import Market, wait_until
from support.rental import Rental

LIGHT: Final = '''"""The order of a deployment alone: guard, lease and keys."""

import signal

import pulumi

from clore_inference import settings
from clore_inference.gpu_order import GpuOrder
from clore_inference.keys import Keys

signal.signal(signal.SIGINT, signal.SIG_DFL)
keys = Keys("keys")
link = {"public_key": keys.public_key, "private_key": keys.private_key}
order = GpuOrder("order", settings.load() | link)
pulumi.export("orderId", order.order_id)
'''
HOSTILE_TRIES: Final = 4
"""An operator who gets an error reads it and runs the command again."""
CALM_TRIES: Final = 4
"""Then the market calms down, and it must succeed."""
ORPHANS_WITHIN_S: Final = 150.0
"""Real seconds: the providers' own bound for work in hand, and a margin."""
ANOTHER_MACHINE_S: Final = 0.2
"""Real seconds; the market allows one create in five of its own."""
SOLD_OUT: Final = "errors.NothingFits"
KILLED_WITHIN_S: Final = 200.0
IMAGE: Final = "vllm/vllm-openai:latest"


class Chaos:
    """One run in a directory of its own."""

    def __init__(
        self,
        plan: Plan,
        directory: Path,
        engine: Engine,
        time_scale: float,
        *,
        program: str = LIGHT,
        **settings: str,
    ) -> None:
        self.plan = plan
        self.verdict = Verdict(plan)
        self.handed_over: list[int] = []
        self.secrets: set[str] = set()
        """What the program itself drew: the private key and the endpoint's key."""
        self._said: dict[str, str] = {}
        options = ("--liars", "none", "--seed", str(plan.seed), "--profile", plan.profile)
        self.market = Market.start(directory / "market", *options, time_scale=time_scale)
        self.rental = Rental.create(
            directory / "rental", engine, self.market, timeScale=f"{time_scale:g}", **settings
        )
        if not plan.full:
            (self.rental.directory / "__main__.py").write_text(program, encoding="utf-8")
        paths = [str(REPOSITORY / part) for part in ("components", "emulator", "tests")]
        self.rental.environment["PYTHONPATH"] = os.pathsep.join(paths)

    @property
    def rentals(self) -> list[Rental]:
        """Every project that commands are run in."""
        return [self.rental]

    def run(self) -> Verdict:
        begun = time.monotonic()
        self._rent_by_hand()
        if self._prepared():
            self._kill()
            self._recover()
        self._judge()
        self.verdict.seconds = round(time.monotonic() - begun, 1)
        return self.verdict

    def close(self) -> None:
        self.rental.close()
        self.market.stop()

    def _rent_by_hand(self) -> None:
        """The account's owner rents one of the servers that fit, by hand and with our image."""
        rows = self.market.admin("GET", "/servers")
        fitting = [
            row["id"]
            for row in rows
            if not row["rented"] and not row["offline"] and _is_wanted(row)
        ]
        if fitting:
            server_id = sorted(fitting)[self.plan.seed % len(fitting)]
            self.market.admin("POST", "/rent", account="renter", server_id=server_id, image=IMAGE)

    def _prepared(self) -> bool:
        """Hold an order first, where a later command is the one to be killed."""
        if self.plan.during == "up":
            return True
        if not self._until("up", self.rental.up):
            return False
        self._claim()
        if self.plan.during == "repair":
            [held] = active(self.market.ledger())
            self.market.admin("POST", "/cancel", order_id=held)
        return True

    def _kill(self) -> None:
        words = ["destroy", "--continue-on-error"] if self.plan.during == "destroy" else ["up"]
        running = self.rental.start(words[0], "--yes", "--skip-preview", *words[1:])
        self.verdict.struck = carry_out(self.plan, self.rental, self.market, running)
        running.finish(KILLED_WITHIN_S)
        if self.plan.rival:
            self._rent_by_hand()

    def _recover(self) -> None:
        """`pulumi cancel`, what was drawn, and in the end always `destroy`."""
        self.rental.cancel()
        if self.plan.fresh:
            self._change_machine()
        if self.plan.then == "refresh":
            self._until("refresh", self.rental.refresh)
        if self.plan.then == "up" and self._until("up", self.rental.up):
            self._wait_for_orphans()
            self._claim()
        if self._until("destroy", self.rental.destroy):
            self._wait_for_orphans()
            self.verdict.left = active(self.market.ledger())

    def _change_machine(self) -> None:
        """Go on where nothing is remembered; no pace is shared, so not at the same moment."""
        self._wait_for_orphans()
        time.sleep(ANOTHER_MACHINE_S)
        elsewhere = self.market.directory / "another-machine"
        self.rental.environment["XDG_STATE_HOME"] = str(elsewhere)

    def _until(self, name: str, command: Callable[[], Result]) -> bool:
        """Run a command until it succeeds; the market is hostile first, then calm."""
        result = self._once(name, command)
        for attempt in range(1, HOSTILE_TRIES + CALM_TRIES):
            if result.code == 0:
                return True
            if attempt == HOSTILE_TRIES:
                self.market.disarm()
            result = self._once(name, command)
        if result.code == 0:
            return True
        if SOLD_OUT in result.text:
            return False  # people rent too: that nothing is left to rent is no fault of a command
        last = [line.strip() for line in result.messages("error", "info#err") if line.strip()]
        self.verdict.stuck = f"`{name}`: {' / '.join(last)[-600:] or result.text[-600:]}"
        return False

    def _once(self, name: str, command: Callable[[], Result]) -> Result:
        self.verdict.attempts[name] = self.verdict.attempts.get(name, 0) + 1
        result = command()
        self._said[name] = result.text
        return result

    def _wait_for_orphans(self, rental: Rental | None = None) -> None:
        """Only what is left when nobody acts any more is counted."""
        wait_until(
            lambda: not (rental or self.rental).processes(),
            within_s=ORPHANS_WITHIN_S,
            because="a killed command's process goes on",
        )

    def _claim(self) -> None:
        """After an `up` that succeeded: one order, and the stack's."""
        held = int(self.rental.outputs()["orderId"])
        billing = active(self.market.ledger())
        self.handed_over.append(held)
        self.secrets |= drawn_secrets(self.rental)
        self.verdict.unclaimed += [one for one in billing if one != held]
        # A listing that failed is not an end: such an `up` changes nothing, and says so.
        told = f"order {held} was not looked at" in self._said.get("up", "")
        self.verdict.hollow += [held] if held not in billing and not told else []

    def _judge(self) -> None:
        ledger: dict[str, Any] = self.market.ledger()
        self.verdict.strangers = ledger["foreign_cancels"]
        self.verdict.violations = ledger["violations"]
        usd, orders = wasted(ledger, self.handed_over)
        self.verdict.wasted_usd, self.verdict.wasted_orders = round(usd, 4), orders
        self._search()

    def _search(self) -> None:
        """Look for every secret in whatever the commands, the providers and the market left."""
        here = self.market.directory.parent
        everything = [file for rental in self.rentals for file in rental.artefacts()]
        everything += kept(self.market.directory)
        secrets = {self.market.key, self.market.hub_token, *self.secrets}
        found = exposed(everything, secrets)
        self.verdict.exposed += [str(file.relative_to(here)) for file in found]


def drawn_secrets(rental: Rental) -> set[str]:
    """The secrets in a state, in clear; of a key in lines, the one in the middle."""
    shown = rental.run("stack", "export", "--show-secrets", "--stack", rental.stack, check=True)
    rows = json.loads(shown.stdout)["deployment"].get("resources") or []
    outputs = [row["outputs"] for row in rows if str(row["type"]).endswith(":Keys")]
    found = set()
    for name in ("private_key", "endpoint_key") if outputs else ():
        value = outputs[0][name]
        lines = str(json.loads(value["plaintext"]) if isinstance(value, dict) else value).split()
        found.add(lines[len(lines) // 2])
    return found


def _is_wanted(row: dict[str, Any]) -> bool:
    gpus = str(row["specs"]["gpu"]).strip()
    return gpus == "4x NVIDIA H100 80GB HBM3" and "USD-Blockchain" in row["allowed_coins"]

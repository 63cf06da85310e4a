"""A deployment under test: the repository's own program against an emulated marketplace."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import requests

from clore_inference.host.login import Login
from clore_inference.host.status import engine_status
from clore_inference.secret import Secret
from support.engine import REPOSITORY, Engine, Project, copy_project
from support.market import TIME_SCALE, Market, wait_until

ORPHANS_WITHIN_S = 30.0
SETTINGS = {
    "licenseUse": "evaluation",
    "maxUsdPerDay": "60",
    "topology": "4xH100",
    "exposure": "public",
}


MakeRental = Callable[..., "Rental"]


class Rental(Project):
    """A project whose stack is set for a market; `market` is the judge."""

    market: Market

    @classmethod
    def of(
        cls, directory: Path, engine: Engine, market: Market, passphrase: str | None = None
    ) -> Rental:
        """The project without a stack."""
        copy_project(directory)
        paths = [str(REPOSITORY / "components"), str(REPOSITORY / "emulator")]
        environment = {**market.environment(), "PYTHONPATH": os.pathsep.join(paths)}
        if passphrase:
            environment["PULUMI_CONFIG_PASSPHRASE"] = passphrase
        rental = cls(directory, engine, environment=environment)
        rental.market = market
        return rental

    @classmethod
    def create(
        cls,
        directory: Path,
        engine: Engine,
        market: Market,
        passphrase: str | None = None,
        **settings: str,
    ) -> Rental:
        """The project with a stack that is set for the market."""
        rental = cls.of(directory, engine, market, passphrase)
        rental.create_stack()
        here = {"apiUrl": market.api, "hfEndpoint": market.hub, "timeScale": f"{TIME_SCALE:g}"}
        rental.configure(**(SETTINGS | here | settings))
        return rental

    def order_id(self) -> int:
        return int(self.outputs()["orderId"])

    def ask(self, document: dict[str, Any], endpoint: str = "") -> Any:
        """Send a chat to the public endpoint with its key; another endpoint has the same key."""
        known = self.outputs()
        return requests.post(
            f"{endpoint or known['endpoint']}/v1/chat/completions",
            json=document,
            headers={"Authorization": f"Bearer {known['endpointKey']}"},
            timeout=60,
        )

    def shell(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program of ours in the project's directory, as a user of this stack would."""
        return subprocess.run(
            command,
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def cli(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `clore-inference`."""
        return self.shell(str(Path(sys.executable).parent / "clore-inference"), *words)

    def wait_until_engine_is(self, state: str) -> None:
        """Return when the host itself says so of its engine."""
        ssh = self.outputs()["ssh"]
        login = Login(
            host=ssh["host"],
            port=int(ssh["port"]),
            private_key=Secret(ssh["privateKey"]),
            host_key=ssh["hostKey"],
        )
        wait_until(
            lambda: engine_status(login, timeout_s=10).state == state,
            within_s=60,
            because=f"the engine never became {state}",
        )

    def processes(self) -> list[psutil.Process]:
        """Every process that works in this project's directory, killed commands' orphans too."""
        found = []
        for process in psutil.process_iter(["cwd", "cmdline"]):
            try:
                if process.info["cwd"] == str(self.directory):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def wait_for_orphans(self) -> None:
        """Return when nothing that a killed command started is left; only then count orders."""
        until = time.monotonic() + ORPHANS_WITHIN_S
        while left := self.processes():
            assert time.monotonic() < until, f"still running: {[one.cmdline() for one in left]}"
            time.sleep(0.1)

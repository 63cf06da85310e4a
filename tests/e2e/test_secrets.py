"""G9: no secret in state, outputs, logs, the access log, or any process's arguments."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from support.canary import kept, spellings
from support.market import Market
from support.rental import Rental

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@contextmanager
def every_argument_seen(into: set[str]) -> Iterator[None]:
    """Collect the arguments of every process that runs meanwhile, hosts' processes included."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            for process in psutil.process_iter(["cmdline"]):
                into.update(process.info["cmdline"] or [])

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    yield
    over.set()
    watcher.join()


def test_g9_no_secret_is_anywhere_but_in_encrypted_state(rental: Rental, market: Market) -> None:
    arguments: set[str] = set()
    texts: dict[str, str] = {}
    with every_argument_seen(arguments):
        texts["preview"] = rental.preview("--diff").text
        up = rental.up()
        assert up.code == 0, up.text
        texts["up"] = up.text
        known = rental.outputs()
        texts["export"] = json.dumps(rental.export())
        order = market.active_orders()[0]
        texts["order"] = json.dumps(order)
        market.engine_faults(order["id"], "crashes_at_load")
        rental.configure(maxModelLen="32768")
        texts["failed up"] = rental.up().text
        texts["destroy"] = rental.destroy().text
    assert any(b"pending_operations" in content for _, content in rental.artefacts()), (
        "the state is among the artefacts that are searched"
    )
    private_key = known["ssh"]["privateKey"].splitlines()
    secrets = {
        "marketplace key": market.key,
        "hub token": market.hub_token,
        "endpoint key": known["endpointKey"],
        "private key": private_key[len(private_key) // 2],
    }
    for name, secret in secrets.items():
        found = [
            place
            for place, text in texts.items()
            if any(form in text.encode() for form in spellings(secret))
        ]
        assert not found, f"the {name} stands in {found}"
        assert not any(secret in argument for argument in arguments), f"{name} in an argument"
        leaks = [
            str(file)
            for file, content in [*rental.artefacts(), *kept(market.directory)]
            if any(form in content for form in spellings(secret))
        ]
        assert not leaks, f"the {name} stands in {leaks}"

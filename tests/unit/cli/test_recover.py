"""After a kill: the lock, the interrupted entry, and what is billing."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from clore_inference.cli import exit_code
from clore_inference.cli.billing import Recorded, bills, burning, recorded
from clore_inference.cli.project import project_of
from clore_inference.cli.recover import (
    as_dict,
    clear_pending,
    free_lock,
    lines,
    verdict,
    what_bills,
)
from clore_inference.errors import CloreInferenceError, WrongAccount
from clore_inference.market.ownership import mark, project_port
from clore_inference.market.price import USD
from clore_inference.market.wire import Order
from support.program import program
from support.recorded_state import lost, state

PROJECT, LEASE = "mine", "a" * 32
URN = "urn:pulumi:h100::mine::pulumi-python:dynamic/clore:Lease::m-lease"
DEAD_PID = 2**22 + 1
"""Above the largest process id of Linux."""


class Pulumi:
    """Answers by the first words of the command, and notes what was asked."""

    def __init__(self, **answers: tuple[int, str]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __call__(self, arguments: Sequence[str]) -> CompletedProcess[str]:
        self.asked.append(" ".join(arguments))
        code, text = self.answers.get(arguments[0], (0, ""))
        return CompletedProcess([], code, text, text if code else "")


def locked(root: Path, pid: int) -> Pulumi:
    folder = root / ".pulumi" / "locks" / "organization" / "mine" / "h100"
    folder.mkdir(parents=True)
    lock = {"pid": pid, "hostname": socket.gethostname(), "username": "u"}
    (folder / "1.json").write_text(json.dumps(lock))
    return Pulumi(whoami=(0, json.dumps({"user": "u", "url": f"file://{root}"})))


def yes(question: str) -> bool:
    return bool(question)


def no(question: str) -> bool:
    return not question


SELECTED = ["--stack", "h100"]


def test_a_dead_lock_is_freed_after_asking(tmp_path: Path) -> None:
    pulumi = locked(tmp_path, DEAD_PID)
    assert not free_lock(pulumi, SELECTED, no)
    assert not any(asked.startswith("cancel") for asked in pulumi.asked)
    assert free_lock(pulumi, SELECTED, yes)
    assert pulumi.asked[-1] == "cancel --yes --stack h100"


def test_a_living_update_is_never_cancelled(tmp_path: Path) -> None:
    pulumi = locked(tmp_path, os.getpid())
    with pytest.raises(CloreInferenceError, match="buy twice"):
        free_lock(pulumi, SELECTED, yes)
    assert not any(asked.startswith("cancel") for asked in pulumi.asked)


def test_another_stacks_lock_is_not_ours(tmp_path: Path) -> None:
    pulumi = locked(tmp_path, os.getpid())
    assert not free_lock(pulumi, ["--stack", "h200"], yes)


def test_the_backend_is_asked_from_the_projects_directory(tmp_path: Path) -> None:
    pulumi = locked(tmp_path, DEAD_PID)
    assert free_lock(pulumi, [*SELECTED, "--cwd", "sub"], yes)
    assert pulumi.asked[0] == "whoami --verbose --json --cwd sub"


def test_without_a_key_the_bill_is_unknown_and_the_rest_is_done(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pulumi = locked(tmp_path, DEAD_PID)
    pulumi.answers |= {"stack": (0, json.dumps(export())), "config": (1, "")}
    monkeypatch.setattr("clore_inference.cli.recover.pulumi", pulumi)
    monkeypatch.delenv("CLORE_API_KEY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    file = tmp_path / "Pulumi.h100.yaml"
    file.write_text("config:\n  clore-inference:apiUrl: http://127.0.0.1:9\n")
    options = ["--stack", "h100", "--config-file", str(file), "--yes"]
    ran = program("recover", *options, capsys=capsys)
    assert ran.code == 3
    assert "The lock is free" in ran.err
    assert "What is billing is unknown" in ran.err


def test_to_another_accounts_key_nothing_looks_as_if_it_had_ended() -> None:
    world, stack = lost()
    document = json.loads(state(stack, held=True, account=["f" * 32]))
    with pytest.raises(WrongAccount, match="may be billing"):
        what_bills(world.market(), recorded(document, PROJECT))
    own = recorded(json.loads(state(stack, held=True)), PROJECT)
    assert [bill.standing for bill in what_bills(world.market(), own)] == ["held"]


def test_a_backend_that_cannot_be_looked_at_is_asked_about() -> None:
    pulumi = Pulumi(whoami=(0, json.dumps({"url": "https://app.pulumi.com/u"})))
    assert free_lock(pulumi, SELECTED, yes)


def test_an_interrupted_entry_is_cleared_after_asking() -> None:
    state = Recorded(PROJECT, pending=("creating m-lease",))
    pulumi = Pulumi()
    assert not clear_pending(pulumi, SELECTED, Recorded(PROJECT), yes)
    assert not clear_pending(pulumi, SELECTED, state, no)
    assert not pulumi.asked
    assert clear_pending(pulumi, SELECTED, state, yes)
    assert pulumi.asked == ["refresh --yes --skip-preview --clear-pending-creates --stack h100"]


def test_a_failed_step_says_what_failed() -> None:
    state = Recorded(PROJECT, pending=("creating m-lease",))
    with pytest.raises(CloreInferenceError, match="no passphrase"):
        clear_pending(Pulumi(refresh=(1, "no passphrase")), SELECTED, state, yes)


def export(**pending: Any) -> dict[str, Any]:
    guard = {
        "urn": URN.replace("Lease::", "LeaseGuard::"),
        "type": "pulumi-python:dynamic/clore:LeaseGuard",
        "outputs": {"lease_id": LEASE},
    }
    lease = {
        "urn": URN,
        "type": "pulumi-python:dynamic/clore:Lease",
        "outputs": {"order_id": "11"},
    }
    return {"deployment": {"resources": [guard, lease], **pending}}


def test_a_state_tells_its_guards_orders_and_interruptions() -> None:
    operation = {"type": "creating", "resource": {"urn": URN}}
    found = recorded(export(pending_operations=[operation]), PROJECT)
    assert found.lease_ids == (LEASE,)
    assert found.held == {11: URN}
    assert found.pending == ("creating m-lease",)
    assert project_of(export()) == PROJECT


def test_an_empty_state_tells_nothing() -> None:
    assert recorded({"deployment": None}, PROJECT) == Recorded(PROJECT)


def order(number: int, *ports: int) -> Order:
    row = {
        "id": number,
        "si": 7,
        "price": 24.0,
        "currency": USD,
        "tcp_ports": [f"{port}:1" for port in ports],
    }
    return Order.model_validate(row)


STATE = recorded(export(), PROJECT)
ACTIVE = [
    order(11, *mark(PROJECT, LEASE)),
    order(12, *mark(PROJECT, LEASE)),
    order(13, project_port(PROJECT)),
    order(14, 22),
]
FOUND = bills(ACTIVE, STATE, {USD: Decimal(1)})


def test_every_order_has_its_standing() -> None:
    assert [bill.standing for bill in FOUND] == ["held", "unheld", "unguarded", "other"]


def test_an_order_whose_ports_are_not_shown_yet_may_be_ours_and_is_not_counted() -> None:
    (bill,) = bills([order(15)], STATE, {USD: Decimal(1)})
    assert bill.standing == "portless"
    assert verdict([bill]) == exit_code.BILLING
    assert "whose it is cannot be told" in "\n".join(lines([bill], STATE))
    assert burning([bill]).startswith("0 order(s)")


def test_the_bill_counts_this_projects_orders_with_the_fee() -> None:
    assert burning(FOUND) == "3 order(s) of this project, 3.15 USD/h"
    assert "unknown price" in burning(bills(ACTIVE, STATE, {}))


def test_an_order_that_no_lease_holds_is_an_exit_code_of_its_own() -> None:
    assert verdict(FOUND) == exit_code.BILLING
    assert verdict(FOUND[:1]) == exit_code.FINE
    assert verdict(FOUND[3:]) == exit_code.FINE, "other people's orders are none of our business"


def test_the_report_says_what_goes_on_and_what_to_run() -> None:
    text = "\n".join(lines(FOUND[1:], STATE))
    assert "order 12" in text
    assert "order 14" not in text
    assert f"pulumi state delete '{URN}'" in text, "order 11 is held, but not active"
    document = json.loads(json.dumps(as_dict(FOUND, freed=True, cleared=False)))
    assert document["orders"][0]["usd_per_day"] == "25.200"

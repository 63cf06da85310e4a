"""Whether the engine that an order was given still runs, as its host tells."""

from __future__ import annotations

import secrets
from typing import Any, Final

from clore_inference.host.login import Login
from clore_inference.lifecycle.session import Change, Properties, Session
from clore_inference.secret import Secret

STATUS_TIMEOUT_S: Final = 2.5
"""Real seconds: a diff may take 3 in all."""


def create(inputs: Properties) -> dict[str, Any]:
    """Draw a token; a new token is what makes the engine start again."""
    return {"order_id": inputs["order_id"], "token": secrets.token_hex(8)}


def diff(session: Session, state: Properties, inputs: Properties) -> Change:
    """Ask for a new token only when the host itself answers that the engine is dead."""
    if inputs["order_id"] != state["order_id"]:
        return Change(replaces=("order_id",))
    from clore_inference.host.status import engine_status  # noqa: PLC0415 - imports asyncssh

    status = engine_status(login_of(inputs), timeout_s=STATUS_TIMEOUT_S)
    if status.state in ("dead", "absent"):
        session.warn(
            f"the engine on order {state['order_id']} is {status.state}: {status.reason}. "
            "It is started again."
        )
        return Change(replaces=("token",))
    if status.state == "unreachable":
        session.warn(
            f"the host of order {state['order_id']} does not answer: {status.reason}. "
            "Unreachable is not dead; nothing changes."
        )
    return Change()


def login_of(inputs: Properties) -> Login:
    """The way onto the host that a resource's inputs describe."""
    return Login(
        host=str(inputs["ssh_host"]),
        port=int(inputs["ssh_port"]),
        private_key=Secret(inputs["private_key"]),
        host_key=str(inputs["host_key"]),
    )

"""The guard of a lease: its random id and its account, in state before anything is bought."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from clore_inference.lifecycle.repository import Wanted, look, require
from clore_inference.lifecycle.session import Properties, Session
from clore_inference.lifecycle.succession import AWAITED, SUCCESSION
from clore_inference.market.guard import open_lease, sweep_lease
from clore_inference.market.ownership import draw_lease_id
from clore_inference.secret import Secret


def create(session: Session, inputs: Properties) -> dict[str, Any]:
    """Draw a lease id and note the account; posts nothing, costs nothing.

    Raises ConfigError where the hub says for certain that the weights cannot be fetched.
    """
    session.require_key()
    awaited = uuid4().hex
    if inputs.get("awaits_proof") == AWAITED:
        SUCCESSION.awaits(awaited)
    _require_weights(session, inputs)
    project = str(inputs["project"])
    ports = [int(port) for port in inputs["ports"]]
    lease_id = draw_lease_id(project, ports)
    account = open_lease(session.marketplace, lease_id)
    SUCCESSION.settled(awaited)
    if inputs.get("awaits_proof") == AWAITED:
        SUCCESSION.awaits(lease_id)
    return {
        "project": project,
        "ports": [str(port) for port in ports],
        "lease_id": lease_id,
        "account": list(account),
    }


def _require_weights(session: Session, inputs: Properties) -> None:
    """Refuse to go on to a purchase whose host could never fetch the weights."""
    if not inputs.get("repository"):
        return
    given = json.loads(inputs["repository"])
    elsewhere = tuple((release, name) for release, name in given.pop("elsewhere"))
    token = Secret(str(inputs["hf_token"])) if inputs.get("hf_token") else None
    standing = look(Wanted(**given, elsewhere=elsewhere), token)
    text = require(standing)
    if standing.state == "unknown":
        session.warn(text)


def delete(session: Session, state: Properties) -> None:
    """Cancel every order that carries this lease's full mark, verified; raises on any doubt."""
    session.require_key()
    cancelled = sweep_lease(
        session.marketplace,
        project=str(state["project"]),
        lease_id=str(state["lease_id"]),
        account=[str(one) for one in state["account"]],
    )
    for order_id in cancelled:
        session.warn(
            f"the guard ended order {order_id}, which no lease had ended before. If a lease of this "
            "stack still names it, the next `pulumi up` rents another server and says so"
        )

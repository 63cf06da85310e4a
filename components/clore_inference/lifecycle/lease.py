"""The lease: one order, bought under its guard, whose host has proven itself.

Create is the only function here that can spend, delete the only one that must not fail quietly.
"""

from __future__ import annotations

from typing import Any, Final, assert_never

from clore_inference.errors import ConfigError, NotYetGone, WrongAccount
from clore_inference.host.attest import HostRequirement
from clore_inference.lifecycle.acceptance import Acceptance, outgrown
from clore_inference.lifecycle.session import Change, Properties, Session
from clore_inference.lifecycle.succession import AWAITED, SUCCESSION
from clore_inference.market.acquire import acquire
from clore_inference.market.observe import Alive, Lost, Unknown, observe
from clore_inference.market.order import HeldOrder
from clore_inference.market.release import release
from clore_inference.market.request import OrderRequest
from clore_inference.market.story import still_burning
from clore_inference.secret import Secret
from clore_inference.units import per_hour, usd

KEPT: Final = ("project", "lease_id", "account", "request", "requirement")
"""Inputs that state keeps; the private key is not among them, a cancel needs no SSH."""


def create(session: Session, inputs: Properties) -> dict[str, Any]:
    """Hold exactly one order whose host was attested: adopt ours, else buy at most once at a time."""
    session.require_key()
    _wanted(inputs)
    request = OrderRequest.model_validate_json(inputs["request"])
    held = acquire(
        session.marketplace,
        project=str(inputs["project"]),
        lease_id=str(inputs["lease_id"]),
        account=_account(inputs),
        request=request,
        accept=Acceptance(
            HostRequirement.model_validate_json(inputs["requirement"]),
            Secret(inputs["private_key"]),
            clock=session.marketplace.clock,
            say=session.say,
            replacements=request.max_replacements,
        ),
    )
    _wanted(inputs, str(held.order_id))
    return {**{name: inputs[name] for name in KEPT}, **_outputs(held)}


def stays(state: Properties) -> None:
    """Note that the program still has this lease, whatever becomes of its order."""
    SUCCESSION.stays(str(state["lease_id"]))


def _wanted(inputs: Properties, order_id: str = "") -> None:
    if inputs.get("awaits_proof") == AWAITED:
        SUCCESSION.awaits(str(inputs["lease_id"]), order_id)
    else:
        SUCCESSION.stays(str(inputs["lease_id"]))


def _outputs(held: HeldOrder) -> dict[str, Any]:
    return {
        "order_id": str(held.order_id),
        "server_id": str(held.server_id),
        "ssh_host": held.ssh_host,
        "ssh_port": str(held.ssh_port),
        "host_key": str(held.accepted["host_key"]),
        "http_url": held.http_url,
        "usd_per_day": str(held.usd_per_day),
        "ends_at": str(held.ends_at),
        "down_mbps": _text(held.accepted.get("down_mbps")),
        "disk_mb_per_s": _text(held.disk_mb_per_s),
        "held": held.model_dump_json(),
        "lost": "",
    }


def _text(rate: object) -> str:
    """A rate as an output: empty where nobody knows it."""
    return "" if rate is None else str(rate)


def diff(session: Session, state: Properties, inputs: Properties) -> Change:
    """Say whether this order still serves; the market's silence never changes anything."""
    stays(state)
    _wanted(inputs, str(state["order_id"]))
    if state.get("lost"):
        return _lost(session, str(state["lost"]), inputs)
    standing = _standing_change(state, inputs)
    if standing.any:
        _explain(session, state, inputs)
        return standing
    match _observed(session, state):
        case Lost(reason=reason):
            return _lost(session, reason, inputs)
        case Unknown(reason=reason):
            session.warn(f"order {state['order_id']} was not looked at: {reason}. Nothing changes.")
            return Change()
        case Alive(extras=extras, notices=notices):
            for notice in notices:
                session.warn(f"{notice}.")
            if extras:
                session.warn(
                    f"order {state['order_id']} has {len(extras)} duplicate(s) under the same lease: "
                    f"{', '.join(str(one) for one in extras)}. They are cancelled."
                )
            return Change(update=bool(extras))
        case unexpected:
            assert_never(unexpected)


def _lost(session: Session, reason: str, inputs: Properties) -> Change:
    request = OrderRequest.model_validate_json(inputs["request"])
    session.warn(
        f"{reason}. Next: `pulumi up` {_again(request)} and builds everything on it anew; `pulumi "
        "destroy` leaves it at that."
    )
    return Change(replaces=("lost",))


def _again(request: OrderRequest) -> str:
    """What another purchase would do, and, for a bid, what raises it: nothing does by itself."""
    cap = usd(request.max_usd_per_day)
    if request.order_type == "on-demand":
        return f"rents another server for at most {cap} a day"
    bid = request.spot_bid_usd_per_day
    amount = "the least that a server takes" if bid is None else f"{usd(bid)} a day"
    return (
        f"bids {amount} for a free server (spotBidUsdPerDay, below the cap of {cap}; `orderType: "
        "on-demand` cannot be outbid)"
    )


def _standing_change(state: Properties, inputs: Properties) -> Change:
    """What follows from state and wishes alone, without asking anybody."""
    if inputs["lease_id"] != state["lease_id"]:
        return Change(replaces=("lease_id",))
    had = OrderRequest.model_validate_json(state["request"])
    want = OrderRequest.model_validate_json(inputs["request"])
    if (had.gpu, had.gpu_count) != (want.gpu, want.gpu_count):
        return Change(replaces=("request",))
    if had.ssh_public_key != want.ssh_public_key:
        return Change(replaces=("request",))
    held = HeldOrder.model_validate_json(state["held"])
    asked = HostRequirement.model_validate_json(state["requirement"])
    wanted = HostRequirement.model_validate_json(inputs["requirement"])
    if outgrown(held.accepted, asked, wanted):
        return Change(replaces=("requirement",))
    return Change()


def _explain(session: Session, state: Properties, inputs: Properties) -> None:
    """Say what no setting tells: that a part was replaced without which the order cannot serve."""
    had = OrderRequest.model_validate_json(state["request"])
    want = OrderRequest.model_validate_json(inputs["request"])
    if inputs["lease_id"] != state["lease_id"]:
        why = f"its guard was replaced, which ends order {state['order_id']}"
    elif had.ssh_public_key != want.ssh_public_key:
        why = (
            f"the keys were replaced, and the host of order {state['order_id']} knows only the old"
        )
    else:
        return
    session.warn(
        f"{why}: that order is ended, another server is rented for at most "
        f"{usd(want.max_usd_per_day)} a day, and everything on it is built anew."
    )


def read(session: Session, state: Properties) -> dict[str, Any]:
    """Return the state with `lost` set by evidence; never reports the lease itself as missing."""
    seen = _observed(session, state)
    if not isinstance(seen, Lost):
        return {**state, "lost": state.get("lost", "")}
    if not state.get("lost"):
        session.warn(f"{seen.reason}. The next `pulumi up` replaces it.")
    return {**state, "lost": seen.reason}


def update(session: Session, state: Properties, inputs: Properties) -> dict[str, Any]:
    """Cancel the duplicates that a diff reported; the held order stays."""
    seen = _observed(session, state)
    if isinstance(seen, Alive):
        for order_id, server_id in seen.extras:
            _release(session, state, order_id, server_id)
    asked = HostRequirement.model_validate_json(state["requirement"])
    wanted = HostRequirement.model_validate_json(inputs["requirement"]).as_asked_by(asked)
    return {
        **state,
        "request": _bought_with_its_image(state, inputs),
        "requirement": wanted.model_dump_json(),
    }


def _bought_with_its_image(state: Properties, inputs: Properties) -> str:
    """The request as it is now, with the image that this order has: another engine goes beside it."""
    had = OrderRequest.model_validate_json(state["request"])
    wanted = OrderRequest.model_validate_json(inputs["request"])
    return wanted.model_copy(update={"image": had.image}).model_dump_json()


def delete(session: Session, state: Properties) -> None:
    """Cancel the order and return only when its end is proven; else say what burns, and what ends it.

    An order whose successor is not proven is kept: see `succession`.
    """
    _require_proven_successor(state)
    try:
        session.require_key()
        _release(session, state, int(state["order_id"]), int(state["server_id"]))
    except (NotYetGone, WrongAccount, ConfigError) as error:
        held = HeldOrder.model_validate_json(state["held"])
        text = f"{error}\n{still_burning(held, str(state['lease_id']))}"
        raise NotYetGone(text) from None


def _require_proven_successor(state: Properties) -> None:
    waiting = SUCCESSION.in_the_way(str(state["lease_id"]))
    if waiting is None or state.get("lost"):
        return
    held = HeldOrder.model_validate_json(state["held"])
    raise NotYetGone(
        f"order {held.order_id} on server {held.server_id} is kept and goes on serving, at "
        f"{usd(per_hour(held.usd_per_day))} an hour: what is to follow it ({waiting}) is not proven. "
        "Correct what failed and run `pulumi up` again, which ends this order last; `pulumi destroy` "
        "ends both"
    )


def _release(session: Session, state: Properties, order_id: int, server_id: int) -> None:
    release(
        session.marketplace,
        project=str(state["project"]),
        lease_id=str(state["lease_id"]),
        account=_account(state),
        order_id=order_id,
        server_id=server_id,
    )


def _observed(session: Session, state: Properties) -> Alive | Lost | Unknown:
    if session.api_key is None:
        return Unknown(reason="there is no Clore API key")
    return observe(
        session.marketplace,
        project=str(state["project"]),
        lease_id=str(state["lease_id"]),
        account=_account(state),
        held=HeldOrder.model_validate_json(state["held"]),
    )


def _account(properties: Properties) -> list[str]:
    return [str(one) for one in properties["account"]]

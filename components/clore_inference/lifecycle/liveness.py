"""Whether the engine that an order was given still runs, as its host tells."""

from __future__ import annotations

import secrets
from concurrent.futures import Future
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

from clore_inference.host.login import Login
from clore_inference.lifecycle.session import Change, Properties, Session
from clore_inference.secret import Secret

if TYPE_CHECKING:
    from clore_inference.host.status import EngineStatus

STATUS_TIMEOUT_S: Final = 2.5
"""Real seconds: a diff may take 3 in all."""

OUTSIDE_TIMEOUT_S: Final = 1.0
"""Real seconds; a private endpoint never answers from outside."""
BOUND_S: Final = 3.0
"""Real seconds that an answer which is on its way is waited for, imports included."""

_on_its_way: Final[dict[Login, Future[EngineStatus | None]]] = {}


def create(inputs: Properties) -> dict[str, Any]:
    """Draw a token; a new token is what makes the engine start again."""
    return {"order_id": inputs["order_id"], "token": secrets.token_hex(8)}


def diff(session: Session, state: Properties, inputs: Properties) -> Change:
    """Ask for a new token only when the host itself answers that the engine is dead."""
    if inputs["order_id"] != state["order_id"]:
        return Change(replaces=("order_id",))
    status = _answer(login_of(inputs))
    if status is None:
        return Change()
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


def ask_ahead(state: Properties, inputs: Properties) -> None:
    """Ask about the engine on a lease's `state` now, beside its market; the engine's diff takes it.

    A diff begins when those before it have ended, so without this the questions would follow each
    other. An engine that answers at its public name is alive, and SSH, whose import alone takes a
    quarter of a second, has nothing to add; only its host can say that it is dead.
    """
    login = login_of({**state, "private_key": inputs["private_key"]})
    answer: Future[EngineStatus | None] = Future()
    _on_its_way[login] = answer
    asked = (answer, login, str(state["http_url"]))
    Thread(target=_fulfil, args=asked, name="ask-ahead", daemon=True).start()


def _fulfil(answer: Future[EngineStatus | None], login: Login, http_url: str) -> None:
    from clore_inference.probe.cheap import is_up  # noqa: PLC0415 - imports requests

    try:
        is_alive = is_up(http_url, timeout_s=OUTSIDE_TIMEOUT_S)
        answer.set_result(None if is_alive else _ask(login))
    except Exception as error:  # noqa: BLE001 - raised again where somebody takes the answer
        answer.set_exception(error)


def _answer(login: Login) -> EngineStatus | None:
    """What the host says, None where its engine has answered: what is on its way, once, or anew."""
    asked = _on_its_way.pop(login, None)
    if asked is None:
        return _ask(login)
    try:
        return asked.result(BOUND_S)
    except TimeoutError:
        from clore_inference.host.status import EngineStatus  # noqa: PLC0415 - imports asyncssh

        return EngineStatus("unreachable", reason=f"no answer within {BOUND_S:g} s")


def _ask(login: Login) -> EngineStatus:
    from clore_inference.host.status import engine_status  # noqa: PLC0415 - imports asyncssh

    return engine_status(login, timeout_s=STATUS_TIMEOUT_S)


def login_of(inputs: Properties) -> Login:
    """The way onto the host that a resource's inputs describe."""
    return Login(
        host=str(inputs["ssh_host"]),
        port=int(inputs["ssh_port"]),
        private_key=Secret(inputs["private_key"]),
        host_key=str(inputs["host_key"]),
    )

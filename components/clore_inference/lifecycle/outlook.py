"""What the network adds to a plan: offers that fit now, the weights' repository, the wallet.

All are asked side by side, within a bound; what did not answer is said and changes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from clore_inference import sizing
from clore_inference.clock import clock_for
from clore_inference.errors import CloreInferenceError
from clore_inference.lifecycle import purse
from clore_inference.lifecycle.purse import Purse
from clore_inference.lifecycle.repository import Standing, look, wanted_repository
from clore_inference.lifecycle.wanted import order_request
from clore_inference.market.marketplace import Marketplace
from clore_inference.market.offers import Offer, Shortlist
from clore_inference.market.table import as_dict, lines
from clore_inference.secret import Secret
from clore_inference.spec import DeploymentSpec
from clore_inference.units import duration, usd

SHOWN: Final = 5
"""Offers in a preview; `clore-inference offers` has them all."""
NO_KEY: Final = (
    "there is no CLORE_API_KEY in the environment. Nobody can say whether it pays for the worst case; "
    "an `up` refuses only a purchase whose first hour it does not pay for"
)

T = TypeVar("T")


class Unasked(Exception):
    """Why a question was not even asked; told whole."""


class Asked(Generic[T]):
    """A question on its way, in a thread that nobody has to wait for: it ends with the process."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._answer: T | None = None
        self._failed = ""
        self._thread = threading.Thread(target=self._run, args=(ask,), daemon=True)
        self._thread.start()

    def _run(self, ask: Callable[[], T]) -> None:
        try:
            self._answer = ask()
        except Unasked as reason:
            self._failed = str(reason)
        except CloreInferenceError as error:
            self._failed = str(error).partition(". ")[0]
        except Exception as error:  # noqa: BLE001 - a question never fails a preview
            self._failed = type(error).__name__

    def wait(self, seconds: float) -> T | str:
        """Return the answer, or why there is none; waits that many real seconds at most."""
        self._thread.join(max(0.0, seconds))
        if self._answer is not None:
            return self._answer
        return self._failed or f"no answer within {seconds:g} s"


@dataclass(frozen=True)
class Outlook:
    """What was learnt; a text where something was not."""

    offers: Shortlist | str
    repository: Standing | str
    purse: Purse | str = ""
    """Empty: it is nobody's business here."""

    def lines(self, spec: DeploymentSpec | None = None) -> tuple[str, ...]:
        """Return it as text; what was not looked at is said. With `spec`, what the best offer means."""
        best = () if isinstance(self.offers, str) else self.offers.offers[:1]
        now = price_now(spec, best[0]) if spec and best else ()
        return (*self._repository(), *self._purse(), *self._offers(), *now)

    def _purse(self) -> tuple[str, ...]:
        if isinstance(self.purse, str):
            text = f"The wallet was not looked at: {self.purse}."
            return (text,) if self.purse else ()
        return self.purse.lines()

    def _repository(self) -> tuple[str, ...]:
        if isinstance(self.repository, str):
            return (f"The repository of the weights was not looked at: {self.repository}.",)
        return (self.repository.text,)

    def _offers(self) -> tuple[str, ...]:
        if isinstance(self.offers, str):
            return (f"Offers were not looked at: {self.offers.rstrip('.')}.",)
        head = "Offers that fit now, by price, then reliability, then network; all prices with fee:"
        if not self.offers.offers:
            head = "No offer fits now: an `up` would buy nothing. Of the same GPUs there are:"
        return (head, *lines(self.offers, SHOWN))

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON-able values; what was not looked at is null, with its reason."""
        asked = {"offers": self.offers, "repository": self.repository, "wallet": self.purse}
        found: dict[str, Any] = {**dict.fromkeys(asked), "not_looked_at": {}}
        for name, value in asked.items():
            if isinstance(value, str):
                found["not_looked_at"] |= {name: value} if value else {}
            elif isinstance(value, Purse):
                found[name] = value.as_dict()
            elif isinstance(value, Standing):
                found[name] = {"state": value.state, "text": value.text}
            else:
                found[name] = as_dict(value)
        return found


def not_asked(reason: str) -> Outlook:
    """Return the outlook of somebody who did not look."""
    return Outlook(reason, reason, reason)


def price_now(spec: DeploymentSpec, best: Offer) -> tuple[str, ...]:
    """Say what the best offer would cost and when it would be ready: the market's part of a plan."""
    bill = sizing.price(spec.model_copy(update={"max_usd_per_day": best.usd_per_day}))
    roof = sizing.ceiling(spec)
    per_million = roof and usd(roof.usd_per_million_tokens(best.usd_per_day))
    link = best.server.specs.net.down
    ready = duration(sizing.startup(spec, link).seconds)
    ends = float(best.server.mrl)
    return (
        f"Server {best.server.id} is what an `up` would take now: {usd(best.usd_per_day)} a day with "
        f"fee, {usd(bill.worst_term)} for {spec.min_term_hours:g} h at most"
        + (f", {per_million} per million tokens at the roofline" if per_million else "")
        + f"; ready in about {ready} at its {link:.0f} Mbit/s; it ends by itself after {ends:g} h, "
        f"{usd(bill.until(ends))} in all.",
    )


def ask_repository(spec: DeploymentSpec, token: Secret | None) -> Asked[Standing]:
    """Ask the hub; posts nothing. Files that lie on the host already are the host's word alone."""
    if spec.weights_path:
        text = f"The weights are those in {spec.weights_path} on the host, verified there."
        return Asked(lambda: Standing("open", text))
    return Asked(lambda: look(wanted_repository(spec), token))


def ask_offers(
    spec: DeploymentSpec, key: Secret | None, *, within_real_s: float
) -> Asked[Shortlist]:
    """Ask the marketplace once for what fits; posts nothing, and needs no key."""

    def ask() -> Shortlist:
        market = Marketplace.open(
            api_url=spec.api_url,
            key=key,
            clock=clock_for(spec.api_url, spec.time_scale),
            engine_alive=lambda: True,
            say=lambda _: None,
        )
        return market.browse(order_request(spec, ""), within_real_s=within_real_s)

    return Asked(ask)


def ask_purse(
    spec: DeploymentSpec, key: Secret | None, *, within_real_s: float, project: str | None = None
) -> Asked[Purse]:
    """Ask for the wallet that would pay, with `project` for its orders too; posts nothing."""
    if key is None:
        return Asked(lambda: _refuse(NO_KEY))
    return Asked(lambda: purse.look(spec, key, within_real_s=within_real_s, project=project))


def _refuse(reason: str) -> Purse:
    raise Unasked(reason)


def secret_of(environment: Mapping[str, str], name: str) -> Secret | None:
    """Return a secret from the environment; None where it is not set."""
    value = environment.get(name, "").strip()
    return Secret(value) if value else None

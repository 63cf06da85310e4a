"""What the account behind the key can pay for, and when the order that it holds ends; only looks."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from clore_inference.clock import clock_for
from clore_inference.market.lease import is_active
from clore_inference.market.marketplace import Marketplace
from clore_inference.market.ownership import project_port
from clore_inference.market.price import exact, usd_rate
from clore_inference.secret import Secret
from clore_inference.spec import DeploymentSpec
from clore_inference.units import SECONDS_PER_HOUR, duration, usd


@dataclass(frozen=True)
class Purse:
    """One look at an account."""

    currency: str
    wallet_usd: Decimal | None
    """What the paying wallet holds; None where it is not listed, or nothing tells its worth."""
    orders: int = 0
    """Active orders that carry the project's mark."""
    term_hours: float | None = None
    """Until the order of this project ends, by the marketplace's clock; None unless it is one."""

    def lines(self) -> tuple[str, ...]:
        """Return it as text."""
        has = "nothing that can be told in USD" if self.wallet_usd is None else usd(self.wallet_usd)
        held: tuple[str, ...] = ()
        if self.term_hours is not None:
            left = duration(self.term_hours * SECONDS_PER_HOUR)
            held = (f"The order of this project ends in {left}.",)
        elif self.orders:
            text = "`clore-inference doctor --stack NAME` says when each ends"
            held = (f"{self.orders} orders of this project run; {text}.",)
        return (f"The {self.currency} wallet holds {has}.", *held)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON-able values; money as text."""
        return {
            "currency": self.currency,
            "wallet_usd": None if self.wallet_usd is None else str(self.wallet_usd),
            "orders": self.orders,
            "term_hours": self.term_hours,
        }


def look(
    spec: DeploymentSpec, key: Secret, *, within_real_s: float, project: str | None = None
) -> Purse:
    """Ask once for the wallets, with `project` for its orders too; raises CloreInferenceError."""
    clock = clock_for(spec.api_url, spec.time_scale)
    market = Marketplace.open(
        api_url=spec.api_url, key=key, clock=clock, engine_alive=lambda: True, say=lambda _: None
    )
    return looked(market, spec.currency, within_real_s=within_real_s, project=project)


def looked(
    market: Marketplace, currency: str, *, within_real_s: float, project: str | None = None
) -> Purse:
    """The same, of a marketplace that is open."""
    deadline = market.clock.now() + within_real_s / market.clock.real(1)
    wallets = market.client.wallets_soon(deadline).rows
    balance = next((one.balance for one in wallets if one.name == currency), None)
    rate = None if balance is None else _rate(market, currency, deadline)
    worth = None if balance is None or rate is None else exact(balance) * rate
    orders, hours = _held(market, project, deadline) if project else (0, None)
    return Purse(currency, worth, orders, hours)


def _rate(market: Marketplace, currency: str, deadline: float) -> Decimal | None:
    if currency.startswith("USD"):
        return Decimal(1)
    return usd_rate(market.client.marketplace_soon(deadline).rows, currency)


def _held(market: Marketplace, project: str, deadline: float) -> tuple[int, float | None]:
    listing = market.client.orders_soon(deadline)
    port, now = project_port(project), listing.server_time
    ours = [row for row in listing.rows if port in row.ports and is_active(row, now)]
    if len(ours) != 1 or now is None or ours[0].ends_at is None:
        return len(ours), None
    return 1, (ours[0].ends_at - now) / SECONDS_PER_HOUR

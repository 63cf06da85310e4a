"""The marketplace account that a command looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from clore_inference.cli.output import note
from clore_inference.cli.stack import Run
from clore_inference.cli.wish import Wish
from clore_inference.market.marketplace import Marketplace
from clore_inference.market.price import USD, usd_rate
from clore_inference.market.wire import Order
from clore_inference.secret import Secret

KEY_VARIABLE = "CLORE_API_KEY"


def market_of(wish: Wish, key: Secret | None) -> Marketplace:
    """Open the marketplace; nobody but a person asked, so no Pulumi engine has to be alive."""
    return Marketplace.open(
        api_url=wish.api_url, key=key, clock=wish.clock, engine_alive=lambda: True, say=note
    )


def api_key(environment: Mapping[str, str]) -> Secret | None:
    """Return the key from the environment, if it is there."""
    value = environment.get(KEY_VARIABLE, "").strip()
    return Secret(value) if value else None


def api_key_of_stack(
    environment: Mapping[str, str], run: Run, selected: list[str]
) -> Secret | None:
    """Return the key from the environment, else from the stack's encrypted configuration."""
    found = api_key(environment)
    if found is not None:
        return found
    done = run(["config", "get", "cloreApiKey", *selected])
    value = done.stdout.strip() if done.returncode == 0 else ""
    return Secret(value) if value else None


def usd_rates(market: Marketplace, orders: Sequence[Order]) -> dict[str, Decimal]:
    """Return USD for one unit of each currency that orders are billed in, as offers price them."""
    rates = {USD: Decimal(1)}
    others = {row.currency for row in orders if row.currency} - {USD}
    if others:
        servers = market.client.marketplace().rows
        found = {currency: usd_rate(servers, currency) for currency in others}
        rates |= {currency: rate for currency, rate in found.items() if rate is not None}
    return rates

"""How long an account's wallets last; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from clore_inference.cli.billing import Bill
from clore_inference.market.price import exact
from clore_inference.market.wire import Wallet
from clore_inference.units import duration, per_hour, usd


@dataclass(frozen=True)
class Fund:
    """One wallet, and what every order of the account takes out of it, others' too."""

    currency: str
    balance_usd: Decimal | None
    """None where no offer tells what the currency is worth."""
    usd_per_day: Decimal
    unpriced: int = 0
    """Orders that it pays for and whose price is not told."""
    balance: Decimal = Decimal(0)
    """In its own currency."""

    @property
    def hours_left(self) -> Decimal | None:
        """Until it is empty; None where nothing burns, or the balance is not known."""
        if self.balance_usd is None or not self.usd_per_day:
            return None
        return max(Decimal(0), self.balance_usd / per_hour(self.usd_per_day))

    def line(self) -> str:
        """The wallet in words."""
        has = f"{self.balance:f}" if self.balance_usd is None else usd(self.balance_usd)
        if not self.usd_per_day and not self.unpriced:
            return f"{self.currency}: {has}, nothing burning"
        more = f", and {self.unpriced} order(s) of unknown price" if self.unpriced else ""
        burns = f"{usd(per_hour(self.usd_per_day))}/h burning{more}"
        hours = self.hours_left
        lasts = "" if hours is None else f", {duration(float(hours) * 3600)} left"
        return f"{self.currency}: {has}, {burns}{lasts}"


def funds(
    wallets: Sequence[Wallet], found: Sequence[Bill], rates: Mapping[str, Decimal]
) -> tuple[Fund, ...]:
    """Return every wallet that has money or pays for an order."""
    return tuple(
        fund
        for wallet in wallets
        if (fund := _fund(wallet, found, rates)).usd_per_day or fund.unpriced or wallet.balance
    )


def _fund(wallet: Wallet, found: Sequence[Bill], rates: Mapping[str, Decimal]) -> Fund:
    rate = rates.get(wallet.name)
    paid = [bill for bill in found if bill.currency == wallet.name]
    burn = sum((bill.usd_per_day or Decimal(0) for bill in paid), Decimal(0))
    worth = None if rate is None or wallet.balance is None else exact(wallet.balance) * rate
    unpriced = sum(1 for bill in paid if bill.usd_per_day is None)
    return Fund(wallet.name, worth, burn, unpriced, exact(wallet.balance or 0))

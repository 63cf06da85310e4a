"""Buying at most once: the choice, the fence, the one POST, and what became of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal

from clore_inference import units
from clore_inference.errors import Ambiguous, ListingFailed, NothingFits, Refused
from clore_inference.market.answers import ALREADY_RENTED, DATABASE_ERROR, Answer
from clore_inference.market.asking import listed_usd
from clore_inference.market.lease import Lease, Sighting, look, poll_s
from clore_inference.market.marketplace import Marketplace
from clore_inference.market.memory import SETTLE_S, Claim, PostOutcome
from clore_inference.market.offers import Offer, shortlist
from clore_inference.market.price import CREATION_FEE_USD, exact, usd_rate
from clore_inference.market.request import OrderRequest
from clore_inference.market.wire import Order, ServerList, Wallet

LEAST_HOURS: Final = 1
"""A wallet that cannot pay for this long is not worth the creation fee."""

SAY_EVERY_S: Final = 30.0


@dataclass(frozen=True)
class Purchase:
    """One request of one lease; nothing here is asked twice of the marketplace's POST."""

    market: Marketplace
    lease: Lease
    request: OrderRequest
    last: frozenset[int] = frozenset()
    """Servers on which an order of ours was short-lived; asked last."""

    def choose(self, wallets: Sequence[Wallet], avoid: Collection[int]) -> Offer:
        """Return the best offer of a fresh listing, or raise NothingFits or Refused."""
        servers = self.market.client.marketplace().rows
        rate = usd_rate(servers, self.request.currency)
        excluded = {**self._claimed(), **self.market.exclusions.told()}
        excluded.update(dict.fromkeys(avoid, "turned down in this run"))
        found = shortlist(servers, self.request, usd_rate=rate, excluded=excluded, last=self.last)
        if not found.offers:
            raise self._nothing_fits(found.explanation)
        offer = found.offers[0]
        self._check_balance(wallets, servers, offer)
        return offer

    def _claimed(self) -> dict[int, str]:
        return {
            server_id: "another lease of this machine has just posted to it"
            for server_id, claim in self.market.claims.recent().items()
            if claim.lease_id != self.lease.lease_id
        }

    def _nothing_fits(self, explanation: str) -> NothingFits:
        cap = units.usd(self.request.max_usd_per_day)
        return NothingFits(
            f"no offer for {self.request.gpu_count}x {self.request.gpu} up to {cap} a day. "
            f"{explanation}. Nothing was bought. Relax what the counts name (maxUsdPerDay, "
            "minDownMbps, minReliability, countries), or try again later"
        )

    def _check_balance(self, wallets: Sequence[Wallet], servers: ServerList, offer: Offer) -> None:
        currency = self.request.currency
        rate = usd_rate(servers, currency) or Decimal(0)
        balance = next((one.balance for one in wallets if one.name == currency), None)
        has = exact(balance or 0) * rate
        hourly = units.per_hour(offer.usd_per_day)
        needs = CREATION_FEE_USD + hourly * LEAST_HOURS
        if has < needs:
            message = (
                f"the {currency} wallet has {units.usd(has)}, but {LEAST_HOURS} h on server "
                f"{offer.server.id} needs {units.usd(needs)} with fees. Nothing was bought. Deposit "
                "on https://clore.ai, then run `pulumi up` again"
            )
            raise Refused(message, reason="not_enough_balance", server_id=offer.server.id)
        hours = float((has - CREATION_FEE_USD) / hourly)
        if hours < self.request.min_term_hours:
            lasts = units.duration(hours * units.SECONDS_PER_HOUR)
            self.market.say(f"the {currency} wallet lasts for {lasts} of server {offer.server.id}")

    def post(self, offer: Offer) -> Answer | Sighting:
        """Send the one POST behind a fresh listing.

        Where that is not clean, or another lease was faster on this server, it is returned instead.
        """
        memory = self.lease.memory(self.market)
        with self.market.client.pacer.exclusive(self.market.fence.check):
            sighting = look(self.market, self.lease)
            if not sighting.clean or sighting.at < memory.quiet_until():
                return sighting
            if offer.server.id in self._claimed():
                return sighting
            earlier = self.market.claims.recent().get(offer.server.id)
            answer = self.market.client.create_order(
                self._body(offer), lambda: self._last_look(offer, sighting)
            )
            if answer.reason == ALREADY_RENTED and earlier is not None:
                answer = Answer("ambiguous", "already rented, perhaps by us", "settle")
            self._note(offer, answer, sighting)
            return answer

    def _last_look(self, offer: Offer, sighting: Sighting) -> None:
        """Write down what is about to be sent, then see that somebody is still there."""
        memory = self.lease.memory(self.market)
        server_id = offer.server.id
        memory.sending(server_id, self.request.image, sighting.server_time)
        claim = Claim(lease_id=self.lease.lease_id, at=self.market.clock.now())
        self.market.claims.note(server_id, claim)
        self.market.fence.check()

    def _note(self, offer: Offer, answer: Answer, sighting: Sighting) -> None:
        outcome: PostOutcome = answer.outcome
        self.lease.memory(self.market).answered(outcome)
        claim = Claim(
            lease_id=self.lease.lease_id,
            at=self.market.clock.now(),
            server_time=sighting.server_time,
            done=outcome == "done",
        )
        self.market.claims.note(offer.server.id, None if outcome == "refused" else claim)

    def _body(self, offer: Offer) -> dict[str, Any]:
        ports: dict[int, Literal["tcp", "http"]] = dict(self.request.ports)
        ports.update(dict.fromkeys(self.lease.mark, "tcp"))
        return {
            "currency": self.request.currency,
            "image": self.request.image,
            "renting_server": offer.server.id,
            "type": self.request.order_type,
            "ports": {str(port): kind for port, kind in ports.items()},
            "ssh_key": self.request.ssh_public_key,
            "autossh_entrypoint": True,
            **self._ceiling(offer),
        }

    def _ceiling(self, offer: Offer) -> dict[str, int | float]:
        """The field that holds the price: nothing above it can be charged."""
        if self.request.order_type == "spot":
            return {"spotprice": offer.native_per_day}
        return {"required_price": offer.native_per_day}

    def resolve(self, offer: Offer, answer: Answer) -> Order | None:
        """Find by listing what a POST did: the order, or None if the server is provably not ours.

        Raises Ambiguous when the settle window passes without an answer: nothing else is bought.
        """
        memory = self.lease.memory(self.market)
        begun = self.market.clock.now()
        said_at = begun
        until = memory.quiet_until()
        rounds = 0
        while True:
            # Nobody saw an order listed sooner; the turn is somebody else's meanwhile.
            self.market.clock.sleep(poll_s(rounds, until - self.market.clock.now()))
            rounds += 1
            sighting = look(self.market, self.lease)
            if sighting.ours:
                return sighting.ours[0]
            if answer.outcome == "ambiguous" and self._is_others(offer, sighting):
                memory.answered("refused")
                self.market.claims.note(offer.server.id, None)
                return None
            until = memory.quiet_until()
            if any(one.server_id == offer.server.id for one in sighting.possible):
                allowed_s = self.request.deadline_at(offer.server.specs.net.down)
                until = max(until, begun + allowed_s)
            if sighting.at >= until:
                raise self._ambiguous(offer, answer, sighting)
            if sighting.at - said_at >= SAY_EVERY_S:
                said_at = sighting.at
                waited = units.duration(sighting.at - begun)
                self.market.say(f"order on server {offer.server.id}: not recognised yet ({waited})")

    def _is_others(self, offer: Offer, sighting: Sighting) -> bool:
        """Whether another order of the account holds the server, which has one renter at a time."""
        return any(
            one.server_id == offer.server.id and one not in sighting.possible
            for one in sighting.active
        )

    def _moved(self, offer: Offer, answer: Answer) -> str:
        """Whether the price moved, which the marketplace answers with a bare database error."""
        if answer.reason != DATABASE_ERROR:
            return ""
        try:
            market = self.market.client.marketplace().rows
        except ListingFailed:
            return ""
        server = next((one for one in market.servers if one.id == offer.server.id), None)
        rate = usd_rate(market, self.request.currency)
        now = listed_usd(server, self.request, rate) if server is not None else None
        if now is None or now == offer.usd_per_day:
            return ""
        return (
            f"Its price has moved: {units.usd(offer.usd_per_day)} a day with fee when it was chosen, "
            f"{units.usd(now)} now, which alone explains the answer. "
        )

    def _ambiguous(self, offer: Offer, answer: Answer, sighting: Sighting) -> Ambiguous:
        server_id = offer.server.id
        lookalikes = [
            f"order {one.id}"
            for one in sighting.active
            if one.server_id == server_id and one.image == self.request.image
        ]
        seen = f"It looks like {', '.join(lookalikes)}, which shows no mark. " if lookalikes else ""
        hourly = units.usd(units.per_hour(offer.usd_per_day))
        message = (
            f"an order on server {server_id} was asked for ({answer.reason}), and no listing of the "
            f"last {units.duration(SETTLE_S)} shows it. {seen}{self._moved(offer, answer)}If it exists, "
            f"it costs {hourly} an hour. Nothing else was bought. Run `pulumi up` again, which looks first, or `pulumi "
            "destroy`, whose guard cancels it"
        )
        return Ambiguous(message, lease_id=self.lease.lease_id, server_id=server_id)

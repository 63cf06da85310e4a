"""The endpoints of a renter, each with the same way through: faults, key, pace, work, record."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from clore_emulator import answer, body, money, wire
from clore_emulator.answer import Answer
from clore_emulator.faults import Call, Connection
from clore_emulator.ledger import Account, RequestEntry
from clore_emulator.world import World, digest_of

from .reply import reply

LOOPBACK: Final = "127.0.0.1"
BLOCKED_USER_AGENT: Final = "Python-urllib"
"""The one client name that Cloudflare was seen to turn away."""


@dataclass
class Visit:
    """A request with what is known of its sender."""

    world: World
    request: Request
    account: Account | None
    key: str | None
    body: Any

    @property
    def renter(self) -> Account:
        """The account, where the endpoint needs a key."""
        if self.account is None:
            raise LookupError
        return self.account


Work = Callable[[Visit, Call], Answer]


@dataclass(frozen=True)
class Endpoint:
    """One endpoint: where it is and what it does."""

    name: str
    method: str
    path: str
    work: Work
    needs_key: bool = True


def routes(world: World) -> list[Route]:
    """The renter's endpoints over a world; every other path or verb answers code 4."""
    return [
        *(
            Route(endpoint.path, _serve(world, endpoint), methods=[endpoint.method])
            for endpoint in ENDPOINTS
        ),
        Route("/{rest:path}", _serve(world, UNKNOWN), methods=["GET", "POST", "PUT", "DELETE"]),
    ]


def _serve(world: World, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        visit = await _visit(world, request)
        call = _call(visit, endpoint)
        await _through(visit, endpoint, call)
        result = call.answer or answer.DATABASE_ERROR
        entry = _record(visit, endpoint, call, result)
        world.access_log.write(entry)
        world.lodging.follow()

        async def afterwards() -> None:
            await world.board.run("after_answer", call)
            world.lodging.follow()

        return reply(result, world.exchange.now(), BackgroundTask(afterwards))

    return serve


async def _visit(world: World, request: Request) -> Visit:
    given = request.headers.get("auth")
    known = world.exchange.ledger.account_of(digest_of(given)) if given else None
    content = await request.body()
    try:
        document = json.loads(content) if content else None
    except ValueError:
        document = content.decode(errors="replace")
    account, key = known or (None, None)
    return Visit(world, request, account, key, document)


def _call(visit: Visit, endpoint: Endpoint) -> Call:
    return Call(
        endpoint=endpoint.name,
        exchange=visit.world.exchange,
        clock=visit.world.clock,
        pauses=visit.world.pauses,
        hosts=visit.world.lodging.hosts,
        account=visit.account,
        body=visit.body,
        connection=_connection(visit.request),
    )


def _connection(request: Request) -> Connection | None:
    client, server = request.client, request.scope.get("server")
    if client is None or client.host != LOOPBACK or not server:
        return None
    return Connection(client.port, server[1])


async def _through(visit: Visit, endpoint: Endpoint, call: Call) -> None:
    """Carry the request through its phases; the answer stands in `call` afterwards."""
    world = visit.world
    now = world.exchange.now()
    if visit.key is not None and not world.pacing.admit(
        f"{call.account_name}/{visit.key}", endpoint.name, now
    ):
        call.answer = answer.RATE_LIMITED
        call.violation = True
        return
    world.board.arrive(endpoint.name)
    if await world.board.run("before", call) is None:
        call.answer = _handle(visit, endpoint, call)
    world.lodging.follow()
    await world.board.run("after_commit", call)


def _handle(visit: Visit, endpoint: Endpoint, call: Call) -> Answer:
    if visit.request.headers.get("user-agent", "").startswith(BLOCKED_USER_AGENT):
        return answer.USER_AGENT_BLOCKED
    wrong_key = "auth" in visit.request.headers and visit.account is None
    if wrong_key or (endpoint.needs_key and visit.account is None):
        return answer.INVALID_TOKEN
    try:
        return endpoint.work(visit, call)
    except body.InvalidInput:
        return answer.INVALID_INPUT


def _record(visit: Visit, endpoint: Endpoint, call: Call, result: Answer) -> RequestEntry:
    entry = RequestEntry(
        at=visit.world.exchange.now(),
        method=visit.request.method,
        path=endpoint.path,
        account=call.account_name,
        key=visit.key,
        status=result.status if result.ending == "answer" else None,
        code=result.code,
        violation=call.violation,
        faults=tuple(call.fired),
        order_id=call.order_id,
        foreign=call.foreign,
    )
    fields = asdict(entry)
    visit.world.exchange.journal.record("request", fields.pop("at"), **fields)
    return entry


def _wallets(visit: Visit, _call: Call) -> Answer:
    exchange = visit.world.exchange
    return answer.ok(wallets=wire.wallet_rows(exchange.ledger, visit.renter, exchange.now()))


def _marketplace(visit: Visit, _call: Call) -> Answer:
    return answer.ok(servers=visit.world.exchange.list_servers(), my_servers=[])


def _my_orders(visit: Visit, _call: Call) -> Answer:
    asked = visit.request.query_params.get("return_completed", "false")
    orders = visit.world.exchange.list_orders(visit.renter, completed=asked in ("true", "True"))
    return answer.ok(orders=orders, limit=wire.LIMIT)


def _spot_marketplace(visit: Visit, _call: Call) -> Answer:
    asked = visit.request.query_params.get("market", "")
    exchange = visit.world.exchange
    if not asked.isdigit():
        return answer.INVALID_INPUT
    if int(asked) not in exchange.market.rows:
        return answer.ok(exists=False)
    market = wire.spot_market(exchange.market, exchange.ledger, int(asked), visit.renter.name)
    return answer.ok(market=market, exists=True)


def _create_order(visit: Visit, call: Call) -> Answer:
    exchange = visit.world.exchange
    wanted = body.read_create(visit.body)
    result = exchange.create(visit.renter, visit.key or "", wanted, call.tweaks)
    if result.accepted:
        order = exchange.ledger.order_on(wanted.server_id)
        call.order_id = order.id if order else None
    return result


def _cancel_order(visit: Visit, call: Call) -> Answer:
    exchange = visit.world.exchange
    order_id = body.read_cancel(visit.body)
    order = exchange.ledger.orders.get(order_id)
    if order is not None:
        call.order_id = order_id
        strange = order.account != visit.renter.name
        call.foreign = order.active and (strange or order.made_by != visit.key)
    return exchange.cancel(visit.renter, order_id, visit.key or "")


def _set_spot_price(visit: Visit, _call: Call) -> Answer:
    order_id, price = body.read_spot_price(visit.body)
    return visit.world.exchange.reprice(visit.renter, order_id, price)


def _renter_fees(_visit: Visit, _call: Call) -> Answer:
    fees = {
        kind.replace("-", "_"): {
            "base": dict.fromkeys(money.CURRENCIES, float(percent)),
            "extra": dict.fromkeys(money.CURRENCIES, 0),
        }
        for kind, percent in money.RENTER_FEE_PERCENT.items()
    }
    creation = {name: float(money.creation_fee(name)) for name in money.CURRENCIES}
    return answer.ok(renter_fees=fees, creation_fees=creation, poh_config={})


def _unknown(_visit: Visit, _call: Call) -> Answer:
    return answer.INVALID_ENDPOINT


UNKNOWN: Final = Endpoint("unknown", "GET", "unknown", _unknown, needs_key=False)
"""Every other path; it is not recorded, since a client may have put anything into it."""

ENDPOINTS: Final = (
    Endpoint("wallets", "GET", "/v1/wallets", _wallets),
    Endpoint("marketplace", "GET", "/v1/marketplace", _marketplace, needs_key=False),
    Endpoint("my_orders", "GET", "/v1/my_orders", _my_orders),
    Endpoint("spot_marketplace", "GET", "/v1/spot_marketplace", _spot_marketplace),
    Endpoint("create_order", "POST", "/v1/create_order", _create_order),
    Endpoint("cancel_order", "POST", "/v1/cancel_order", _cancel_order),
    Endpoint("set_spot_price", "POST", "/v1/set_spot_price", _set_spot_price),
    Endpoint(
        "renter_fees", "POST", "/webapi/marketplace/renter_fees", _renter_fees, needs_key=False
    ),
)

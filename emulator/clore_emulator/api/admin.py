"""The admin API under /_admin/: the judge, the clock, the faults, and the people of the market.

POST bodies are JSON objects sent as application/json; that and the loopback address keep web pages
of a browser on the same machine out.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from clore_emulator import body
from clore_emulator.faults import PROFILES, REGISTRY, BadRule
from clore_emulator.ledger import Order, report
from clore_emulator.ledger.report import order_view
from clore_emulator.market import LIES
from clore_emulator.world import KEY_LENGTH, World, status

from .known import fault_row

Json = dict[str, Any] | list[Any]


class Wrong(Exception):
    """The admin asked for something that cannot be done; HTTP 400 with the text."""


class Admin:
    """The admin's endpoints over a world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def routes(self) -> list[Route]:
        """Every admin route."""
        table: tuple[tuple[str, str, Callable[[Request, Any], Json]], ...] = (
            ("GET", "", lambda _request, _given: status(self.world)),
            ("GET", "/ledger", self._ledger),
            ("GET", "/clock", self._clock),
            ("POST", "/clock", self._clock),
            ("GET", "/faults", self._armed),
            ("POST", "/faults", self._arm),
            ("DELETE", "/faults", self._disarm),
            ("DELETE", "/faults/{id:int}", self._disarm),
            ("GET", "/faults/known", lambda _request, _given: known_faults()),
            ("POST", "/profile", self._profile),
            ("POST", "/release", self._release),
            ("POST", "/rent", self._rent),
            ("POST", "/cancel", self._cancel),
            ("POST", "/outbid", self._outbid),
            ("POST", "/end_by_host", self._end_by_host),
            ("GET", "/hosts", self._hosts),
            ("POST", "/hosts/{id:int}/lose", self._lose_host),
            ("POST", "/hosts/{id:int}/freeze", self._freeze_host),
            ("POST", "/hosts/{id:int}/thaw", self._thaw_host),
            ("POST", "/hosts/{id:int}/restart", self._restart_container),
            ("POST", "/hosts/{id:int}/engine_faults", self._engine_faults),
            ("POST", "/engine_faults", self._engine_faults),
            ("POST", "/wallets", self._wallets),
            ("POST", "/accounts", self._add_account),
            ("POST", "/keys", self._add_key),
            ("DELETE", "/keys", self._remove_key),
            ("GET", "/servers", self._servers),
            ("POST", "/servers/{id:int}", self._change_server),
        )
        return [
            Route(f"/_admin{path}", self._serve(work), methods=[method])
            for method, path, work in table
        ] + [Route("/_admin/{rest:path}", _no_such_call, methods=["GET", "POST", "PUT", "DELETE"])]

    def _serve(
        self, work: Callable[[Request, Any], Json]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            try:
                result = work(request, await _given(request))
            except (Wrong, BadRule, ValueError) as error:
                return JSONResponse({"error": str(error)}, status_code=400)
            except KeyError as error:
                return JSONResponse({"error": f"there is no {error}"}, status_code=404)
            self.world.lodging.follow()
            return JSONResponse(result)

        return serve

    def _ledger(self, request: Request, _given: Any) -> Json:
        exchange = self.world.exchange
        wanted = request.query_params.get("requests", "") in ("1", "true")
        return report(exchange.ledger, exchange.now(), requests=wanted)

    def _clock(self, _request: Request, given: Any) -> Json:
        if given:
            self.world.clock.advance(float(given["advance"]))
        now = self.world.exchange.now()
        self.world.exchange.journal.record("tick", now)
        return {"now": now, "time_scale": self.world.clock.scale}

    def _armed(self, _request: Request, _given: Any) -> Json:
        return [armed.document() for armed in self.world.board.armed]

    def _arm(self, _request: Request, given: Any) -> Json:
        rules = given if isinstance(given, list) else [given]
        return [self.world.board.arm(rule).document() for rule in rules]

    def _disarm(self, request: Request, _given: Any) -> Json:
        return {"lifted": self.world.board.disarm(request.path_params.get("id"))}

    def _profile(self, _request: Request, given: Any) -> Json:
        name = given["name"]
        if name not in PROFILES:
            message = f"there is no profile {name!r}; there are {', '.join(PROFILES)}"
            raise Wrong(message)
        self.world.set_profile(name)
        return status(self.world)

    def _release(self, _request: Request, given: Any) -> Json:
        return {"released": self.world.pauses.release((given or {}).get("name"))}

    def _rent(self, _request: Request, given: Any) -> Json:
        """Rent as somebody else, or by hand as the account's owner (`made_by` human)."""
        fields = dict(given)
        account = self.world.account(fields.pop("account", "stranger"))
        made_by = fields.pop("made_by", "human")
        server_id = fields.pop("server_id")
        wanted = {
            "currency": "USD-Blockchain", "image": "cloreai/jupyter:ubuntu24.04-v2",
            "type": "on-demand", "ports": {"22": "tcp"}, **fields, "renting_server": server_id,
        }  # fmt: skip
        try:
            result = self.world.exchange.create(account, made_by, body.read_create(wanted))
        except body.InvalidInput as error:
            raise Wrong(str(error)) from None
        order = self.world.exchange.ledger.order_on(server_id)
        if not result.accepted or order is None:
            message = f"the market refused: {result.body}"
            raise Wrong(message)
        return order_view(order, self.world.exchange.now())

    def _cancel(self, _request: Request, given: Any) -> Json:
        return self._end(given, by="human", reason="by_hand")

    def _outbid(self, _request: Request, given: Any) -> Json:
        order = self._order(int(given["order_id"]))
        self.world.exchange.outbid(order)
        return order_view(order, self.world.exchange.now())

    def _end_by_host(self, _request: Request, given: Any) -> Json:
        return self._end(given, by="host", reason="by_host")

    def _end(self, given: Any, *, by: str, reason: Any) -> dict[str, Any]:
        order = self._order(int(given["order_id"]))
        self.world.exchange.end(order, by=by, reason=reason)
        return order_view(order, self.world.exchange.now())

    def _hosts(self, _request: Request, _given: Any) -> Json:
        return [
            {"order_id": order.id, "server_id": order.server_id, "address": order.address,
             "lost": order.host_lost_at is not None, "truth": order.truth}
            for order in self.world.exchange.ledger.active()
        ]  # fmt: skip

    def _lose_host(self, request: Request, _given: Any) -> Json:
        order = self._order(request.path_params["id"])
        self.world.exchange.lose_host(order)
        return order_view(order, self.world.exchange.now())

    def _freeze_host(self, request: Request, _given: Any) -> Json:
        order = self._order(request.path_params["id"])
        self.world.lodging.hosts.freeze(order.id)
        return order_view(order, self.world.exchange.now())

    def _thaw_host(self, request: Request, _given: Any) -> Json:
        order = self._order(request.path_params["id"])
        self.world.lodging.hosts.thaw(order.id)
        return order_view(order, self.world.exchange.now())

    def _restart_container(self, request: Request, _given: Any) -> Json:
        order = self._order(request.path_params["id"])
        self.world.lodging.restart_container(order.id)
        return order_view(order, self.world.exchange.now())

    def _engine_faults(self, request: Request, given: Any) -> Json:
        """A list of engine faults for one host, or for all that are there and that come."""
        wanted = request.path_params.get("id")
        order_id = None if wanted is None else self._order(wanted).id
        self.world.lodging.arm_engines(given, order_id)
        return {"armed": given, "hosts": self.world.lodging.running()}

    def _wallets(self, _request: Request, given: Any) -> Json:
        exchange, account = self.world.exchange, self.world.account(given["account"])
        currency = given.get("currency", "USD-Blockchain")
        if currency not in account.deposits:
            raise KeyError(currency)
        exchange.journal.record(
            "wallet", exchange.now(), account=account.name, currency=currency,
            balance=str(given["balance"]),
        )  # fmt: skip
        return {"balance": float(exchange.ledger.balance(account, currency, exchange.now()))}

    def _add_account(self, _request: Request, given: Any) -> Json:
        name = given["name"]
        if name in self.world.exchange.ledger.accounts:
            message = f"there is an account {name!r} already"
            raise Wrong(message)
        self.world.add_account(name, given.get("deposits"))
        return {"name": name}

    def _add_key(self, _request: Request, given: Any) -> Json:
        """A further key of an account; told once, kept as a digest."""
        account, name = self.world.account(given["account"]), given["name"]
        key = given.get("key") or secrets.token_hex(KEY_LENGTH // 2)
        self.world.add_key(account.name, name, key)
        return {"account": account.name, "name": name, "key": key}

    def _remove_key(self, _request: Request, given: Any) -> Json:
        self.world.remove_key(self.world.account(given["account"]).name, given["name"])
        return {"account": given["account"], "name": given["name"], "key": None}

    def _servers(self, _request: Request, _given: Any) -> Json:
        market = self.world.exchange.market
        return [
            {**row, "truth": market.truth(row["id"]).document(), "lie": market.lies.get(row["id"]),
             "offline": row["id"] in market.offline}
            for row in self.world.exchange.list_servers()
        ]  # fmt: skip

    def _change_server(self, request: Request, given: Any) -> Json:
        server_id = request.path_params["id"]
        if server_id not in self.world.exchange.market.rows:
            raise KeyError(server_id)
        change = dict(given)
        unknown = set(change) - {"rented", "offline", "factor", "lie"}
        if unknown or (change.get("lie") and change["lie"] not in LIES):
            message = f"a server has rented, offline, factor, and a lie of {sorted(LIES)}"
            raise Wrong(message)
        if "factor" in change:
            change["factor"] = str(float(change["factor"]))
        self.world.exchange.change_server(server_id, **change)
        return {"id": server_id, **self.world.exchange.ledger.servers[server_id]}

    def _order(self, order_id: int) -> Order:
        order = self.world.exchange.ledger.orders[order_id]
        if not order.active:
            message = f"order {order_id} ended at {order.ended_at}"
            raise Wrong(message)
        return order


def known_faults() -> list[dict[str, Any]]:
    """The table of faults as JSON."""
    return [fault_row(fault) for fault in REGISTRY.values()]


async def _no_such_call(request: Request) -> Response:
    message = f"there is no admin call {request.method} {request.url.path}: see docs/emulator.md"
    return JSONResponse({"error": message}, status_code=404)


async def _given(request: Request) -> Any:
    content = await request.body()
    if request.method == "GET" or not content:
        if request.method == "POST":
            message = "the body must be a JSON object"
            raise Wrong(message)
        return None
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        message = "send the body as application/json"
        raise Wrong(message)
    return json.loads(content)

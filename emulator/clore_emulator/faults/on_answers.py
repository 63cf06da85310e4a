"""Faults of the answer: lost, wrong, or not what was done."""

from __future__ import annotations

from clore_emulator import answer
from clore_emulator.answer import DROP, HANG, HTML, Answer

from .call import Call
from .registry import ANY, Firing, Parameter, fault

_BAD_GATEWAY = Answer(
    502,
    "<!DOCTYPE html><html><head><title>api.clore.ai | 502: Bad gateway</title></head>"
    "<body><h1>Bad gateway</h1><p>Error code 502</p></body></html>",
    HTML,
)


@fault(
    "accept_then_drop_connection",
    "The request is carried out, then the connection ends without an answer.",
    on=("create_order", "cancel_order", "set_spot_price"),
    phase="after_commit",
    only_accepted=True,
)
async def _accept_then_drop(_call: Call, _firing: Firing) -> Answer | None:
    return DROP


@fault(
    "accept_then_hang",
    "The request is carried out, then no answer ever comes.",
    on=("create_order", "cancel_order", "set_spot_price"),
    phase="after_commit",
    only_accepted=True,
)
async def _accept_then_hang(_call: Call, _firing: Firing) -> Answer | None:
    return HANG


@fault(
    "drop_before_handling",
    "The connection ends before anything was done.",
    on=ANY,
)
async def _drop_before(_call: Call, _firing: Firing) -> Answer | None:
    return DROP


@fault(
    "hang_before_handling",
    "Nothing is done and no answer ever comes.",
    on=ANY,
)
async def _hang_before(_call: Call, _firing: Firing) -> Answer | None:
    return HANG


@fault(
    "code1_but_accepted",
    "The request is carried out, but the answer is HTTP 500 with code 1.",
    on=("create_order", "set_spot_price"),
    phase="after_commit",
    only_accepted=True,
)
async def _code1_but_accepted(_call: Call, _firing: Firing) -> Answer | None:
    return answer.DATABASE_ERROR


@fault(
    "code1_and_nothing_done",
    "HTTP 500 with code 1, and nothing was done.",
    on=ANY,
)
async def _code1(_call: Call, _firing: Firing) -> Answer | None:
    return answer.DATABASE_ERROR


@fault(
    "http500_but_accepted",
    "The request is carried out, but the answer is a bare HTTP 500 without JSON.",
    on=("create_order", "cancel_order", "set_spot_price"),
    phase="after_commit",
    only_accepted=True,
)
async def _http500_but_accepted(_call: Call, _firing: Firing) -> Answer | None:
    return Answer(500, "Internal Server Error", "text/plain; charset=UTF-8")


@fault(
    "http502_html",
    "Cloudflare's HTML page for HTTP 502; before handling, or after it with `phase`.",
    on=ANY,
    any_phase=True,
)
async def _http502(_call: Call, _firing: Firing) -> Answer | None:
    return _BAD_GATEWAY


@fault(
    "answer_ok_without_order_id",
    'The answer is {"code":0} and nothing else: what the real API does, and the default here.',
    on=("create_order",),
    phase="after_commit",
    only_accepted=True,
)
async def _ok_without_id(_call: Call, _firing: Firing) -> Answer | None:
    return answer.ok()


@fault(
    "answer_ok_with_order_id",
    "The answer names the order, as old documentation says; as a number or as text.",
    on=("create_order",),
    phase="after_commit",
    only_accepted=True,
    parameters=(Parameter("as_text", bool, False, "give the id as a string"),),
)
async def _ok_with_id(call: Call, firing: Firing) -> Answer | None:
    order = call.exchange.newest_order(call.account_name)
    if order is None:
        return None
    return answer.ok(order={"id": str(order.id) if firing.args["as_text"] else order.id})


@fault(
    "answer_garbage",
    "The request is carried out, but the answer is cut in the middle of its JSON.",
    on=ANY,
    phase="after_commit",
    parameters=(Parameter("text", str, '{"code":', "what is sent instead"),),
)
async def _garbage(_call: Call, firing: Firing) -> Answer | None:
    return Answer(200, firing.text("text"))


@fault(
    "answer_wrong_type",
    "The request is carried out, but the answer is a JSON list instead of an object.",
    on=ANY,
    phase="after_commit",
)
async def _wrong_type(_call: Call, _firing: Firing) -> Answer | None:
    return Answer(200, "[]")


@fault(
    "refuse_with",
    "Code 6 with the given error text, and nothing was done.",
    on=("create_order", "cancel_order", "set_spot_price"),
    parameters=(Parameter("error", str, "server-offline", "the text of `error`"),),
)
async def _refuse_with(_call: Call, firing: Firing) -> Answer | None:
    return answer.error(firing.text("error"))


@fault(
    "rate_limit_storm",
    "HTTP 429 with code 5 for so many calls in a row, however slowly they come.",
    on=ANY,
    parameters=(Parameter("calls", int, 5, "calls that are refused"),),
    times_parameter="calls",
)
async def _rate_limit_storm(_call: Call, _firing: Firing) -> Answer | None:
    return answer.RATE_LIMITED


@fault(
    "key_revoked",
    "The API key is answered with code 3 until the fault is lifted.",
    on=("wallets", "my_orders", "spot_marketplace", "create_order", "cancel_order",
        "set_spot_price"),
    times=None,
)  # fmt: skip
async def _key_revoked(_call: Call, _firing: Firing) -> Answer | None:
    return answer.INVALID_TOKEN


@fault(
    "user_agent_blocked",
    "Cloudflare's HTTP 403 with the text `error code: 1010`.",
    on=ANY,
)
async def _user_agent_blocked(_call: Call, _firing: Firing) -> Answer | None:
    return answer.USER_AGENT_BLOCKED


@fault(
    "cancel_lies",
    'Cancelling answers {"code":0} so many times and ends nothing.',
    on=("cancel_order",),
    parameters=(Parameter("times_it_lies", int, 1, "how many cancels do nothing"),),
    times_parameter="times_it_lies",
)
async def _cancel_lies(_call: Call, _firing: Firing) -> Answer | None:
    return answer.ok()


@fault(
    "cancel_fails",
    "Cancelling answers HTTP 500 with code 1 so many times and ends nothing.",
    on=("cancel_order",),
    parameters=(Parameter("times_it_fails", int, 1, "how many cancels fail"),),
    times_parameter="times_it_fails",
)
async def _cancel_fails(_call: Call, _firing: Firing) -> Answer | None:
    return answer.DATABASE_ERROR


@fault(
    "cancel_fails_but_applied",
    "Cancelling ends the order, but answers HTTP 500 with code 1.",
    on=("cancel_order",),
    phase="after_commit",
    only_accepted=True,
)
async def _cancel_fails_but_applied(_call: Call, _firing: Firing) -> Answer | None:
    return answer.DATABASE_ERROR

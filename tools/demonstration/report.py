"""What the demonstration says at its end: pure functions of outputs and ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

QUESTION: Final = "Say hello."

DONE: Final = {
    "create": "created",
    "update": "updated",
    "replace": "replaced",
    "delete": "deleted",
}
"""What the engine calls what it did; other words (`read`, `refresh`) stay."""

MANNERS: Final = ("silent", "show-error", 'write-out = "\\n"')
"""For curl: no progress bar, but errors, and the prompt on a line of its own."""


def curl_config(endpoint: str, key: str) -> str:
    """Return a file for `curl -K`: the address and the key, so that the key is in no argument."""
    values = {
        "url": f"{endpoint.rstrip('/')}/v1/chat/completions",
        "header": f"Authorization: Bearer {key}",
    }
    lines = [f"{name} = {_quoted(value)}" for name, value in values.items()]
    return "\n".join([*lines, 'header = "Content-Type: application/json"', *MANNERS, ""])


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def request_body(model: str) -> str:
    """Return a chat request that thinks first, as the guide has it."""
    message = {"role": "user", "content": QUESTION}
    return json.dumps({"model": model, "messages": [message], "reasoning_mode": "deep"})


def endpoint_lines(outputs: Mapping[str, Any], curl_file: str) -> list[str]:
    """Say what was proven and how to use it."""
    model = outputs["model"]
    proven = (
        f"Proven: {model} at {outputs['endpoint']}, exposure {outputs['exposure']},"
        f" order {outputs['orderId']} on server {outputs['serverId']}."
    )
    if outputs["exposure"] != "public":
        connect = "clore-inference connect --stack local --cwd .state/project"
        return [proven, "", "Reach it:", "", f"  . .state/env && {connect}"]
    return [proven, "", "Ask it:", "", f"  curl -K {curl_file} -d '{request_body(model)}'"]


def cost_line(ledger: Mapping[str, Any], outputs: Mapping[str, Any]) -> str:
    """Say what the order has cost, by the ledger, and when it ends."""
    order_id = str(outputs["orderId"])
    row = next((row for row in ledger["orders"] if str(row["id"]) == order_id), None)
    if row is None:
        return f"The ledger knows no order {order_id}; `make down` ends whatever there is."
    return (
        f"It has cost {row['cost_usd']:.4f} USD in the emulated market so far, fee included, goes on"
        f" at {row['usd_per_day_with_fee']:.2f} USD a day, and ends by itself at {outputs['endsAt']}."
    )


def change_line(changes: Mapping[str, int], posts: int) -> str:
    """Say what this run did."""
    if not changes and not posts:
        return "Nothing was bought, posted or changed: everything was in place already."
    words = [f"{count} {DONE.get(kind, kind)}" for kind, count in sorted(changes.items())]
    done = ", ".join(words) or "nothing changed"
    return f"This run: {done}; {posts} POST{'' if posts == 1 else 's'} to the marketplace."


def last_word(ledger: Mapping[str, Any]) -> list[str]:
    """Say what the ledger says about money, after a destroy."""
    active = ledger["active_orders"]
    spent = f"{ledger['spent_usd']:.4f} USD"
    if not active:
        return [f"The ledger: no order is active, nothing is billed; {spent} were spent in all."]
    bill = (
        f"The ledger: {len(active)} of the orders still bill, {ledger['burn_usd_per_day']:.2f} USD a"
        f" day together; {spent} were spent up to now."
    )
    lines = [
        bill,
        "",
        f"  {'order':>8}  {'server':>8}  {'USD/day':>8}  {'USD so far':>10}  account",
    ]
    lines += [
        f"  {row['id']:>8}  {row['server_id']:>8}  {row['usd_per_day_with_fee']:>8.2f}"
        f"  {row['cost_usd']:>10.4f}  {row['account']}"
        for row in active
    ]
    return [*lines, "", "Run `make down` again, or `. .state/env && clore-inference sweep`."]


def posts_of(ledger: Mapping[str, Any]) -> int:
    """Return how many POSTs the marketplace has seen."""
    return int(ledger["posts"])

"""Everything that is known of Clore's answers, each with the class that the client gives it.

Sources: the table of codes on https://docs.clore.ai, recorded answers of 2025 and 2026 in public
repositories of clients, and the error texts that those clients tell apart.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from clore_emulator import answer as emulated
from clore_emulator.answer import Answer as Emulated
from clore_inference.market.answers import (
    GET_TABLE,
    POST_TABLE,
    PostRow,
    _matches,
    _shape,
    of_get,
    of_post,
)
from clore_inference.market.transport import Raw


@dataclass(frozen=True)
class Known:
    """One answer and what it means to a purchase and to a listing."""

    name: str
    status: int
    text: str
    outcome: str
    then: str
    reading: str


def coded(code: int, **more: str) -> str:
    return json.dumps({**more, "code": code})


CLOUDFLARE = "<!DOCTYPE html><title>api.clore.ai | 502: Bad gateway</title>"
KNOWN = (
    Known("0 NORMAL", 200, coded(0), "done", "settle", "ok"),
    Known("1 DATABASE ERROR", 500, coded(1), "ambiguous", "settle", "failed"),
    Known("1 DATABASE ERROR, status 200", 200, coded(1), "ambiguous", "settle", "failed"),
    Known("2 INVALID INPUT DATA", 200, coded(2), "refused", "stop", "failed"),
    Known("3 INVALID API TOKEN", 200, coded(3), "refused", "stop", "denied"),
    Known("4 INVALID ENDPOINT", 200, coded(4), "refused", "stop", "failed"),
    Known("5 EXCEEDED 1 request/second", 429, coded(5), "ambiguous", "settle", "limited"),
    Known("5, status 200", 200, coded(5), "ambiguous", "settle", "limited"),
    Known("429 without a body", 429, "", "ambiguous", "settle", "limited"),
    Known("6 already rented", 200, coded(6, error="server-already-rented", status="error"), "refused", "next", "failed"),
    Known("6 currency", 500, coded(6, error="currency-not-allowed"), "refused", "next", "failed"),
    Known("6 offline", 200, coded(6, error="server-offline"), "refused", "next", "failed"),
    Known("6 balance", 200, coded(6, error="not_enough_balance"), "refused", "stop", "failed"),
    Known("6 balance, spelled with hyphens", 200, coded(6, error="Not-Enough-Balance"), "refused", "stop", "failed"),
    Known("6 step of a bid", 200, coded(6, error="exceeded_max_step"), "refused", "next", "failed"),
    Known("6 pause of a bid", 200, coded(6, error="can_lower_every_600_seconds"), "refused", "next", "failed"),
    Known("6 unheard of", 500, coded(6, error="something new"), "refused", "next", "failed"),
    Known("6 without a text", 200, coded(6), "refused", "next", "failed"),
    Known("a code nobody documents", 200, coded(7), "ambiguous", "settle", "failed"),
    Known("Cloudflare blocks the name", 403, "error code: 1010", "refused", "stop", "failed"),
    Known("403 of something else", 403, "<html>", "ambiguous", "settle", "failed"),
    Known("Cloudflare's bad gateway", 502, CLOUDFLARE, "ambiguous", "settle", "failed"),
    Known("Cloudflare's time-out", 524, CLOUDFLARE, "ambiguous", "settle", "failed"),
    Known("success with an HTTP error", 500, coded(0), "ambiguous", "settle", "failed"),
    Known("success cut in its JSON", 200, '{"code":', "ambiguous", "settle", "failed"),
    Known("a list", 200, "[]", "ambiguous", "settle", "failed"),
    Known("nothing", 200, "", "ambiguous", "settle", "failed"),
)  # fmt: skip
each = pytest.mark.parametrize("one", KNOWN, ids=lambda one: one.name)


@each
def test_g4_every_known_answer_to_a_purchase_has_its_class(one: Known) -> None:
    found = of_post(Raw(one.status, one.text))
    assert (found.outcome, found.then) == (one.outcome, one.then)


@each
def test_g8_every_known_answer_to_a_listing_has_its_class(one: Known) -> None:
    assert of_get(Raw(one.status, one.text)).reading == one.reading


def first_row(one: Known) -> PostRow:
    shape, _ = _shape(Raw(one.status, one.text))
    return next(row for row in POST_TABLE if _matches(row, shape, one.status))


def test_no_row_of_either_table_is_dead() -> None:
    met = {first_row(one) for one in KNOWN}
    assert met == set(POST_TABLE), "a row that nothing known meets is a guess"
    shapes = [(_shape(Raw(one.status, one.text))[0], one.status) for one in KNOWN]
    read = {next(row for row in GET_TABLE if _matches(row, *shape)) for shape in shapes}
    assert read == set(GET_TABLE)


@pytest.mark.parametrize(
    ("given", "known"),
    [
        (emulated.RATE_LIMITED, "5 EXCEEDED 1 request/second"),
        (emulated.DATABASE_ERROR, "1 DATABASE ERROR"),
        (emulated.INVALID_INPUT, "2 INVALID INPUT DATA"),
        (emulated.INVALID_TOKEN, "3 INVALID API TOKEN"),
        (emulated.INVALID_ENDPOINT, "4 INVALID ENDPOINT"),
        (emulated.USER_AGENT_BLOCKED, "Cloudflare blocks the name"),
        (emulated.error("server-already-rented"), "6 already rented"),
        (emulated.error("currency-not-allowed"), "6 currency"),
        (emulated.error("server-offline"), "6 offline"),
        (emulated.error("not_enough_balance"), "6 balance"),
        (emulated.ok(), "0 NORMAL"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_the_emulator_means_what_the_client_reads(given: Emulated, known: str) -> None:
    """They share no code: the emulator's answers fall into the classes of the recorded ones."""
    text = given.body if isinstance(given.body, str) else json.dumps(given.body)
    wanted = next(one for one in KNOWN if one.name == known)
    found = of_post(Raw(given.status, text))
    assert (found.outcome, found.then) == (wanted.outcome, wanted.then)
    assert of_get(Raw(given.status, text)).reading == wanted.reading

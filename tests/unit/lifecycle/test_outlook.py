"""What the network adds to a plan, and that nothing of it can fail or hold up a plan."""

from __future__ import annotations

import threading
import time

from clore_inference.errors import ListingFailed
from clore_inference.lifecycle.outlook import Asked, Outlook, not_asked
from clore_inference.lifecycle.repository import Standing
from clore_inference.market.offers import shortlist
from clore_inference.market.wire import ServerList
from support.offers import REQUEST, server
from support.wishes import a_spec


def fail(error: Exception) -> str:
    raise error


def test_an_answer_comes_back() -> None:
    assert Asked(lambda: 7).wait(5) == 7


def test_a_failure_is_a_reason_in_one_sentence() -> None:
    error = ListingFailed("GET /marketplace failed: no answer. What the account holds is unknown")
    assert Asked(lambda: fail(error)).wait(5) == "GET /marketplace failed: no answer"
    assert Asked(lambda: fail(RuntimeError("a secret"))).wait(5) == "RuntimeError"


def test_nobody_waits_longer_than_the_bound() -> None:
    release = threading.Event()
    begun = time.monotonic()
    assert "no answer within 0.05 s" in str(Asked(lambda: release.wait(30)).wait(0.05))
    assert time.monotonic() - begun < 10
    release.set()


def test_offers_are_ranked_with_the_story_of_the_rest() -> None:
    market = ServerList((server(1, 40.0), server(2, 30.0), server(3, 90.0)), 0)
    seen = Outlook(shortlist(market, REQUEST), Standing("open", "it opens"))
    rows = seen.lines()
    assert rows[0] == "it opens"
    assert "by price" in rows[1]
    assert rows[3].split()[0] == "2", "cheapest first"
    assert "1 too dear" in rows[-1]
    document = seen.as_dict()
    assert document["offers"]["refused"][0]["server_id"] == 3
    assert document["repository"]["state"] == "open"
    assert document["not_looked_at"] == {}


def test_where_nothing_fits_it_says_so_first() -> None:
    seen = Outlook(
        shortlist(ServerList((server(3, 90.0),), 0), REQUEST), Standing("open", "it opens")
    )
    assert seen.lines()[1].startswith("No offer fits now: an `up` would buy nothing.")
    assert "3 not: too dear" in seen.lines()[2]


def test_the_best_offer_is_told_with_what_it_costs_and_when_it_ends() -> None:
    market = ServerList((server(1, 40.0), server(2, 30.0)), 0)
    seen = Outlook(shortlist(market, REQUEST), "not asked", "")
    (text,) = (row for row in seen.lines(a_spec(maxReplacements=0)) if "would take now" in row)
    assert text.startswith("Server 2 is what an `up` would take now: 31.50 USD a day with fee")
    assert "31.60 USD for 24 h at most" in text, "and a creation fee"
    assert seen.lines() == seen.lines(a_spec())[:-1], "only a spec says what it means"


def test_what_was_not_looked_at_is_said() -> None:
    seen = not_asked("ask for them with --offers")
    assert [row.partition(" not looked at")[1] for row in seen.lines()] == [" not looked at"] * 3
    document = seen.as_dict()
    assert document["offers"] is document["repository"] is document["wallet"] is None
    assert set(document["not_looked_at"]) == {"offers", "repository", "wallet"}

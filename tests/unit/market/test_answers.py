"""The answer tables: every combination has a meaning, and doubt is never a refusal."""

from __future__ import annotations

import json
from itertools import product

import pytest

from clore_inference.market.answers import GET_TABLE, POST_TABLE, of_get, of_post
from clore_inference.market.transport import Raw, Unsent

STATUSES = (200, 201, 301, 400, 401, 403, 404, 429, 500, 502, 503, 520, 524)
CODES: tuple[object, ...] = (None, 0, 1, 2, 3, 4, 5, 6, 7, -1, "0", True, 0.0, [])
ERRORS = (None, "server-already-rented", "server-offline", "exceeded_max_step", "", 7, {"a": 1})
MALFORMED = (
    "",
    "null",
    "[]",
    "7",
    '{"code":',
    "<html>502</html>",
    "NaN",
    '{"code":NaN}',
    "[" * 9999,
)


@pytest.mark.parametrize(("status", "code"), product(STATUSES, CODES))
def test_every_combination_has_a_class(status: int, code: object) -> None:
    for error in ERRORS:
        raw = Raw(status, json.dumps({"code": code, "error": error}))
        assert of_post(raw).outcome in ("done", "refused", "ambiguous")
        assert of_get(raw).reading in ("ok", "failed", "limited", "denied")


@pytest.mark.parametrize(("status", "text"), product(STATUSES, MALFORMED))
def test_g4_a_malformed_answer_to_a_purchase_is_ambiguous(status: int, text: str) -> None:
    assert of_post(Raw(status, text)).outcome == "ambiguous"


@pytest.mark.parametrize(("status", "text"), product(STATUSES, MALFORMED))
def test_g8_a_malformed_answer_is_no_listing(status: int, text: str) -> None:
    assert of_get(Raw(status, text)).body is None


@pytest.mark.parametrize("status", [*range(300, 600, 7), 429])
def test_g4_success_needs_both_status_and_code(status: int) -> None:
    assert of_post(Raw(status, '{"code":0}')).outcome == "ambiguous"
    assert of_get(Raw(status, '{"code":0,"orders":[]}')).reading != "ok"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, {"code": 5}),
        (429, {"code": 6, "error": "server-offline"}),
        (200, {"code": 5}),
        (500, {"code": 1}),
        (200, {"code": 1}),
        (200, {"code": 7}),
        (200, {"code": "0"}),
        (200, {"code": True}),
    ],
)
def test_g4_whatever_is_no_definite_refusal_is_ambiguous(
    status: int, body: dict[str, object]
) -> None:
    assert of_post(Raw(status, json.dumps(body))).outcome == "ambiguous"


@pytest.mark.parametrize("code", [2, 3, 4])
def test_a_refusal_that_no_other_server_can_change_stops(code: int) -> None:
    answer = of_post(Raw(200, json.dumps({"code": code})))
    assert (answer.outcome, answer.then) == ("refused", "stop")


def test_a_refusal_of_one_server_names_its_reason_and_expiry() -> None:
    answer = of_post(Raw(200, '{"code":6,"error":"server-offline"}'))
    assert (answer.outcome, answer.reason, answer.then) == ("refused", "server-offline", "next")
    assert answer.exclude_s == 3600


def test_an_unknown_error_text_is_shown_without_control_characters() -> None:
    answer = of_post(Raw(200, json.dumps({"code": 6, "error": "no\x1b[31m\u202e way"})))
    assert answer.reason == "no[31m way"


def test_no_answer_to_a_purchase_is_ambiguous_and_to_a_listing_a_failure() -> None:
    assert of_post(Unsent("no answer in time")).outcome == "ambiguous"
    assert of_get(Unsent("no answer in time")).reading == "failed"


def test_the_last_row_of_each_table_matches_everything() -> None:
    post, get = POST_TABLE[-1], GET_TABLE[-1]
    assert (post.code, post.status, post.error, post.outcome) == (None, None, None, "ambiguous")
    assert (get.code, get.status, get.error, get.reading) == (None, None, None, "failed")

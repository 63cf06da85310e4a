"""A cheap look tells wrong from silent."""

from __future__ import annotations

import pytest

from clore_inference.probe.cheap import Failed, Healthy, Unreachable, _judge, cheap, model_ids
from clore_inference.probe.exchange import Answer
from clore_inference.probe.target import Target
from clore_inference.secret import Secret
from support.endpoint import KEY, MODEL, Endpoint, serving


def look(endpoint: Endpoint, path: str = "") -> object:
    with serving(endpoint):
        target = Target(base_url=endpoint.url + path, key=Secret(KEY), model=MODEL)
        return cheap(target, timeout_s=2)


def test_the_right_model_behind_the_right_key_is_healthy() -> None:
    endpoint = Endpoint()
    assert look(endpoint) == Healthy()
    assert [path for _, path, _, _ in endpoint.seen] == ["/v1/models"], "one request, no tokens"


@pytest.mark.parametrize("endpoint", [Endpoint(served="other"), Endpoint(key="another")])
def test_a_definite_answer_is_a_failure(endpoint: Endpoint) -> None:
    found = look(endpoint)
    assert isinstance(found, Failed)
    assert KEY not in found.reason


def test_silence_is_no_failure() -> None:
    target = Target(base_url="http://127.0.0.1:9", key=Secret(KEY), model=MODEL)
    assert isinstance(cheap(target, timeout_s=1), Unreachable)


def test_a_server_error_is_no_failure() -> None:
    assert isinstance(_judge(Answer(503, "", ""), MODEL), Unreachable)
    assert isinstance(_judge(Answer(429, "", ""), MODEL), Unreachable)


@pytest.mark.parametrize("text", ["", "[]", '{"data": 3}', '{"data": [1]}'])
def test_an_odd_list_of_models_is_empty(text: str) -> None:
    assert model_ids(Answer(200, "", text)) == []

"""Liveness: what the host says decides, and it is asked beside the market."""

from __future__ import annotations

import threading

import pytest

from clore_inference.host.login import Login
from clore_inference.host.status import EngineStatus
from clore_inference.lifecycle import liveness
from clore_inference.lifecycle.session import Session
from support.endpoint import Endpoint, serving

NOBODY = "http://127.0.0.1:9"
WAY = {
    "ssh_host": "127.0.0.1",
    "ssh_port": "1",
    "host_key": "ssh-ed25519 AAAA",
    "http_url": NOBODY,
}
INPUTS = {**WAY, "order_id": "7", "private_key": "a key"}
STATE = {"order_id": "7", "token": "t"}
WITHIN_S = 10.0


class Host:
    """Answers when it is let, and counts."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = threading.Event()

    def status(self, _: Login, *, timeout_s: float) -> EngineStatus:
        self.asked += 1
        assert self.may_answer.wait(WITHIN_S)
        assert timeout_s < liveness.BOUND_S
        return EngineStatus("dead", reason="it was killed")


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host()
    monkeypatch.setattr("clore_inference.host.status.engine_status", host.status)
    monkeypatch.setattr(liveness, "OUTSIDE_TIMEOUT_S", WITHIN_S)  # no test is about its length
    return host


@pytest.fixture
def session() -> Session:
    return Session(
        api_url="http://127.0.0.1:1",
        api_key=None,
        time_scale=1,
        engine_alive=lambda: True,
        say=lambda _: None,
        warn=lambda _: None,
    )


def test_a_question_that_is_on_its_way_holds_nobody_up_and_is_asked_once(
    host: Host, session: Session
) -> None:
    liveness.ask_ahead(WAY, INPUTS)  # returns, although the host does not answer yet
    host.may_answer.set()
    assert liveness.diff(session, STATE, INPUTS).replaces == ("token",)
    assert host.asked == 1


def test_an_engine_that_answers_outside_is_alive_and_its_host_is_not_asked(
    host: Host, session: Session
) -> None:
    host.may_answer.set()
    with serving(Endpoint()) as endpoint:
        liveness.ask_ahead({**WAY, "http_url": endpoint.url}, INPUTS)
        assert not liveness.diff(session, STATE, INPUTS).any
    assert host.asked == 0


def test_an_answer_is_taken_once_so_that_the_next_diff_asks_again(
    host: Host, session: Session
) -> None:
    host.may_answer.set()
    liveness.ask_ahead(WAY, INPUTS)
    for _ in range(2):
        liveness.diff(session, STATE, INPUTS)
    assert host.asked == 2


def test_an_answer_of_another_host_is_not_taken(host: Host, session: Session) -> None:
    host.may_answer.set()
    with serving(Endpoint()) as endpoint:
        liveness.ask_ahead({**WAY, "ssh_port": "2", "http_url": endpoint.url}, INPUTS)
        assert liveness.diff(session, STATE, INPUTS).replaces == ("token",)
    assert host.asked == 1


def test_silence_longer_than_the_bound_changes_nothing(
    host: Host, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "BOUND_S", 0.01)
    liveness.ask_ahead(WAY, INPUTS)
    assert not liveness.diff(session, STATE, INPUTS).any
    monkeypatch.setattr(liveness, "BOUND_S", 3.0)
    host.may_answer.set()

"""Whether the weights can be fetched is decided before anything is bought."""

from __future__ import annotations

import json
import socket
from dataclasses import asdict
from typing import Any

import pytest
from requests.structures import CaseInsensitiveDict

from clore_inference.errors import ConfigError
from clore_inference.lifecycle import guard
from clore_inference.lifecycle.repository import State, judged, look, wanted_repository
from clore_inference.lifecycle.session import Session
from clore_inference.secret import Secret
from clore_inference.spec import DeploymentSpec
from support.local_hub import served
from support.wishes import a_spec

CANARY = "hf_" + "c4n4ry" * 6
WANTED = wanted_repository(a_spec())
GUIDE = "mistralai/Mistral-Medium-3.5-FP8"


def heard(status: int, code: str = "", message: str = "", *, has_token: bool = True) -> Any:
    headers = CaseInsensitiveDict({"x-error-code": code, "x-error-message": message})
    return judged(WANTED, status, headers, has_token=has_token)


@pytest.mark.parametrize(
    ("status", "code", "message", "has_token", "state"),
    [
        (200, "", "", True, "open"),
        (302, "", "", False, "open"),
        (404, "EntryNotFound", "Entry not found", True, "open"),
        (404, "RepoNotFound", "Repository not found", True, "missing"),
        (401, "RepoNotFound", "Invalid username or password.", False, "missing"),
        (404, "", "", True, "missing"),
        (404, "RevisionNotFound", "Invalid rev id: x", True, "no-revision"),
        (401, "GatedRepo", "Access to model x is restricted", False, "closed"),
        (403, "GatedRepo", "not in the authorized list", True, "closed"),
        (403, "", "Access to this resource is disabled.", True, "closed"),
        (401, "", "Invalid credentials in Authorization header", True, "bad-token"),
        (429, "", "Too many requests", True, "unknown"),
        (503, "", "", True, "unknown"),
        (418, "", "", True, "unknown"),
    ],
)
def test_every_answer_of_a_hub_has_one_meaning(
    status: int, code: str, message: str, *, has_token: bool, state: State
) -> None:
    standing = heard(status, code, message, has_token=has_token)
    assert standing.state == state
    assert standing.refuses == (state not in ("open", "unknown"))


def test_a_missing_guide_repository_names_the_other_release() -> None:
    text = heard(404, "RepoNotFound").text
    assert "mistralai/Mistral-Medium-3.5-128B" in text
    assert "pulumi config set release upstream" in text


def test_a_repository_of_ones_own_has_no_other_release() -> None:
    own = wanted_repository(a_spec(repository="me/mine"))
    headers = CaseInsensitiveDict({"X-Error-Code": "RepoNotFound"})
    text = judged(own, 404, headers, has_token=True).text
    assert "Correct `repository`" in text
    assert "release" not in text


@pytest.mark.parametrize("has_token", [True, False])
@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_says_what_is_true_what_it_costs_and_what_to_do(
    status: int, *, has_token: bool
) -> None:
    text = heard(status, has_token=has_token).text
    assert str(status) in text
    assert "nothing was bought" in text
    assert "HF_TOKEN" in text or "Accept the terms" in text or "release upstream" in text


def at(url: str, **changes: object) -> DeploymentSpec:
    return a_spec(hfEndpoint=url, **changes)


@pytest.fixture(scope="module")
def hub() -> Any:
    with served() as running:
        yield running


@pytest.mark.parametrize(
    ("token", "changes", "state"),
    [
        ("hf_emulator_demo_token", {}, "open"),
        ("hf_emulator_without_access", {}, "closed"),
        (CANARY, {}, "bad-token"),
        (None, {}, "closed"),
        (None, {"release": "upstream"}, "open"),
        ("hf_emulator_demo_token", {"repository": "me/mine"}, "missing"),
        ("hf_emulator_demo_token", {"revision": "f" * 40}, "no-revision"),
    ],
)
def test_a_hub_is_asked_with_the_token_and_its_answer_understood(
    hub: Any, token: str | None, changes: dict[str, object], state: State
) -> None:
    standing = look(wanted_repository(at(hub.url, **changes)), Secret(token) if token else None)
    assert standing.state == state, standing.text
    assert CANARY not in standing.text


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_hub_that_does_not_answer_is_unknown_and_refuses_nothing() -> None:
    standing = look(wanted_repository(at(f"http://127.0.0.1:{unused_port()}")), None)
    assert standing.state == "unknown"
    assert not standing.refuses
    assert "was not looked at" in standing.text


def guard_inputs(url: str, token: str | None) -> dict[str, Any]:
    return {
        "project": "test",
        "ports": ["22", "8000"],
        "repository": json.dumps(asdict(wanted_repository(at(url)))),
        "hf_token": token,
    }


def session(warned: list[str]) -> Session:
    api = f"http://127.0.0.1:{unused_port()}"
    return Session(api, Secret("key-of-a-test"), 1e6, lambda: True, warned.append, warned.append)


def test_the_guard_refuses_before_the_marketplace_is_even_asked(
    hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "open_lease", lambda *_: pytest.fail("the market was asked"))
    with pytest.raises(ConfigError, match="nothing was bought") as raised:
        guard.create(session([]), guard_inputs(hub.url, CANARY))
    assert CANARY not in str(raised.value)


def test_the_guard_goes_on_past_a_hub_that_is_silent_with_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard, "open_lease", lambda *_: ("a",))
    warned: list[str] = []
    state = guard.create(session(warned), guard_inputs(f"http://127.0.0.1:{unused_port()}", CANARY))
    assert state["lease_id"]
    assert "was not looked at" in warned[0]
    assert CANARY not in json.dumps(state), "the token is not among what the guard keeps"

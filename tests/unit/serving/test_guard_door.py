"""The guard as an ASGI application: who gets in, what the engine sees, how a request ends."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from clore_inference.secret import Secret
from clore_inference.serving import allow_list, guard_config, keys_document
from clore_inference.serving.guard import SETTINGS_VARIABLE, Guard
from support.asgi import Answer, Client, Engine, Message, ask, scope

KEY, OPS_KEY, ENGINE_KEY = "user-key-canary", "ops-key-canary", "engine-key-canary"
MODEL = "mistral-medium-3.5"
CHAT = json.dumps({"model": MODEL, "messages": []}).encode()


def bearer(key: str) -> tuple[bytes, bytes]:
    return (b"authorization", b"Bearer " + key.encode())


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    path.write_text(
        keys_document([("default", Secret(KEY), "user"), ("prometheus", Secret(OPS_KEY), "ops")])
    )
    return path


@pytest.fixture
def config(tmp_path: Path, keys_file: Path) -> dict[str, Any]:
    (tmp_path / "engine.key").write_text(ENGINE_KEY + "\n")
    return guard_config(
        keys_file=str(keys_file),
        engine_key_file=str(tmp_path / "engine.key"),
        engine="vllm",
        served_model=MODEL,
        max_body_bytes=1000,
        timeout_s=30,
    )


def post(body: bytes = CHAT, *headers: tuple[bytes, bytes], **more: Any) -> tuple[Any, Client]:
    sent = [bearer(KEY), (b"content-type", b"application/json"), *headers]
    return scope(headers=sent, **more), Client([body])


def test_the_engine_sees_its_own_key_a_new_length_and_little_else(config: dict[str, Any]) -> None:
    engine = Engine()
    noise = [
        (b"content-length", str(len(CHAT)).encode()),
        (b"accept-encoding", b"gzip"),
        (b"origin", b"https://evil.example"),
        (b"x-data-parallel-rank", b"1"),
        (b"user-agent", b"curl"),
    ]
    where, client = post(CHAT, *noise, query_string=b"a=b")
    answer = ask(Guard(engine, config), where, client)
    assert answer.status == 200
    [seen] = engine.scopes
    assert seen["query_string"] == b""
    assert seen["asgi"]["spec_version"] == "2.3", "newer ones do not look for a disconnect"
    assert sorted(seen["headers"]) == [
        (b"authorization", b"Bearer " + ENGINE_KEY.encode()),
        (b"content-length", str(len(engine.bodies[0])).encode()),
        (b"content-type", b"application/json"),
        (b"host", b"localhost"),
        (b"user-agent", b"curl"),
    ]


CLOSED = [
    "/invocations", "/tokenize", "/metrics", "/docs", "/openapi.json", "/v1/responses", "/load",
    "/v1/embeddings", "/v1/completions/render", "/", "", "*", "/v1/models/", "//v1/models",
    "/v1/./models", "/v1/x/../models", "/V1/MODELS", "/v1/models;x", "/health/", "/v1/models\x00",
]  # fmt: skip


@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_g10_every_other_route_is_closed_with_and_without_key(
    config: dict[str, Any], path: str, method: str
) -> None:
    for headers in ([], [bearer(KEY)]):
        engine = Engine()
        answer = ask(Guard(engine, config), scope(method, path, headers))
        assert answer.status in (401, 404)
        assert answer.json()["error"]["message"]
        assert not engine.scopes, "nothing of it may reach the engine"


@pytest.mark.parametrize("raw", [b"/v1/chat/complet%69ons", b"/v1%2fchat/completions", b"/V1"])
def test_an_encoded_path_is_another_path(config: dict[str, Any], raw: bytes) -> None:
    engine = Engine()
    where, client = post(raw_path=raw)
    assert ask(Guard(engine, config), where, client).status == 404
    assert not engine.scopes


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "get"])
def test_other_methods_are_closed(config: dict[str, Any], method: str) -> None:
    answer = ask(Guard(Engine(), config), scope(method, "/v1/models", [bearer(KEY)]))
    assert answer.status == 404
    assert answer.header(b"access-control-allow-origin") is None


KEYLESS: dict[str, list[tuple[bytes, bytes]]] = {
    "none": [],
    "empty": [(b"authorization", b"")],
    "empty bearer": [(b"authorization", b"Bearer ")],
    "wrong": [bearer("wrong")],
    "engine's": [bearer(ENGINE_KEY)],
    "hash": [bearer(hashlib.sha256(KEY.encode()).hexdigest())],
    "prefix": [bearer(KEY[:-1])],
    "longer": [bearer(KEY + "x")],
    "basic": [(b"authorization", b"Basic " + KEY.encode())],
    "no scheme": [(b"authorization", KEY.encode())],
    "other header": [(b"x-api-key", KEY.encode())],
    "bytes": [(b"authorization", b"Bearer \xff\xfe")],
}


@pytest.mark.parametrize("headers", KEYLESS.values(), ids=KEYLESS)
def test_g10_without_a_right_key_the_answer_is_401(
    config: dict[str, Any], headers: list[tuple[bytes, bytes]]
) -> None:
    engine = Engine()
    for method, path in [("POST", "/v1/chat/completions"), ("GET", "/v1/models")]:
        answer = ask(Guard(engine, config), scope(method, path, headers), Client([CHAT]))
        assert answer.status == 401
        assert answer.json()["error"]["code"] == "invalid_api_key"
    assert not engine.scopes


def test_a_body_with_two_lengths_is_refused_before_it_is_read(config: dict[str, Any]) -> None:
    engine = Engine()
    where, client = post(CHAT, (b"transfer-encoding", b"chunked"), (b"content-length", b"5"))
    answer = ask(Guard(engine, config), where, client)
    assert answer.status == 400
    assert answer.header(b"connection") == b"close", "what follows is not the next request"
    assert engine.bodies == []


def test_two_authorization_headers_are_refused(config: dict[str, Any]) -> None:
    where, client = post(CHAT, bearer(KEY))
    assert ask(Guard(Engine(), config), where, client).status == 400


def test_a_key_is_revoked_without_a_restart(config: dict[str, Any], keys_file: Path) -> None:
    guard = Guard(Engine(), config)
    assert ask(guard, scope("GET", "/v1/models", [bearer(KEY)])).status == 200
    keys_file.write_text(keys_document([("next", Secret("another-key"), "user")]))
    assert ask(guard, scope("GET", "/v1/models", [bearer(KEY)])).status == 401
    assert ask(guard, scope("GET", "/v1/models", [bearer("another-key")])).status == 200


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"keys":[{}]}', '{"keys":[null]}'])
def test_without_a_usable_keys_file_nobody_gets_in(
    config: dict[str, Any], keys_file: Path, text: str | None
) -> None:
    guard = Guard(Engine(), config)
    assert ask(guard, scope("GET", "/v1/models", [bearer(KEY)])).status == 200
    if text is None:
        keys_file.unlink()
    else:
        keys_file.write_text(text)
    assert ask(guard, scope("GET", "/v1/models", [bearer(KEY)])).status == 401


def test_metrics_open_to_the_ops_role_alone(config: dict[str, Any]) -> None:
    guard = Guard(Engine(chunks=[b"vllm:x 1\n"], content_type=b"text/plain"), config)
    assert ask(guard, scope("GET", "/metrics", [bearer(OPS_KEY)])).body == b"vllm:x 1\n"
    assert ask(guard, scope("GET", "/metrics", [bearer(KEY)])).status == 404
    assert ask(guard, scope("GET", "/v1/models", [bearer(OPS_KEY)])).status == 404


@pytest.mark.parametrize("status", [200, 503])
def test_health_needs_no_key_and_tells_only_the_status(config: dict[str, Any], status: int) -> None:
    engine = Engine(status=status, chunks=[b"version 0.33 and more"])
    answer = ask(Guard(engine, config), scope("GET", "/health"))
    assert (answer.status, answer.body) == (status, b"")


def test_the_allow_list_is_the_guide_and_its_needs() -> None:
    assert allow_list() == {
        ("GET", "/health"): None,
        ("GET", "/v1/models"): "user",
        ("POST", "/v1/chat/completions"): "user",
        ("POST", "/v1/completions"): "user",
        ("GET", "/metrics"): "ops",
    }


def test_a_websocket_is_refused_and_lifespan_passes(config: dict[str, Any]) -> None:
    engine = Engine()
    sent: list[Message] = []

    async def run() -> None:
        async def send(message: Message) -> None:
            sent.append(message)

        await Guard(engine, config)({"type": "websocket", "path": "/v1/realtime"}, Client(), send)
        assert not engine.scopes
        await Guard(engine, config)({"type": "lifespan"}, Client(), send)

    asyncio.run(run())
    assert sent == [{"type": "websocket.close", "code": 1008}], "a server answers 403 for it"
    assert [found["type"] for found in engine.scopes] == ["lifespan"]


REFUSED_BODIES = {
    "announced too large": (413, CHAT, (b"content-length", b"1001")),
    "huge length": (413, CHAT, (b"content-length", b"9" * 400)),
    "negative length": (413, CHAT, (b"content-length", b"-1")),
    "really too large": (413, CHAT + b" " * 1000, (b"accept", b"*/*")),
    "gzip": (415, CHAT, (b"content-encoding", b"gzip")),
    "gzip in transfer": (400, CHAT, (b"transfer-encoding", b"gzip, chunked")),
    "form": (415, CHAT, (b"content-type", b"application/x-www-form-urlencoded")),
}


@pytest.mark.parametrize(("status", "body", "header"), REFUSED_BODIES.values(), ids=REFUSED_BODIES)
def test_a_body_that_is_not_wanted_ends_the_connection(
    config: dict[str, Any], status: int, body: bytes, header: tuple[bytes, bytes]
) -> None:
    engine = Engine()
    where, client = post(body, header)
    answer = ask(Guard(engine, config), where, client)
    assert answer.status == status
    assert answer.header(b"connection") == b"close"
    assert not engine.scopes


def test_a_body_in_pieces_arrives_whole(config: dict[str, Any]) -> None:
    engine = Engine()
    where, _ = post()
    ask(Guard(engine, config), where, Client([CHAT[:9], b"", CHAT[9:]]))
    assert engine.payload["model"] == MODEL


def test_a_body_that_stalls_is_given_up(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clore_inference.serving.guard.BODY_TIMEOUT_S", 0.01)
    engine = Engine()
    where, _ = post()
    answer = ask(Guard(engine, config), where, Client([CHAT], stalls=True))
    assert (answer.status, answer.header(b"x-should-retry")) == (408, b"false")
    assert not engine.scopes


def test_a_client_that_leaves_while_sending_reaches_nothing(config: dict[str, Any]) -> None:
    engine = Engine()
    where, _ = post()
    client = Client([CHAT[:5]], stalls=True)

    async def run() -> Answer:
        client.hung_up.set()
        answer = Answer()
        await Guard(engine, config)(where, client, answer)
        return answer

    assert asyncio.run(run()).status == 0
    assert not engine.scopes


def test_an_engine_that_refuses_the_guard_is_not_the_callers_fault(config: dict[str, Any]) -> None:
    where, client = post()
    answer = ask(Guard(Engine(status=401), config), where, client)
    assert (answer.status, answer.header(b"x-should-retry")) == (502, b"false")


def test_an_engines_error_keeps_its_status_and_gets_the_shape(config: dict[str, Any]) -> None:
    where, client = post()
    engine = Engine(status=500, content_type=b"text/plain", chunks=[b"Internal", b" Server Error"])
    answer = ask(Guard(engine, config), where, client)
    assert answer.status == 500
    assert answer.header(b"content-type") == b"application/json"
    assert answer.json()["error"]["code"] == "engine_error"


def test_answers_and_streams_carry_both_fields(config: dict[str, Any]) -> None:
    where, client = post()
    whole = b'{"choices":[{"message":{"content":"4","reasoning":"2+2"}}]}'
    answer = ask(Guard(Engine(chunks=[whole[:20], whole[20:]]), config), where, client)
    assert answer.json()["choices"][0]["message"]["reasoning_content"] == "2+2"
    assert answer.header(b"content-length") == str(len(answer.body)).encode()
    where, client = post()
    events = [b'data: {"choices":[{"delta":{"reasoning_content":"2', b'"}}]}\n\n', b"data: [DONE]"]
    engine = Engine(content_type=b"text/event-stream; charset=utf-8", chunks=events)
    answer = ask(Guard(engine, config), where, client)
    assert b'"reasoning":"2"' in answer.body
    assert answer.body.endswith(b"data: [DONE]"), "what was held goes out at the end"


class Generation:
    """An engine that generates until it is told that nobody listens."""

    def __init__(self, *, streams: bool, polls: bool = False) -> None:
        self.streams = streams
        self.polls = polls
        self.ended_by = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if self.streams:
            headers = [(b"content-type", b"text/event-stream")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            body = b"data: {}\n\n"
            await send({"type": "http.response.body", "body": body, "more_body": True})
        try:
            message = await (self._poll(receive) if self.polls else receive())
        except asyncio.CancelledError:
            self.ended_by = "cancellation"
            raise
        self.ended_by = message["type"]
        if not self.streams:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"late", "more_body": False})

    async def _poll(self, receive: Any) -> Any:
        """As Starlette's `is_disconnected`: a look that is cancelled when it has to wait."""
        while True:
            look = asyncio.ensure_future(receive())
            await asyncio.sleep(0)
            if look.done():
                return look.result()
            look.cancel()
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("polls", [False, True], ids=["listening", "polling"])
def test_the_deadline_disconnects_the_engine_and_answers_504(
    config: dict[str, Any], *, polls: bool
) -> None:
    engine = Generation(streams=False, polls=polls)
    where, client = post()
    answer = ask(Guard(engine, {**config, "timeout_s": 0.01}), where, client)
    assert engine.ended_by == "http.disconnect", "a cancelled task leaks its generation"
    assert (answer.status, answer.header(b"x-should-retry")) == (504, b"false")
    assert answer.json()["error"]["code"] == "deadline_exceeded"


def test_the_deadline_ends_a_stream_with_an_error_event(config: dict[str, Any]) -> None:
    engine = Generation(streams=True)
    where, client = post()
    answer = ask(Guard(engine, {**config, "timeout_s": 0.01}), where, client)
    assert engine.ended_by == "http.disconnect"
    assert answer.complete
    last = answer.body.strip().split(b"\n")[-1]
    assert json.loads(last[6:])["error"]["code"] == "deadline_exceeded"
    assert b"late" not in answer.body


@pytest.mark.parametrize("polls", [False, True], ids=["listening", "polling"])
def test_a_client_that_leaves_ends_the_generation(config: dict[str, Any], *, polls: bool) -> None:
    engine = Generation(streams=True, polls=polls)
    where, client = post()

    async def run() -> None:
        asyncio.get_running_loop().call_later(0.005, client.hung_up.set)
        await Guard(engine, config)(where, client, Answer())

    asyncio.run(run())
    assert engine.ended_by == "http.disconnect"


def test_nothing_is_left_running_after_a_request(config: dict[str, Any]) -> None:
    async def run() -> int:
        where, client = post()
        await Guard(Engine(), config)(where, client, Answer())
        await asyncio.sleep(0)
        return len(asyncio.all_tasks())

    assert asyncio.run(run()) == 1, "the timer and the look at the client end with the request"


def test_settings_come_from_the_file_that_the_environment_names(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "guard.json"
    path.write_text(json.dumps(config))
    monkeypatch.setenv(SETTINGS_VARIABLE, str(path))
    assert Guard(Engine()).served_model == MODEL
    path.write_text("{}")
    with pytest.raises(KeyError):
        Guard(Engine())

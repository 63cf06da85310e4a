"""The small server in front of llama-server: what it refuses, what it hands on, when it lets go."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from clore_inference.secret import Secret
from clore_inference.serving import keys_document, proxy_sources
from clore_inference.serving.guard import Guard
from clore_inference.serving.llamacpp.door import Door
from clore_inference.serving.llamacpp.forward import Forward
from clore_inference.serving.llamacpp.launcher import main, refusal

KEY = "proxy-key-canary"
WITHIN_S = 10.0
Scripted = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Engine:
    """An HTTP server on the loopback that answers by a script and counts what reaches it."""

    def __init__(self, script: Scripted) -> None:
        self.script = script
        self.seen: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = [line for line in head.split(b"\r\n") if line.startswith(b"content-length:")]
        body = await reader.readexactly(int(length[0].split(b":")[1])) if length else b""
        self.seen.append(head + body)
        with contextlib.suppress(OSError):
            await self.script(head, reader, writer)
        writer.close()


async def says_yes(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    body = b'{"choices": [{"message": {"content": "yes", "reasoning_content": "why"}}]}'
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nServer: llama.cpp\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )
    await writer.drain()


class World:
    """A guarded door in front of a scripted engine."""

    def __init__(self, port: int, engine: Engine, door: Door) -> None:
        self.port, self.engine, self.door = port, engine, door

    async def raw(self, sent: bytes) -> bytes:
        """Everything that the door says to these bytes until it hangs up."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(sent)
        try:
            return await asyncio.wait_for(reader.read(), WITHIN_S)
        except ConnectionResetError:
            return b""
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def world(directory: Path, script: Scripted = says_yes) -> AsyncIterator[World]:
    engine = Engine(script)
    server = await asyncio.start_server(engine, "127.0.0.1", 0)
    keys = directory / "keys.json"
    keys.write_text(keys_document([("default", Secret(KEY), "user")]))
    (directory / "engine.key").write_text("engines-own")
    settings = {"keys_file": str(keys), "engine_key_file": str(directory / "engine.key")}
    door = Door(Guard(Forward(server.sockets[0].getsockname()[1]), settings))
    port = await door.open("127.0.0.1", 0)
    try:
        yield World(port, engine, door)
    finally:
        await asyncio.wait_for(door.end(), WITHIN_S)
        server.close()


def run(claim: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(claim, 3 * WITHIN_S))


def chat(close: bool = True, key: str = KEY, **more: Any) -> bytes:  # noqa: FBT001, FBT002
    body = json.dumps({"messages": [], **more}).encode()
    connection = b"Connection: close\r\n" if close else b""
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\n%b"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
        % (key.encode(), connection, len(body), body)
    )


def test_a_chat_reaches_the_engine_with_its_own_key_and_comes_back_with_both_fields(
    tmp_path: Path,
) -> None:
    async def claim() -> None:
        async with world(tmp_path) as it:
            head, _, body = (await it.raw(chat(reasoning_mode="deep"))).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 "), head
            assert b"llama.cpp" not in head, "what the engine says of itself stays inside"
            assert json.loads(body)["choices"][0]["message"]["reasoning"] == "why"
            (seen,) = it.engine.seen
            assert b"authorization: Bearer engines-own\r\n" in seen
            assert KEY.encode() not in seen
            assert b'"reasoning_effort":"high"' in seen

    run(claim())


def test_one_connection_takes_several_requests(tmp_path: Path) -> None:
    async def claim() -> None:
        async with world(tmp_path) as it:
            reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
            for _ in range(2):
                writer.write(chat(close=False))
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WITHIN_S)
                assert b"connection: keep-alive" in head
                length = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
                await reader.readexactly(length)
            writer.close()
            assert len(it.engine.seen) == 2

    run(claim())


def test_a_body_in_chunks_is_put_together(tmp_path: Path) -> None:
    async def claim() -> None:
        async with world(tmp_path) as it:
            head = (
                b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                b"Authorization: Bearer " + KEY.encode() + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            body = b'd\r\n{"messages": \r\n3;x=y\r\n[]}\r\n0\r\n\r\n'
            assert (await it.raw(head + body)).startswith(b"HTTP/1.1 200 ")

    run(claim())


HOSTILE = {
    "no line": b"\x16\x03\x01\x02\r\n\r\n",
    "another version": b"GET /health HTTP/2.0\r\nHost: x\r\n\r\n",
    "an absolute target": b"GET http://x/health HTTP/1.1\r\nHost: x\r\n\r\n",
    "no host": b"GET /health HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "a space before the colon": b"GET /health HTTP/1.1\r\nHost : x\r\n\r\n",
    "a folded header": b"GET /health HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "a bare newline": b"GET /health HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
    "a bare return": b"GET /health HTTP/1.1\r\nHost: x\rA: b\r\n\r\n",
    "a null byte": b"GET /health HTTP/1.1\r\nHost: x\0\r\n\r\n",
    "two lengths": b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
    b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    "a length and chunks": b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
    b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a negative length": b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
    b"Content-Length: -1\r\n\r\n",
    "another coding": b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
    b"Transfer-Encoding: gzip, chunked\r\n\r\n",
    "a large head": b"GET /health HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 70_000 + b"\r\n\r\n",
    "many headers": b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 100 + b"\r\n",
    "a chunk of no size": b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
    b"Authorization: Bearer " + KEY.encode() + b"\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
}


@pytest.mark.parametrize("sent", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_two_servers_could_read_apart_is_refused_and_never_reaches_the_engine(
    tmp_path: Path, sent: bytes
) -> None:
    async def claim() -> None:
        async with world(tmp_path) as it:
            said = await it.raw(sent)
            assert said.startswith(b"HTTP/1.1 400 ") or not said, said
            assert it.engine.seen == []

    run(claim())


@pytest.mark.parametrize(
    ("target", "status"),
    [("/health", 200), ("/v1/models", 401), ("/props", 404), ("//health", 404),
     ("/%68ealth", 404), ("/health/..", 404), ("/slots?x=/health", 404)],
)  # fmt: skip
def test_the_guards_list_of_routes_counts_here_too(
    tmp_path: Path, target: str, status: int
) -> None:
    async def claim() -> None:
        async with world(tmp_path) as it:
            sent = f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            assert (await it.raw(sent.encode())).startswith(b"HTTP/1.1 %d " % status)
            assert len(it.engine.seen) == (status == 200)

    run(claim())


def test_a_refused_body_is_not_read_as_the_next_request(tmp_path: Path) -> None:
    async def claim() -> None:
        async with world(tmp_path) as it:
            smuggled = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
            head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
            said = await it.raw(head % len(smuggled) + smuggled)
            assert said.count(b"HTTP/1.1 ") == 1
            assert said.startswith(b"HTTP/1.1 401 ")
            assert it.engine.seen == []

    run(claim())


def test_a_stream_is_handed_on_as_it_comes(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def script(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        first = b'data: {"choices":[{"delta":{"reasoning_content":"a"}}]}\n\n'
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(first), first)
        )
        await go_on.wait()
        writer.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
        await writer.drain()

    async def claim() -> None:
        async with world(tmp_path, script) as it:
            reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
            writer.write(chat(stream=True))
            early = await asyncio.wait_for(reader.readuntil(b"}]}\n\n"), WITHIN_S)
            assert b'"reasoning":"a","reasoning_content":"a"' in early
            go_on.set()
            rest = await asyncio.wait_for(reader.read(), WITHIN_S)
            assert rest.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
            writer.close()

    run(claim())


def test_a_client_that_goes_lets_the_engine_go(tmp_path: Path) -> None:
    reached, let_go = asyncio.Event(), asyncio.Event()

    async def script(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        reached.set()
        with contextlib.suppress(ConnectionResetError):
            await reader.read()  # ends when the other side has closed
        let_go.set()

    async def claim() -> None:
        async with world(tmp_path, script) as it:
            _, writer = await asyncio.open_connection("127.0.0.1", it.port)
            writer.write(chat(stream=True))
            await asyncio.wait_for(reached.wait(), WITHIN_S)
            writer.close()
            await asyncio.wait_for(let_go.wait(), WITHIN_S)

    run(claim())


def test_an_answer_that_is_cut_never_looks_whole(tmp_path: Path) -> None:
    async def script(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n7\r\ndata: 1\r\n"
        )
        await writer.drain()

    async def claim() -> None:
        async with world(tmp_path, script) as it:
            assert not (await it.raw(chat(stream=True))).endswith(b"0\r\n\r\n")

    run(claim())


def test_an_engine_that_does_not_listen_is_503_and_not_tried_again_by_the_client() -> None:
    async def claim() -> None:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        closed = int(server.sockets[0].getsockname()[1])
        server.close()
        await server.wait_closed()
        door = Door(Forward(closed))
        reader, writer = await asyncio.open_connection("127.0.0.1", await door.open("127.0.0.1", 0))
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        said = await asyncio.wait_for(reader.read(), WITHIN_S)
        assert said.startswith(b"HTTP/1.1 503 ")
        assert b"x-should-retry: false" in said
        writer.close()
        await door.end()

    run(claim())


def test_an_end_waits_for_the_answers_in_flight(tmp_path: Path) -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def script(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        reached.set()
        await go_on.wait()
        await says_yes(head, reader, writer)

    async def claim() -> None:
        async with world(tmp_path, script) as it:
            asked = asyncio.ensure_future(it.raw(chat(close=False)))
            await asyncio.wait_for(reached.wait(), WITHIN_S)
            ending = asyncio.ensure_future(it.door.end())
            await asyncio.sleep(0)
            assert not ending.done()
            go_on.set()
            assert (await asked).startswith(b"HTTP/1.1 200 ")
            await asyncio.wait_for(ending, WITHIN_S)

    run(claim())


@pytest.mark.parametrize(
    ("line", "fine"),
    [
        ("llama-server -m x --host 127.0.0.1 --port 8080", True),
        ("llama-server -m x --port 8080", False),
        ("llama-server -m x --host 0.0.0.0 --port 8080", False),
        ("llama-server -m x --host 127.0.0.1 --port 8080 --host 0.0.0.0", False),
        ("llama-server -m x --host 127.0.0.1", False),
    ],
)
def test_an_engine_that_could_be_reached_past_the_guard_is_not_started(
    line: str,
    fine: bool,  # noqa: FBT001
) -> None:
    assert bool(refusal(line.split())) is not fine
    if not fine:
        with pytest.raises(SystemExit, match="was not started"):
            main(line.split())


def test_requests_sent_ahead_are_answered_in_order(tmp_path: Path) -> None:
    async def claim() -> None:
        async with world(tmp_path) as it:
            said = await it.raw(chat(close=False) + chat())
            assert said.count(b"HTTP/1.1 200 ") == 2
            assert len(it.engine.seen) == 2

    run(claim())


@pytest.mark.parametrize("name", sorted(proxy_sources()))
def test_a_file_runs_on_python_3_9_with_the_standard_library_only(name: str) -> None:
    tree = ast.parse(proxy_sources()[name], feature_version=(3, 9))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    froms = [node.module for node in imports if not node.level]
    plain = [
        one.name for node in ast.walk(tree) if isinstance(node, ast.Import) for one in node.names
    ]
    roots = {str(name).partition(".")[0] for name in (*froms, *plain)}
    assert roots <= set(sys.stdlib_module_names)

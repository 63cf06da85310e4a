"""The local port: every byte passes, the key is added, nobody else gets in."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from clore_inference.cli.relay import HeadRefused, Relay, Upstream, refusal, rewrite_head
from clore_inference.secret import Secret

KEY = "relay-key-canary"
REQUEST = b"GET /v1/models HTTP/1.1\r\nHost: localhost:8000\r\n\r\n"


def upstream(base_url: str = "https://abc.clorecloud.net") -> Upstream:
    return Upstream.of(base_url, Secret(KEY))


def head(*rows: bytes, line: bytes = b"POST /v1/chat/completions HTTP/1.1") -> bytes:
    return b"\r\n".join([line, *rows]) + b"\r\n\r\n"


def test_the_head_gets_the_host_and_the_key_and_keeps_the_rest() -> None:
    sent = head(
        b"Host: localhost:8000",
        b"Authorization: Bearer not-needed",
        b"Connection: keep-alive",
        b"Content-Type: application/json",
        b"Content-Length: 2",
    )
    assert rewrite_head(sent, upstream()).split(b"\r\n") == [
        b"POST /v1/chat/completions HTTP/1.1",
        b"Host: abc.clorecloud.net",
        b"Authorization: Bearer " + KEY.encode(),
        b"Connection: close",
        b"Content-Type: application/json",
        b"Content-Length: 2",
        b"",
        b"",
    ]


@pytest.mark.parametrize(
    ("base_url", "authority", "line"),
    [
        ("http://127.0.0.1:4711", b"127.0.0.1:4711", b"GET /health HTTP/1.1"),
        ("https://a.b/x/", b"a.b", b"GET /x/health HTTP/1.1"),
        ("http://[::1]:80", b"[::1]", b"GET /health HTTP/1.1"),
    ],
)
def test_an_address_becomes_host_and_path(base_url: str, authority: bytes, line: bytes) -> None:
    sent = head(b"host: 127.0.0.1", line=b"GET /health HTTP/1.1")
    found = rewrite_head(sent, upstream(base_url)).split(b"\r\n")
    assert found[0] == line
    assert found[1] == b"Host: " + authority


FOREIGN = {
    "another name": head(b"Host: evil.example"),
    "a name that begins alike": head(b"Host: localhost.evil.example:8000"),
    "two hosts": head(b"Host: localhost", b"Host: localhost"),
    "no host": head(b"Accept: */*"),
    "absolute": head(b"Host: localhost", line=b"GET http://evil/ HTTP/1.1"),
    "tunnel": head(b"Host: localhost", line=b"CONNECT evil:443 HTTP/1.1"),
    "no request": b"hello\r\n\r\n",
}


@pytest.mark.parametrize("sent", FOREIGN.values(), ids=FOREIGN)
def test_a_web_page_or_a_proxy_request_is_refused(sent: bytes) -> None:
    with pytest.raises(HeadRefused):
        rewrite_head(sent, upstream())


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Client = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def visit(front: asyncio.Server, client: Client) -> None:
    reader, writer = await asyncio.open_connection(*front.sockets[0].getsockname())
    await client(reader, writer)
    writer.close()


def through(handler: Handler, client: Client) -> list[str]:
    """Run a client against a relay whose endpoint is `handler`."""
    said: list[str] = []

    async def run() -> None:
        async with await asyncio.start_server(handler, "127.0.0.1", 0) as behind:
            base_url = f"http://127.0.0.1:{behind.sockets[0].getsockname()[1]}"
            async with await Relay(upstream(base_url), said.append).listen(0) as front:
                await visit(front, client)

    asyncio.run(asyncio.wait_for(run(), 10))
    return said


def test_a_stream_is_passed_on_piece_by_piece() -> None:
    released = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\ndata: 1\n\n")
        await released.wait()
        writer.write(b"data: 2\n\n")
        writer.close()

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(REQUEST)
        assert (await reader.readuntil(b"data: 1\n\n")).endswith(b"data: 1\n\n")
        released.set()
        assert await reader.read() == b"data: 2\n\n", "the first piece came before the second"

    assert through(handler, client) == ["GET /v1/models"], "the key is in no line"


def test_a_body_follows_its_head() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received = await reader.readuntil(b"\r\n\r\n")
        assert b"Bearer " + KEY.encode() in received
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + await reader.readexactly(5))
        writer.close()

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head(b"Host: localhost", b"Content-Length: 5") + b"he")
        await writer.drain()
        writer.write(b"llo")
        assert (await reader.read()).endswith(b"\r\n\r\nhello")

    through(handler, client)


def test_a_client_that_leaves_ends_the_request_behind() -> None:
    ended = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        ended.set()
        writer.close()

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(REQUEST)
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.close()
        await ended.wait()

    through(handler, client)


def test_an_endpoint_that_is_gone_is_a_502_in_the_apis_shape() -> None:
    said: list[str] = []
    answers: list[bytes] = []

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(REQUEST)
        answers.append(await reader.read())

    async def run() -> None:
        async with await Relay(upstream("http://127.0.0.1:9"), said.append).listen(0) as front:
            await visit(front, client)

    asyncio.run(run())
    [answer] = answers
    assert KEY not in "".join(said)
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert b'"code": "unreachable"' in answer


def test_a_head_that_is_too_long_is_answered() -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000)
        assert (await reader.read()).startswith(b"HTTP/1.1 431 ")

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise AssertionError("nothing of it may be passed on")

    through(handler, client)


def test_a_refusal_says_its_own_length() -> None:
    whole = refusal("403 Forbidden", "no", "code")
    head, _, body = whole.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head

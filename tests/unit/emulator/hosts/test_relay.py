from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from clore_emulator.hosts import relay

Client = Callable[[int], Coroutine[Any, Any, bytes]]


async def _refuse() -> relay.Streams:
    raise ConnectionRefusedError


def through(serve: relay.Serve, client: Client) -> bytes:
    """Run a client against a relay and return what it received."""

    async def run() -> bytes:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            async with asyncio.timeout(5):
                return await client(server.sockets[0].getsockname()[1])

    return asyncio.run(run())


async def get(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    received = await reader.read()
    writer.close()
    await writer.wait_closed()
    return received


def behind(answer: Callable[[asyncio.StreamReader], Awaitable[bytes]]) -> relay.Connect:
    """A program on the host that answers once."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await answer(reader))
        writer.close()
        await writer.wait_closed()

    async def connect() -> relay.Streams:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        try:
            return await asyncio.open_connection(*server.sockets[0].getsockname())
        finally:
            server.close()

    return connect


def test_a_name_with_nothing_behind_it_answers_502_in_json() -> None:
    answer = through(relay.http(_refuse, lambda: None), get)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 502 ")
    document = json.loads(body)
    assert document["status"] == 502
    assert "error code: 502" in document["detail"]


def test_a_host_that_closes_without_a_byte_is_a_bad_gateway() -> None:
    async def silent(reader: asyncio.StreamReader) -> bytes:
        await reader.readuntil(b"\r\n\r\n")
        return b""

    assert b" 502 " in through(relay.http(behind(silent), lambda: None), get)


def test_an_unknown_name_shows_the_proxys_page() -> None:
    answer = through(relay.http(_refuse, relay.proxy_not_found), get)
    assert b"<title>Proxy Not Found</title>" in answer


def test_an_answer_passes_byte_for_byte() -> None:
    content = bytes(range(256)) * 999

    async def speak(reader: asyncio.StreamReader) -> bytes:
        await reader.readuntil(b"\r\n\r\n")
        return content

    assert through(relay.http(behind(speak), lambda: None), get) == content


def test_a_tcp_port_without_a_listener_is_accepted_and_closed() -> None:
    async def knock(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        received = await reader.read()
        writer.close()
        await writer.wait_closed()
        return received

    assert through(relay.tcp(_refuse), knock) == b""


def test_the_end_of_input_reaches_the_other_side() -> None:
    async def count(reader: asyncio.StreamReader) -> bytes:
        return str(len(await reader.read())).encode()

    async def send(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x" * 100_000)
        writer.write_eof()
        received = await reader.read()
        writer.close()
        await writer.wait_closed()
        return received

    assert through(relay.tcp(behind(count)), send) == b"100000"


def test_a_throttled_link_shares_its_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def note(seconds: float) -> None:
        waited.append(round(seconds, 2))

    async def run() -> None:
        monkeypatch.setattr(asyncio, "sleep", note)
        link = relay.Throttle(bytes_per_s=1000.0)
        await link.passed(500)
        await link.passed(500)
        await relay.Throttle().passed(10**12)

    asyncio.run(run())
    assert waited == [0.5, 1.0], "the second half second waits behind the first; no rate, no wait"

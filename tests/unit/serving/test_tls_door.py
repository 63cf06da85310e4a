"""The door whose TLS ends on the host: bytes inside are passed on whole, and nothing else gets in."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from clore_inference.cli.relay import Relay, Upstream
from clore_inference.host.travelling import tls
from clore_inference.host.travelling.packages import InstallFailed
from clore_inference.secret import Secret
from clore_inference.serving.tls_door import Door, context

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="there is no openssl here")


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tls.certificate(["127.0.0.1", "n1.example.net"])


@asynccontextmanager
async def doors(certificate: Path) -> AsyncIterator[int]:
    """An echo behind a TLS door; yields the door's port."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(4096):
            writer.write(piece)
            await writer.drain()
            if piece.endswith(b"bye"):
                break
        writer.close()

    behind = await asyncio.start_server(echo, "127.0.0.1", 0)
    door = Door("127.0.0.1", behind.sockets[0].getsockname()[1])
    settings = context(str(certificate), str(certificate.with_name("key.pem")))
    front = await asyncio.start_server(door.serve, "127.0.0.1", 0, ssl=settings)
    try:
        yield front.sockets[0].getsockname()[1]
    finally:
        front.close()
        behind.close()


def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=certificate.read_text(encoding="ascii"))


def test_bytes_go_through_both_ways_and_the_end_is_told(certificate: Path) -> None:
    async def ask() -> bytes:
        async with doors(certificate) as port:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=trusting(certificate)
            )
            writer.write(b"x" * 300_000 + b"bye")
            answer = await asyncio.wait_for(reader.read(-1), 10)
            writer.close()
            return answer

    assert asyncio.run(ask()) == b"x" * 300_000 + b"bye"


def test_a_client_that_does_not_pin_is_refused_by_itself_and_plain_http_gets_nothing(
    certificate: Path,
) -> None:
    async def ask() -> bytes:
        async with doors(certificate) as port:
            with pytest.raises(ssl.SSLCertVerificationError):
                await asyncio.open_connection("127.0.0.1", port, ssl=ssl.create_default_context())
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            try:
                return await asyncio.wait_for(reader.read(64), 10)
            except ConnectionError:
                return b""
            finally:
                writer.close()

    assert b"HTTP" not in asyncio.run(ask())


def test_the_certificate_names_the_relay_and_is_made_once_with_a_key_of_its_own(
    certificate: Path,
) -> None:
    key = certificate.with_name("key.pem")
    assert key.stat().st_mode & 0o077 == 0, "only its owner reads the key"
    before = certificate.read_bytes(), key.read_bytes()
    assert tls.certificate(["127.0.0.1", "n1.example.net"]) == certificate
    assert (certificate.read_bytes(), key.read_bytes()) == before
    other = tls.certificate(["n2.example.net"])
    assert other != certificate
    assert b"PRIVATE" not in certificate.read_bytes()


def test_the_name_of_another_relay_is_not_vouched_for(certificate: Path) -> None:
    async def ask() -> None:
        async with doors(certificate) as port:
            await asyncio.open_connection(
                "127.0.0.1", port, ssl=trusting(certificate), server_hostname="n2.example.net"
            )

    with pytest.raises(ssl.SSLCertVerificationError):
        asyncio.run(ask())


def test_a_host_without_openssl_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(InstallFailed, match="no openssl"):
        tls.certificate(["n1.example.net"])


def test_connect_goes_through_the_door_with_its_certificate_and_not_without(
    certificate: Path,
) -> None:
    said: list[str] = []

    async def ask(pem: str) -> bytes:
        async with doors(certificate) as port:
            upstream = Upstream.of(f"https://127.0.0.1:{port}", Secret("k"), pem)
            server = await Relay(upstream, said.append).listen(0)
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\nbye")
            answer = await asyncio.wait_for(reader.read(-1), 10)
            writer.close()
            server.close()
            return answer

    assert b"Authorization: Bearer k" in asyncio.run(ask(certificate.read_text(encoding="ascii")))
    assert b"502 Bad Gateway" in asyncio.run(ask(""))
    assert "SSLCertVerificationError" in said[-1]

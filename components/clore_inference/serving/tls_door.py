"""A door whose TLS ends on the host: `python3 -m clore_tls <its settings>`, standard library only.

It takes connections on a raw port of the order, speaks TLS with the host's own key, and hands the
bytes inside to the guard on the loopback: nobody between a client and this host can read them. It
knows no HTTP; keys, routes and limits are the guard's. Settings are a JSON file:

    {"listen": "0.0.0.0:8443", "to": "127.0.0.1:8000", "certificate": "/.../certificate.pem",
     "key": "/.../key.pem"}
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import ssl
import sys
from pathlib import Path
from typing import Any

PIECE_BYTES = 64 * 1024
MOST_CONNECTIONS = 256
"""As the proxy in front of llama.cpp; whoever holds them silently keeps others out only so long."""
HANDSHAKE_TIMEOUT_S = 10.0
SILENCE_S = 930.0
"""Longer than the guard lets an answer take (900 s): a connection silent both ways is gone."""
WRITE_TIMEOUT_S = 60.0


def context(certificate: str, key: str) -> ssl.SSLContext:
    """TLS 1.2 or newer with the host's certificate; raises OSError or ssl.SSLError."""
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.minimum_version = ssl.TLSVersion.TLSv1_2
    found.load_cert_chain(certificate, key)
    found.set_alpn_protocols(["http/1.1"])
    return found


class Door:
    """Hands on what comes inside TLS."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        if self._open >= MOST_CONNECTIONS:
            writer.transport.abort()
            return
        self._open += 1
        try:
            with contextlib.suppress(OSError, asyncio.TimeoutError):
                await self._through(reader, writer)
        finally:
            self._open -= 1
            writer.transport.abort()

    async def _through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, there = await asyncio.open_connection(self._host, self._port)
        copies = {
            asyncio.ensure_future(_copy(reader, there)),
            asyncio.ensure_future(_copy(back, writer)),
        }
        try:
            await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait_for(writer.drain(), WRITE_TIMEOUT_S)
            writer.close()
            await asyncio.wait_for(writer.wait_closed(), WRITE_TIMEOUT_S)
        finally:
            for copy in copies:
                copy.cancel()
            await asyncio.gather(*copies, return_exceptions=True)
            there.transport.abort()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while True:
        piece = await asyncio.wait_for(source.read(PIECE_BYTES), SILENCE_S)
        if not piece:
            return
        target.write(piece)
        await asyncio.wait_for(target.drain(), WRITE_TIMEOUT_S)


async def run(settings: dict[str, Any]) -> None:
    """Serve until SIGTERM."""
    host, _, port = str(settings["to"]).rpartition(":")
    address, _, listening = str(settings["listen"]).rpartition(":")
    server = await asyncio.start_server(
        Door(host, int(port)).serve,
        address,
        int(listening),
        ssl=context(str(settings["certificate"]), str(settings["key"])),
        ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S,
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print(f"TLS on {settings['listen']}", flush=True)
    await stop.wait()
    server.close()


def main(arguments: list[str]) -> int:
    """Serve what the settings say; 1 where the port or the certificate cannot be had."""
    settings = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    try:
        asyncio.run(run(settings))
    except (OSError, ValueError) as error:
        print(f"clore_tls: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

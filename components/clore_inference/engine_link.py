"""The Pulumi engine as a dynamic provider sees it: is it still there, and its log.

A provider process outlives a killed CLI. The engine's address is the first argument of the process;
when nothing listens there any more, nobody will record what is bought.
"""

from __future__ import annotations

import socket
import sys
from functools import cache
from typing import Any, Final

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

CONNECT_TIMEOUT_S: Final = 2.0
"""Real seconds; the engine listens on loopback, where a connection takes well under 1 ms."""

INFO: Final = engine_pb2.INFO
WARNING: Final = engine_pb2.WARNING
Severity = engine_pb2.LogSeverity


def engine_address() -> str | None:
    """Return `host:port` of the engine that started this process, or None outside of one."""
    if len(sys.argv) < 2:
        return None
    host, _, port = sys.argv[1].rpartition(":")
    return sys.argv[1] if host and port.isdigit() else None


def engine_alive() -> bool:
    """Return whether the engine that started this process still listens."""
    address = engine_address()
    if address is None:
        return False
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=CONNECT_TIMEOUT_S):
            return True
    except OSError:
        return False


@cache
def _stub(address: str) -> Any:
    return engine_pb2_grpc.EngineStub(grpc.insecure_channel(address))


def say(text: str, *, severity: Severity.ValueType = INFO) -> None:
    """Show one line in the CLI; lost without harm when the engine is gone."""
    address = engine_address()
    if address is None:
        return
    request = engine_pb2.LogRequest(severity=severity, message=text)
    try:
        _stub(address).Log(request, timeout=CONNECT_TIMEOUT_S)
    except grpc.RpcError:
        return


def warn(text: str) -> None:
    """Show one warning in the CLI."""
    say(text, severity=WARNING)

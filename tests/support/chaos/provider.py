"""A real dynamic-provider process, driven as the engine drives it, and an engine that is only an address."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from concurrent import futures
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf import empty_pb2, json_format, struct_pb2  # type: ignore[import-untyped]
from pulumi.dynamic import ResourceProvider
from pulumi.dynamic.dynamic import serialize_provider
from pulumi.runtime.proto import engine_pb2_grpc, provider_pb2, provider_pb2_grpc

from support.engine import REPOSITORY

PROVIDER_KEY: Final = "__provider"
RAISED: Final = re.compile(r"Traceback|[\w.]+: ")
"""How an error of the provider's own begins; a process that died leaves words of gRPC's."""
CALL_WITHIN_S: Final = 120.0
ENDS_WITHIN_S: Final = 150.0
"""Real seconds: a provider's own bound for work in hand, and a margin."""
PATHS: Final = os.pathsep.join(
    str(REPOSITORY / part) for part in ("components", "emulator", "tests")
)


class Died(Exception):
    """The provider process, or the way to it, ended in a call."""


class Failed(Exception):
    """The provider answered with an error; the text is its traceback."""


class _Log(engine_pb2_grpc.EngineServicer):
    def __init__(self) -> None:
        self.said: list[str] = []

    def Log(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        self.said.append(request.message)
        return empty_pb2.Empty()


class Process:
    """`python -m pulumi.dynamic`, with its engine; `abandon` takes the engine away."""

    def __init__(self, directory: Path, environment: Mapping[str, str], config: dict[str, str]):
        self.log = _Log()
        self._engine = grpc.server(futures.ThreadPoolExecutor(2))
        engine_pb2_grpc.add_EngineServicer_to_server(self.log, self._engine)
        port = self._engine.add_insecure_port("127.0.0.1:0")
        self._engine.start()
        self._stderr = (directory / "provider.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", "pulumi.dynamic", f"127.0.0.1:{port}"],
            cwd=directory,
            env={**os.environ, **environment, "PYTHONPATH": PATHS},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
        )
        assert self.process.stdout is not None
        self._channel = grpc.insecure_channel(f"127.0.0.1:{int(self.process.stdout.readline())}")
        self._stub: Any = provider_pb2_grpc.ResourceProviderStub(self._channel)
        self._call("Configure", provider_pb2.ConfigureRequest(args=_struct(config)))

    def create(self, provider: ResourceProvider, props: Mapping[str, Any]) -> dict[str, Any]:
        """Return the outputs, with the id as `__id`."""
        answer = self._call("Create", provider_pb2.CreateRequest(properties=_of(provider, props)))
        return {**_plain(answer.properties), "__id": answer.id}

    def diff(
        self, provider: ResourceProvider, olds: Mapping[str, Any], news: Mapping[str, Any]
    ) -> tuple[bool, list[str]]:
        """Return whether something changes, and what forces a replacement."""
        request = provider_pb2.DiffRequest(
            id=olds["__id"], olds=_of(provider, olds), news=_of(provider, news)
        )
        answer = self._call("Diff", request)
        return answer.changes == provider_pb2.DiffResponse.DIFF_SOME, list(answer.replaces)

    def update(
        self, provider: ResourceProvider, olds: Mapping[str, Any], news: Mapping[str, Any]
    ) -> dict[str, Any]:
        request = provider_pb2.UpdateRequest(
            id=olds["__id"], olds=_of(provider, olds), news=_of(provider, news)
        )
        answer = self._call("Update", request)
        return {**_plain(answer.properties), "__id": olds["__id"]}

    def delete(self, provider: ResourceProvider, props: Mapping[str, Any]) -> None:
        request = provider_pb2.DeleteRequest(id=props["__id"], properties=_of(provider, props))
        self._call("Delete", request)

    def _call(self, name: str, request: Any) -> Any:
        try:
            return getattr(self._stub, name)(request, timeout=CALL_WITHIN_S, wait_for_ready=True)
        except grpc.RpcError as error:
            code, text = error.code(), error.details() or ""
            if code == grpc.StatusCode.UNKNOWN and RAISED.match(text):
                raise Failed(text) from None
            raise Died(f"{code}: {text}") from None

    def abandon(self) -> None:
        """The engine is killed: nobody listens, and its ends of all pipes are closed."""
        self._engine.stop(0).wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    def ended(self) -> None:
        """Return when an abandoned process has ended by itself."""
        self.process.wait(ENDS_WITHIN_S)

    def close(self) -> None:
        """End what is left."""
        self._channel.close()
        self.abandon()
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            self.process.wait(20)
        self._stderr.close()


def _struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    struct.update({key: value for key, value in values.items() if not key.startswith("__")})
    return struct


def _of(provider: ResourceProvider, props: Mapping[str, Any]) -> struct_pb2.Struct:
    struct = _struct(props)
    struct.update({PROVIDER_KEY: serialize_provider(provider)})
    return struct


def _plain(struct: struct_pb2.Struct) -> dict[str, Any]:
    return dict(json_format.MessageToDict(struct))

"""A stand-in for Pulumi's plugin `command`, for machines that reach package registries only.

It has `local.Command` and `remote.Command`, and behaves like pulumi-command 1.2 for the inputs of
`commands/inputs.py`. The official plugin is preferred wherever there is one.
"""

# ruff: noqa: N802, ARG002 - names and arguments of methods are the protocol's

from __future__ import annotations

import importlib.metadata
import json
import secrets
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

import grpc
import protocol  # noqa: F401 - before the messages
from commands.difference import REPLACING, Kind, differences
from commands.inputs import LOCAL, checked, failures
from commands.local import run_local
from commands.run import CommandError, Job, Output, Stop, job_for
from commands.wire import UNKNOWN, Properties, from_struct, plain, to_struct
from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import (
    engine_pb2,
    engine_pb2_grpc,
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
)
from served import engine_address, serve

ID_HEX_DIGITS: Final = 8
"""Random digits after the name, as the official plugin has it."""

KINDS: Final[Mapping[tuple[Kind, bool], Any]] = {
    ("add", False): provider_pb2.PropertyDiff.ADD,
    ("add", True): provider_pb2.PropertyDiff.ADD_REPLACE,
    ("delete", False): provider_pb2.PropertyDiff.DELETE,
    ("delete", True): provider_pb2.PropertyDiff.DELETE_REPLACE,
    ("update", False): provider_pb2.PropertyDiff.UPDATE,
    ("update", True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
}


def token_of(urn: str) -> str:
    """Return the resource's type token, the last one of the URN's third part."""
    return urn.split("::")[2].rsplit("$", 1)[-1]


def name_of(urn: str) -> str:
    """Return the resource's name."""
    return urn.split("::", 3)[3]


def previous(state: Properties) -> Output:
    """Return what the last run printed."""
    return Output(str(plain(state.get("stdout")) or ""), str(plain(state.get("stderr")) or ""))


class EngineLog:
    """Shows lines beside a resource, in the engine's status column; they are not kept."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._stub: engine_pb2_grpc.EngineStub | None = None

    def connect(self, address: str) -> None:
        self._address, self._stub = address or self._address, None

    def writer(self, urn: str) -> Callable[[str], None]:
        """Return a function that shows one line; a lost engine is not the command's problem."""

        def say(line: str) -> None:
            request = engine_pb2.LogRequest(
                severity=engine_pb2.INFO, urn=urn, message=line, ephemeral=True
            )
            try:
                self._engine().Log(request)
            except grpc.RpcError:
                return

        return say

    def _engine(self) -> engine_pb2_grpc.EngineStub:
        if self._stub is None:
            channel = grpc.insecure_channel(self._address)
            self._stub = engine_pb2_grpc.EngineStub(channel)
        return self._stub


class CommandPlugin(provider_pb2_grpc.ResourceProviderServicer):
    """The protocol; one instance for one engine."""

    def __init__(self, engine: str) -> None:
        self._log = EngineLog(engine)
        self._stops: set[Stop] = set()
        self._cancelled = False
        self._lock = threading.Lock()

    def Handshake(
        self, request: provider_pb2.ProviderHandshakeRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ProviderHandshakeResponse:
        self._log.connect(request.engine_address)
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    def Attach(
        self, request: plugin_pb2.PluginAttach, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        self._log.connect(request.address)
        return empty_pb2.Empty()

    def GetPluginInfo(
        self, request: empty_pb2.Empty, context: grpc.ServicerContext
    ) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=importlib.metadata.version("pulumi_command"))

    def GetSchema(
        self, request: provider_pb2.GetSchemaRequest, context: grpc.ServicerContext
    ) -> provider_pb2.GetSchemaResponse:
        version = importlib.metadata.version("pulumi_command")
        schema = json.dumps({"name": "command", "version": version})
        return provider_pb2.GetSchemaResponse(schema=schema)

    def CheckConfig(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(
        self, request: provider_pb2.ConfigureRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def Check(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        token, inputs = token_of(request.urn), from_struct(request.news)
        found = [
            provider_pb2.CheckFailure(property=name, reason=reason)
            for name, reason in failures(token, inputs)
        ]
        if found:
            return provider_pb2.CheckResponse(inputs=request.news, failures=found)
        return provider_pb2.CheckResponse(inputs=to_struct(checked(token, inputs)))

    def Diff(
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        news, state = from_struct(request.news), from_struct(request.olds)
        ignored = {name: state[name] for name in request.ignoreChanges if name in state}
        found = differences(from_struct(request.old_inputs), news | ignored)
        detailed = {
            path: provider_pb2.PropertyDiff(kind=KINDS[kind, path in REPLACING])
            for path, kind in found.items()
        }
        some, none = provider_pb2.DiffResponse.DIFF_SOME, provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(
            changes=some if found else none,
            diffs=sorted(found),
            replaces=sorted(found.keys() & REPLACING),
            detailedDiff=detailed,
            hasDetailedDiff=True,
        )

    def Create(
        self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CreateResponse:
        inputs = from_struct(request.properties)
        if request.preview:
            unknown = inputs | {"stdout": UNKNOWN, "stderr": UNKNOWN}
            return provider_pb2.CreateResponse(properties=to_struct(unknown))
        output = self._run(request, context, inputs, inputs.get("create"), Output())
        identity = name_of(request.urn) + secrets.token_hex(ID_HEX_DIGITS // 2)
        return provider_pb2.CreateResponse(id=identity, properties=_outputs(inputs, output))

    def Read(
        self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ReadResponse:
        return provider_pb2.ReadResponse(
            id=request.id, properties=request.properties, inputs=request.inputs
        )

    def Update(
        self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.UpdateResponse:
        inputs, state = from_struct(request.news), from_struct(request.olds)
        if request.preview:
            unknown = inputs | {"stdout": UNKNOWN, "stderr": UNKNOWN}
            return provider_pb2.UpdateResponse(properties=to_struct(unknown))
        command = inputs.get("update") or inputs.get("create")
        output = self._run(request, context, inputs, command, previous(state))
        return provider_pb2.UpdateResponse(properties=_outputs(inputs, output))

    def Delete(
        self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        state = from_struct(request.properties)
        self._run(request, context, state, state.get("delete"), previous(state))
        return empty_pb2.Empty()

    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        self.stop()
        return empty_pb2.Empty()

    def stop(self) -> None:
        """End what runs, and let nothing begin any more."""
        with self._lock:
            self._cancelled, stops = True, list(self._stops)
        for stop in stops:
            stop.ask()

    def _run(
        self,
        request: Any,
        context: grpc.ServicerContext,
        inputs: Properties,
        command: Any,
        before: Output,
    ) -> Output:
        """Run a script of the resource; without one the last output stays."""
        if command is None:
            return before
        stop = Stop()
        with self._lock:
            self._stops.add(stop)
            if self._cancelled:
                stop.ask()
        context.add_callback(stop.ask)
        timer = threading.Timer(request.timeout, stop.ask) if request.timeout else None
        if timer:
            timer.start()
        job = job_for(plain(command), inputs, before, self._log.writer(request.urn), stop)
        try:
            return run_local(job) if token_of(request.urn) == LOCAL else _run_remote(job)
        except CommandError as problem:
            context.abort(grpc.StatusCode.UNKNOWN, str(problem))
            raise
        finally:
            if timer:
                timer.cancel()
            with self._lock:
                self._stops.discard(stop)


def _run_remote(job: Job) -> Output:
    from commands.remote import run_remote  # noqa: PLC0415 - imports asyncssh; most commands run none

    return run_remote(job)


def _outputs(inputs: Properties, output: Output) -> Any:
    return to_struct(inputs | {"stdout": output.stdout, "stderr": output.stderr})


def main() -> None:
    """Serve the engine that started this program."""
    plugin = CommandPlugin(engine_address())

    def register(server: grpc.Server) -> None:
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(plugin, server)

    serve(register, plugin.stop)


if __name__ == "__main__":
    main()

"""A stand-in for `pulumi-language-python`, for machines that reach package registries only.

It speaks the protocol of Pulumi's language hosts (pulumi/pulumi, proto/pulumi/language.proto) as far
as running programs and plugins needs it: no debugger, no type checker, no code generation, and the
toolchain `pip` only. The official host is preferred wherever there is one.
"""

# ruff: noqa: N802, ARG002 - names and arguments of methods are the protocol's

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NoReturn

import grpc
import protocol  # noqa: F401 - before the messages
from google.protobuf import empty_pb2, json_format  # type: ignore[import-untyped]
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2
from python_project import Python, UnsupportedError, python_of
from served import engine_address, serve
from streamed import Chunk, chunks

EXECUTOR: Final = "pulumi-language-python-exec"
"""Runs a program; a file of Pulumi's SDK that lies beside the CLI."""

ALREADY_EXPLAINED: Final = 32
"""Exit code of the executor after it has shown the user a message of its own."""

GRACE_S: Final = 5.0
"""From SIGINT to SIGKILL for a cancelled program, as the official host has it."""

POLICY_PACK: Final = "analyzer"


def executor() -> str:
    """Return the path of the program runner: beside the CLI, which is on PATH."""
    found = shutil.which(EXECUTOR)
    if found:
        return found
    raise UnsupportedError(
        f"{EXECUTOR} is not on PATH. No program can be run. It is a file of Pulumi's SDK and belongs"
        " beside the `pulumi` binary: run `make setup`."
    )


def options_of(info: language_pb2.ProgramInfo) -> dict[str, Any]:
    """Return the options of the project's runtime as plain values."""
    return dict(json_format.MessageToDict(info.options))


def arguments(request: language_pb2.RunRequest, engine: str) -> list[str]:
    """Return the executor's arguments; empty values are left out."""
    named = {
        "monitor": request.monitor_address,
        "engine": engine,
        "project": request.project,
        "root_directory": request.info.root_directory,
        "stack": request.stack,
        "pwd": request.pwd,
        "dry_run": "true" if request.dryRun else "false",
        "parallel": str(request.parallel),
        "organization": request.organization,
    }
    words = [word for key, value in named.items() if value for word in (f"--{key}", value)]
    return [*words, request.info.entry_point, *request.args]


def program_environment(python: Python, request: language_pb2.RunRequest) -> dict[str, str]:
    """Return the program's environment; the configuration travels in it, as Pulumi has it."""
    environment = python.environment()
    if request.config:
        environment["PULUMI_CONFIG"] = json.dumps(dict(request.config))
    environment["PULUMI_CONFIG_SECRET_KEYS"] = json.dumps(list(request.configSecretKeys))
    return environment


def outcome(returncode: int) -> language_pb2.RunResponse:
    """Translate the program's exit code."""
    if returncode == 0:
        return language_pb2.RunResponse()
    if returncode == ALREADY_EXPLAINED:
        return language_pb2.RunResponse(bail=True)
    if returncode < 0:
        name = signal.Signals(-returncode).name
        return language_pb2.RunResponse(error=f"program exited unexpectedly: signal {name}")
    return language_pb2.RunResponse(error=f"program exited with non-zero exit code: {returncode}")


def plugin_command(python: Python, request: language_pb2.RunPluginRequest) -> list[str]:
    """Return how a plugin or a policy pack that is written in Python is started."""
    directory = request.info.program_directory
    if request.kind == POLICY_PACK:
        return [python.executable, "-u", "-m", "pulumi.policy", *request.args, directory]
    if Path(directory, "__main__.py").is_file():
        return [python.executable, directory, *request.args]
    project = tomllib.loads(Path(directory, "pyproject.toml").read_text(encoding="utf-8"))
    name = project["project"]["name"]
    return [python.executable, "-m", "pulumi.run.plugin", name, *request.args]


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """The protocol; one instance for one engine."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()

    def Handshake(
        self, request: language_pb2.LanguageHandshakeRequest, context: grpc.ServicerContext
    ) -> language_pb2.LanguageHandshakeResponse:
        self._engine = request.engine_address
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(
        self, request: empty_pb2.Empty, context: grpc.ServicerContext
    ) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version="")

    def GetRequiredPackages(
        self, request: language_pb2.GetRequiredPackagesRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetRequiredPackagesResponse:
        """Name none: what is named and not here, the engine tries to download, in every command.

        Where this stand-in serves, that cannot succeed and costs seconds; what a program really uses
        the engine looks for on PATH and in its cache.
        """
        return language_pb2.GetRequiredPackagesResponse()

    def GetProgramDependencies(
        self, request: language_pb2.GetProgramDependenciesRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetProgramDependenciesResponse:
        rows = self._python(request.info, context).distributions()
        found = [language_pb2.DependencyInfo(name=row[0], version=row[1]) for row in rows]
        return language_pb2.GetProgramDependenciesResponse(dependencies=found)

    def About(
        self, request: language_pb2.AboutRequest, context: grpc.ServicerContext
    ) -> language_pb2.AboutResponse:
        python = self._python(request.info, context)
        return language_pb2.AboutResponse(
            executable=python.executable,
            version=python.version(),
            metadata={"toolchain": "Pip", "languageHost": "stand-in of clore-inference"},
        )

    def Run(
        self, request: language_pb2.RunRequest, context: grpc.ServicerContext
    ) -> language_pb2.RunResponse:
        python = self._python(request.info, context)
        if request.attach_debugger:
            return language_pb2.RunResponse(error="the stand-in language host has no debugger")
        try:
            command = [python.executable, executor(), *arguments(request, self._engine)]
        except UnsupportedError as problem:
            return language_pb2.RunResponse(error=str(problem))
        environment = program_environment(python, request)
        process = subprocess.Popen(command, env=environment)
        self._watch(process, context)
        return outcome(self._wait(process))

    def RunPlugin(
        self, request: language_pb2.RunPluginRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.RunPluginResponse]:
        python = self._python(request.info, context)
        pack = request.kind == POLICY_PACK
        process = subprocess.Popen(
            plugin_command(python, request),
            cwd=request.info.program_directory if pack else request.pwd,
            env=python.environment() | dict(entry.split("=", 1) for entry in request.env),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._watch(process, context)
        for chunk in chunks(process):
            yield plugin_output(chunk)
        yield language_pb2.RunPluginResponse(exitcode=self._wait(process))

    def InstallDependencies(
        self, request: language_pb2.InstallDependenciesRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.InstallDependenciesResponse]:
        python = self._python(request.info, context, must_exist=False)
        for command in install_commands(python, Path(request.info.program_directory)):
            process = subprocess.Popen(
                command,
                cwd=request.info.program_directory,
                env=python.environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            for chunk in chunks(process):
                yield language_pb2.InstallDependenciesResponse(
                    stdout=chunk.data if chunk.stream == "stdout" else b"",
                    stderr=chunk.data if chunk.stream == "stderr" else b"",
                )
            if process.wait() != 0:
                context.abort(
                    grpc.StatusCode.UNKNOWN, f"{command[0]} ended with {process.returncode}"
                )

    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        with self._lock:
            running = list(self._running)
        for process in running:
            self._interrupt(process)
        return empty_pb2.Empty()

    def stop(self) -> None:
        """End what still runs, at the end of this process."""
        with self._lock:
            for process in self._running:
                process.terminate()

    def _python(
        self,
        info: language_pb2.ProgramInfo,
        context: grpc.ServicerContext,
        *,
        must_exist: bool = True,
    ) -> Python:
        try:
            python = python_of(info.root_directory, options_of(info))
        except UnsupportedError as problem:
            _refuse(context, str(problem))
        if must_exist and (missing := python.missing()):
            _refuse(context, missing)
        return python

    def _watch(self, process: subprocess.Popen[bytes], context: grpc.ServicerContext) -> None:
        """Interrupt the process on Cancel, and when the engine gives up the call."""
        with self._lock:
            self._running.add(process)
        context.add_callback(lambda: self._interrupt(process))

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        try:
            return process.wait()
        finally:
            with self._lock:
                self._running.discard(process)

    def _interrupt(self, process: subprocess.Popen[bytes]) -> None:
        """Send SIGINT, and SIGKILL after the grace period."""
        if process.poll() is not None:
            return
        process.send_signal(signal.SIGINT)
        killer = threading.Timer(GRACE_S, process.kill)
        killer.daemon = True
        killer.start()


def plugin_output(chunk: Chunk) -> language_pb2.RunPluginResponse:
    """Wrap a piece of a plugin's output."""
    if chunk.stream == "stdout":
        return language_pb2.RunPluginResponse(stdout=chunk.data)
    return language_pb2.RunPluginResponse(stderr=chunk.data)


def install_commands(python: Python, directory: Path) -> list[list[str]]:
    """Return what makes a project's environment: the virtual environment, then its packages."""
    commands = []
    if python.virtualenv and python.missing():
        commands.append([sys.executable, "-m", "venv", str(python.virtualenv)])
    if (directory / "requirements.txt").is_file():
        command = [python.executable, "-m", "pip", "install", "-r", "requirements.txt"]
        commands.append(command)
    return commands


def _refuse(context: grpc.ServicerContext, reason: str) -> NoReturn:
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, reason)
    raise AssertionError(reason)


def main() -> None:
    """Serve the engine that started this program."""
    host = LanguageHost(engine_address())

    def register(server: grpc.Server) -> None:
        language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)

    serve(register, host.stop)


if __name__ == "__main__":
    main()

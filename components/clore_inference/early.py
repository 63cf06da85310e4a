"""The plugins' processes, started while the program still imports what it needs.

Pulumi's SDK tells the engine nothing before a program's body has ended. The engine starts a plugin
when the first resource of its package arrives, one at a time, and handles nothing else meanwhile. So
both plugins are asked for at once, in a thread: a function call whose dependency is no URN. The
engine (3.259, pkg/resource/deploy, source_eval.go) finds the plugin of the package first, then
refuses the dependency and calls nobody. An engine that does it the other way round costs the head
start, and nothing else.
"""

from __future__ import annotations

from importlib import import_module
from threading import Thread
from typing import Any, Final

import grpc
from pulumi.runtime.proto.resource_pb2 import ResourceInvokeRequest
from pulumi.runtime.proto.resource_pb2_grpc import ResourceMonitorStub
from pulumi.runtime.settings import get_monitor

NOBODY: Final = "nobody"
"""As a dependency; it is no URN, so the call ends before the plugin hears of it."""
DYNAMIC: Final = "pulumi-python"
"""Package of every dynamic resource; the SDK sends no version of it."""


def start_plugins() -> None:
    """Let the engine start the plugins that a deployment needs; nothing happens outside of one."""
    monitor = get_monitor()
    if isinstance(monitor, ResourceMonitorStub):
        Thread(target=_start, args=(monitor,), name="plugin-start", daemon=True).start()


def _start(monitor: ResourceMonitorStub) -> None:
    _ask_for(monitor, DYNAMIC)
    # What its resources ask for, to the letter: another version would be another plugin.
    commands: Any = import_module("pulumi_command._utilities")
    _ask_for(monitor, "command", commands.get_version(), commands.get_plugin_download_url())


def _ask_for(
    monitor: ResourceMonitorStub, package: str, version: str = "", url: str | None = None
) -> None:
    request = ResourceInvokeRequest(
        tok=f"{package}:early:start",
        version=version,
        pluginDownloadURL=url or "",
        dependsOn=[NOBODY],
    )
    try:
        monitor.Invoke(request)
    except grpc.RpcError:
        return  # the answer that is asked for

"""What a program, a provider and the command line pay before they do anything."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from threading import Event
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import resource_pb2, resource_pb2_grpc
from pulumi.urn import _parse_urn

import clore_inference
from clore_inference import early

PACKAGE = Path(clore_inference.__file__).parent
WITHIN_S = 10.0


class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """Refuses like the engine, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[resource_pb2.ResourceInvokeRequest] = []
        self.were_asked_for = Event()

    def Invoke(self, request: Any, context: Any) -> None:  # noqa: N802 - the protocol's name
        self.asked.append(request)
        if len(self.asked) == 2:
            self.were_asked_for.set()
        context.abort(grpc.StatusCode.UNKNOWN, "invalid dependsOn URN")


@pytest.fixture
def monitor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Monitor]:
    """An engine's resource monitor that the SDK is connected to."""
    servicer, server = Monitor(), grpc.server(ThreadPoolExecutor(max_workers=2))
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    stub = resource_pb2_grpc.ResourceMonitorStub(grpc.insecure_channel(f"127.0.0.1:{port}"))
    monkeypatch.setattr(early, "get_monitor", lambda: stub)
    yield servicer
    server.stop(None)


def test_both_plugins_are_asked_for_and_not_called(monitor: Monitor) -> None:
    early.start_plugins()
    assert monitor.were_asked_for.wait(WITHIN_S)
    packages = [one.tok.partition(":")[0] for one in monitor.asked]
    assert packages == ["pulumi-python", "command"]
    for asked in monitor.asked:
        with pytest.raises(ValueError, match="URN"):
            _parse_urn(asked.dependsOn[0])  # so that the engine refuses and calls nobody
    assert monitor.asked[1].version == version("pulumi_command"), "another one is another plugin"


def test_tests_with_mocks_start_no_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mocked:
        def Invoke(self, _: Any) -> None:  # noqa: N802
            raise AssertionError("a mock was asked for a plugin")

    monkeypatch.setattr(early, "get_monitor", Mocked)
    early.start_plugins()


def _models(module: ast.Module) -> bool:
    """Whether a module defines a pydantic model; ours are named by these bases."""
    bases = {
        base.id
        for node in ast.walk(module)
        if isinstance(node, ast.ClassDef)
        for base in node.bases
        if isinstance(base, ast.Name)
    }
    return bool(bases & {"BaseModel", "Row", "_Row"})


def test_models_are_not_built_from_postponed_annotations() -> None:
    # pydantic compiles each one from its text: half of what a model costs, in every program.
    slow = []
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"))
        postponed = any(
            isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in module.body
        )
        if postponed and _models(module):
            slow.append(str(path.relative_to(PACKAGE)))
    assert slow == [], "take `from __future__ import annotations` out, and quote forward references"


def _imported_by(statement: str) -> set[str]:
    program = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_the_package_itself_imports_next_to_nothing() -> None:
    loaded = _imported_by("import clore_inference")
    assert not loaded & {"pulumi", "pydantic", "requests", "asyncssh", "clore_inference.errors"}

"""SGLang started with the guard around everything that it serves."""

from __future__ import annotations

import importlib.util
import json
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from clore_inference.secret import Secret
from clore_inference.serving import guard_source, keys_document, launcher_source
from support.asgi import Engine, ask, scope

KEY = "launcher-key-canary"


class Application:
    """As much of a Starlette application as the launcher touches."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.stack: Any = None

    def build_middleware_stack(self) -> Any:
        return self.engine

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self.stack is None:
            self.stack = self.build_middleware_stack()
        await self.stack(scope, receive, send)


class Sglang:
    """A stand-in for the two modules, with their names."""

    def __init__(self) -> None:
        self.app = Application()
        self.argv: list[str] = []
        self.arguments = Namespace(tokenizer_worker_num=1, grpc_port=None, api_key=None)
        self.launched: list[Namespace] = []

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def prepare(argv: list[str]) -> Namespace:
            self.argv = argv
            return self.arguments

        args_module: Any = ModuleType("sglang.srt.server_args")
        args_module.prepare_server_args = prepare
        server: Any = ModuleType("sglang.srt.entrypoints.http_server")
        server.app = self.app
        server.launch_server = self.launched.append
        for name in ("sglang", "sglang.srt", "sglang.srt.entrypoints"):
            monkeypatch.setitem(sys.modules, name, ModuleType(name))
        for module in (args_module, server):
            monkeypatch.setitem(sys.modules, module.__name__, module)


def load(name: str, source: str, directory: Path) -> Any:
    path = directory / f"{name}.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def sglang(monkeypatch: pytest.MonkeyPatch) -> Sglang:
    stand_in = Sglang()
    stand_in.install(monkeypatch)
    return stand_in


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[list[str]], None]:
    """The launcher, loaded as it arrives on a host: two files, nothing else of ours."""
    keys = tmp_path / "keys.json"
    keys.write_text(keys_document([("default", Secret(KEY), "user")]))
    (tmp_path / "engine.key").write_text("engine-key")
    settings = tmp_path / "guard.json"
    files = {"keys_file": str(keys), "engine_key_file": str(tmp_path / "engine.key")}
    settings.write_text(json.dumps(files))
    monkeypatch.setenv("CLORE_INFERENCE_GUARD", str(settings))
    monkeypatch.setitem(sys.modules, "clore_guard", load("clore_guard", guard_source(), tmp_path))
    launcher = load("clore_sglang", launcher_source(), tmp_path)
    found: Callable[[list[str]], None] = launcher.main
    return found


def test_the_whole_stack_stands_behind_the_guard(
    sglang: Sglang, main: Callable[[list[str]], None]
) -> None:
    main(["--model-path", "m"])
    assert sglang.launched == [sglang.arguments]
    assert ask(sglang.app, scope("POST", "/generate")).status == 404
    assert not sglang.app.engine.scopes
    headers = [(b"authorization", f"Bearer {KEY}".encode())]
    assert ask(sglang.app, scope("GET", "/v1/models", headers)).status == 200


def test_the_flags_stay_and_the_warm_up_that_would_end_the_process_is_skipped(
    sglang: Sglang, main: Callable[[list[str]], None]
) -> None:
    main(["--model-path", "m", "--tp-size", "4"])
    assert sglang.argv == ["--model-path", "m", "--tp-size", "4", "--skip-server-warmup"]
    assert sglang.arguments.api_key == "engine-key", "set in memory: no argument list shows it"


@pytest.mark.parametrize(
    ("name", "value"),
    [("tokenizer_worker_num", 2), ("grpc_port", 1), ("grpc_mode", True), ("use_ray", True)],
)
def test_ways_around_the_guard_are_refused(
    sglang: Sglang, main: Callable[[list[str]], None], name: str, value: Any
) -> None:
    setattr(sglang.arguments, name, value)
    with pytest.raises(SystemExit, match="past the guard"):
        main([])
    assert not sglang.launched


@pytest.mark.parametrize(("value", "refused"), [("1", True), ("TRUE", True), ("0", False)])
def test_the_environment_is_no_way_around_either(
    sglang: Sglang,
    main: Callable[[list[str]], None],
    monkeypatch: pytest.MonkeyPatch,
    value: str,
    *,
    refused: bool,
) -> None:
    monkeypatch.setenv("SGLANG_RUST_SERVER", value)
    if refused:
        with pytest.raises(SystemExit, match="SGLANG_RUST_SERVER"):
            main([])
        return
    main([])
    assert sglang.launched

"""The Docker Engine API as we speak it, against a socket that answers as Docker's documents say."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from clore_inference.errors import HostRejected, HostUnreachable
from clore_inference.host.attest import HostRequirement
from clore_inference.host.docker.api import Docker, DockerRefused
from clore_inference.host.docker.container import container_shell, put_away
from clore_inference.host.docker.daemon import Daemon
from clore_inference.host.docker.place import ContainerPlace
from clore_inference.host.docker.status import container_status
from clore_inference.host.ssh import in_loop

KEY = "ssh-ed25519 AAAAC3Nz"


@dataclass
class Engine:
    """A Docker engine of a few lines: containers by name, and one answer for every command."""

    containers: dict[str, dict[str, Any]] = field(default_factory=dict)
    output: str = ""
    code: int = 0
    refuses_to_start: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    given: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        except asyncio.IncompleteReadError:
            return False
        method, path, _ = head.split("\r\n")[0].split(" ")
        length = int(head.lower().partition("content-length:")[2].split("\r\n")[0] or 0)
        body = json.loads(await reader.readexactly(length) or b"{}")
        self.asked.append((method, path))
        if path.endswith("/start") and path.startswith("/exec/"):
            writer.write(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
            self.given.append(await reader.read() if self._takes_input else b"")
            for kind, text in ((1, self.output), (2, "told on the side")):
                content = text.encode()
                writer.write(struct.pack(">BxxxL", kind, len(content)) + content)
            return False
        status, answer = self._answer(method, path.partition("?")[0], path, body)
        content = json.dumps(answer).encode() if answer is not None else b""
        writer.write(_chunked(status, content) if method == "GET" else _plain(status, content))
        return True

    _takes_input = False

    def _answer(self, method: str, place: str, path: str, body: Any) -> tuple[int, Any]:
        if path.startswith("/exec/"):
            return 200, {"ExitCode": self.code}
        if place == "/containers/create":
            self.containers[path.partition("name=")[2]] = {"Running": False, "made": body}
            return 201, {"Id": "x"}
        name = place.split("/")[2]
        if name not in self.containers:
            return 404, {"message": f"No such container: {name}"}
        return self._of_container(method, name, place.rsplit("/", maxsplit=1)[-1], body)

    def _of_container(self, method: str, name: str, what: str, body: Any) -> tuple[int, Any]:
        if what == "exec":
            self._takes_input = body["AttachStdin"]
            return 201, {"Id": "e1"}
        if what == "start" and self.refuses_to_start:
            return 500, {"message": self.refuses_to_start}
        if what == "start":
            self.containers[name]["Running"] = True
            return 204, None
        if method == "DELETE":
            del self.containers[name]
            return 204, None
        return 200, {"State": self.containers[name]}


def _plain(status: int, content: bytes) -> bytes:
    return f"HTTP/1.1 {status} x\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content


def _chunked(status: int, content: bytes) -> bytes:
    head = f"HTTP/1.1 {status} x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    half = len(content) // 2
    pieces = [piece for piece in (content[:half], content[half:]) if piece]
    return head + b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in pieces) + b"0\r\n\r\n"


@asynccontextmanager
async def listening(engine: Engine, folder: Path) -> AsyncIterator[Daemon]:
    server = await asyncio.start_unix_server(engine.serve, folder / "d.sock")
    async with server:
        yield Daemon(f"unix://{folder}/d.sock")


def on(engine: Engine, folder: Path, work: Callable[[Daemon], Any]) -> Any:
    async def run() -> Any:
        async with listening(engine, folder) as daemon:
            return await work(daemon)

    return in_loop(run())


def place(daemon: Daemon, **more: Any) -> ContainerPlace:
    return ContainerPlace(address=daemon.address, name="box", **more)


def test_a_command_gets_its_input_by_the_stream_and_its_two_outputs_come_apart(
    tmp_path: Path,
) -> None:
    engine = Engine({"box": {"Running": True}}, output="said\n", code=3)
    done = on(
        engine,
        tmp_path,
        lambda daemon: Docker(daemon).run("box", ["sh"], stdin="canary", timeout_s=5),
    )
    assert (done.code, done.stdout, done.stderr) == (3, "said\n", "told on the side")
    assert engine.given == [b"canary"]


def test_one_connection_serves_many_calls(tmp_path: Path) -> None:
    engine = Engine({"box": {"Running": True}})

    async def twice(daemon: Daemon) -> list[Any]:
        async with Docker(daemon).kept() as docker:
            return [await docker.call("GET", "/containers/box/json") for _ in range(2)]

    first, second = on(engine, tmp_path, twice)
    assert first == second == {"State": {"Running": True}}


def test_a_container_is_made_started_proven_and_put_away(tmp_path: Path) -> None:
    engine = Engine(output="\n=====clore:python\nPython 3.12.1\n\n=====clore:end\n")
    nothing = HostRequirement(gpu_names=(), gpu_count=0, min_gpu_memory_mib=0)

    async def work(daemon: Daemon) -> None:
        one = place(daemon, make={"Image": "x"}, requirement=nothing)
        async with container_shell(one) as shell:
            assert (await shell.run("true", timeout_s=5)).code == 0
        assert engine.containers["box"]["made"] == {"Image": "x"}
        await put_away(one)
        await put_away(one)

    on(engine, tmp_path, work)
    assert engine.containers == {}


def test_a_host_that_lacks_what_the_topology_needs_is_told_before_anything_is_fetched(
    tmp_path: Path,
) -> None:
    engine = Engine(output="\n=====clore:python\nPython 3.12.1\n\n=====clore:end\n")
    four = HostRequirement(gpu_names=("H100",), gpu_count=4, min_gpu_memory_mib=81000)

    async def work(daemon: Daemon) -> None:
        async with container_shell(place(daemon, make={}, requirement=four)):
            raise AssertionError

    with pytest.raises(HostRejected, match="GPUs: 0 instead of 4"):
        on(engine, tmp_path, work)


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        ("could not select device driver with capabilities: [[gpu]]", "NVIDIA Container Toolkit"),
        ("port is already allocated", "dockerPort"),
    ],
)
def test_what_docker_refuses_is_told_with_what_helps(words: str, fix: str, tmp_path: Path) -> None:
    engine = Engine(refuses_to_start=words)

    async def work(daemon: Daemon) -> None:
        async with container_shell(place(daemon, make={})):
            raise AssertionError

    with pytest.raises(HostRejected, match=fix):
        on(engine, tmp_path, work)


def test_an_image_without_python_is_not_started_for_ever(tmp_path: Path) -> None:
    engine = Engine({"box": {"Running": False, "ExitCode": 69}})

    async def work(daemon: Daemon) -> None:
        async with container_shell(place(daemon, make={})):
            raise AssertionError

    with pytest.raises(HostRejected, match="no Python"):
        on(engine, tmp_path, work)


def test_an_answer_of_refusal_has_its_status_and_its_words(tmp_path: Path) -> None:
    with pytest.raises(DockerRefused, match="No such container") as refused:
        on(Engine(), tmp_path, lambda daemon: Docker(daemon).call("GET", "/containers/x/json"))
    assert refused.value.status == 404


@pytest.mark.parametrize(
    ("containers", "output", "state", "reason"),
    [
        ({}, "", "absent", "does not exist"),
        ({"box": {"Running": False, "ExitCode": 137}}, "", "dead", "exit code 137"),
        ({"box": {"Running": False, "ExitCode": 137, "OOMKilled": True}}, "", "dead", "memory"),
        ({"box": {"Running": True}}, "", "absent", "no job"),
        ({"box": {"Running": True}}, '{"state": "running", "alive": true}', "running", ""),
        ({"box": {"Running": True}}, '{"state": "loading", "alive": false}', "dead", "loading"),
    ],
)
def test_only_what_docker_itself_answers_says_that_an_engine_is_dead(
    *, containers: dict[str, Any], output: str, state: str, reason: str, tmp_path: Path
) -> None:
    engine = Engine(dict(containers), output=output)

    async def work(daemon: Daemon) -> Any:
        return await asyncio.to_thread(container_status, place(daemon), timeout_s=5)

    status = on(engine, tmp_path, work)
    assert status.state == state
    assert reason in status.reason


def test_silence_is_unreachable_and_never_dead(tmp_path: Path) -> None:
    nobody = Daemon(f"unix://{tmp_path}/nobody.sock")
    status = container_status(place(nobody), timeout_s=2)
    assert status.state == "unreachable"
    assert "No such file" in status.reason
    with pytest.raises(HostUnreachable):
        in_loop(Docker(nobody).call("GET", "/info"))


def test_ssh_asks_nobody_checks_every_host_key_and_reads_no_option_out_of_a_name() -> None:
    far = Daemon("ssh://me@gpu.lan:2222", KEY)
    words = far.ssh("-T")
    assert words[-1] == "gpu.lan"
    assert words[-2] == "--"
    assert words[words.index("-l") : words.index("-l") + 2] == ("-l", "me")
    assert words[words.index("-p") : words.index("-p") + 2] == ("-p", "2222")
    for option in ("BatchMode=yes", "StrictHostKeyChecking=yes"):
        assert option in words
    assert f"KnownHostsCommand=/bin/echo %H {KEY}" in words
    trusting = Daemon("ssh://me@gpu.lan").ssh_options
    assert "StrictHostKeyChecking=yes" in trusting
    assert not [word for word in trusting if "KnownHosts" in word], "the user's own decide"

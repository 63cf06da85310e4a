"""A rented host in small: a home, a PATH, an SSH server, and engines of a few lines."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import asyncssh
import psutil

from clore_inference.host.bootstrap import start_command, start_document, supervisor_command
from clore_inference.host.job import Job, ServeJob
from clore_inference.host.login import Login
from clore_inference.secret import Secret

WAIT_S: Final = 20.0
ENDPOINT_KEY: Final = "ci-" + "canary" * 6

ENGINE: Final = '''\
"""An engine of a few lines: says what it is told to, then dies or answers."""
import argparse, json, os, signal, subprocess, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer
parser = argparse.ArgumentParser()
for name in ("say", "port", "name", "die", "code", "dead-once", "ignore-term", "child", "env"):
    parser.add_argument("--" + name, default="")
asked = parser.parse_args()
if asked.ignore_term:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if asked.env:
    with open(asked.env, "w") as file:
        json.dump(dict(os.environ), file)
if asked.child:
    subprocess.Popen(["sleep", "1000"])
for line in filter(None, asked.say.split(";;")):
    print(line, flush=True)
once = asked.dead_once
if asked.die or (once and not os.path.exists(once)):
    if once:
        open(once, "w").close()
    print(asked.die or "RuntimeError: the first time is hard", file=sys.stderr, flush=True)
    sys.exit(int(asked.code or 1))
class Door(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"data": [{"id": asked.name}]}).encode()
        open_ = self.path == "/health" or self.headers.get("Authorization", "").startswith("Bearer ")
        self.send_response(200 if open_ else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
HTTPServer(("127.0.0.1", int(asked.port)), Door).serve_forever()
'''


class Box:
    """The home and the programs of one host; processes that it started are ended with it."""

    def __init__(self, root: Path) -> None:
        self.home = root / "home"
        self.programs = root / "programs"
        for folder in (self.home, self.programs):
            folder.mkdir(parents=True)
        self.program("python3", f'exec {sys.executable} "$@"')
        (root / "engine.py").write_text(ENGINE, encoding="utf-8")
        self.program("engine", f'exec {sys.executable} {root / "engine.py"} "$@"')
        self.environment = {"HOME": str(self.home), "PATH": f"{self.programs}:/usr/bin:/bin"}

    def program(self, name: str, text: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        path.chmod(0o755)

    def sh(
        self, text: str, stdin: str = "", *, shell: str = "/bin/sh"
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [shell, "-c", text],
            input=stdin,
            env=self.environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def start(self, job: Job, *, token: str = "", scale: float = 20) -> dict[str, Any]:
        document = start_document(
            job,
            token=Secret(token) if token else None,
            endpoint_keys=Secret(ENDPOINT_KEY) if isinstance(job, ServeJob) else None,
            scale=scale,
        )
        done = self.sh(start_command(), document)
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) == 1, "exactly one line goes into the state"
        return dict(json.loads(done.stdout))

    def ask(self, *words: str) -> dict[str, Any]:
        done = self.sh(supervisor_command(*words))
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout)) if done.stdout.strip() else {}

    def status(self, kind: str) -> dict[str, Any]:
        return self.ask("status", kind)

    def until(self, kind: str, *states: str) -> dict[str, Any]:
        seen: dict[str, Any] = {}

        def reached() -> bool:
            seen.update(self.status(kind))
            return seen["state"] in states

        wait_for(reached, f"{kind} became none of {states}; last {seen}")
        return seen

    def file(self, name: str) -> Path:
        return self.home / ".clore-inference" / name

    def close(self) -> None:
        """End what runs here, as the end of a container would: also an engine that was kept."""
        for process in psutil.process_iter(["cmdline"]):
            if any(str(self.home.parent) in word for word in process.info["cmdline"] or ()):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        for path in (self.home / ".clore-inference" / "jobs").glob("*/*/status.json"):
            engine = json.loads(path.read_text(encoding="utf-8")).get("engine")
            if engine:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(engine["pid"], signal.SIGKILL)


@contextmanager
def a_box(root: Path) -> Iterator[Box]:
    box = Box(root)
    try:
        yield box
    finally:
        box.close()


def wait_for(claim: Callable[[], bool], reason: str) -> None:
    until = time.monotonic() + WAIT_S
    while not claim():
        assert time.monotonic() < until, reason
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def an_engine(*arguments: str, port: int = 0, name: str = "tiny", **facts: Any) -> ServeJob:
    port = port or free_port()
    argv = ("engine", "--port", str(port), "--name", name, *arguments)
    guard = {"engine": "vllm", "served_model": "tiny"}
    return ServeJob(argv=argv, port=port, served_model="tiny", guard=guard, **facts)


class Door:
    """An SSH server in front of a box: counts connections, can drop them, refuse, change its key."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.user_key = asyncssh.generate_private_key("ssh-ed25519")
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.connections: list[asyncssh.SSHServerConnection] = []
        self.commands: list[str] = []
        self.port = 0
        self._server: asyncssh.SSHAcceptor | None = None

    def open(self) -> None:
        self._do(self._listen())

    def shut(self) -> None:
        self._do(self._close())

    def drop(self) -> None:
        self._do(self._drop())

    def login(self, **facts: Any) -> Login:
        return Login(
            **{
                "host": "127.0.0.1",
                "port": self.port,
                "private_key": Secret(self.user_key.export_private_key().decode()),
                "host_key": public_line(self.host_key),
                **facts,
            }
        )

    def end(self) -> None:
        self.shut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WAIT_S)
        self._loop.close()

    def _do(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT_S)

    async def _listen(self) -> None:
        door = self

        class Server(asyncssh.SSHServer):
            def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
                door.connections.append(conn)

            def connection_requested(self, *place: Any) -> bool:
                return True

        allowed = asyncssh.import_authorized_keys(self.user_key.export_public_key().decode())
        self._server = await asyncssh.listen(
            "127.0.0.1",
            self.port,
            server_factory=Server,
            server_host_keys=[self.host_key],
            authorized_client_keys=allowed,
            process_factory=self._run,
            encoding=None,
            reuse_address=True,
        )
        self.port = self._server.get_port()

    async def _run(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        self.commands.append(process.command or "")
        child = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            process.command or "true",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._box.environment,
        )
        said, complained = await child.communicate(await process.stdin.read())
        with contextlib.suppress(OSError):  # the connection may have been dropped meanwhile
            process.stdout.write(said)
            process.stderr.write(complained)
            process.exit(child.returncode or 0)

    async def _drop(self) -> None:
        for connection in self.connections:
            connection.abort()
        self.connections.clear()
        await asyncio.sleep(0)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None
        await self._drop()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)


@contextmanager
def a_door(box: Box) -> Iterator[Door]:
    door = Door(box)
    door.open()
    try:
        yield door
    finally:
        door.end()


def public_line(key: asyncssh.SSHKey) -> str:
    return " ".join(key.export_public_key().decode().split()[:2])

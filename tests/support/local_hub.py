"""A local hub served on a loopback port in a thread, and the real client's way to it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvicorn

from clore_emulator.hub import DEMO_TOKEN, Desk, Repository, create_app

CLIENT: Final = """
import json, sys
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError
asked = json.loads(sys.stdin.read())
try:
    print(json.dumps({"path": snapshot_download(**asked)}))
except (HfHubHTTPError, OSError) as error:
    print(json.dumps({"error": type(error).__name__, "text": str(error)}))
"""


@dataclass
class Hub:
    """A running hub: its URL, and its Desk to arm faults and read counters."""

    url: str
    desk: Desk


@contextmanager
def served(
    uds: Path | None = None, repositories: Iterable[Repository] | None = None
) -> Iterator[Hub]:
    app = create_app(repositories)
    config = uvicorn.Config(app, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    listening = [socket.create_server(("127.0.0.1", 0))]
    port = listening[0].getsockname()[1]
    if uds is not None:
        local = socket.socket(socket.AF_UNIX)
        local.bind(str(uds))
        local.listen()
        listening.append(local)
    thread = threading.Thread(target=server.run, kwargs={"sockets": listening})
    thread.start()
    try:
        yield Hub(f"http://127.0.0.1:{port}", app.state.desk)
    finally:
        server.should_exit = True
        thread.join(10)
        for one in listening:
            one.close()


def download(
    hub: Hub, home: Path, repository: str, *, token: str | None = DEMO_TOKEN, **asked: Any
) -> dict[str, Any]:
    """Run the real snapshot_download in a process of its own: path, or error and text."""
    environment = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "HF_ENDPOINT": hub.url,
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    request = {"repo_id": repository, "token": token or False, **asked}
    done = subprocess.run(
        [sys.executable, "-c", CLIENT],
        input=json.dumps(request),
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer

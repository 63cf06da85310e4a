"""Builders for the emulator's own engine tests: an engine in process, a host with a checkpoint."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from clore_emulator import engines
from clore_emulator.engines.dialect import Dialect, LlamaCpp, Sglang, Vllm
from clore_emulator.engines.engine import Engine
from clore_emulator.engines.faults import FaultPlan
from clore_emulator.engines.generation import Skills
from clore_emulator.engines.surroundings import Surroundings
from clore_emulator.hub import repositories

REPOSITORY: Final = "mistralai/Mistral-Medium-3.5-FP8"
MODEL: Final = "mistral-medium-3.5"
KEY: Final = "sk-canary-1"
TIME_SCALE: Final = 2000.0
GUIDE_VLLM: Final = (
    "--tensor-parallel-size", "4",
    "--max-model-len", "65536",
    "--gpu-memory-utilization", "0.90",
    "--enable-chunked-prefill",
    "--enable-auto-tool-choice",
    "--tool-call-parser", "mistral",
    "--reasoning-parser", "mistral",
    "--tokenizer-mode", "mistral",
    "--config-format", "mistral",
    "--load-format", "mistral",
    "--served-model-name", MODEL,
    "--host", "0.0.0.0",
)  # fmt: skip
GUIDE_SGLANG: Final = (
    "--model-path", REPOSITORY,
    "--tp-size", "4",
    "--tool-call-parser", "mistral",
    "--reasoning-parser", "mistral",
    "--mem-fraction-static", "0.88",
    "--context-length", "65536",
    "--served-model-name", MODEL,
    "--host", "0.0.0.0",
)  # fmt: skip
DIALECTS: Final[Mapping[str, Dialect]] = {
    "vllm": Vllm(), "sglang": Sglang(), "llamacpp": LlamaCpp(),
}  # fmt: skip


def surroundings(faults: Path | None = None) -> Surroundings:
    return Surroundings({}, FaultPlan(faults), time_scale=1e6)


def engine(
    dialect: Dialect | None = None,
    *,
    skills: Skills | None = None,
    keys: tuple[str, ...] = (),
    faults: Path | None = None,
    **changes: Any,
) -> Engine:
    return Engine(
        dialect=dialect or Vllm(),
        around=surroundings(faults),
        served=(MODEL,),
        root=REPOSITORY,
        version="0.33.0",
        skills=skills or Skills(),
        keys=keys,
        **changes,
    )


def ask(text: str = "Plan a migration.", **request: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], **request}


def events(text: str) -> list[dict[str, Any]]:
    """The documents of an event stream, which must end with [DONE]."""
    lines = [line for line in text.splitlines() if line]
    assert lines[-1] == "data: [DONE]", lines[-1:]
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


@dataclass
class Host:
    """A scratch home with a filled cache, and an nvidia-smi that lists some GPUs."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def faults(self) -> Path:
        return self.root / "faults.json"


def host(root: Path, *, gpus: int = 4, memory_mib: int = 81559, filled: bool = True) -> Host:
    programs = root / "bin"
    programs.mkdir()
    line = f"NVIDIA H100 80GB HBM3, {memory_mib}"
    smi = programs / "nvidia-smi"
    smi.write_text("#!/bin/sh\n" + f"echo '{line}'\n" * gpus)
    smi.chmod(0o755)
    if filled:
        fill_cache(root)
    package = Path(engines.__file__).parent
    return Host(
        root,
        {
            "HOME": str(root),
            "PATH": f"{programs}:/usr/bin:/bin",
            "PYTHONPATH": f"{package / 'shims'}:{package.parent.parent}",
            "HF_HUB_OFFLINE": "1",
            "CLORE_EMULATOR_TIME_SCALE": str(TIME_SCALE),
            "CLORE_EMULATOR_FAULTS": str(root / "faults.json"),
        },
    )


def fill_cache(root: Path, name: str = REPOSITORY) -> Path:
    """Put a seeded repository into the cache without a download; return its snapshot."""
    repository = next(one for one in repositories() if one.name == name)
    folder = root / ".cache/huggingface/hub" / f"models--{name.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(repository.commit)
    snapshot = folder / "snapshots" / repository.commit
    snapshot.mkdir(parents=True)
    for file in repository.files:
        (snapshot / file.path).write_bytes(
            file.content[:64] if file.lfs and not file.path.endswith(".gguf") else file.content
        )
    return snapshot


@dataclass
class Running:
    """A started engine."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def get(self, path: str, key: str | None = None, body: Any = None) -> tuple[int, Any]:
        """Status and document; 0 when the connection is refused."""
        headers = {"Content-Type": "application/json"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        data = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.port}{path}"
        request = Request(url, data, headers)
        try:
            with urlopen(request, timeout=10) as answer:
                return answer.status, _document(answer.read())
        except HTTPError as error:
            return error.code, _document(error.read())
        except (URLError, ConnectionError):
            return 0, None

    def wait_ready(self, path: str = "/health") -> None:
        deadline = time.monotonic() + 30
        while self.get(path)[0] != 200:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)


@contextmanager
def running(host: Host, command: Sequence[str], **environment: str) -> Iterator[Running]:
    """Start an engine on a free port; it is ended at the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    log = host.root / "engine.log"
    bound = {"CLORE_EMULATOR_BIND": "127.0.0.1"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, "--port", str(port)],
            env={**host.environment, **bound, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Running(process, port, log)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def fails(host: Host, *command: str, **environment: str) -> tuple[int, str]:
    """Run an engine that should end by itself; return its code and all it printed."""
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env={**host.environment, "CLORE_EMULATOR_BIND": "127.0.0.1", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def _document(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode()

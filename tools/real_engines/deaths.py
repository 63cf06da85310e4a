"""Makes real engines die in every way that needs no GPU, and keeps what they say.

    python -m tools.real_engines.deaths [NAME ...]      about fifteen minutes on two cores

Each record is `tests/contract/deaths/ENGINE-RELEASE/NAME.txt`: three lines of ours (how it was made
to die, its exit code, what it is to be called), a blank one, and the last lines of the engine's own
output, without times, process ids and this machine's paths. Review the difference before committing.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tools.real_engines import mistral
from tools.real_engines.environment import DIRECTORY, GGUF_MODEL, VLLM_MODELS, RealEngines

FOLDER: Final = Path(__file__).resolve().parents[2] / "tests" / "contract" / "deaths"
KEPT_LINES: Final = 200
WITHIN_S: Final = 600
GIB: Final = 2**30
MODEL: Final = DIRECTORY / "hub" / VLLM_MODELS[0]
GGUF: Final = DIRECTORY / "hub" / GGUF_MODEL
PORT: Final = "18743"
GUIDES: Final = (
    "--enable-auto-tool-choice", "--tool-call-parser", "mistral", "--reasoning-parser", "mistral",
    "--tokenizer-mode", "mistral", "--config-format", "mistral", "--load-format", "mistral",
    "--max-model-len", "65536", "--host", "127.0.0.1", "--port", PORT,
)  # fmt: skip
LLAMA: Final = ("-c", "4096", "--fit", "off", "--jinja", "--host", "127.0.0.1", "--port", PORT)


def _nothing(folder: Path) -> None:
    del folder


@dataclass(frozen=True)
class Way:
    """One way to die."""

    kind: str
    """What `host/travelling/death.py` is to call it."""
    line: tuple[str, ...]
    before: Callable[[Path], object] = _nothing
    """Given the scratch directory, whose `model` the line may name."""
    address_space: int | None = None
    file_size: int | None = None
    holds_port: bool = False
    killed_with: int | None = None
    """Sent to the engine's process once it says that it is up."""
    environment: dict[str, str] = field(default_factory=dict)


def _vllm(*more: str, model: str = str(MODEL)) -> tuple[str, ...]:
    return ("vllm", "serve", model, *GUIDES, *more)


def _llama(*more: str, model: str = str(GGUF)) -> tuple[str, ...]:
    return ("llama-server", "-m", model, *LLAMA, *more)


def _without(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "model" / name).unlink()


def _cut(name: str, size: int) -> Callable[[Path], object]:
    return lambda folder: os.truncate(folder / "model" / name, size)


def _foreign(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "model" / name).write_text(text)


def _params(**changes: int) -> str:
    return json.dumps(mistral.PARAMS | changes)


SHARD: Final = "consolidated.safetensors"
OWN: Final = "{model}"
"""Stands for a copy of the model that the way spoils first."""
VLLM: Final[dict[str, Way]] = {
    "unknown-flag": Way("unknown_flag", _vllm("--swap-space", "4")),
    "unknown-reasoning-parser": Way("unknown_flag", _vllm("--reasoning-parser", "mistrel")),
    "unknown-tool-parser": Way("unknown_flag", _vllm("--tool-call-parser", "mistrel")),
    "tool-choice-without-parser": Way(
        "unknown_flag", ("vllm", "serve", str(MODEL), "--enable-auto-tool-choice")
    ),
    "utilization-above-one": Way("unknown_flag", _vllm("--gpu-memory-utilization", "1.5")),
    "unknown-kv-cache-type": Way("unknown_flag", _vllm("--kv-cache-dtype", "q8_0")),
    "wrong-json": Way("unknown_flag", _vllm("--limit-mm-per-prompt", "image=1")),
    "batch-below-sequences": Way(
        "unknown_flag", _vllm("--max-num-batched-tokens", "8", "--max-num-seqs", "64")
    ),
    "context-above-the-model": Way("context_too_long", _vllm("--max-model-len", "524288")),
    "kv-cache-too-small": Way(
        "kv_cache_too_large",
        _vllm("--load-format", "dummy", model=OWN),
        _foreign("params.json", _params(n_layers=4, n_heads=32, n_kv_heads=32, head_dim=128)),
    ),
    "no-such-repository": Way(
        "weights_missing",
        _vllm(model="mistralai/Mistral-Medium-3.5-FP8"),
        environment={"HF_HUB_OFFLINE": "1"},
    ),
    "no-weights": Way("weights_missing", _vllm(model=OWN), _without(SHARD)),
    "no-parameters": Way("weights_missing", _vllm(model=OWN), _without("params.json")),
    "no-tokenizer": Way("weights_missing", _vllm(model=OWN), _without("tekken.json")),
    "weights-cut": Way("weights_broken", _vllm(model=OWN), _cut(SHARD, 100_000)),
    "wrong-model": Way(
        "wrong_model", _vllm(model=OWN), _foreign("params.json", _params(dim=64))
    ),
    "no-guard": Way("guard", _vllm("--middleware", "clore_guard.Guard")),
    "port-taken": Way("port_taken", _vllm(), holds_port=True),
    "memory-at-load": Way("out_of_memory", _vllm(), address_space=6 * GIB),
    "memory-for-the-cache": Way(
        "kv_cache_too_large", _vllm(), environment={"VLLM_CPU_KVCACHE_SPACE": "4000"}
    ),
    "core-killed": Way("crashed", _vllm(), killed_with=signal.SIGKILL),
}  # fmt: skip
LLAMACPP: Final[dict[str, Way]] = {
    "unknown-flag": Way("unknown_flag", _llama("--swap-space", "4")),
    "unknown-cache-type": Way("unknown_flag", _llama("-ctk", "fp8")),
    "no-value": Way("unknown_flag", _llama("-np")),
    "no-number": Way("unknown_flag", _llama("-c", "many")),
    "quantized-cache-without-attention": Way("unknown_flag", _llama("-ctv", "q8_0", "-fa", "off")),
    "no-such-file": Way("weights_missing", _llama(model="/models/none.gguf")),
    "weights-cut": Way("weights_broken", _llama(model=OWN), _cut(GGUF.name, 200_000)),
    "no-gguf": Way("weights_broken", _llama(model=OWN), _foreign(GGUF.name, "<html>404</html>\n")),
    "unknown-architecture": Way(
        "wrong_model",
        _llama(model=OWN),
        lambda folder: (folder / "model" / GGUF.name).write_bytes(
            GGUF.read_bytes().replace(b"llama", b"lemma")
        ),
    ),
    "port-taken": Way("port_taken", _llama(), holds_port=True),
    "kv-cache-too-large": Way(
        "kv_cache_too_large", _llama("-c", "67108864"), address_space=2 * GIB
    ),
    "killed": Way("killed", _llama(), killed_with=signal.SIGKILL),
}
ENGINES: Final = {"vllm-0.32.0": VLLM, "llamacpp-b11434": LLAMACPP}
UP: Final = ("Application startup complete", "listening on http")


def main() -> int:
    """Record what the command line names; everything without a name."""
    RealEngines(print).make()
    wanted = set(sys.argv[1:])
    for engine, ways in ENGINES.items():
        for name, way in ways.items():
            if not wanted or {name, engine, f"{engine}/{name}"} & wanted:
                _record(FOLDER / engine / f"{name}.txt", way)
    return 0


def _record(path: Path, way: Way) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model = _copy(folder, way)
        way.before(folder)
        line = [word.replace(OWN, str(model)) for word in way.line]
        code, output = _dies(line, way, folder)
        shown = " ".join(word.replace(OWN, "MODEL") for word in way.line)
        text = f"made to die by: {shown}\nexit code: {code}\nkind: {way.kind}\n\n"
        text += "\n".join(_spoken(output)[-KEPT_LINES:]) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_plain(text, Path(scratch)), encoding="utf-8")
    print(f"{path.relative_to(FOLDER)}: exit code {code}", flush=True)


def _copy(folder: Path, way: Way) -> Path:
    """A copy of the model for the way to spoil."""
    place = folder / "model"
    if way.line[0] == "vllm":
        shutil.copytree(MODEL, place)
        return place
    place.mkdir()
    return Path(shutil.copy2(GGUF, place))


def _dies(line: Sequence[str], way: Way, folder: Path) -> tuple[int, str]:
    log = folder / "log"
    environment = {
        "PATH": f"{DIRECTORY / 'bin'}:{os.environ['PATH']}",
        "HOME": str(folder),
        "NO_COLOR": "1",
        "VLLM_LOGGING_COLOR": "0",
        **way.environment,
    }

    def limit() -> None:
        if way.address_space:
            resource.setrlimit(resource.RLIMIT_AS, (way.address_space, way.address_space))

    held = socket.create_server(("127.0.0.1", int(PORT))) if way.holds_port else None
    with log.open("wb") as file:
        process = subprocess.Popen(
            line, stdout=file, stderr=file, env=environment, cwd=folder, preexec_fn=limit,  # noqa: PLW1509
            start_new_session=True,
        )  # fmt: skip
    try:
        if way.killed_with:
            _kill_when_up(process, log, way.killed_with)
        code = process.wait(WITHIN_S)
    except subprocess.TimeoutExpired:
        code = 0
    finally:
        _end_group(process.pid)
        process.wait()
        if held:
            held.close()
    return code, log.read_text(errors="replace")


def _end_group(pid: int) -> None:
    """End what is left of the engine."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _kill_when_up(process: subprocess.Popen[bytes], log: Path, number: int) -> None:
    """Kill the process that computes: vLLM's core below the server, llama-server itself."""
    for _ in range(WITHIN_S):
        if any(word in log.read_text(errors="replace") for word in UP):
            break
        try:
            process.wait(1)
        except subprocess.TimeoutExpired:
            continue
        return
    found = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(process.pid)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    cores = [row.split()[0] for row in found.stdout.splitlines() if "EngineCore" in row]
    os.kill(int(cores[0]) if cores else process.pid, number)


def _spoken(output: str) -> list[str]:
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output)
    return [line.rstrip() for line in plain.splitlines() if line.strip()]


def _plain(text: str, folder: Path) -> str:
    """Without what differs from run to run, and from machine to machine."""
    for place, name in (
        (str(folder), "HOME"),
        (str(MODEL), "MODEL"),
        (str(GGUF), "MODEL/model.gguf"),
        (str(DIRECTORY.parent), "CACHE"),
        (str(Path.home()), "HOME"),
    ):
        text = text.replace(place, name)
    text = re.sub(r"pid=\d+", "pid=1", text)
    text = re.sub(r"(?m)^([A-Z])\d{4} \d\d:\d\d:\d\d\.\d+ \d+ ", r"\g<1>0101 00:00:00 1 ", text)
    text = re.sub(r"(?m)^\d+\.\d\d\.\d{3}\.\d{3} ", "0.00.000.000 ", text)
    text = re.sub(r"\b\d\d-\d\d \d\d:\d\d:\d\d\b", "01-01 00:00:00", text)
    text = re.sub(r"HOME/\S*/lib/python3\.\d+", "PYTHON", text)
    text = re.sub(r"CACHE/\S*/site-packages", "PACKAGES", text)
    return re.sub(r"\S*/site-packages", "PACKAGES", text)


if __name__ == "__main__":
    sys.exit(main())

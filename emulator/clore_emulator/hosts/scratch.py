"""The scratch directory of one host: its home, its programs, and what the emulator keeps of it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clore_emulator.hosts.machine import meminfo

_HERE: Final = Path(__file__).resolve().parent
_SOURCE_ROOT: Final = _HERE.parent.parent
_SHIMS: Final = _HERE.parent / "engines" / "shims"
_LOOPBACK: Final = _HERE / "loopback"
_ENGINES: Final = {
    "vllm": "clore_emulator.engines.vllm",
    "llama-server": "clore_emulator.engines.llama_server",
}
_SGLANG: Final = "sglang"
"""No program but a module: the shims on the host's Python path."""
_OF_IMAGE: Final = (
    ("vllm/vllm-openai", ("vllm",)),
    ("lmsysorg/sglang", (_SGLANG,)),
    ("ggml-org/llama.cpp", ("llama-server",)),
    ("cloreai/", ()),
)
_COMPILERS: Final = ("nvcc", "c++")
"""What the images of vLLM and SGLang have, since they compile kernels at run time."""


@dataclass(frozen=True)
class Scratch:
    """Paths of one host. Only `home` is the renter's; it lasts as long as the order."""

    root: Path

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def programs(self) -> Path:
        return self.root / "bin"

    @property
    def hardware(self) -> Path:
        return self.root / "hardware.json"

    @property
    def meminfo(self) -> Path:
        return self.root / "meminfo"

    @property
    def engine_faults(self) -> Path:
        return self.root / "engine-faults.json"

    @property
    def address(self) -> Path:
        return self.root / "address.json"

    @property
    def host_key(self) -> Path:
        return self.root / "ssh_host_ed25519_key"

    @property
    def startup(self) -> Path:
        return self.root / "startup.sh"

    @property
    def startup_done(self) -> Path:
        return self.root / "startup.done"

    @property
    def log(self) -> Path:
        return self.root / "host.log"

    def prepare(
        self,
        order: Mapping[str, Any],
        hardware: Mapping[str, Any],
        engines: Path | None = None,
    ) -> None:
        """Make everything that is not there yet; the renter's files are left alone."""
        for folder in (self.root, self.home, self.home / ".ssh", self.programs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(self.hardware, json.dumps(hardware))
        if not self.engine_faults.exists():
            write_whole(self.engine_faults, "[]\n")
        real = Path("/proc/meminfo")
        if real.exists():
            write_whole(self.meminfo, meminfo(real.read_text("ascii"), int(hardware["memory"])))
        authorized = self.home / ".ssh" / "authorized_keys"
        if not authorized.exists():
            key = str(order.get("ssh_key") or "").strip()
            write_whole(authorized, f"{key}\n" if key else "", mode=0o600)
        if order.get("command") and not self.startup.exists():
            write_whole(self.startup, str(order["command"]), mode=0o700)
        for name, text in {
            **_programs(self, str(order.get("image", ""))),
            **_real(engines),
        }.items():
            write_whole(self.programs / name, text, mode=0o755)

    def environment(
        self, order: Mapping[str, Any], *, time_scale: float, bind: str | None
    ) -> dict[str, str]:
        """All that a program on the host sees. `bind` stands for 127.0.0.1 where there is no
        network namespace.
        """
        environment = {str(k): str(v) for k, v in (order.get("env") or {}).items()}
        environment |= {
            "HOME": str(self.home),
            "PATH": f"{self.programs}:/usr/bin:/bin",
            "USER": "root",
            "LOGNAME": "root",
            "SHELL": "/bin/bash" if Path("/bin/bash").exists() else "/bin/sh",
            "LANG": "C.UTF-8",
            "PYTHONPATH": python_path(str(order.get("image", ""))),
            "CLORE_EMULATOR_TIME_SCALE": str(time_scale),
            "CLORE_EMULATOR_FAULTS": str(self.engine_faults),
            "CLORE_EMULATOR_HARDWARE": str(self.hardware),
        }
        if bind:
            environment["CLORE_EMULATOR_BIND"] = bind
            environment["PYTHONPATH"] += f":{_LOOPBACK}"
        return environment


def engines_of(image: str) -> tuple[str, ...]:
    """The engines that an image brings; one that nobody knows brings all of them."""
    for part, engines in _OF_IMAGE:
        if part in image:
            return engines
    return (*_ENGINES, _SGLANG)


def python_path(image: str = "") -> str:
    """Where a host's Python finds its image's shims and the emulator itself."""
    shims = f"{_SHIMS}:" if _SGLANG in engines_of(image) else ""
    return f"{shims}{_SOURCE_ROOT}"


def write_whole(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file so that readers see all of it or what was there before."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.chmod(mode)
    draft.replace(path)


def _programs(scratch: Scratch, image: str) -> dict[str, str]:
    """The programs of the host's own, by name."""
    ours = python_path(image)
    interpreter = shlex.quote(sys.executable)
    # -I -S: these answer in milliseconds and see nothing of the caller's Python settings.
    isolated = f"exec {interpreter} -I -S"
    hardware, home = shlex.quote(str(scratch.hardware)), shlex.quote(str(scratch.home))
    tools = shlex.quote(str(_HERE / "machine_tools.py"))
    smi = shlex.quote(str(_HERE / "nvidia_smi.py"))
    python = f'exec {interpreter} "$@"'
    programs = {
        "python3": _with_python_path(python, ours),
        "python": _with_python_path(python, ours),
        "nvidia-smi": f'{isolated} {smi} {hardware} "$@"',
    }
    for tool in ("df", "free", "nproc"):
        programs[tool] = f'{isolated} {tools} {tool} {hardware} {home} "$@"'
    brought = engines_of(image)
    for name in brought:
        if name in _ENGINES:
            start = f'exec {interpreter} -m {_ENGINES[name]} "$@"'
            programs[name] = _with_python_path(start, ours)
    if {"vllm", _SGLANG} & set(brought):
        programs |= dict.fromkeys(_COMPILERS, "exit 0")
    if curl := shutil.which("curl", path="/usr/bin:/bin"):
        programs["curl"] = _with_own_loopback(curl)
    return {name: f"#!/bin/sh\n{text}\n" for name, text in programs.items()}


def _real(engines: Path | None) -> dict[str, str]:
    """The engines that are not simulated."""
    folder = engines / "bin" if engines else None
    if folder is None or not folder.is_dir():
        return {}
    return {
        path.name: f'#!/bin/sh\nexec {shlex.quote(str(path))} "$@"\n'
        for path in sorted(folder.iterdir())
    }


def _with_own_loopback(curl: str) -> str:
    """Send curl where Python programs go without a namespace (`loopback/sitecustomize.py`)."""
    return (
        f'[ -n "$CLORE_EMULATOR_BIND" ] || exec {curl} "$@"\n'
        f'exec {curl} --connect-to "127.0.0.1::$CLORE_EMULATOR_BIND:" '
        '--connect-to "localhost::$CLORE_EMULATOR_BIND:" "$@"'
    )


def _with_python_path(command: str, ours: str) -> str:
    """Find the shims even when the caller has set a PYTHONPATH of its own."""
    return (
        f"ours={shlex.quote(ours)}\n"
        '[ -z "$CLORE_EMULATOR_BIND" ] || ours="$ours:"' + shlex.quote(str(_LOOPBACK)) + "\n"
        'case ":$PYTHONPATH:" in\n'
        '  *":$ours:"*) ;;\n'
        '  *) export PYTHONPATH="${PYTHONPATH:+$PYTHONPATH:}$ours" ;;\n'
        "esac\n" + command
    )

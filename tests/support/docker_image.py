"""An image for tests, made from this machine: its shell, its Python, and the engine simulators.

No registry is asked. The image carries the names of the engines' own images, so that a deployment
finds what it would pull.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path
from typing import Final

from support.engine import REPOSITORY

TOOLS: Final = (
    "sh", "ls", "tail", "head", "sleep", "mkdir", "ln", "df", "cat", "free", "id", "env", "kill", "ps",
)  # fmt: skip
"""What an image has that the house's scripts use, and a person who looks into it."""
MODULES: Final = (
    "clore_emulator.engines.vllm", "clore_emulator.engines.llama_server",
    "clore_emulator.engines.sglang", "huggingface_hub", "huggingface_hub.file_download",
    "huggingface_hub._snapshot_download", "huggingface_hub.hf_api",
)  # fmt: skip
IMPORTED_LATE: Final = ("hf_xet", "fsspec", "certifi", "packaging")
EMULATOR: Final = "/opt/emulator"
SHIMS: Final = f"{EMULATOR}/clore_emulator/engines/shims"
NEVER: Final = ("__pycache__", "test", "idlelib", "ensurepip", "site-packages", "lib2to3")

SMI: Final = """\
#!/bin/sh
case "$*" in
*index,name*) for i in 0 1 2 3; do echo "$i, NVIDIA H100 80GB HBM3, 81559, 580.65.06"; done ;;
*query-gpu*) for i in 0 1 2 3; do echo "NVIDIA H100 80GB HBM3, 81559"; done ;;
*) echo "| NVIDIA-SMI 580.65.06   Driver Version: 580.65.06   CUDA Version: 13.0 |" ;;
esac
"""


def programs() -> dict[str, str]:
    """The programs of the image's own, by path."""
    python = f'exec {sys.base_prefix}/bin/{_binary().name} "$@"\n'
    start = f"exec {sys.base_prefix}/bin/{_binary().name} -m"
    return {
        "usr/local/bin/python3": f"#!/bin/sh\n{python}",
        "usr/local/bin/vllm": f'#!/bin/sh\n{start} clore_emulator.engines.vllm "$@"\n',
        "usr/local/bin/llama-server": (
            f'#!/bin/sh\n{start} clore_emulator.engines.llama_server "$@"\n'
        ),
        "usr/local/bin/nvidia-smi": SMI,
        "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
        "etc/group": "root:x:0:\n",
    }


def environment() -> dict[str, str]:
    """What the image sets, as engines' images do; the simulators load in no time."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": f"{SHIMS}:{EMULATOR}:/opt/packages",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LANG": "C.UTF-8",
        "CLORE_EMULATOR_TIME_SCALE": "600",
    }


def files() -> dict[str, Path]:
    """Every file of this machine that goes into the image, by its path there."""
    found: dict[str, Path] = {}
    binaries = [Path(at) for name in TOOLS if (at := shutil.which(name, path="/usr/bin:/bin"))]
    for path in binaries:
        found[f"usr/bin/{path.name}"] = path.resolve()
    stdlib = Path(sysconfig.get_path("stdlib"))
    _add_tree(found, stdlib, str(stdlib).lstrip("/"))
    python = _binary()
    found[str(python).lstrip("/")] = python
    for package in _packages():
        _add_tree(found, package, f"opt/packages/{package.name}")
    _add_tree(found, REPOSITORY / "emulator" / "clore_emulator", "opt/emulator/clore_emulator")
    compiled = [path for path in found.values() if ".so" in path.name]
    for library in _libraries([*(one.resolve() for one in binaries), python, *compiled]):
        found[str(library).lstrip("/")] = library
    return found


def _binary() -> Path:
    return Path(sys.base_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}")


def _add_tree(found: dict[str, Path], root: Path, place: str) -> None:
    if root.is_file():
        found[place] = root
        return
    for path in root.rglob("*"):
        inner = path.relative_to(root)
        if path.is_file() and not set(inner.parts) & set(NEVER):
            found[f"{place}/{inner}"] = path


def _packages() -> list[Path]:
    """What the simulators and the hub client import, as this environment has it installed."""
    program = (
        f"import {', '.join(MODULES)}, sys\n"
        "for one in list(sys.modules.values()): print(getattr(one, '__file__', None))"
    )
    paths = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(REPOSITORY / "emulator"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    site = Path(sysconfig.get_path("purelib"))
    tops = {
        Path(path).relative_to(site).parts[0]
        for path in paths
        if path.startswith(f"{site}/") and "__editable__" not in path
    }
    also = [site / name for name in IMPORTED_LATE]
    told = sorted(site.glob("*.dist-info"))  # some ask for their own versions
    return [*(site / top for top in sorted(tops)), *told, *(one for one in also if one.exists())]


def _libraries(binaries: list[Path]) -> set[Path]:
    said = subprocess.run(
        ["ldd", *map(str, binaries)], capture_output=True, text=True, check=False
    ).stdout
    words = [word for line in said.splitlines() for word in line.split()]
    return {
        Path(word) for word in words if word.startswith("/") and ".so" in word and word[-1] != ":"
    }


def fingerprint(wanted: dict[str, Path]) -> str:
    """What changes when the image would: the simulators' text, the packages, this module."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for place, path in sorted(wanted.items()):
        seen = path.stat()
        digest.update(f"{place} {seen.st_size} {seen.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def root_file_system(wanted: dict[str, Path]) -> bytes:
    """A tar of the image's one layer."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", dereference=True) as tar:
        for folder, mode in (("tmp", 0o1777), ("root", 0o700), ("etc", 0o755)):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            tar.addfile(entry)
        link = tarfile.TarInfo("bin")
        link.type, link.linkname = tarfile.SYMTYPE, "usr/bin"
        tar.addfile(link)
        for place, path in wanted.items():
            tar.add(path.resolve(), arcname=place, recursive=False)
        for place, text in programs().items():
            entry = tarfile.TarInfo(place)
            entry.size, entry.mode = len(text.encode()), 0o755
            tar.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()

"""The engine releases of the index: each a wheel that starts its simulator, and what it "needs".

A virtual environment sees nothing of the emulator. A `.pth` file in each wheel puts the emulator and
what it needs on its path, as a wheel of the real engine brings its own.
"""

from __future__ import annotations

import sysconfig
from functools import cache
from pathlib import Path
from typing import Final

from clore_emulator.packages.wheel import Package, source, wheel

_HERE: Final = Path(__file__).resolve().parent
_SOURCE_ROOT: Final = _HERE.parent.parent
_SHIMS: Final = _HERE.parent / "engines" / "shims"
_LOOPBACK: Final = _HERE.parent / "hosts" / "loopback"
_VLLM: Final = ("0.20.2", "0.21.0", "0.26.0", "0.30.0", "0.32.0", "0.33.0")
_SGLANG: Final = ("0.5.14", "0.5.23")
_LLAMACPP: Final = {"b11434": "0.3.36"}
_VLLM_PROGRAM: Final = '''\
"""The program `vllm` of this release."""
import os
os.environ["CLORE_EMULATOR_VLLM_VERSION"] = "{version}"
from clore_emulator.engines.vllm import main
'''
_CMAKE_PROGRAM: Final = '''\
"""What the emulator's `cmake` does: checks what it is given, and builds a program that simulates."""
import os, pathlib, sys
def main():
    words = sys.argv[1:]
    if words[:1] == ["-S"]:
        source, made = pathlib.Path(words[1]), pathlib.Path(words[3])
        if not (source / "CMakeLists.txt").is_file():
            print("CMake Error: The source directory does not appear to contain CMakeLists.txt.")
            return 1
        (made / "bin").mkdir(parents=True)
        (made / "CMakeCache.txt").write_text("\\n".join(words[4:]))
        return 0
    made = pathlib.Path(words[1])
    program = made / "bin" / "llama-server"
    program.write_text(f'#!/bin/sh\\nexec {sys.executable} -m clore_emulator.engines.llama_server "$@"\\n')
    program.chmod(0o755)
    print("[1/1] Linking CXX executable bin/llama-server")
    return 0
'''


@cache
def releases() -> dict[str, tuple[Package, ...]]:
    """`<engine>-<version>` to its files."""
    found: dict[str, tuple[Package, ...]] = {
        f"vllm-{version}": (_vllm(version), _needed()) for version in _VLLM
    }
    found |= {f"sglang-{version}": (_sglang(version), _needed()) for version in _SGLANG}
    found |= {f"llamacpp-{build}": _llamacpp(carrier) for build, carrier in _LLAMACPP.items()}
    return found


def lock(name: str) -> str:
    """A release's files as the client locks them: SHA-256, bytes, name."""
    rows = [f"{one.sha256} {len(one.content)} {one.file}" for one in releases()[name]]
    return "\n".join([f"# {name}, simulated", "# sha256, bytes, file", *rows]) + "\n"


def _needed() -> Package:
    return wheel("mistral_common", "1.12.0", {"mistral_common/__init__.py": ""})


def _paths() -> dict[str, str]:
    installed = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    return {"clore_emulator_paths.pth": "\n".join([str(_SOURCE_ROOT), *installed, str(_LOOPBACK)])}


def _vllm(version: str) -> Package:
    files = {
        **_paths(),
        "vllm/__init__.py": f'__version__ = "{version}"\n',
        "vllm/_simulated.py": _VLLM_PROGRAM.format(version=version),
    }
    return wheel("vllm", version, files, {"vllm": "vllm._simulated:main"})


def _sglang(version: str) -> Package:
    files = {
        path.relative_to(_SHIMS).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(_SHIMS.rglob("*.py"))
    }
    head = f'import os\nos.environ["CLORE_EMULATOR_SGLANG_VERSION"] = "{version}"\n'
    files["sglang/__init__.py"] = head + files["sglang/__init__.py"]
    return wheel("sglang", version, {**_paths(), **files})


def _llamacpp(carrier: str) -> tuple[Package, ...]:
    carried = {"vendor/llama.cpp/CMakeLists.txt": "project(llama.cpp)\n"}
    cmake = {**_paths(), "clore_emulated_cmake.py": _CMAKE_PROGRAM}
    return (
        source("llama_cpp_python", carrier, carried),
        wheel("cmake", "4.1.0", cmake, {"cmake": "clore_emulated_cmake:main"}),
        wheel("ninja", "1.13.0", {"ninja/__init__.py": ""}),
    )

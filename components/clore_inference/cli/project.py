"""The Pulumi project and stack that a command is about, asked through the CLI."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from clore_inference.cli.stack import Run
from clore_inference.errors import ConfigError

PROJECT: Final = "clore-inference"
NAME: Final = re.compile(r"^name:\s*[\"']?([\w.-]+)", re.MULTILINE)


@dataclass(frozen=True)
class Lock:
    """A lock file of a backend in a directory."""

    path: Path
    pid: int
    host: str

    @property
    def is_alive(self) -> bool:
        """Whether the command that took it still runs; unknown on another machine: assumed."""
        if self.host != socket.gethostname():
            return True
        return Path(f"/proc/{self.pid}").exists() or not Path("/proc/self").exists()

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def export(run: Run, selected: list[str]) -> dict[str, Any]:
    """Return `pulumi stack export`, secrets encrypted; raises ConfigError."""
    done = run(["stack", "export", *selected])
    try:
        found = json.loads(done.stdout) if done.returncode == 0 else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        said = " ".join(done.stderr.split())[:300]
        text = f"The state of the stack cannot be read: {said!r}."
        raise ConfigError([text + " Try `pulumi stack ls`, and --stack or --cwd."])
    return found


def project_name(directory: Path) -> str:
    """Return the name of the Pulumi project in a directory; this project's where there is none."""
    try:
        found = NAME.search((directory / "Pulumi.yaml").read_text(encoding="utf-8"))
    except OSError:
        return PROJECT
    return found[1] if found else PROJECT


def project_of(found: dict[str, Any]) -> str:
    """Return the project's name from a state's own URNs; this project's where it is empty."""
    for row in (found.get("deployment") or {}).get("resources") or ():
        parts = str(row.get("urn", "")).split("::")
        if len(parts) == 4 and parts[1]:
            return parts[1]
    return PROJECT


def locks(run: Run, selected: list[str]) -> tuple[Lock, ...] | None:
    """Return the stack's locks; None where the backend is not a directory that can be looked at."""
    directory = _given(selected, "--cwd")
    at = ["--cwd", directory] if directory else []
    done = run(["whoami", "--verbose", "--json", *at])
    try:
        url = str(json.loads(done.stdout)["url"])
    except (ValueError, KeyError, TypeError):
        return None
    if not url.startswith("file://"):
        return None
    root = Path(unquote(urlsplit(url).path) or "/")
    if url == "file://~":
        root = Path.home()
    base = root / ".pulumi" / "locks"
    stack = _given(selected, "--stack")
    files = base.rglob("*.json") if base.is_dir() else ()
    return tuple(_read_locks(file for file in files if not stack or _is_of(file, stack)))


def _given(selected: list[str], flag: str) -> str:
    return selected[selected.index(flag) + 1] if flag in selected else ""


def _is_of(file: Path, stack: str) -> bool:
    return file.parent.name == stack.rpartition("/")[2]


def _read_locks(files: Iterable[Path]) -> Iterable[Lock]:
    for file in files:
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
            yield Lock(file, int(document["pid"]), str(document["hostname"]))
        except (OSError, ValueError, KeyError, TypeError):
            yield Lock(file, os.getpid(), "an unreadable lock file")

"""Pulumi's own ways onto a machine: the installer, and `pulumi plugin install`.

Where there is no internet both fail within seconds, and quietly: the next way is tried.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from progress import say

INSTALLER_URL: Final = "https://get.pulumi.com"
ANSWER_WITHIN_S: Final = 5.0
INSTALL_WITHIN_S: Final = 300.0
PLUGIN_WITHIN_S: Final = 90.0

ASK_AGAIN_AFTER_S: Final = 3600.0
"""A machine that could not reach Pulumi's servers is not asked again for this long."""


def installer_script() -> str | None:
    """Return the official installer's text; None where its server cannot be reached in time."""
    found: list[str] = []

    def ask() -> None:
        try:
            with urllib.request.urlopen(INSTALLER_URL, timeout=ANSWER_WITHIN_S) as answer:
                found.append(answer.read().decode())
        except (OSError, ValueError):
            return

    # Name resolution has no time-out of its own.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(ANSWER_WITHIN_S)
    return found[0] if found and found[0].startswith("#!") else None


class Reachability:
    """Remembers, in a file, when Pulumi's servers could last not be reached."""

    def __init__(self, directory: Path) -> None:
        self._mark = directory / "pulumi-servers-unreachable"
        self._script: str | None = None

    def script(self) -> str | None:
        """Return the installer, or None if it cannot be reached now or could not a while ago."""
        if self._script is None and not self._recently_unreachable():
            self._script = installer_script()
            if self._script is None:
                self._mark.parent.mkdir(parents=True, exist_ok=True)
                self._mark.touch()
        return self._script

    def _recently_unreachable(self) -> bool:
        try:
            return time.time() - self._mark.stat().st_mtime < ASK_AGAIN_AFTER_S
        except FileNotFoundError:
            return False


def install_cli(script: str, version: str, directory: Path) -> bool:
    """Run the installer for one version into a directory; say whether there is a CLI now."""
    say(f"Installing Pulumi {version} with the official installer into {directory} …")
    words = ["--version", version, "--install-root", str(directory), "--no-edit-path", "--silent"]
    try:
        done = subprocess.run(
            ["sh", "-s", "--", *words],
            input=script,
            text=True,
            capture_output=True,
            timeout=INSTALL_WITHIN_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and (directory / "bin" / "pulumi").is_file()


def plugin_directory(environment: Mapping[str, str]) -> Path:
    """Return Pulumi's plugin cache."""
    home = environment.get("PULUMI_HOME") or str(Path(environment.get("HOME", "~"), ".pulumi"))
    return Path(home).expanduser() / "plugins"


def cached_plugin(
    environment: Mapping[str, str], kind: str, name: str, version: str
) -> Path | None:
    """Return a plugin's program in the plugin cache, if that version is there."""
    directory = plugin_directory(environment) / f"{kind}-{name}-v{version}"
    program = directory / f"pulumi-{kind}-{name}"
    return program if os.access(program, os.X_OK) else None


def install_plugin(
    cli: Path, environment: Mapping[str, str], kind: str, name: str, version: str
) -> bool:
    """Ask Pulumi to download a plugin into its cache; say whether it did."""
    say(f"Installing Pulumi's {kind} plugin {name} {version} …")
    try:
        done = subprocess.run(
            [str(cli), "plugin", "install", kind, name, version],
            env=dict(environment) | {"PULUMI_SKIP_UPDATE_CHECK": "true"},
            capture_output=True,
            timeout=PLUGIN_WITHIN_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0

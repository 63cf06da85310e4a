"""The file `.state/env`: with it, a shell's pulumi and clore-inference work on the demonstration."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from emulated import Emulator
from ground import Ground, write_private


def write_shell_file(ground: Ground, path: str, emulator: Emulator) -> None:
    """Write it; keys are read from their files when it is sourced."""
    variables = {
        "PATH": f"{Path(sys.prefix, 'bin')}:{path}",
        "PULUMI_BACKEND_URL": f"file://{ground.backend}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(ground.passphrase),
        "PULUMI_STACK": "local",
    }
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    files = {"CLORE_API_KEY": emulator.api_key_file, "HF_TOKEN": emulator.hub_token_file}
    lines += [f'export {name}="$(cat {shlex.quote(str(file))})"' for name, file in files.items()]
    write_private(ground.shell, "\n".join(lines) + "\n")

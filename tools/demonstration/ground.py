"""Where the demonstration keeps what is its own: everything lies in `.state/`, readable by its owner.

emulator/        ledger, keys and hosts of the emulated marketplace
emulator.json    what the running emulator said when it was ready
project/         a copy of the Pulumi project and its stack `local`; `stacks/` stays as it is
pulumi/          the stack's state
passphrase       encrypts the secrets in that state
endpoint.curl    address and key of the endpoint, for `curl -K`
env              for a shell: `. .state/env`, then pulumi and clore-inference find all of this
"""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

STACK: Final = "local"
NAMESPACE: Final = "clore-inference"
PRIVATE_DIRECTORY: Final = 0o700
PRIVATE_FILE: Final = 0o600


@dataclass(frozen=True)
class Ground:
    """The demonstration's files, for one checkout."""

    root: Path

    @property
    def state(self) -> Path:
        return self.root / ".state"

    @property
    def emulator(self) -> Path:
        return self.state / "emulator"

    @property
    def emulator_ready(self) -> Path:
        return self.state / "emulator.json"

    @property
    def emulator_log(self) -> Path:
        return self.state / "emulator.log"

    @property
    def hub_token(self) -> Path:
        return self.state / "hub-token"

    @property
    def project(self) -> Path:
        return self.state / "project"

    @property
    def stack_file(self) -> Path:
        return self.project / "stacks" / f"Pulumi.{STACK}.yaml"

    @property
    def backend(self) -> Path:
        return self.state / "pulumi"

    @property
    def stack_state(self) -> Path:
        return self.backend / ".pulumi" / "stacks" / NAMESPACE / f"{STACK}.json"

    @property
    def passphrase(self) -> Path:
        return self.state / "passphrase"

    @property
    def curl(self) -> Path:
        return self.state / "endpoint.curl"

    @property
    def shell(self) -> Path:
        return self.state / "env"

    def prepare(self) -> None:
        """Make the directories and the passphrase; what is there stays."""
        for directory in (self.state, self.emulator, self.backend, self.stack_file.parent):
            directory.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        self.state.chmod(PRIVATE_DIRECTORY)
        if not self.passphrase.exists():
            write_private(self.passphrase, secrets.token_urlsafe(32))

    def copy_project(self, endpoints: Mapping[str, str], stand_ins: Mapping[str, str]) -> None:
        """Copy the project as it is now.

        `endpoints` are configuration values of this machine, `stand_ins` directories by part. Pulumi
        finds stand-ins on PATH too, but then warns about each of them, several times.
        """
        settings = (self.root / "Pulumi.yaml").read_text(encoding="utf-8")
        settings = with_virtualenv(settings, sys.prefix) + plugin_lines(stand_ins)
        write_private(self.project / "Pulumi.yaml", settings)
        program = (self.root / "__main__.py").read_text(encoding="utf-8")
        write_private(self.project / "__main__.py", program)
        source = self.root / "stacks" / f"Pulumi.{STACK}.yaml"
        text = with_values(source.read_text(encoding="utf-8"), endpoints)
        write_private(self.stack_file, text + self._salt())

    def _salt(self) -> str:
        """Return the line with which Pulumi remembers the passphrase, from an earlier copy."""
        if not self.stack_file.exists():
            return ""
        lines = self.stack_file.read_text(encoding="utf-8").splitlines()
        return "".join(f"{line}\n" for line in lines if line.startswith("encryptionsalt:"))


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner can read, in one step."""
    new = file.with_name(f"{file.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
    new.replace(file)


def with_virtualenv(settings: str, directory: str) -> str:
    """Return Pulumi.yaml with the virtual environment of this interpreter, by its full path."""
    changed, count = re.subn(
        r"(?m)^(\s*virtualenv:\s*)\S+$", lambda found: f'{found[1]}"{directory}"', settings
    )
    if count != 1:
        raise ValueError(f"Pulumi.yaml names {count} virtual environments, not one")
    return changed


KINDS: Final = {
    "plugin command": ("providers", "command"),
    "language host python": ("languages", "python"),
}


def plugin_lines(stand_ins: Mapping[str, str]) -> str:
    """Return the section of Pulumi.yaml that says where stand-ins are; empty without any."""
    rows = [(*KINDS[part], directory) for part, directory in stand_ins.items()]
    lines = [
        f'  {kind}: [{{name: {name}, path: "{directory}"}}]\n' for kind, name, directory in rows
    ]
    return "".join(["\nplugins:\n", *lines]) if lines else ""


def with_values(stack_file: str, values: Mapping[str, str]) -> str:
    """Return a stack file with some configuration values replaced."""
    for key, value in values.items():
        escaped = value.replace("\\", "\\\\")
        line = f'  {NAMESPACE}:{key}: "{escaped}"'
        pattern = rf"(?m)^  {NAMESPACE}:{key}:.*$"
        stack_file, count = re.subn(pattern, line, stack_file)
        if count != 1:
            raise ValueError(f"the stack file sets {key} {count} times, not once")
    return stack_file if stack_file.endswith("\n") else f"{stack_file}\n"

"""What a stack file, and `--set` on the command line, ask for; read without Pulumi."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from clore_inference.clock import WallClock, clock_for
from clore_inference.errors import ConfigError
from clore_inference.spec.stack_file import read_stack_file

CLORE_API_URL = "https://api.clore.ai"
"""https://docs.clore.ai, the base URL without its version."""

File = Annotated[
    Path | None,
    typer.Option("--config-file", help="Stack file, if not stacks/Pulumi.STACK.yaml."),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="A key for this run only, e.g. --set maxModelLen=131072."),
]


@dataclass(frozen=True)
class Wish:
    """Flat configured values; nothing is checked yet."""

    values: Mapping[str, object]
    plain_secrets: tuple[str, ...] = ()

    @property
    def api_url(self) -> str:
        """The marketplace that is meant."""
        return str(self.values.get("apiUrl") or CLORE_API_URL)

    @property
    def clock(self) -> WallClock:
        """Its clock; raises ConfigError where the time scale cannot be used."""
        try:
            return clock_for(self.api_url, float(str(self.values.get("timeScale") or 1)))
        except ValueError as error:
            raise ConfigError([f"{error}."]) from None


def wished(
    stack: str | None, directory: Path | None, file: Path | None, changes: Sequence[str] | None
) -> Wish:
    """Read a stack file and apply `--set`; without a stack, the defaults. Raises ConfigError."""
    found = Wish({})
    path = file or (stack_path(stack, directory or Path.cwd()) if stack else None)
    if path:
        try:
            read = read_stack_file(path.read_text(encoding="utf-8"))
        except OSError as error:
            text = f"The stack file {path} cannot be read: {error.strerror}."
            raise ConfigError([text + " Give its path with --config-file."]) from None
        found = Wish(read.values, read.plain_secrets)
    return Wish({**found.values, **_changes(changes or ())}, found.plain_secrets)


def stack_path(stack: str, directory: Path) -> Path:
    """Return where Pulumi keeps the settings of a stack of this project."""
    name = stack.rpartition("/")[2]
    beside = directory / f"Pulumi.{name}.yaml"
    return beside if beside.exists() else directory / "stacks" / f"Pulumi.{name}.yaml"


def _changes(changes: Sequence[str]) -> dict[str, object]:
    pairs = [change.partition("=") for change in changes]
    wrong = [name for name, equals, _ in pairs if not equals or not name]
    if wrong:
        raise ConfigError([f"--set {one!r} has not the form key=value." for one in wrong])
    return {name: value for name, _, value in pairs}

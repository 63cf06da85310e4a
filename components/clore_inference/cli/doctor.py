"""`clore-inference doctor`: which parts are in use, and what is missing."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Final

import typer

from clore_inference.cli import exit_code, option
from clore_inference.cli.money import account
from clore_inference.cli.output import tell
from clore_inference.cli.row import Row, State
from clore_inference.cli.stack import pulumi
from clore_inference.cli.survey import Known
from clore_inference.cli.toolchain import ORIGINS, pulumi_path, read_toolchain
from clore_inference.cli.wish import File, wished

PACKAGES: Final = ("clore-inference", "pulumi", "pulumi-command", "asyncssh", "pydantic")
TEXT_AT: Final = 30
"""Column of the text, behind the state and the name."""
LEGACY_DIFF: Final = "PULUMI_ENABLE_LEGACY_DIFF"


def doctor(
    *,
    stack: option.Stack = None,
    cwd: option.Directory = None,
    config_file: File = None,
    as_json: option.Json = False,
) -> None:
    """Say which parts of Pulumi run here, how the marketplace answers, and what is billing.

    Looks, and changes nothing. No output of it holds a secret, so `doctor --json` may go into a bug
    report. With a key in CLORE_API_KEY it shows each of this project's orders with what it has cost
    and burns, the wallets with how long they last, and what this package takes for granted of the
    API against what it answers. With --stack it says which orders the state accounts for.

    Example:  clore-inference doctor --stack h100

    Exit code 0: nothing is in the way; 1: something is.
    """
    wish = wished(stack, cwd, config_file, None)
    rows = [*parts(os.environ), *packages(), *settings(os.environ)]
    known = Known(stacks=(stack,) if stack else (), directory=cwd)
    rows += account(wish, known, os.environ, pulumi)
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        tell(*(f"{row.state:<4}  {row.name:<22}  {row.text}" for row in rows), indent=TEXT_AT)
    bad = any(row.state == "bad" for row in rows)
    raise typer.Exit(exit_code.FAILED if bad else exit_code.FINE)


def parts(environment: Mapping[str, str]) -> Iterator[Row]:
    """The Pulumi CLI, its language host and its plugin, with where they come from."""
    found = read_toolchain(environment)
    if found is None:
        program = shutil.which("pulumi", path=pulumi_path(environment))
        if program:
            yield Row("cli", "note", f"{program}; the set-up has not looked at it: `make setup`")
        else:
            yield Row("cli", "bad", "there is no Pulumi CLI: run `make setup`")
        return
    for part in found.parts:
        state: State = "note" if part.origin == "stand-in" else "ok"
        version = f"{part.version} " if part.version else ""
        yield Row(part.name, state, f"{version}{ORIGINS.get(part.origin, part.origin)}")


def packages(names: Sequence[str] = PACKAGES) -> Iterator[Row]:
    """The Python packages that a program needs."""
    for name in names:
        try:
            yield Row(name, "ok", importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Row(name, "bad", "not installed here: run `make setup`")


def settings(environment: Mapping[str, str]) -> Iterator[Row]:
    """Settings of Pulumi that would break a promise."""
    value = environment.get(LEGACY_DIFF, "")
    if value.lower() in ("1", "true"):
        text = "set: Pulumi then skips the diff that sees a lost order. Unset it"
        yield Row(LEGACY_DIFF, "bad", text)
    else:
        yield Row(LEGACY_DIFF, "ok", "not set")

"""`clore-inference plan`: what would run, whether it fits, what it could cost."""

from __future__ import annotations

import json

import typer

from clore_inference import rules
from clore_inference.cli import exit_code, option
from clore_inference.cli.output import note
from clore_inference.cli.wish import File, Set, wished
from clore_inference.errors import ConfigError
from clore_inference.spec.reading import read_values


def plan(
    *,
    stack: option.Stack = None,
    cwd: option.Directory = None,
    config_file: File = None,
    changes: Set = None,
    as_json: option.Json = False,
) -> None:
    """Say what a stack would run: command line, memory fit, start-up, worst bill, findings.

    Needs no Pulumi, no key and no network: the same words on every machine.

    A stack:        clore-inference plan --stack h100

    What if:        clore-inference plan --stack h100 --set maxModelLen=262144

    Exit code 0: it may run; 1: a rule refuses it; 2: the configuration cannot be read.
    """
    wish = wished(stack, cwd, config_file, changes)
    reading = read_values(wish.values)
    if reading.findings:
        found = rules.check_values(wish.values, plain_secrets=wish.plain_secrets)
        raise ConfigError([one.text for one in found if one.severity == "mandatory"])
    findings = rules.check_values(wish.values, plain_secrets=wish.plain_secrets)
    made = rules.plan(reading.spec, findings)
    text = json.dumps(made.as_dict(), indent=2) if as_json else "\n".join(made.lines())
    typer.echo(text)
    if made.refused:
        note(f"{len(made.refused)} finding(s) refuse this plan; nothing would be bought.")
        raise typer.Exit(exit_code.FAILED)

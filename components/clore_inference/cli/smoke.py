"""`clore-inference smoke`: what does an endpoint really do?"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from clore_inference.cli import exit_code, option
from clore_inference.cli.address import chosen, reached
from clore_inference.cli.output import note
from clore_inference.probe.conformance import DEADLINE_S, conformance
from clore_inference.probe.report import Report
from clore_inference.probe.target import Target


def smoke(
    url: option.Url = None,
    *,
    stack: option.Stack = None,
    replica: option.Replica = None,
    cwd: option.Directory = None,
    model: option.Model = None,
    key_file: option.KeyFile = None,
    deadline_s: Annotated[
        float, typer.Option("--deadline", min=1, help="Seconds for all checks together.")
    ] = DEADLINE_S,
    as_json: option.Json = False,
) -> None:
    """Prove an endpoint: model, both modes, stream, tool call, JSON, closed doors.

    Nine checks with small budgets of tokens, against any endpoint that speaks this API. Each
    failure says which flag or fact explains it, and what to change.

    A stack:     clore-inference smoke --stack h100

    An address:  CLORE_ENDPOINT_KEY=... clore-inference smoke https://abc.clorecloud.net

    Exit code 0: everything holds; 1: something does not; 2: unusable input; 3: no answer at all.
    """
    report = proven(
        url,
        stack=stack,
        replica=replica,
        directory=cwd,
        model=model,
        key_file=key_file,
        deadline_s=deadline_s,
    )
    if as_json:
        typer.echo(json.dumps(report.as_dict(), indent=2))
    else:
        typer.echo("\n".join(report.lines()))
    raise typer.Exit(verdict(report))


def proven(
    url: str | None,
    *,
    stack: str | None,
    replica: str | None,
    directory: Path | None,
    model: str | None,
    key_file: str | None,
    deadline_s: float,
) -> Report:
    """Return the report of the endpoint that the options name."""
    endpoint = chosen(
        url,
        stack=stack,
        replica=replica,
        directory=directory,
        model=model,
        key_file=key_file,
        environment=os.environ,
    )
    with reached(endpoint, note) as base_url:
        target = Target(
            base_url=base_url,
            key=endpoint.key,
            model=model or endpoint.model,
            certificate=endpoint.certificate,
        )
        report = conformance(target, deadline_s=deadline_s, say=note)
    return replace(report, base_url=endpoint.url or base_url)


def verdict(report: Report) -> int:
    """Return the exit code of a report."""
    if report.passed:
        return exit_code.FINE
    silent = all(check.failure == "no-answer" for check in report.checks)
    return exit_code.SILENT if silent else exit_code.FAILED

"""`clore-inference preview-comment`: what a pull request does to every stack, as one comment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from clore_inference.cli import exit_code, option
from clore_inference.cli.base import FOLDER, Base, stack_names
from clore_inference.cli.comment import Side, Stack, comment
from clore_inference.cli.output import note
from clore_inference.errors import ConfigError
from clore_inference.lifecycle.outlook import Outlook, ask_offers, ask_repository

PATIENCE_REAL_S: Final = 15.0
NOT_ASKED: Final = "Offers, repositories and wallets were not looked at: this was made offline."

Stacks = Annotated[
    list[str] | None,
    typer.Argument(help="Stacks to judge; without any, all of `stacks/` here and at the base."),
]


def preview_comment(
    stacks: Stacks = None,
    *,
    cwd: option.Directory = None,
    base: Annotated[
        str | None,
        typer.Option("--base", help="Branch or commit to compare with; it is not checked out."),
    ] = None,
    offers: Annotated[
        bool, typer.Option("--offers", help="Also ask marketplace and hub, without any key.")
    ] = False,
) -> None:
    """Render a pull request's comment: cost, fit, findings, and what a deployment would go through.

    Reads stack files only: no Pulumi, no key, no state, no network; the same bytes on every run, so
    it is safe for forks. Secrets are never read. Its first line is a hidden marker, by which a
    workflow updates one comment in place (.github/workflows/preview.yml).

    At home:   clore-inference preview-comment --base origin/main

    Exit code 0: may be merged; 1: a mandatory finding; 2: no such commit or stack.
    """
    directory = cwd or Path.cwd()
    compared = Base.at(directory, base) if base else None
    found = [_stack(directory, compared, name) for name in _names(directory, compared, stacks)]
    against = f"`{base}`" if base else ""
    network = _asked(found) if offers else [NOT_ASKED]
    typer.echo(comment(found, against=against, network=network), nl=False)
    refused = [stack.name for stack in found if stack.refused]
    if refused:
        note(f"Refused: {', '.join(refused)}.")
        raise typer.Exit(exit_code.FAILED)


def _names(directory: Path, base: Base | None, given: list[str] | None) -> list[str]:
    here = stack_names(directory)
    known = sorted({*here, *(base.stack_names() if base else ())})
    missing = sorted(set(given or ()) - set(known))
    if missing or not known:
        what = ", ".join(missing) if missing else "any stack"
        text = f"There is no file of {what} in {directory / FOLDER}."
        raise ConfigError(
            [f"{text} Known: {', '.join(known) or 'none'}. Give --cwd or another name."]
        )
    return [name for name in known if not given or name in given]


def _stack(directory: Path, base: Base | None, name: str) -> Stack:
    before = base.stack_file(name) if base else None
    after = _text(directory / FOLDER / f"Pulumi.{name}.yaml")
    return Stack(
        name,
        base=None if before is None else Side(before),
        head=None if after is None else Side(after),
    )


def _text(file: Path) -> str | None:
    """Return a stack file's text; None where there is none. A link could lead to anybody's file."""
    if file.is_symlink():
        raise ConfigError([f"{file.name} is a link. A stack file must be a file of its own."])
    try:
        return file.read_bytes().decode("utf-8", "replace")
    except FileNotFoundError:
        return None


def _asked(stacks: list[Stack]) -> list[str]:
    """What the network says of each stack, in the order of the stacks."""
    note("Asking marketplace and hub …")
    plans = [(one.name, one.head.plan) for one in stacks if one.head and one.head.plan]
    asked = [
        (
            name,
            ask_offers(plan.spec, None, within_real_s=PATIENCE_REAL_S),
            ask_repository(plan.spec, None),
        )
        for name, plan in plans
    ]
    lines = []
    for name, market, hub in asked:
        seen = Outlook(market.wait(PATIENCE_REAL_S), hub.wait(PATIENCE_REAL_S))
        lines += [f"{name}: {line}" for line in seen.lines()]
    return lines

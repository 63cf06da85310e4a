"""`clore-inference plan`: what would run, whether it fits, what it could cost, may it be used."""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer

from clore_inference import rules
from clore_inference.cli import exit_code, option
from clore_inference.cli.comment import shows_secret
from clore_inference.cli.output import note
from clore_inference.cli.project import project_name
from clore_inference.cli.wish import File, Set, wished
from clore_inference.errors import ConfigError
from clore_inference.lifecycle.outlook import (
    Outlook,
    ask_offers,
    ask_purse,
    ask_repository,
    not_asked,
    secret_of,
)
from clore_inference.rules.facts import Facts
from clore_inference.rules.markdown import escaped, markdown
from clore_inference.rules.plan import Plan
from clore_inference.rules.questions import answers
from clore_inference.rules.sheet import COLUMNS, sheet
from clore_inference.spec import DeploymentSpec
from clore_inference.spec.reading import read_values

PATIENCE_REAL_S: Final = 15.0
"""Wall-clock seconds for marketplace and hub, which are asked side by side."""
NOT_ASKED: Final = "`--offers` asks"
NO_ORDER: Final = "a Docker host of your own orders nothing"


def plan(
    *,
    stack: option.Stack = None,
    cwd: option.Directory = None,
    config_file: File = None,
    changes: Set = None,
    offers: Annotated[
        bool,
        typer.Option("--offers", help="Also ask marketplace and hub; buys and posts nothing."),
    ] = False,
    as_json: option.Json = False,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown on standard output.")
    ] = False,
) -> None:
    """Answer six questions about a stack: what, on what, how much, until when, may I, what if.

    Needs no Pulumi, no key and no network: the same words on every machine. With --offers it adds
    what could be rented now, why the rest could not, whether the weights can be fetched (HF_TOKEN
    from the environment), and whether the wallet pays for it (CLORE_API_KEY).

    A stack:        clore-inference plan --stack h100

    What if:        clore-inference plan --stack h100 --set maxModelLen=262144

    And today:      clore-inference plan --stack h100 --offers

    Exit code 0: it may run; 1: a rule or the hub refuses it, or this
    version cannot run it; 2: the configuration cannot be read.
    """
    if as_json and as_markdown:
        raise ConfigError(["Give --json or --markdown, not both."])
    wish = wished(stack, cwd, config_file, changes)
    token = secret_of(os.environ, "HF_TOKEN")
    facts = Facts.of_values(
        wish.values, plain_secrets=wish.plain_secrets, has_token=bool(token) if offers else None
    )
    findings = rules.judge(facts)
    reading = read_values(wish.values)
    if reading.findings or shows_secret(findings):
        raise ConfigError([one.text for one in findings if one.severity == "mandatory"])
    project = project_name(cwd or Path.cwd())
    seen = _asked(reading.spec, project) if offers else not_asked(NOT_ASKED)
    if reading.spec.host == "docker":
        seen = replace(seen, offers=NO_ORDER, purse="")
    made = rules.plan(reading.spec, rules.judge(_with_purse(facts, seen)))
    typer.echo(_shown(made, seen, as_json=as_json, as_markdown=as_markdown))
    if made.refused:
        note(f"{len(made.refused)} finding(s) refuse this plan; nothing would be bought.")
    if made.refused or _refused_by_hub(seen):
        raise typer.Exit(exit_code.FAILED)


def _with_purse(facts: Facts, seen: Outlook) -> Facts:
    if isinstance(seen.purse, str):
        return facts
    return replace(facts, wallet_usd=seen.purse.wallet_usd, term_hours=seen.purse.term_hours)


def _asked(spec: DeploymentSpec, project: str) -> Outlook:
    note("Asking marketplace, hub and account …")
    repository = ask_repository(spec, secret_of(os.environ, "HF_TOKEN"))
    key = secret_of(os.environ, "CLORE_API_KEY")
    offers = ask_offers(spec, key, within_real_s=PATIENCE_REAL_S)
    purse = ask_purse(spec, key, within_real_s=PATIENCE_REAL_S, project=project)
    return Outlook(
        offers.wait(PATIENCE_REAL_S), repository.wait(PATIENCE_REAL_S), purse.wait(PATIENCE_REAL_S)
    )


def _refused_by_hub(seen: Outlook) -> bool:
    return not isinstance(seen.repository, str) and seen.repository.refuses


def _shown(made: Plan, seen: Outlook, *, as_json: bool, as_markdown: bool) -> str:
    if as_json:
        asked = answers(made).model_dump(mode="json")
        document = {**made.as_dict(), "answers": asked, "network": seen.as_dict()}
        return json.dumps(document, indent=2)
    if as_markdown:
        told = [f"- {escaped(line)}" for line in seen.lines(made.spec)]
        return "\n".join([*markdown(made), "", "**And today?**", "", *told])
    return "\n".join([*sheet(made), "", "And today?", *_folded(seen.lines(made.spec))])


def _folded(lines: Sequence[str]) -> list[str]:
    """The rows of the table stay as they are; sentences are wrapped."""
    rows: list[str] = []
    for line in lines:
        fits = len(line) <= COLUMNS - 2
        rows += (
            [f"  {line}"]
            if fits
            else textwrap.wrap(
                line,
                COLUMNS,
                initial_indent="  ",
                subsequent_indent="    ",
                break_long_words=False,
                break_on_hyphens=False,
            )
        )
    return rows

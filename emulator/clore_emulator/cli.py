"""The command line of the emulator."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from .api.known import fault_row, signature
from .engines.faults import FAULTS as ENGINE_FAULTS
from .faults import PROFILES, REGISTRY, BadRule, Fault, read_rule
from .ledger.journal import StateInUse
from .market import LIES
from .server import Settings, run

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "A Clore.ai marketplace on your own machine: real shapes, real awkwardness, no money.\n\n"
        "Start it with `clore-emulator serve`, point a client at the printed URL with the printed "
        "API key, break it with `clore-emulator faults` and POST /_admin/faults, and ask "
        "GET /_admin/ledger what it would have cost."
    ),
)


FAULTS_HELP: Final = """List what can go wrong; with a NAME, everything about one fault.

Arm a fault at the start, or at any time:

\b
  clore-emulator serve --fault 'list_lags_by(20)'
  curl -H 'content-type: application/json' http://127.0.0.1:8650/_admin/faults \\
    -d '{"do": "accept_then_drop_connection", "on": "create_order", "nth": 1}'

Every rule may say: on, nth, times, probability, account, phase, absolute.
"""


class ProfileName(StrEnum):
    calm = "calm"
    flaky = "flaky"
    hostile = "hostile"


class LiarPrices(StrEnum):
    dear = "dear"
    cheap = "cheap"
    none = "none"


@app.command()
def serve(  # noqa: PLR0913 - one word for each option
    *,
    port: Annotated[int, typer.Option(help="Port of the API; 0 takes a free one.")] = 8650,
    hub_port: Annotated[
        int, typer.Option(help="Port of the model hub; 0 takes a free one.")
    ] = 8651,
    state: Annotated[
        Path, typer.Option(help="Directory for ledger, keys, access log and hosts; kept.")
    ] = Path(".clore-emulator"),
    time_scale: Annotated[
        float, typer.Option(min=0.001, help="Marketplace seconds in one real second.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same world.")] = 0,
    market: Annotated[
        Path | None,
        typer.Option(help='Server rows: {"servers": [...], "lies": {"ID": "LIE"}}.'),
    ] = None,
    liars: Annotated[
        LiarPrices, typer.Option(help="Dishonest hosts: dear, cheaper than all, or none.")
    ] = LiarPrices.dear,
    profile: Annotated[
        ProfileName, typer.Option(help="How well the marketplace behaves.")
    ] = ProfileName.calm,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="Arm a fault: NAME, NAME(VALUE) or a JSON rule. May be repeated."),
    ] = None,
    api_key_file: Annotated[
        Path | None,
        typer.Option(help="The renter's API key: read, or written when it is missing."),
    ] = None,
    hosts: Annotated[bool, typer.Option(help="Bring up a host for each order.")] = True,
    lags: Annotated[bool, typer.Option(help="Let listings lag behind.")] = True,
    engines: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="Real engines: programs in DIR/bin, repositories of the hub in DIR/hub.",
        ),
    ] = None,
) -> None:
    """Run a marketplace until it is told to stop.

    One JSON line on standard output says when it is ready:
    {"api": URL, "hub": URL, "api_key_file": PATH, ...}.

    Orders, wallets and hosts survive a restart with the same --state, also after kill -9; its
    world stands still while it is down.

    Exit codes: 0 told to stop; 2 wrong options; 3 the state directory or a port is in use.

    Example: clore-emulator serve --port 0 --time-scale 60 --state /tmp/market
    """
    try:
        settings = Settings(
            state=state.resolve(), port=port, hub_port=hub_port, time_scale=time_scale, seed=seed,
            market=market, liars=liars.value, profile=profile.value,
            faults=tuple(_rule(text) for text in fault or []), api_key_file=api_key_file,
            hosts=hosts, lags=lags, engines=engines.resolve() if engines else None,
        )  # fmt: skip
        run(settings)
    except (BadRule, ValueError, KeyError) as error:
        raise typer.Exit(_complain(error, 2)) from None
    except (StateInUse, OSError) as error:
        raise typer.Exit(_complain(error, 3)) from None


@app.command(help=FAULTS_HELP)
def faults(
    *,
    name: Annotated[str | None, typer.Argument(help="One fault, in full.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    lies: Annotated[bool, typer.Option("--lies", help="The ways in which a server lies.")] = False,
    engines: Annotated[bool, typer.Option("--engines", help="How engines fail.")] = False,
    profiles: Annotated[bool, typer.Option("--profiles", help="What each profile arms.")] = False,
) -> None:
    """List what can go wrong; see FAULTS_HELP."""
    if lies:
        _print_lines({key: lie.summary for key, lie in LIES.items()}, as_json=as_json)
    elif engines:
        _print_lines({key: one.does for key, one in ENGINE_FAULTS.items()}, as_json=as_json)
    elif profiles:
        print(json.dumps(PROFILES, indent=2))
    elif name is not None:
        _print_fault(name, as_json=as_json)
    elif as_json:
        print(json.dumps([fault_row(known) for known in REGISTRY.values()], indent=2))
    else:
        _print_lines({signature(known): known.summary for known in REGISTRY.values()})


def main() -> None:
    """Entry point of the `clore-emulator` command."""
    app()


def _rule(text: str) -> dict[str, Any]:
    rule = json.loads(text) if text.lstrip().startswith("{") else {"do": text}
    read_rule(rule)
    return dict(rule)


def _print_fault(name: str, *, as_json: bool) -> None:
    try:
        fault = read_rule({"do": name}).fault
    except BadRule as error:
        raise typer.Exit(_complain(error, 2)) from None
    if as_json:
        print(json.dumps(fault_row(fault), indent=2))
        return
    print(f"{signature(fault)}\n  {fault.summary}\n  {_place(fault)}")
    for parameter in fault.parameters:
        kind, default = parameter.type.__name__, parameter.default
        print(f"  {parameter.name} ({kind}, default {default}): {parameter.doc}")


def _place(fault: Fault) -> str:
    times = "until it is lifted" if fault.times is None else f"{fault.times} time(s)"
    if fault.times_parameter is not None:
        times = f"as often as {fault.times_parameter} says"
    phase = "any phase" if fault.any_phase else f"phase {fault.phase}"
    return f"on {', '.join(fault.on)}; {phase}; fires {times}"


def _print_lines(lines: dict[str, str], *, as_json: bool = False) -> None:
    if as_json:
        print(json.dumps(lines, indent=2))
        return
    width = max(map(len, lines))
    for key, summary in lines.items():
        print(f"{key:<{width}}  {summary}")


def _complain(error: Exception, code: int) -> int:
    print(f"clore-emulator: {error}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()

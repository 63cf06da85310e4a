"""What a preview says besides its resources: the plan, and what the network adds to it.

Asking never fails a preview and is bounded to 3 s beside everything else; nothing is posted. Offers
are asked for only where a preview is about to buy: a healthy stack does not care for the market.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pulumi

from clore_inference.clock import clock_for
from clore_inference.lifecycle.repository import BOUND_REAL_S, Standing
from clore_inference.rules import RULES, Facts, plan
from clore_inference.rules.sheet import sheet
from clore_inference.secret import Secret
from clore_inference.spec import DeploymentSpec, Finding
from clore_inference.units import SECONDS_PER_HOUR

if TYPE_CHECKING:
    from decimal import Decimal

    from clore_inference.gpu_order import GpuOrder

OFFLINE: Final = "CLORE_INFERENCE_OFFLINE"
"""Environment variable: when it is set, previews ask nobody."""
NOBODY_ASKED: Final = (
    "offers, repository and wallet were not looked at; whether the wallet pays for the worst case of "
    "the plan is unknown, and an `up` refuses only what it does not pay the first hour of"
)


def say_plan(
    spec: DeploymentSpec, findings: tuple[Finding, ...], resource: pulumi.Resource
) -> None:
    """Show the plan in a preview, and every finding as a warning, always."""
    if pulumi.runtime.is_dry_run():
        pulumi.log.info("\n".join(sheet(plan(spec, findings), findings=False)), resource)
    for finding in findings:
        pulumi.log.warn(finding.text, resource)


def say_outlook(
    spec: DeploymentSpec,
    findings: tuple[Finding, ...],
    args: Mapping[str, Any],
    order: GpuOrder,
    resource: pulumi.Resource,
) -> dict[str, pulumi.Output[Any]]:
    """In a preview, say what is known besides the plan, and return it as outputs for the pack.

    Outputs of a component make no change, however they differ: what a machine has (a token, a key)
    and what time it is may not show up as an update. An `up` has none of them.
    """
    if not pulumi.runtime.is_dry_run():
        return {}
    facts = replace(Facts.of_spec(spec), has_token=bool(args.get("hf_token")))
    saying: Any = _told(facts, findings, args, order, resource)
    return {"facts": pulumi.Output.from_input(saying)}


async def _told(
    facts: Facts,
    findings: tuple[Finding, ...],
    args: Mapping[str, Any],
    order: GpuOrder,
    resource: pulumi.Resource,
) -> dict[str, Any]:
    spec = facts.spec
    assert spec, "made of one"  # noqa: S101
    if await order.order_id.is_known():
        facts = replace(facts, term_hours=_hours_until(spec, await order.ends_at.future()))
    elif os.environ.get(OFFLINE):
        pulumi.log.info(f"{OFFLINE} is set: {NOBODY_ASKED}.", resource)
    else:
        facts = replace(facts, wallet_usd=await _asked(spec, args.get("hf_token"), resource))
    found = (one for rule in RULES if rule.seen == "preview" for one in rule.run(facts))
    for finding in found:
        if finding not in findings:
            pulumi.log.warn(finding.text, resource)
    return facts.told()


def _hours_until(spec: DeploymentSpec, ends_at: str | None) -> float | None:
    """Until the order ends, by this machine's clock; None where an emulator's runs otherwise."""
    if ends_at is None or spec.time_scale != 1:
        return None
    return (float(ends_at) - clock_for(spec.api_url, 1).now()) / SECONDS_PER_HOUR


async def _asked(spec: DeploymentSpec, token: Any, resource: pulumi.Resource) -> Decimal | None:
    """Ask hub, marketplace and wallet, say what they answer; returns what the wallet holds."""
    from clore_inference.lifecycle import outlook  # noqa: PLC0415 - most runs do not ask

    given = await pulumi.Output.from_input(token).future() if token is not None else None
    repository = outlook.ask_repository(spec, Secret(str(given)) if given else None)
    key = outlook.secret_of(os.environ, "CLORE_API_KEY")
    offers = outlook.ask_offers(spec, key, within_real_s=BOUND_REAL_S)
    purse = outlook.ask_purse(spec, key, within_real_s=BOUND_REAL_S)
    seen = outlook.Outlook(
        *await asyncio.gather(
            asyncio.to_thread(offers.wait, BOUND_REAL_S),
            asyncio.to_thread(repository.wait, BOUND_REAL_S),
            asyncio.to_thread(purse.wait, BOUND_REAL_S),
        )
    )
    say: Callable[..., None] = pulumi.log.info
    if isinstance(seen.repository, Standing) and seen.repository.refuses:
        say = pulumi.log.warn
    say("\n".join(seen.lines(spec)), resource)
    return None if isinstance(seen.purse, str) else seen.purse.wallet_usd


def say_repository(
    spec: DeploymentSpec,
    args: Mapping[str, Any],
    arrived: pulumi.Output[str],
    resource: pulumi.Resource,
) -> dict[str, pulumi.Output[Any]]:
    """The same where nothing is rented: only the hub is asked, and only before the first fetch."""
    if not pulumi.runtime.is_dry_run():
        return {}
    facts = replace(Facts.of_spec(spec), has_token=bool(args.get("hf_token")))
    saying: Any = _told_of_hub(facts, spec, args.get("hf_token"), arrived, resource)
    return {"facts": pulumi.Output.from_input(saying)}


async def _told_of_hub(
    facts: Facts,
    spec: DeploymentSpec,
    token: Any,
    arrived: pulumi.Output[str],
    resource: pulumi.Resource,
) -> dict[str, Any]:
    if await arrived.is_known():
        return facts.told()
    if os.environ.get(OFFLINE):
        pulumi.log.info(f"{OFFLINE} is set: the repository was not looked at.", resource)
        return facts.told()
    from clore_inference.lifecycle import outlook  # noqa: PLC0415 - most runs do not ask

    given = await pulumi.Output.from_input(token).future() if token is not None else None
    asked = outlook.ask_repository(spec, Secret(str(given)) if given else None)
    seen = await asyncio.to_thread(asked.wait, BOUND_REAL_S)
    if isinstance(seen, str):
        pulumi.log.info(
            f"The repository of the weights was not looked at: {seen.rstrip('.')}.", resource
        )
    else:
        (pulumi.log.warn if seen.refuses else pulumi.log.info)(seen.text, resource)
    return facts.told()

"""What a preview says besides its resources: the plan, and what the network adds to it.

Asking never fails a preview and is bounded to 3 s beside everything else; nothing is posted. Offers
are asked for only where a preview is about to buy: a healthy stack does not care for the market.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import Any, Final

import pulumi

from clore_inference.lifecycle.repository import BOUND_REAL_S, Standing
from clore_inference.rules import plan
from clore_inference.rules.sheet import sheet
from clore_inference.secret import Secret
from clore_inference.spec import DeploymentSpec, Finding

OFFLINE: Final = "CLORE_INFERENCE_OFFLINE"
"""Environment variable: when it is set, previews ask nobody."""


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
    args: Mapping[str, Any],
    order_id: pulumi.Output[str],
    resource: pulumi.Resource,
) -> None:
    """In a preview that is about to buy, ask hub and marketplace, and show what they say."""
    if not pulumi.runtime.is_dry_run():
        return
    if os.environ.get(OFFLINE):
        pulumi.log.info(f"{OFFLINE} is set: offers and repository were not looked at.", resource)
        return
    saying: Any = _say_outlook(spec, args.get("hf_token"), order_id, resource)
    pulumi.Output.from_input(saying)  # as an output, so that the program waits for its end


async def _say_outlook(
    spec: DeploymentSpec, token: Any, order_id: pulumi.Output[str], resource: pulumi.Resource
) -> bool:
    if await order_id.is_known():
        return False
    from clore_inference.lifecycle import outlook  # noqa: PLC0415 - most runs do not ask

    given = await pulumi.Output.from_input(token).future() if token is not None else None
    repository = outlook.ask_repository(spec, Secret(str(given)) if given else None)
    key = outlook.secret_of(os.environ, "CLORE_API_KEY")
    offers = outlook.ask_offers(spec, key, within_real_s=BOUND_REAL_S)
    seen = outlook.Outlook(
        offers=await asyncio.to_thread(offers.wait, BOUND_REAL_S),
        repository=await asyncio.to_thread(repository.wait, BOUND_REAL_S),
    )
    say: Callable[..., None] = pulumi.log.info
    if isinstance(seen.repository, Standing) and seen.repository.refuses:
        say = pulumi.log.warn
    say("\n".join(seen.lines()), resource)
    return True

"""Values that an update always knows, so that one lease that failed holds up no other.

With --continue-on-error Pulumi resolves everything that a failed resource would have told as unknown,
goes on, and skips what depends on it; but it lets the plugins check the inputs of these first. An
unknown secret, or a required input that is missing, fails that check, and a failed check ends the
whole update (CLI 3.259, step_generator.go): the other replicas would go with it. So what is handed
on is always something. It is never used: dependencies are kept, and the engine skips the step.
"""

from collections.abc import Mapping
from typing import Any, Final

import pulumi
from pulumi.output import Unknown

NEVER_USED: Final = "1"
"""A text that reads as a number and as a port, which is how some of these are handed on."""


def settled(value: pulumi.Input[Any], instead: Any = NEVER_USED) -> pulumi.Output[Any]:
    """Hand a value on; in an update `instead`, where its resource failed. A preview says unknown."""
    given = pulumi.Output.from_input(value)
    if pulumi.runtime.is_dry_run():
        return given
    return given.apply(
        lambda known: instead if isinstance(known, Unknown) else known, run_with_unknowns=True
    )


def all_settled(values: Mapping[str, pulumi.Input[Any]]) -> dict[str, pulumi.Output[Any]]:
    """Settle every input of a resource."""
    return {name: settled(value) for name, value in values.items()}

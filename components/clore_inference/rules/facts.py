"""What rules judge: a spec, an engine's line, or both.

Facts come from a spec (construction, `plan`), from flat values (a component's inputs, a stack file)
or from somebody else's container or command that starts an engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import Any

from clore_inference import engines
from clore_inference.engines import EngineCommand
from clore_inference.errors import ConfigError
from clore_inference.sizing import Fit, fit
from clore_inference.spec import DeploymentSpec, Finding, read_values


@dataclass(frozen=True)
class Facts:
    """Everything a rule may look at; what is None is not known and is not judged."""

    spec: DeploymentSpec | None = None
    line: EngineCommand | None = None
    """As the host runs it."""
    reading: tuple[Finding, ...] = ()
    """What reading the values found."""
    unreadable: frozenset[str] = frozenset()
    """Keys whose value in the spec is a stand-in."""
    plain_secrets: tuple[str, ...] = ()
    """Secret keys that lie in the configuration in clear."""
    unknown: tuple[str, ...] = ()
    """Values that another resource makes: they cannot be judged before it exists."""
    mounts: tuple[str, ...] | None = None
    """Paths of somebody else's container that outlive it; None where there is no container."""
    has_token: bool | None = None
    """Whether a Hugging Face token is at hand; None if nobody looked."""
    term_hours: float | None = None
    """Hours until the order ends, or an offer's longest rental; None before there is one."""
    wallet_usd: Decimal | None = None
    """What the paying wallet holds, USD; None if nobody looked."""

    @cached_property
    def fit(self) -> Fit | None:
        """The memory plan, where there is a spec."""
        return fit(self.spec) if self.spec else None

    @classmethod
    def of_spec(cls, spec: DeploymentSpec) -> Facts:
        """Return the facts of a spec and of the line that it becomes."""
        return cls(spec=spec, line=_line(spec))

    @classmethod
    def of_values(
        cls,
        values: Mapping[str, object],
        *,
        plain_secrets: Sequence[str] = (),
        has_token: bool | None = None,
    ) -> Facts:
        """Return the facts of flat camelCase values, read as far as they can be."""
        reading = read_values(values)
        return replace(
            cls.of_spec(reading.spec),
            reading=reading.findings,
            unreadable=reading.unreadable,
            plain_secrets=tuple(plain_secrets),
            has_token=has_token,
        )

    def told(self) -> dict[str, Any]:
        """Return what a preview knows as plain values without secrets; `of_told` reads them.

        A deployment tells it to the policy pack, which can compute none of it from inputs.
        """
        if self.spec is None:
            return {}
        line = self.line
        found: dict[str, Any] = {
            "spec": self.spec.flat(),
            "line": list(line.argv) if line else None,
            "environment": dict(line.environment) if line else None,
            "hasToken": self.has_token,
            "termHours": self.term_hours,
            "walletUsd": None if self.wallet_usd is None else str(self.wallet_usd),
        }
        return {name: value for name, value in found.items() if value is not None}

    @classmethod
    def of_told(cls, told: Mapping[str, Any]) -> Facts:
        """Return the facts that a deployment told; the line is the one that it built."""
        facts = cls.of_values(told["spec"], has_token=told.get("hasToken"))
        line = facts.line
        if line and told.get("line"):
            environment = {name: str(text) for name, text in told.get("environment", {}).items()}
            argv = tuple(str(word) for word in told["line"])
            line = line.model_copy(update={"argv": argv, "environment": environment})
        hours, wallet = told.get("termHours"), told.get("walletUsd")
        return replace(
            facts,
            line=line,
            term_hours=None if hours is None else float(hours),
            wallet_usd=None if wallet is None else Decimal(str(wallet)),
        )

    @classmethod
    def of_engine_line(
        cls, argv: Sequence[str], *, image: str = "", environment: Mapping[str, str] | None = None
    ) -> Facts | None:
        """Return the facts of a foreign command; None if it starts no engine."""
        line = engines.recognise(argv, image=image, environment=environment)
        run = engines.contained(argv) if line and not image else None
        return cls(line=line, mounts=run.mounts if run else None) if line else None


def _line(spec: DeploymentSpec) -> EngineCommand | None:
    """The line on the host; None where there is none, which other rules explain."""
    try:
        line = engines.command(spec)
    except ConfigError:
        return None
    return line.model_copy(update={"argv": engines.host_argv(line)})

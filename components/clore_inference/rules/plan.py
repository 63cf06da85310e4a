"""The plan: what will run, on what, for how much at most, until when, and what could go wrong.

Computed from spec and catalog alone: no network, no key, the same bytes on every run.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict

from clore_inference import engines
from clore_inference.engines import EngineCommand, WeightsFiles
from clore_inference.errors import ConfigError
from clore_inference.rules.check import check
from clore_inference.sizing import Ceiling, Fit, Price, Startup, ceiling, fit, price, startup
from clore_inference.spec import DeploymentSpec, Finding
from clore_inference.units import size, usd


class Plan(BaseModel):
    """Everything that is known before money is spent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: DeploymentSpec
    line: EngineCommand | None
    """The guide's line with our suffix; None where the engine cannot do what is asked."""
    weights: WeightsFiles | None
    fit: Fit
    price: Price
    startup: Startup
    ceiling: Ceiling | None
    findings: tuple[Finding, ...]

    @property
    def refused(self) -> tuple[Finding, ...]:
        """The findings that stop it."""
        return tuple(one for one in self.findings if one.severity == "mandatory")

    def lines(self) -> tuple[str, ...]:
        """Return the plan as text, one statement per line."""
        return (
            *self._what(),
            *(f"memory: {line}" for line in self.fit.lines()),
            *(f"money: {line}" for line in self._money()),
            *(f"time: {line}" for line in self.startup.lines()),
            *(f"speed: {line}" for line in (self.ceiling.lines() if self.ceiling else ())),
            *(f"{one.severity}: {one.text}" for one in self.findings),
        )

    def _what(self) -> tuple[str, ...]:
        spec = self.spec
        head = (
            f"{spec.repository_name} ({spec.precision}, release {spec.release}) with {spec.engine} "
            f"{spec.version} on {spec.topology}, {spec.exposure}, for {spec.license_use}"
        )
        rows = [head, f"image: {spec.image_name}"]
        if self.weights:
            rows.append(
                f"weights: {size(self.weights.total_bytes)} of revision {self.weights.revision}, "
                f"files {', '.join(self.weights.allow_patterns)}"
            )
        if self.line:
            rows.append(f"command: {' '.join(self.line.argv)}")
            rows += [f"added: {reason}" for reason in self.line.suffix_reasons]
        return tuple(rows)

    def _money(self) -> tuple[str, ...]:
        if self.spec.host == "docker":
            return ("nothing to a marketplace: the machine is your own, and no order is made",)
        rows = self.price.lines()
        if self.ceiling is None:
            return rows
        amount = self.ceiling.usd_per_million_tokens(self.price.cap_per_day)
        return (
            *rows,
            f"at the cap and the ceiling of one request, {usd(amount)} per million tokens",
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as plain JSON-able values; the spec is flat, with its configuration keys."""
        document = self.model_dump(mode="json")
        document["spec"] = self.spec.flat()
        document["startup"]["seconds"] = self.startup.seconds
        document["refused"] = bool(self.refused)
        document["lines"] = list(self.lines())
        return document


def plan(spec: DeploymentSpec, findings: tuple[Finding, ...] | None = None) -> Plan:
    """Return the plan of a spec; a refused spec has one too, which says why.

    `findings` are those of `construct`, where somebody has them already.
    """
    return Plan(
        spec=spec,
        line=_line(spec),
        weights=_weights(spec),
        fit=fit(spec),
        price=price(spec),
        startup=startup(spec),
        ceiling=ceiling(spec),
        findings=check(spec) if findings is None else findings,
    )


def _line(spec: DeploymentSpec) -> EngineCommand | None:
    try:
        return engines.command(spec)
    except ConfigError:
        return None  # a rule says it, in the findings


def _weights(spec: DeploymentSpec) -> WeightsFiles | None:
    try:
        return engines.weights(spec)
    except ConfigError:
        return None  # likewise

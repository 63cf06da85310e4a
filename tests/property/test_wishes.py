"""Whatever is configured: reading never fails, rules never fail, and more never fits in less."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clore_inference import catalog, engines
from clore_inference.rules import check_values, plan
from clore_inference.sizing import fit, price
from clore_inference.spec import DeploymentSpec, keys, read_values
from support.wishes import a_spec, values

FEW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=4,
)
NAMES = st.sampled_from([key.name for key in keys()]) | st.text(max_size=12)


def legal() -> st.SearchStrategy[dict[str, Any]]:
    """Values that read well, whether or not they may run."""
    facts = catalog.catalog()
    return st.fixed_dictionaries(
        {
            "licenseUse": st.sampled_from(["research", "evaluation"]),
            "maxUsdPerDay": st.integers(1, 500),
        },
        optional={
            "topology": st.sampled_from([row.id for row in facts.topology]),
            "precision": st.sampled_from([row.precision for row in facts.checkpoint]),
            "engine": st.sampled_from([row.id for row in facts.engine]),
            "release": st.sampled_from(["guide", "upstream"]),
            "maxModelLen": st.integers(256, 262144),
            "kvCacheDtype": st.sampled_from(["auto", "fp8", "q8_0"]),
            "gpuMemoryUtilization": st.floats(0.2, 0.97),
            "exposure": st.sampled_from(["private", "public"]),
            "maxNumSeqs": st.integers(1, 64),
        },
    )


@FEW
@given(st.dictionaries(NAMES, ANYTHING, max_size=6))
def test_no_configuration_makes_reading_or_rules_fail(found: dict[str, Any]) -> None:
    result = read_values(found)
    assert result.findings, "random values never name a use and a cap"
    for finding in check_values(found):
        assert finding.text


@FEW
@given(legal())
def test_what_no_rule_refuses_has_a_line_and_fits(found: dict[str, Any]) -> None:
    spec = DeploymentSpec.parse(found)
    assert DeploymentSpec.parse(spec.flat()) == spec
    if plan(spec).refused:
        return
    assert fit(spec).fits
    line = engines.command(spec)
    assert line.value("--port") == "8000"
    assert (line.value("--host") == "127.0.0.1") == (spec.exposure == "private")


@FEW
@given(st.integers(256, 261_000), st.integers(1, 1000), st.floats(0.3, 0.9))
def test_more_context_never_fits_where_less_does_not(context: int, more: int, share: float) -> None:
    less = fit(a_spec(maxModelLen=context, gpuMemoryUtilization=share))
    longer = fit(a_spec(maxModelLen=context + more, gpuMemoryUtilization=share))
    assert less.fits or not longer.fits
    assert less.concurrency >= longer.concurrency


@FEW
@given(st.floats(0.3, 0.9), st.floats(0.001, 0.07))
def test_more_memory_never_fits_less(share: float, more: float) -> None:
    smaller = fit(a_spec(gpuMemoryUtilization=share))
    assert smaller.pool_tokens <= fit(a_spec(gpuMemoryUtilization=share + more)).pool_tokens


@FEW
@given(st.decimals("0.01", "1000", places=2), st.integers(1, 3000), st.integers(0, 5))
def test_no_listing_within_the_plan_costs_more_than_the_cap(
    cap: Any, hours: int, again: int
) -> None:
    bill = price(
        DeploymentSpec.parse(
            values(maxUsdPerDay=str(cap), minTermHours=hours, maxReplacements=again)
        )
    )
    with_fee = bill.listed_cap_per_day * 105 / 100
    assert with_fee <= cap
    assert bill.worst_term >= with_fee * hours / 24

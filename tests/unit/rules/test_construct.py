from __future__ import annotations

import pytest

from clore_inference.errors import ConfigError
from clore_inference.rules import check, check_values, construct
from support.wishes import a_spec, values


def test_reading_and_rules_are_told_together() -> None:
    with pytest.raises(ConfigError) as refused:
        construct(
            {
                "maxUsdPerDay": 0,
                "topology": "2xH100",
                "nonsense": 1,
                "revision": "main",
                "kvCacheDtype": "q8_0",
            }
        )
    text = str(refused.value)
    for part in (
        "licenseUse is not set",
        "maxUsdPerDay is 0",
        "Topology 2xH100 is refused",
        "nonsense is not",
        "revision is 'main'",
        "no KV cache type q8_0",
    ):
        assert part in text, f"{part!r} was not told at once"
    assert len(refused.value.findings) == len(set(refused.value.findings))


def test_nothing_is_concluded_from_a_value_that_could_not_be_read() -> None:
    found = {
        one.rule
        for one in check_values(values(topology="9xH900", precision="bf16", maxModelLen=262144))
    }
    assert "clore-config-require-choice" in found
    assert "clore-memory-require-fit" not in found, "there is no topology to fit"


def test_a_good_configuration_gives_its_spec_and_its_warnings() -> None:
    spec, warnings = construct(values())
    assert spec == a_spec()
    assert {one.severity for one in warnings} == {"warning"}


def test_a_secret_in_clear_stops_construction() -> None:
    with pytest.raises(ConfigError, match="hfToken lies in the stack file in clear"):
        construct(values(), plain_secrets=["hfToken"])


def test_mandatory_findings_come_first() -> None:
    severities = [one.severity for one in check(a_spec(topology="2xH100"))]
    assert severities == sorted(severities, key=lambda word: word != "mandatory")
    assert len(set(severities)) == 2


def test_the_same_values_give_the_same_findings_by_every_door() -> None:
    broken = values(topology="2xH200", precision="bf16", maxModelLen=131072)
    assert check_values(broken) == check(
        a_spec(topology="2xH200", precision="bf16", maxModelLen=131072)
    )
    with pytest.raises(ConfigError) as refused:
        construct(broken)
    assert refused.value.findings == tuple(
        one.text for one in check_values(broken) if one.severity == "mandatory"
    )


def test_a_missing_token_is_told_and_does_not_stop_a_keyless_preview() -> None:
    told = {
        has: {one.rule for one in construct(values(), has_token=has)[1]}
        for has in (None, True, False)
    }
    assert "clore-model-require-token" in told[False]
    assert "clore-model-require-token" not in told[True] | told[None]


def test_an_open_repository_needs_no_token() -> None:
    _, warnings = construct(values(release="upstream"), has_token=False)
    assert "clore-model-require-token" not in {one.rule for one in warnings}

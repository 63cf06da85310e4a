"""A lie ends an order; what is only slow is weighed against what a new order costs."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from clore_inference.clock import WallClock
from clore_inference.errors import HostRejected
from clore_inference.host.attest import HostRequirement
from clore_inference.host.link_rate import LinkWish
from clore_inference.lifecycle.acceptance import Acceptance, outgrown, weighed
from clore_inference.lifecycle.wanted import host_requirement
from clore_inference.market.order import ActiveOrder
from clore_inference.secret import Secret
from support.wishes import a_spec

WISH = LinkWish(
    endpoint="https://huggingface.co",
    repositories=("a/b",),
    weights_bytes=133_605_834_656,
    expected_mbps=1000,
)
REQUIREMENT = HostRequirement(gpu_names=(), gpu_count=0, min_gpu_memory_mib=0, link=WISH)
ORDER = ActiveOrder(
    order_id=7,
    server_id=98001,
    created_at=0,
    ends_at=1e6,
    usd_per_day=Decimal(40),
    ssh_host="127.0.0.1",
    ssh_port=22,
    http_url="",
    gpu="4x NVIDIA H100 80GB HBM3",
    advertised={"net": {"down": 3000.0}},
    remaining_s=600,
)


@pytest.fixture
def said() -> list[str]:
    return []


def acceptance(
    said: list[str], monkeypatch: pytest.MonkeyPatch, mbps: float | None, *, replacements: int = 1
) -> Acceptance:
    def accept(*_: Any, advertised: Any, **__: Any) -> dict[str, Any]:
        assert advertised == ORDER.advertised, "the row is what the host is held to"
        return {"host_key": "k", "down_mbps": mbps}

    monkeypatch.setattr("clore_inference.host.accept.accept", accept)
    return Acceptance(
        REQUIREMENT,
        Secret("key"),
        clock=WallClock(),
        say=said.append,
        replacements=replacements,
    )


@pytest.mark.parametrize("mbps", [None, 1000.0, 9000.0])
def test_a_link_as_asked_for_or_not_measured_is_taken_without_a_word(
    said: list[str], monkeypatch: pytest.MonkeyPatch, mbps: float | None
) -> None:
    assert acceptance(said, monkeypatch, mbps)(ORDER)["host_key"] == "k"
    assert not said


def test_a_link_that_is_a_little_slow_is_kept_with_the_numbers(
    said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    acceptance(said, monkeypatch, 700.0)(ORDER)
    assert "700 Mbps" in said[0]
    assert said[0].endswith("it is kept")


def test_a_slow_link_is_left_once_and_told_with_measured_and_advertised(
    said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = acceptance(said, monkeypatch, 90.0)
    with pytest.raises(HostRejected, match="slow, not false") as caught:
        judge(ORDER)
    assert caught.value.reason == "slow: 90 Mbps measured, 3000 Mbps advertised"
    assert judge(ORDER)["down_mbps"] == 90.0, "with no replacement left, slow is better than none"
    assert "maxReplacements" in said[-1]


def test_a_requirement_without_a_link_weighs_nothing() -> None:
    bare = REQUIREMENT.model_copy(update={"link": None})
    assert weighed(bare, {"down_mbps": 1.0}, ORDER) is None


def test_the_lease_of_a_recorded_version_is_not_replaced_by_what_is_asked_today() -> None:
    """`tests/upgrade/0.1.0` was recorded with the configuration that `a_spec` has."""
    state = (Path(__file__).parents[2] / "upgrade" / "0.1.0" / "state.json").read_text("utf-8")
    leases = [
        one["outputs"]
        for one in json.loads(state)["deployment"]["resources"]
        if "held" in one.get("outputs", {})
    ]
    assert leases
    for lease in leases:
        had = HostRequirement.model_validate_json(lease["requirement"])
        facts = json.loads(lease["held"])["accepted"]
        want = host_requirement(a_spec())
        assert want.asks > had.asks
        assert outgrown(facts, had, want) == ()
        worse = {**facts, "memory_gb": 64.0, "shm_gb": 0.06, "cuda": None}
        assert outgrown(worse, had, want) == (), "it was never asked for these"
        assert outgrown({**facts, "disk_free_gb": 60.0}, had, want), "and still for its disk"

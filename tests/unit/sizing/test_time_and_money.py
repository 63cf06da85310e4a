from __future__ import annotations

from decimal import Decimal

import pytest

from clore_inference.sizing import (
    ceiling,
    disk_gb,
    fit,
    host_requirement_fields,
    order_request_fields,
    price,
    startup,
    transfer_s,
)
from support.wishes import a_spec


@pytest.mark.parametrize(
    ("mbps", "minutes"), [(89, 201), (695, 25.7), (1000, 17.9), (3000, 6.0), (10_000, 1.8)]
)
def test_the_table_of_download_times(mbps: float, minutes: float) -> None:
    assert transfer_s(134e9, mbps) / 60 == pytest.approx(
        minutes, abs=0.05 if minutes < 100 else 0.5
    )


def test_a_link_without_a_rate_moves_nothing() -> None:
    with pytest.raises(ValueError, match="moves nothing"):
        transfer_s(1, 0)


def test_any_rate_above_nothing_moves_something() -> None:
    assert transfer_s(1e6 / 8, 0.5) == pytest.approx(2)


def test_a_cold_start_tells_each_stage_and_its_reason() -> None:
    plan = startup(a_spec(), 3000)
    assert [stage.name for stage in plan.stages] == ["host", "image", "weights", "load", "warm-up"]
    assert plan.seconds == pytest.approx(sum(stage.seconds for stage in plan.stages))
    assert 6 <= plan.seconds / 60 <= 12.5, "the guide's 6 to 12 minutes need 1.5 to 3 Gbps"
    assert "133.6 GB, once per host" in "\n".join(plan.lines())


def test_without_a_link_the_slowest_accepted_one_is_assumed() -> None:
    assert startup(a_spec(minDownMbps=2000)).link_mbps == 2000
    assert startup(a_spec(minDownMbps=0)).link_mbps == 1000, (
        "the guide's, where the spec accepts any"
    )


@pytest.mark.parametrize(
    ("changes", "tokens"),
    [
        ({"topology": "4xH100"}, 100),
        ({"topology": "2xH200"}, 72),
        ({"topology": "1xH100", "engine": "llamacpp", "precision": "q4_k_m"}, 45),
    ],
    ids=["4xH100", "2xH200", "1xH100-q4"],
)
def test_the_table_of_decode_ceilings(changes: dict[str, object], tokens: float) -> None:
    roof = ceiling(a_spec(**changes))
    assert roof is not None
    assert roof.tokens_per_s == pytest.approx(tokens, abs=0.5)


def test_a_million_tokens_cost_the_day_over_the_days_tokens() -> None:
    roof = ceiling(a_spec())
    assert roof is not None
    assert float(roof.usd_per_million_tokens(Decimal(43))) == pytest.approx(
        43 / (100.3 * 86400) * 1e6, rel=0.001
    )


def test_there_is_no_ceiling_without_a_checkpoint() -> None:
    assert ceiling(a_spec(release="upstream", precision="bf16")) is None


def test_the_worst_case_has_fee_and_creation_fees_to_the_cent() -> None:
    bill = price(a_spec(maxUsdPerDay="50", minTermHours=48, maxReplacements=1))
    assert bill.listed_cap_per_day == Decimal("47.61"), "47.62 with the 5 % fee would be above 50"
    assert bill.listed_cap_per_day * Decimal("1.05") <= bill.cap_per_day
    assert bill.worst_day == Decimal("50.20"), "two orders, two creation fees of 0.10"
    assert bill.worst_term == Decimal("100.73"), "and a quarter of an hour on a server that failed"
    assert "5% renter fee included" in bill.lines()[0]


def test_what_nobody_ends_costs_the_longest_rental_of_the_marketplace() -> None:
    bill = price(a_spec(maxUsdPerDay="48", maxReplacements=2, acceptDeadlineMinutes=30))
    assert bill.trial_hours == 1, "two servers for half an hour each"
    assert bill.worst_total == Decimal("6002.30"), "3,001 h at 2 USD, three fees"
    assert bill.cap_total is None
    assert bill.last_hours == 3000
    assert "3,000 h" in bill.bound
    assert bill.until(24) == bill.worst_term == Decimal("50.30")


@pytest.mark.parametrize(
    ("total", "most", "hours"),
    [
        ("100.30", "100.30", 49),
        ("6002.30", "6002.30", 3000),
        ("9000", "6002.30", 3000),
        ("0.25", "0.25", 0),
    ],
)
def test_a_cap_in_all_bounds_what_nobody_ends(total: str, most: str, hours: int) -> None:
    bill = price(
        a_spec(maxUsdPerDay="48", maxReplacements=2, acceptDeadlineMinutes=30, maxUsdTotal=total)
    )
    assert bill.worst_total == Decimal(most)
    assert bill.last_hours == hours
    assert ("maxUsdTotal is the bound" in bill.bound) is (total == most)


def test_what_is_promised_as_at_most_is_rounded_up() -> None:
    assert price(
        a_spec(maxUsdPerDay="10", minTermHours=1, maxReplacements=0)
    ).worst_term == Decimal("0.52")


def test_an_order_asks_for_the_guides_machine() -> None:
    fields = order_request_fields(a_spec(countries=["DE"], maxUsdPerDay="50"))
    assert (fields["gpu"], fields["gpu_count"]) == ("H100-80GB", 4)
    assert "NVIDIA H100 80GB HBM3" in fields["gpu_names"]
    assert fields["ports"] == {22: "tcp", 8000: "http"}, (
        "port 8000 always: ports cannot change later"
    )
    assert fields["min_disk_gb"] == 400
    assert 230 < fields["min_memory_gb"] < 256, "a machine sold with 256 GB reports about 250"
    assert fields["max_usd_per_day"] == Decimal(50)
    assert fields["deadline_s"] == 900
    assert fields["countries"] == ("DE",)


def test_the_stricter_of_guide_and_image_is_asked_for() -> None:
    assert order_request_fields(a_spec())["min_cuda"] == "13.0", "the image of vLLM 0.32 is CUDA 13"
    assert (
        order_request_fields(a_spec(engineVersion="0.21.0", topology="2xH200"))["min_cuda"]
        == "12.6"
    )
    assert host_requirement_fields(a_spec())["min_driver"] == "580"
    assert host_requirement_fields(a_spec(engineVersion="0.21.0"))["min_driver"] == "555"


def test_more_weights_than_the_guides_disk_raise_the_disk() -> None:
    spec = a_spec(topology="8xH100", precision="bf16")
    assert disk_gb(spec) == 275
    assert order_request_fields(spec)["min_disk_gb"] == 400
    assert host_requirement_fields(spec)["min_disk_free_gb"] == 275


def test_a_host_must_prove_the_card_that_nvidia_smi_names() -> None:
    fields = host_requirement_fields(a_spec(topology="2xH200"))
    assert fields["gpu_names"] == ("NVIDIA H200",)
    assert fields["gpu_count"] == 2
    assert fields["min_memory_gb"] == 243.2, "95 % of the 256 GB that it was sold with"
    assert 143771 * 0.98 < fields["min_gpu_memory_mib"] <= 143771


def test_loading_reads_every_byte_once_from_one_disk() -> None:
    stages = {stage.name: stage.seconds for stage in startup(a_spec()).stages}
    assert stages["load"] == pytest.approx(66.8, abs=0.05), "133.6 GB at 2 GB/s"


def test_only_the_caches_of_its_own_engine_are_offered() -> None:
    wish = {"topology": "2xH200", "precision": "bf16", "maxModelLen": 65536}
    told = fit(a_spec(**wish)).remedies
    assert "would fit: set kvCacheDtype fp8" in told
    assert not any("q8_0" in one for one in told)

"""How long a follower waits: from sizes, and from what is known of its host."""

from __future__ import annotations

import pytest

from clore_inference.lifecycle.documents import deadline_s
from clore_inference.lifecycle.wanted import fetch_job, serve_job
from clore_inference.spec import DeploymentSpec

SPEC = DeploymentSpec.parse({"licenseUse": "evaluation", "maxUsdPerDay": "45"})


def test_a_fetch_waits_by_the_rate_that_was_measured_and_else_by_the_one_asked_for() -> None:
    job = fetch_job(SPEC)
    asked = deadline_s(job, SPEC)
    slow = deadline_s(job, SPEC, {"down_mbps": "200"})
    assert slow - asked == pytest.approx(3 * job.total_bytes_hint * 8 / 1e6 * (1 / 200 - 1 / 1000))


@pytest.mark.parametrize("told", [None, {}, {"down_mbps": ""}, {"down_mbps": None},
                                  {"down_mbps": "nan"}, {"down_mbps": "0"}, {"down_mbps": "inf"}])  # fmt: skip
def test_a_rate_that_nobody_measured_is_the_one_asked_for(told: dict[str, object] | None) -> None:
    job = fetch_job(SPEC)
    assert deadline_s(job, SPEC, told) == deadline_s(job, SPEC, {"down_mbps": "1000"})


def test_an_engine_waits_by_the_disk_of_its_host() -> None:
    job = serve_job(SPEC)
    slow = deadline_s(job, SPEC, {"disk_mb_per_s": "100"})
    assert slow > 3 * 1330, "133 GB at 100 MB/s, three times over"
    assert deadline_s(job, SPEC, {"disk_mb_per_s": "7000"}) == deadline_s(job, SPEC)

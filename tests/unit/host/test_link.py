"""The rate of a host's link: what is read to know it, and what a sample is worth."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clore_inference.host import travelling
from clore_inference.host.link_rate import rate
from support.small_hub import REPOSITORY, SmallHub, a_hub

PROGRAM = Path(travelling.__file__).parent / "link.py"


def run(hub: SmallHub, *repositories: str, **limits: Any) -> dict[str, Any]:
    asked = {
        "endpoint": hub.url,
        "repositories": repositories,
        "most_bytes": 3_000_000,
        "most_s": 5,
        "streams": 4,
        **limits,
    }
    done = subprocess.run(
        [sys.executable, "-I", "-", json.dumps(asked)],
        input=PROGRAM.read_text(encoding="utf-8"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def content() -> dict[str, bytes]:
    return {"small.json": b"{}", "a.safetensors": random.Random(3).randbytes(4_000_000)}


def test_a_sample_reads_no_more_than_was_asked_for_over_several_streams() -> None:
    with a_hub(content()) as hub:
        found = run(hub, REPOSITORY)
        assert found["bytes"] == 3_000_000 == hub.sent["a.safetensors"]
        assert len(hub.ranges) == 4
        assert not hub.sent["small.json"]


def test_a_sample_takes_no_longer_than_it_may() -> None:
    with a_hub(content(), bytes_per_s=400_000) as hub:
        found = run(hub, REPOSITORY, most_s=1)
    assert 1 <= found["seconds"] < 4
    assert found["bytes"] < 3_000_000


def test_a_repository_that_needs_a_token_is_passed_over() -> None:
    with a_hub(content(), token="hf_x") as hub:
        assert "401" in run(hub, REPOSITORY)["error"]
        assert not hub.ranges
    with a_hub(content()) as hub:
        assert run(hub, "somebody/else", REPOSITORY)["bytes"] == 3_000_000


def test_a_hub_that_is_not_there_is_an_answer() -> None:
    with a_hub(content()) as hub:
        assert run(hub, REPOSITORY, endpoint="http://127.0.0.1:9")["error"]


def sample(count: float, seconds: float) -> str:
    return json.dumps({"bytes": count, "seconds": seconds, "source": "x"})


def test_a_rate_is_told_in_the_marketplace_s_seconds() -> None:
    assert rate(sample(200_000_000, 2), scale=1).mbps == 800
    assert rate(sample(200_000_000, 2), scale=10).mbps == 80
    assert rate(sample(100_000, 8), scale=1).mbps == 0.1, "slow, and long enough to know it"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (sample(800_000, 0.1), "too few to tell"),
        (json.dumps({"error": "HTTPError: 401\nmore"}), "HTTPError: 401 more"),
        ("", "no answer"),
        ("Traceback", "no answer"),
        (sample(-1, 1), "no answer"),
        (sample(10**30, 1), "no answer"),
        (json.dumps([1]), "no answer"),
    ],
)
def test_what_is_no_measurement_judges_nobody(text: str, told: str) -> None:
    found = rate(text, scale=1)
    assert found.mbps is None
    assert told in found.note

"""Every lie that an emulated host can tell of its hardware is seen, and told with both values.

The attestation runs as on a host, with the host's own tools, but without SSH and without a market.
"""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clore_emulator.hosts.machine import Machine, hardware
from clore_emulator.hosts.scratch import Scratch
from clore_emulator.market import LIES
from clore_emulator.market.hopper import hopper_rows
from clore_emulator.market.truth import Truth, honest_truth, tell_lie
from clore_inference.host.advert import broken_promises
from clore_inference.host.attest import SCRIPT, parse, shortfalls
from clore_inference.lifecycle.wanted import host_requirement
from support.wishes import a_spec

TOLD = {
    "fewer_gpus": "GPUs: 2 instead of 4",
    "other_gpu": "GPU name: NVIDIA A100-SXM4-80GB instead of NVIDIA H100 80GB HBM3",
    "less_memory": "GPU memory: 40779 MiB instead of 80743 MiB",
    "small_disk": "free disk: 60.0 GB instead of at least 154 GB",
    "old_driver": "driver: 470.256.02 instead of at least 580",
    "old_cuda": "CUDA: 12.4 instead of at least 13.0",
    "small_shm": "shared memory: 0.1 GB instead of at least 1 GB",
    "less_ram": "main memory: ",
    "no_nvlink": "links between GPUs: SYS instead of NVLink between every two",
    "narrow_pcie": "PCIe lanes: 1 instead of at least 8",
    "busy_gpus": "GPU memory that somebody else uses: 40000 MiB instead of at most 2048 MiB",
    "broken_driver": "GPUs: 0 instead of 4",
}
NOT_OF_THE_HARDWARE = {
    "slow_network": "weighed, and the emulated sample is over too soon to tell",
    "crawling_link": "weighed: tests/unit/lifecycle/test_acceptance.py, tests/e2e/test_liars.py",
    "never_deploys": "its deadline: tests/unit/market/test_acquire.py",
    "deploys_without_ssh": "its deadline: tests/unit/host/test_over_ssh.py",
    "deploys_slowly": "its deadline",
    "ssh_resets": "its deadline",
    "host_key_changes": "TrustError: tests/unit/host/test_over_ssh.py",
    "proxy_502": "the health check",
    "proxy_not_found": "the health check",
}


def a_row() -> dict[str, Any]:
    """An honest 4x H100 of the emulated market whose driver is new enough."""
    rows = [row for row, lie in hopper_rows(1, liars="none") if lie is None]
    return next(
        row
        for row in rows
        if row["specs"]["gpu"] == "4x NVIDIA H100 80GB HBM3" and row["cuda_version"] == "13.0"
    )


def attested(tmp_path: Path, row: dict[str, Any], truth: Truth) -> dict[str, Any]:
    scratch = Scratch(tmp_path / "host")
    machine = Machine.of({**row, "truth": truth.document()})
    scratch.prepare({}, hardware(machine, "seed"))
    done = subprocess.run(
        ["sh", "-c", SCRIPT],
        env={"HOME": str(scratch.home), "PATH": f"{scratch.programs}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return parse(done.stdout)


def found(tmp_path: Path, truth: Truth, row: dict[str, Any]) -> tuple[str, ...]:
    facts = attested(tmp_path, row, truth)
    return (
        *shortfalls(facts, host_requirement(a_spec())),
        *broken_promises(facts, row["specs"]),
    )


def test_every_lie_is_expected_somewhere() -> None:
    assert set(LIES) == set(TOLD) | set(NOT_OF_THE_HARDWARE)


def test_an_honest_host_is_taken(tmp_path: Path) -> None:
    row = a_row()
    truth = replace(honest_truth(row), cuda="13.0", driver="580.65.06")
    assert found(tmp_path, truth, row) == ()


@pytest.mark.slow
@pytest.mark.parametrize("lie", sorted(TOLD))
def test_a_lie_is_told_with_both_values(tmp_path: Path, lie: str) -> None:
    row = a_row()
    told = found(tmp_path, tell_lie(honest_truth(row), lie), row)
    assert any(one.startswith(TOLD[lie]) for one in told), told

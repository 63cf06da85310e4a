"""GPUs by the names that marketplaces really use: ours are found, and nobody else's is taken for them.

The names are those of 240 servers that were on the marketplace in May 2024.
"""

from __future__ import annotations

import json
from importlib.resources import files
from itertools import combinations

import pytest

from clore_inference import catalog
from clore_inference.catalog import Gpu
from clore_inference.market.gpu_name import counted, squashed

SNAPSHOT = files("clore_emulator.market") / "marketplace-2024-05.json"
REAL = tuple(
    row["specs"]["gpu"] for row in json.loads(SNAPSHOT.read_text(encoding="utf-8"))["servers"]
)
GPUS = catalog.catalog().gpu

every_gpu = pytest.mark.parametrize("gpu", GPUS, ids=lambda gpu: gpu.id)


def names(gpu: Gpu) -> set[str]:
    return {squashed(name) for name in (gpu.smi_name, *gpu.market_names)}


def test_there_are_240_real_names_and_every_one_is_read_as_count_and_kind() -> None:
    assert len(REAL) == 240
    assert all(counted(name) for name in REAL), "nobody else's spelling is unreadable"


def test_no_real_server_of_another_kind_is_taken_for_one_of_ours() -> None:
    ours = set().union(*(names(gpu) for gpu in GPUS))
    seen = {found[1] for name in REAL if (found := counted(name))}
    assert not ours & seen
    assert len(seen) > 30, "many kinds"


@pytest.mark.parametrize(("one", "other"), combinations(GPUS, 2), ids=lambda gpu: gpu.id)
def test_variants_of_other_memory_or_interconnect_are_told_apart(one: Gpu, other: Gpu) -> None:
    assert not names(one) & names(other), "an order would mix what a topology may not mix"


@every_gpu
def test_a_name_is_found_however_the_marketplace_writes_it(gpu: Gpu) -> None:
    bare = gpu.smi_name.removeprefix("NVIDIA ")
    spellings = (gpu.smi_name, bare, bare.replace(" ", ""), gpu.smi_name.replace(" ", "-"))
    for spelling in (*gpu.market_names, *spellings):
        assert counted(f"4x {spelling}") == (4, squashed(gpu.smi_name)), spelling


@every_gpu
def test_memory_bandwidth_and_interconnect_are_a_data_sheets(gpu: Gpu) -> None:
    assert gpu.advertised_gb <= gpu.memory_mib / 1024 < gpu.advertised_gb + 1.5, "GiB, rounded down"
    assert gpu.bandwidth_gb_s >= 2000, "HBM, in decimal GB/s"
    assert "GB/s" in gpu.interconnect
    linked = "NVLink" in gpu.interconnect
    assert linked is not gpu.id.endswith("PCIe"), "what carries tensor parallelism"

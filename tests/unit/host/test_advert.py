"""What a host is, held against what its row said."""

from __future__ import annotations

from typing import Any

import pytest

from clore_inference.host.advert import broken_promises, squashed

SPECS = {
    "gpu": "4x NVIDIA H100 80GB HBM3",
    "gpuram": 79,
    "ram": 755.4,
    "disk": "Micron_7450_MTFDKCC3T2TFS 1512.3000GB",
    "pcie_width": 16,
}


def facts(**changes: Any) -> dict[str, Any]:
    gpu = {"name": "NVIDIA H100 80GB HBM3", "memory_mib": 81559}
    return {
        "gpus": [gpu] * 4,
        "memory_gb": 811.1,
        "disk_free_gb": 1480.0,
        "pcie_width": 16,
        **changes,
    }


def test_a_machine_as_it_was_sold_breaks_no_promise() -> None:
    assert broken_promises(facts(), SPECS) == ()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"gpus": facts()["gpus"][:2]}, "GPUs: 2 instead of the advertised 4"),
        (
            {"gpus": [{"name": "NVIDIA A100-SXM4-80GB", "memory_mib": 81920}] * 4},
            "GPU name: NVIDIA A100-SXM4-80GB instead of the advertised NVIDIA H100 80GB HBM3",
        ),
        (
            {"gpus": [{"name": "NVIDIA H100 80GB HBM3", "memory_mib": 40960}] * 4},
            "GPU memory: 40.0 GiB instead of the advertised 79.0 GiB",
        ),
        ({"memory_gb": 161.0}, "main memory: 149.9 GiB instead of the advertised 755.4 GiB"),
        ({"disk_free_gb": 300.0}, "free disk: 300.0 GB instead of the advertised 1512.3 GB"),
        ({"pcie_width": 1}, "PCIe lanes: 1 instead of the advertised 16"),
    ],
)
def test_a_lie_is_told_with_both_values(changes: dict[str, Any], told: str) -> None:
    assert broken_promises(facts(**changes), SPECS) == (told,)


@pytest.mark.parametrize(
    "changes",
    [
        {"disk_free_gb": 900.0},
        {"memory_gb": 740.0},
        {"pcie_width": None},
        {"memory_gb": None},
        {"gpus": []},
    ],
    ids=["other images", "rounding", "no lanes told", "no memory told", "no driver"],
)
def test_what_rounding_images_and_silence_explain_is_no_lie(changes: dict[str, Any]) -> None:
    assert broken_promises(facts(**changes), SPECS) == ()


def test_a_row_that_says_nothing_promises_nothing() -> None:
    assert broken_promises(facts(), {}) == ()
    assert broken_promises(facts(), {"gpu": "mixed", "disk": "?", "ram": None, "gpuram": "x"}) == ()


def test_a_small_disk_that_the_image_fills_is_no_lie() -> None:
    assert broken_promises(facts(disk_free_gb=2.0), {"disk": "SSD 31.0GB"}) == ()


@pytest.mark.parametrize(
    ("seen", "sold"),
    [
        ("NVIDIA A100-SXM4-80GB", "NVIDIA A100SXM480GB"),
        ("NVIDIA H200", "H200"),
        ("Tesla V100-SXM2-32GB", "Tesla V100SXM232GB"),
    ],
)
def test_names_are_compared_as_rows_write_them(seen: str, sold: str) -> None:
    assert squashed(seen) == squashed(sold)

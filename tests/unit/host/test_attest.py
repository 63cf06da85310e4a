from __future__ import annotations

import subprocess

import pytest

from clore_inference.host.attest import (
    ASKS,
    SCRIPT,
    SECTION,
    HostRequirement,
    complete,
    links,
    parse,
    shortfalls,
    version_key,
)

HONEST = """
=====clore:gpus
0, NVIDIA H100 80GB HBM3, 81559, 580.65.06
1, NVIDIA H100 80GB HBM3, 81559, 580.65.06

=====clore:cuda
Fri Nov 20 10:00:00 2026
+-----------------------------------------------------------------------------------------+
| NVIDIA-SMI 580.65.06              Driver Version: 580.65.06      CUDA Version: 13.0     |
|-----------------------------------------+------------------------+----------------------+

=====clore:disk
Filesystem     1024-blocks      Used Available Capacity Mounted on
overlay         1921802500 412345678 1400000000      23% /

=====clore:shm
Filesystem     1024-blocks  Used Available Capacity Mounted on
shm               67108864     0  67108864       0% /dev/shm

=====clore:memory
               total        used        free      shared  buff/cache   available
Mem:    811748818944 42949672960 700000000000   1048576 68000000000 760000000000
Swap:              0           0           0

=====clore:python
Python 3.12.3

=====clore:hub
0.34.4

=====clore:end
"""

REQUIRED = HostRequirement(
    gpu_names=("NVIDIA H100 80GB HBM3",),
    gpu_count=2,
    min_gpu_memory_mib=81000,
    min_driver="580.65",
    min_disk_free_gb=200,
    min_shm_gb=16,
    min_memory_gb=64,
    min_cuda="13.0",
)


def test_a_real_answer_becomes_facts() -> None:
    facts = parse(HONEST)
    assert facts["gpus"] == [{"name": "NVIDIA H100 80GB HBM3", "memory_mib": 81559}] * 2
    assert facts["driver"] == "580.65.06"
    assert facts["cuda"] == "13.0"
    assert facts["disk_free_gb"] == 1433.6, "the available column, 1024-byte blocks, in GB"
    assert facts["shm_gb"] == 68.719
    assert facts["memory_gb"] == 811.749
    assert facts["python"] == "3.12.3"
    assert facts["huggingface_hub"] == "0.34.4"
    assert complete(HONEST)


def test_the_host_that_was_paid_for_has_no_shortfall() -> None:
    assert shortfalls(parse(HONEST), REQUIRED) == ()


def test_memory_is_read_from_meminfo_where_there_is_no_free() -> None:
    text = "\n=====clore:memory\nMemTotal:       792723456 kB\nMemFree: 1 kB\n\n=====clore:end\n"
    assert parse(text)["memory_gb"] == 811.749


def test_every_lie_is_told_at_once_with_both_values() -> None:
    lying = (
        HONEST.replace("H100 80GB HBM3, 81559", "A100-SXM4-80GB, 40960")
        .replace("1, NVIDIA", "x, NVIDIA")
        .replace("580.65.06", "550.54.15")
        .replace("CUDA Version: 13.0", "CUDA Version: 12.4")
        .replace("1400000000", "100000000")
        .replace("67108864", "65536")
        .replace("Python 3.12.3", "sh: 1: python3: not found")
    )
    told = "; ".join(shortfalls(parse(lying), REQUIRED))
    for both in (
        "GPUs: 1 instead of 2",
        "GPU name: NVIDIA A100-SXM4-80GB instead of NVIDIA H100 80GB HBM3",
        "GPU memory: 40960 MiB instead of 81000 MiB",
        "driver: 550.54.15 instead of at least 580.65",
        "CUDA: 12.4 instead of at least 13.0",
        "free disk: 102.4 GB instead of at least 200 GB",
        "shared memory: 0.1 GB instead of at least 16 GB",
        "python3: none instead of at least 3.9",
    ):
        assert both in told


def test_a_host_without_a_driver_is_told_as_one() -> None:
    text = HONEST.replace(
        "0, NVIDIA H100 80GB HBM3, 81559, 580.65.06\n1, NVIDIA H100 80GB HBM3, 81559, 580.65.06",
        "sh: 1: nvidia-smi: not found",
    )
    told = shortfalls(parse(text), REQUIRED)
    assert "GPUs: 0 instead of 2" in told
    assert "driver: unknown instead of at least 580.65" in told


def test_control_characters_of_a_stranger_do_not_reach_a_message() -> None:
    text = HONEST.replace("NVIDIA H100 80GB HBM3", "H100\x1b[2J\u202e")
    assert parse(text)["gpus"][0]["name"] == "H100[2J"


@pytest.mark.parametrize(
    ("lower", "higher"), [("550.54", "580.65.06"), ("9.9", "12.4"), ("580", "580.65")]
)
def test_versions_compare_as_numbers(lower: str, higher: str) -> None:
    assert version_key(lower) < version_key(higher)


def test_the_script_answers_everything_on_a_machine_without_a_gpu() -> None:
    done = subprocess.run(["sh", "-c", SCRIPT], capture_output=True, text=True)
    assert complete(done.stdout)
    facts = parse(done.stdout)
    assert facts["disk_free_gb"] > 0
    assert facts["memory_gb"] > 0
    assert facts["python"]


def test_a_cut_answer_is_known_as_cut() -> None:
    assert not complete(HONEST[:400])


TOPOLOGY = """\
\t\x1b[4mGPU0\tGPU1\tNIC0\tCPU Affinity\tNUMA Affinity\tGPU NUMA ID\x1b[0m
GPU0\t X \tNV18\tPIX\t0-47\t0\tN/A
GPU1\tNV18\t X \tSYS\t0-47\t0\tN/A
NIC0\tPIX\tSYS\t X

Legend:

  X    = Self
  SYS  = Connection traversing PCIe as well as the SMP interconnect between NUMA nodes
"""


def test_links_between_gpus_are_read_without_those_to_other_cards() -> None:
    assert links(TOPOLOGY) == ["NV18"]
    assert links(TOPOLOGY.replace("NV18", "PHB")) == ["PHB"]
    assert links("GPU0\t X \t0-47\t0\tN/A\n") == [], "one GPU needs no link"
    assert links("Unable to initialize topology: Not Supported") is None


def beside(**sections: str) -> dict[str, object]:
    """The facts of an honest host with some answers changed."""
    texts = {"lanes": "0, 4, 16\n1, 512, 8\n", "links": TOPOLOGY, **sections}
    added = "".join(f"\n{SECTION}{name}\n{text}" for name, text in texts.items())
    return parse(added + HONEST)


def test_lanes_and_use_are_the_worst_of_all_gpus() -> None:
    facts = beside()
    assert (facts["pcie_width"], facts["gpu_used_mib"], facts["links"]) == (8, 512, ["NV18"])


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"links": TOPOLOGY.replace("NV18", "SYS")}, "links between GPUs: SYS instead of NVLink"),
        ({"lanes": "0, 4, 16\n1, 4, 1\n"}, "PCIe lanes: 1 instead of at least 8"),
        ({"lanes": "0, 4, 16\n1, 40000, 16\n"}, "somebody else uses: 40000 MiB instead of at most"),
    ],
)
def test_a_lie_about_what_is_between_is_told_with_both_values(
    sections: dict[str, str], told: str
) -> None:
    asked = REQUIRED.model_copy(
        update={"needs_nvlink": True, "min_pcie_width": 8, "max_gpu_used_mib": 2048}
    )
    assert shortfalls(beside(), asked) == ()
    found = shortfalls(beside(**sections), asked)
    assert len(found) == 1
    assert told in found[0]


def test_what_a_driver_does_not_say_is_not_held_against_its_host() -> None:
    silent = {"lanes": 'Field "pcie.link.width.max" is not a valid field', "links": "Not Supported"}
    asked = REQUIRED.model_copy(
        update={"needs_nvlink": True, "min_pcie_width": 8, "max_gpu_used_mib": 2048}
    )
    assert shortfalls(beside(**silent), asked) == ()


def test_an_old_lease_is_not_judged_by_what_it_was_never_asked() -> None:
    """Facts and requirement as version 0.1.0 recorded them (tests/upgrade/0.1.0/state.json)."""
    facts = {
        "gpus": [{"name": "NVIDIA H100 80GB HBM3", "memory_mib": 81559}] * 4,
        "driver": "580.65.06",
        "cuda": None,
        "disk_free_gb": 300.0,
        "shm_gb": 0.064,
        "memory_gb": 200.0,
        "python": "3.11.7",
    }
    had = HostRequirement.model_validate_json(
        '{"gpu_names":["NVIDIA H100 80GB HBM3"],"gpu_count":4,"min_gpu_memory_mib":80743,'
        '"min_driver":"580","min_disk_free_gb":154.0,"min_shm_gb":0.0,"min_memory_gb":0.0,'
        '"min_cuda":""}'
    )
    want = had.model_copy(
        update={"asks": ASKS, "min_memory_gb": 243.2, "min_shm_gb": 1.0, "min_cuda": "13.0"}
    )
    assert shortfalls(facts, want), "a new purchase is asked everything"
    assert shortfalls(facts, want.as_asked_by(had)) == ()
    more = want.model_copy(update={"min_disk_free_gb": 500.0})
    assert len(shortfalls(facts, more.as_asked_by(had))) == 1, "what it was asked still counts"
    assert want.as_asked_by(want) == want

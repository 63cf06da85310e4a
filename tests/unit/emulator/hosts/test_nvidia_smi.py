from __future__ import annotations

from typing import Any

import pytest

from clore_emulator.hosts.machine import Machine, hardware
from clore_emulator.hosts.nvidia_smi import Complaint, answer
from support.rented import a_server


def a_machine(**facts: Any) -> dict[str, Any]:
    return hardware(Machine.of(a_server(**facts)), "seed")


def refusal(*arguments: str, **facts: Any) -> Complaint:
    with pytest.raises(Complaint) as caught:
        answer(arguments, a_machine(**facts))
    return caught.value


def test_names_and_totals_are_those_of_the_real_card() -> None:
    query = "--query-gpu=name,memory.total,driver_version"
    text = answer([query, "--format=csv,noheader"], a_machine())
    assert text.splitlines() == ["NVIDIA H100 80GB HBM3, 81559 MiB, 580.65.06"] * 4


def test_the_header_names_units_and_nounits_drops_them_from_values_only() -> None:
    text = answer(["--query-gpu=index,memory.total", "--format=csv,nounits"], a_machine())
    assert text.splitlines()[:2] == ["index, memory.total [MiB]", "0, 81559"]


def test_memory_adds_up() -> None:
    query = "--query-gpu=memory.total,memory.reserved,memory.used,memory.free"
    line = answer([query, "--format=csv,noheader,nounits"], a_machine()).splitlines()[0]
    total, *parts = (int(part) for part in line.split(", "))
    assert total == sum(parts)


@pytest.mark.parametrize(
    "field",
    [
        "index", "name", "uuid", "memory.used", "memory.free", "compute_cap", "power.limit",
        "pcie.link.width.current", "pcie.link.width.max", "pcie.link.gen.current",
        "temperature.gpu", "utilization.gpu", "gpu_name", "count",
    ],
)  # fmt: skip
def test_a_field_anyone_would_ask_for_has_a_value(field: str) -> None:
    text = answer([f"--query-gpu={field}", "--format=csv,noheader"], a_machine())
    assert len(text.splitlines()) == 4, "one line for each GPU"
    assert all(text.splitlines())


def test_an_unknown_field_is_refused_in_the_real_words() -> None:
    complaint = refusal("--query-gpu=name,memory.totl", "--format=csv")
    assert complaint.text == 'Field "memory.totl" is not a valid field to query.\n\n'
    assert complaint.status == 2


def test_a_query_needs_a_format() -> None:
    assert refusal("--query-gpu=name").status == 2


def test_an_unknown_option_is_refused() -> None:
    assert "--frobnicate" in refusal("--frobnicate").text


def test_one_gpu_can_be_asked_alone() -> None:
    arguments = ["-i", "2", "--query-gpu=index", "--format=csv,noheader"]
    assert answer(arguments, a_machine()) == "2\n"
    assert answer(["--id=3", *arguments[2:]], a_machine()) == "3\n"


def test_a_gpu_that_is_not_there_is_no_device() -> None:
    assert refusal("-i", "9", "-L").text == "No devices were found\n"


def test_the_list_gives_each_gpu_its_own_uuid() -> None:
    lines = answer(["-L"], a_machine()).splitlines()
    assert lines[0].startswith("GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-")
    assert len({line.rpartition("UUID")[2] for line in lines}) == 4


def test_the_table_is_89_columns_wide_and_says_the_cuda_version() -> None:
    text = answer([], a_machine())
    assert "CUDA Version: 13.0 " in text
    assert "Driver Version: 580.65.06" in text
    assert {len(line) for line in text.splitlines() if line} == {91}


def test_sxm_cards_are_joined_by_nvlink_and_pcie_cards_are_not() -> None:
    assert answer(["topo", "-m"], a_machine()).count("NV18") == 12
    assert "NV18" not in answer(["topo", "-m"], a_machine(gpu="NVIDIA H100 PCIe"))


def test_a_broken_driver_is_said_in_the_real_words() -> None:
    complaint = refusal(gpu_driver_broken=True)
    assert "couldn't communicate with the NVIDIA driver" in complaint.text
    assert complaint.status == 9


def test_no_process_uses_a_gpu_of_an_idle_host() -> None:
    text = answer(["--query-compute-apps=pid,used_memory", "--format=csv"], a_machine())
    assert text == "pid, used_memory [MiB]\n"

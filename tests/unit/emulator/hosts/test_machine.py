from __future__ import annotations

import pytest

from clore_emulator.hosts.machine import Machine, hardware, meminfo
from support.rented import a_server


def test_a_machine_is_its_truth_and_not_its_row() -> None:
    machine = Machine.of(a_server(gpu_count=2, driver="470.256.02"))
    shown = hardware(machine, "seed")
    assert len(shown["gpus"]) == 2
    assert shown["driver"] == "470.256.02"


def test_a_lie_overrides_single_facts() -> None:
    machine = Machine.of(a_server(), {"gpu_count": 1, "ssh_resets_s": 30.0})
    assert (machine.gpu_count, machine.ssh_resets_s, machine.disk_free_gb) == (1, 30.0, 1200.0)


def test_a_fact_that_no_machine_has_is_named() -> None:
    with pytest.raises(ValueError, match="gpu_cuont"):
        Machine.of(a_server(), {"gpu_cuont": 1})


def test_the_same_server_shows_the_same_gpus_every_time() -> None:
    machine = Machine.of(a_server())
    assert hardware(machine, "7:98001") == hardware(machine, "7:98001")
    assert hardware(machine, "7:98001")["gpus"] != hardware(machine, "7:98002")["gpus"]


def test_short_marketplace_names_become_the_drivers() -> None:
    machine = Machine.of(a_server(gpu="GeForce RTX 4090"))
    assert hardware(machine, "seed")["gpus"][0]["name"] == "NVIDIA GeForce RTX 4090"


def test_power_limits_come_from_the_row() -> None:
    server = a_server()
    server["specs"]["pl"] = [500.0, 510.0]
    limits = [gpu["power_limit_w"] for gpu in hardware(Machine.of(server), "seed")["gpus"]]
    assert limits == [500.0, 510.0, 700, 700]


def test_only_a_slow_link_is_kept_slow() -> None:
    assert Machine.of(a_server(down_mbps=20.0)).link_bytes_per_s(2.0) == 5e6
    assert Machine.of(a_server()).link_bytes_per_s(60.0) is None


def test_meminfo_keeps_its_form_and_promises_the_memory() -> None:
    real = "MemTotal:       24684084 kB\nMemFree:        19291296 kB\nBuffers:  12 kB\n"
    lines = meminfo(real, 512 * 2**30).splitlines()
    assert lines[0] == f"MemTotal:       {512 * 2**20} kB"
    assert lines[2] == "Buffers:  12 kB"

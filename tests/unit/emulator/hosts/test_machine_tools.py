from __future__ import annotations

from collections.abc import Sequence

import pytest

from clore_emulator.hosts.machine import Machine, hardware
from clore_emulator.hosts.machine_tools import Filesystem, Usage, df, filesystems, free, nproc
from support.rented import a_server

HARDWARE = hardware(Machine.of(a_server(disk_free_gb=500.0)), "seed")


def mounts(home_bytes: int = 0) -> Sequence[Filesystem]:
    return filesystems(HARDWARE, home_bytes=home_bytes, shm_bytes=0)


def test_the_portable_form_has_one_line_for_each_path() -> None:
    lines = df(["-Pk", "/", "/"], mounts()).splitlines()
    assert lines[0].split() == [
        "Filesystem", "1024-blocks", "Used", "Available", "Capacity", "Mounted", "on"
    ]  # fmt: skip
    assert len(lines) == 3
    source, _, _, available, _, target = lines[1].split()
    assert (source, target) == ("overlay", "/")
    assert int(available) * 1024 == pytest.approx(500e9, abs=1024)


def test_what_is_really_used_is_taken_off() -> None:
    before, after = (
        int(df(["-B1", "--output=avail", "/"], mounts(used)).splitlines()[1]) for used in (0, 10**9)
    )
    assert before - after == 10**9


def test_a_full_disk_has_nothing_available() -> None:
    assert df(["-B1", "--output=avail", "/"], mounts(10**13)).split()[-1] == "0"


def test_columns_are_printed_in_the_order_asked() -> None:
    lines = df(["-B1", "--output=target,size", "/"], mounts()).splitlines()
    assert lines[0].split() == ["Mounted", "on", "1B-blocks"]
    assert lines[1].split() == ["/", str(524 * 10**9)]


@pytest.mark.parametrize(
    ("arguments", "heading"),
    [(["-k"], "1K-blocks"), (["-BG"], "1G-blocks"), (["-h"], "Size"), ([], "1K-blocks")],
)
def test_the_heading_names_the_unit(arguments: list[str], heading: str) -> None:
    assert df(arguments, mounts()).split()[1] == heading


def test_human_sizes_round_up() -> None:
    assert df(["-h", "/"], mounts()).splitlines()[1].split()[1:4] == ["489G", "23G", "466G"]


def test_shared_memory_is_a_filesystem_of_its_own() -> None:
    whole = df(["-B1", "--output=source,size"], mounts()).splitlines()
    assert whole[2].split() == ["shm", str(300 * 2**30)]


@pytest.mark.parametrize(
    "arguments", [["--frobnicate"], ["-q"], ["--output=inodes"], ["-B", "7x"], ["/no/such/path"]]
)
def test_what_is_not_simulated_is_refused_and_not_guessed(arguments: list[str]) -> None:
    with pytest.raises(Usage, match="df: "):
        df(arguments, mounts())


def test_free_adds_up_in_bytes() -> None:
    memory = [int(size) for size in free(["-b"], HARDWARE).splitlines()[1].split()[1:]]
    total, used, unused, _, cached, _ = memory
    assert total == 755 * 2**30 == used + unused + cached


def test_free_refuses_what_it_does_not_know() -> None:
    with pytest.raises(Usage, match="--seconds"):
        free(["--seconds"], HARDWARE)


def test_nproc_counts_the_advertised_threads() -> None:
    assert nproc([], HARDWARE) == "128\n"
    assert nproc(["--ignore=8"], HARDWARE) == "120\n"

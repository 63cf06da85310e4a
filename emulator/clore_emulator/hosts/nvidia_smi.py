"""The `nvidia-smi` of an emulated host: standard library only, run as a program by itself.

Usage: python nvidia_smi.py HARDWARE.json [arguments of nvidia-smi ...]
The texts and exit statuses are those of the real program (driver 580).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

Gpu = dict[str, Any]
Hardware = dict[str, Any]

RESERVED_MIB: Final = 512
"""What the driver keeps on every data centre card; free = total - reserved - used."""

_BAD_ARGUMENT: Final = 2
_NO_DEVICE: Final = 6
_NO_DRIVER: Final = 9
_IDLE_W: Final = 71.0


def _used_mib(gpu: Gpu) -> int:
    return int(gpu.get("memory_used_mib", 0))


def _free_mib(gpu: Gpu) -> int:
    return max(0, int(gpu["memory_mib"]) - RESERVED_MIB - _used_mib(gpu))


_OWN_NAMES: Final[dict[str, tuple[str, Callable[[Gpu, Hardware], object]]]] = {
    "index": ("", lambda gpu, _: gpu["index"]),
    "name": ("", lambda gpu, _: gpu["name"]),
    "uuid": ("", lambda gpu, _: gpu["uuid"]),
    "count": ("", lambda _, hardware: len(hardware["gpus"])),
    "driver_version": ("", lambda _, hardware: hardware["driver"]),
    "pci.bus_id": ("", lambda gpu, _: gpu["bus_id"]),
    "memory.total": ("MiB", lambda gpu, _: gpu["memory_mib"]),
    "memory.reserved": ("MiB", lambda *_: RESERVED_MIB),
    "memory.used": ("MiB", lambda gpu, _: _used_mib(gpu)),
    "memory.free": ("MiB", lambda gpu, _: _free_mib(gpu)),
    "compute_cap": ("", lambda gpu, _: gpu["compute_cap"]),
    "compute_mode": ("", lambda *_: "Default"),
    "persistence_mode": ("", lambda *_: "Enabled"),
    "pstate": ("", lambda *_: "P0"),
    "ecc.mode.current": ("", lambda *_: "Enabled"),
    "mig.mode.current": ("", lambda *_: "Disabled"),
    "fan.speed": ("%", lambda *_: "[N/A]"),
    "pcie.link.width.current": ("", lambda gpu, _: gpu["pcie_width"]),
    "pcie.link.width.max": ("", lambda gpu, _: gpu["pcie_width"]),
    "pcie.link.gen.current": ("", lambda gpu, _: gpu["pcie_gen"]),
    "pcie.link.gen.max": ("", lambda gpu, _: gpu["pcie_gen"]),
    "power.draw": ("W", lambda *_: f"{_IDLE_W:.2f}"),
    "power.limit": ("W", lambda gpu, _: f"{gpu['power_limit_w']:.2f}"),
    "power.max_limit": ("W", lambda gpu, _: f"{gpu['power_limit_w']:.2f}"),
    "temperature.gpu": ("", lambda gpu, _: gpu["temperature_c"]),
    "utilization.gpu": ("%", lambda *_: 0),
    "utilization.memory": ("%", lambda *_: 0),
    "timestamp": ("", lambda *_: f"{datetime.now():%Y/%m/%d %H:%M:%S}.000"),  # noqa: DTZ005 - local, as the real one prints it
}
_FIELDS: Final = {
    **_OWN_NAMES,
    "gpu_name": _OWN_NAMES["name"],
    "gpu_uuid": _OWN_NAMES["uuid"],
    "gpu_bus_id": _OWN_NAMES["pci.bus_id"],
    "enforced.power.limit": _OWN_NAMES["power.limit"],
    "pcie.link.gen.gpumax": _OWN_NAMES["pcie.link.gen.max"],
}
_APP_FIELDS: Final = (
    "pid",
    "process_name",
    "used_memory",
    "used_gpu_memory",
    "gpu_uuid",
    "gpu_name",
)


class Complaint(Exception):
    """What is said in place of an answer, and the exit status."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.text = text
        self.status = status


def answer(arguments: Sequence[str], hardware: Hardware) -> str:
    """What nvidia-smi prints on its standard output. Raises Complaint where it refuses."""
    if hardware["driver_broken"]:
        text = (
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make "
            "sure that the latest NVIDIA driver is installed and running.\n"
        )
        raise Complaint(text, _NO_DRIVER)
    if list(arguments[:1]) == ["topo"]:
        return topology(hardware)
    if "--version" in arguments:
        return _version(hardware)
    options = _options(arguments)
    gpus = _selected(hardware, options.get("--id", options.get("-i")))
    if not gpus:
        raise Complaint("No devices were found\n", _NO_DEVICE)
    for query, known in (("--query-gpu", tuple(_FIELDS)), ("--query-compute-apps", _APP_FIELDS)):
        if query in options:
            rows = gpus if query == "--query-gpu" else []
            return _csv(options[query], options.get("--format"), known, rows, hardware)
    if "-L" in options or "--list-gpus" in options:
        return "".join(f"GPU {g['index']}: {g['name']} (UUID: {g['uuid']})\n" for g in gpus)
    return table(gpus, hardware)


def topology(hardware: Hardware) -> str:
    """`nvidia-smi topo -m`."""
    names = [f"GPU{gpu['index']}" for gpu in hardware["gpus"]]
    link = f"NV{hardware['nvlinks']}" if hardware["nvlinks"] else "SYS"
    head = "\t".join(["", *names, "CPU Affinity", "NUMA Affinity", "GPU NUMA ID"])
    affinity = f"0-{hardware['cpus'] - 1}\t0\tN/A"
    lines = [
        "\t".join([name, *(" X " if other == name else link for other in names), affinity])
        for name in names
    ]
    legend = (
        "\nLegend:\n\n  X    = Self\n"
        "  SYS  = Connection traversing PCIe as well as the SMP interconnect between NUMA nodes"
        " (e.g., QPI/UPI)\n"
        "  NV#  = Connection traversing a bonded set of # NVLinks\n"
    )
    return "\n".join([head, *lines, legend])


def table(gpus: Sequence[Gpu], hardware: Hardware) -> str:
    """The table of `nvidia-smi` without arguments."""
    line = "+" + "-" * 89 + "+\n"
    driver, cuda = hardware["driver"], hardware["cuda"]
    head = (
        f"{line}| {f'NVIDIA-SMI {driver}':<27}{f'Driver Version: {driver}':<31}"
        f"{f'CUDA Version: {cuda}':<30}|\n"
        "|-----------------------------------------+------------------------+----------------------+\n"
        "| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC |\n"
        "| Fan  Temp   Perf          Pwr:Usage/Cap |           Memory-Usage | GPU-Util  Compute M. |\n"
        "|                                         |                        |               MIG M. |\n"
        "|=========================================+========================+======================|\n"
    )
    rows = "".join(_table_row(gpu) for gpu in gpus)
    processes = (
        f"\n{line}| {'Processes:':<88}|\n"
        "|  GPU   GI   CI              PID   Type   Process name                        GPU Memory |\n"
        "|        ID   ID                                                               Usage      |\n"
        "|=========================================================================================|\n"
        f"| {' No running processes found':<88}|\n{line}"
    )
    return head + rows + processes


def _table_row(gpu: Gpu) -> str:
    memory = f"{_used_mib(gpu)}MiB / {gpu['memory_mib']:>6}MiB"
    power = f"{_IDLE_W:.0f}W / {gpu['power_limit_w']:>4.0f}W"
    lines = (
        (f"{gpu['index']:>4}  {gpu['name'][:25]:<27}{'On':>6}  ", f"{gpu['bus_id']} Off ", "0 "),
        (f" N/A {gpu['temperature_c']:>4}C    P0  {power:>22} ", f"{memory} ", "0%      Default "),
        ("", "", "Disabled "),
    )
    rows = "".join(f"|{first:<41}|{second:>24}|{third:>22}|\n" for first, second, third in lines)
    return f"{rows}+{'-' * 41}+{'-' * 24}+{'-' * 22}+\n"


def _version(hardware: Hardware) -> str:
    driver = hardware["driver"]
    return (
        f"NVIDIA-SMI version  : {driver}\nNVML version        : {driver.rpartition('.')[0]}\n"
        f"DRIVER version      : {driver}\nCUDA Version        : {hardware['cuda']}\n"
    )


def _options(arguments: Sequence[str]) -> dict[str, str | None]:
    known = {"--query-gpu", "--format", "--id", "-i", "-L", "--list-gpus", "--query-compute-apps"}
    options: dict[str, str | None] = {}
    waiting = list(arguments)
    while waiting:
        name, equals, value = waiting.pop(0).partition("=")
        if name not in known:
            text = (
                "Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.\n"
                if name in {"-q", "-x", "-d", "dmon", "pmon"}
                else f"ERROR: Option {name} is not recognized. Please run 'nvidia-smi -h'.\n"
            )
            raise Complaint(text, _BAD_ARGUMENT)
        if name == "-i" and waiting:
            value, equals = waiting.pop(0), "="
        options[name] = value if equals else None
    return options


def _selected(hardware: Hardware, wanted: str | None) -> list[Gpu]:
    gpus: list[Gpu] = hardware["gpus"]
    if wanted is None:
        return gpus
    names = wanted.split(",")
    return [gpu for gpu in gpus if str(gpu["index"]) in names or gpu["uuid"] in names]


def _csv(
    query: str | None,
    style: str | None,
    known: Sequence[str],
    gpus: Sequence[Gpu],
    hardware: Hardware,
) -> str:
    styles = (style or "").split(",")
    if "csv" not in styles:
        raise Complaint('"--format=" argument must contain "csv".\n', _BAD_ARGUMENT)
    wanted = [field.strip() for field in (query or "").split(",")]
    for field in wanted:
        if field not in known:
            text = f'Field "{field}" is not a valid field to query.\n\n'
            raise Complaint(text, _BAD_ARGUMENT)
    lines = []
    if "noheader" not in styles:
        lines.append(", ".join(_title(field) for field in wanted))
    with_units = "nounits" not in styles
    lines += [
        ", ".join(_value(field, gpu, hardware, with_units=with_units) for field in wanted)
        for gpu in gpus
    ]
    return "".join(f"{line}\n" for line in lines)


def _title(field: str) -> str:
    unit = _FIELDS[field][0] if field in _FIELDS else "MiB" if "memory" in field else ""
    return f"{field} [{unit}]" if unit else field


def _value(field: str, gpu: Gpu, hardware: Hardware, *, with_units: bool) -> str:
    unit, read = _FIELDS[field]
    value = str(read(gpu, hardware))
    return f"{value} {unit}" if unit and with_units and value != "[N/A]" else value


def main() -> int:
    """Answer the command line with the hardware file named first."""
    hardware = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    try:
        sys.stdout.write(answer(sys.argv[2:], hardware))
    except Complaint as complaint:
        sys.stdout.write(complaint.text)
        return complaint.status
    return 0


if __name__ == "__main__":
    sys.exit(main())

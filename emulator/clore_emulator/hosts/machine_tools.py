"""`df`, `free` and `nproc` of an emulated host: standard library only, run as a program.

Usage: python machine_tools.py TOOL HARDWARE.json HOME [arguments of the tool ...]
The layouts are those of GNU coreutils 9 and procps 4.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

Hardware = dict[str, Any]

IMAGE_BYTES: Final = 24 * 10**9
"""What image and host use of the disk besides its free space: about one unpacked engine image."""

_SUFFIX_BYTES: Final = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}
_COLUMNS: Final = {
    "source": "Filesystem",
    "fstype": "Type",
    "size": "1B-blocks",
    "used": "Used",
    "avail": "Avail",
    "pcent": "Use%",
    "target": "Mounted on",
}


@dataclass(frozen=True)
class Filesystem:
    """One line of df, in bytes."""

    source: str
    fstype: str
    target: str
    size: int
    used: int

    @property
    def avail(self) -> int:
        return max(0, self.size - self.used)


@dataclass
class _Request:
    block: int | None = 2**10
    """Bytes of one unit; None prints human-readable sizes."""
    block_name: str = "1K-blocks"
    portable: bool = False
    typed: bool = False
    output: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


class Usage(Exception):
    """A command line the tool refuses."""


def filesystems(hardware: Hardware, *, home_bytes: int, shm_bytes: int) -> list[Filesystem]:
    """The disk and the shared memory of a host with what is really used of them."""
    size = int(hardware["disk_free"]) + IMAGE_BYTES
    return [
        Filesystem("overlay", "overlay", "/", size, IMAGE_BYTES + home_bytes),
        Filesystem("shm", "tmpfs", "/dev/shm", int(hardware["shm"]), shm_bytes),  # noqa: S108
    ]


def df(arguments: Sequence[str], mounts: Sequence[Filesystem]) -> str:
    """What df prints. Raises Usage for options that are not simulated."""
    request = _df_request(arguments)
    chosen = [_mount_of(path, mounts) for path in request.paths] or list(mounts)
    if request.output:
        return _aligned([_output_head(request), *(_output_row(m, request) for m in chosen)])
    capacity = "Capacity" if request.portable else "Use%"
    avail = "Avail" if request.block is None else "Available"
    head = ["Filesystem", *(["Type"] if request.typed else []), request.block_name]
    rows = [[*head, "Used", avail, capacity, "Mounted on"]]
    for mount in chosen:
        kind = [mount.fstype] if request.typed else []
        sizes = [_sized(size, request) for size in (mount.size, mount.used, mount.avail)]
        rows.append([mount.source, *kind, *sizes, _percent(mount), mount.target])
    return _aligned(rows)


def free(arguments: Sequence[str], hardware: Hardware) -> str:
    """What free prints (7 % of the memory is in use, 3 % caches)."""
    unit = _free_unit(arguments)
    total = int(hardware["memory"])
    used, cached = total * 4 // 100, total * 3 // 100
    rows: list[tuple[str, list[int]]] = [
        ("Mem:", [total, used, total - used - cached, 0, cached, total - used]),
        ("Swap:", [0, 0, 0]),
    ]
    names = ("total", "used", "free", "shared", "buff/cache", "available")
    lines = [" " * 6 + "".join(f"{name:>14}" for name in names)]
    for name, sizes in rows:
        shown = (_human(size) if unit is None else str(size // unit) for size in sizes)
        lines.append(f"{name:<6}" + "".join(f"{size:>14}" for size in shown))
    return "".join(f"{line}\n" for line in lines)


def nproc(arguments: Sequence[str], hardware: Hardware) -> str:
    """What nproc prints."""
    ignored = 0
    for argument in arguments:
        if argument.startswith("--ignore="):
            ignored = int(argument.partition("=")[2])
    return f"{max(1, int(hardware['cpus']) - ignored)}\n"


def _df_request(arguments: Sequence[str]) -> _Request:
    request = _Request()
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        if argument == "--":
            request.paths += tuple(waiting)
            break
        if argument.startswith("--"):
            _long_option(request, argument)
        elif argument.startswith("-") and argument != "-":
            _short_options(request, argument[1:], waiting)
        else:
            request.paths += (argument,)
    if request.portable and request.block_name == "1K-blocks":
        request.block_name = "1024-blocks"
    return request


def _long_option(request: _Request, argument: str) -> None:
    name, _, value = argument.partition("=")
    if name == "--output":
        request.output = tuple(value.split(",")) if value else tuple(_COLUMNS)
        for column in request.output:
            if column not in _COLUMNS:
                msg = f"df: option --output: field '{column}' unknown"
                raise Usage(msg)
    elif name == "--block-size":
        _set_block(request, value)
    elif name == "--portability":
        request.portable = True
    elif name == "--human-readable":
        request.block, request.block_name = None, "Size"
    else:
        msg = f"df: unrecognized option '{argument}'"
        raise Usage(msg)


def _short_options(request: _Request, letters: str, waiting: list[str]) -> None:
    for position, letter in enumerate(letters):
        if letter == "B":
            _set_block(request, letters[position + 1 :] or waiting.pop(0))
            return
        if letter == "P":
            request.portable = True
        elif letter == "T":
            request.typed = True
        elif letter == "h":
            request.block, request.block_name = None, "Size"
        elif letter in "km":
            _set_block(request, f"1{letter.upper()}")
        elif letter not in "al":
            msg = f"df: invalid option -- '{letter}'"
            raise Usage(msg)


def _set_block(request: _Request, text: str) -> None:
    digits = text.rstrip("KMGTPkmgtp")
    suffix = text[len(digits) :].upper()
    if suffix not in _SUFFIX_BYTES or not (digits or "1").isdigit():
        msg = f"df: invalid -B argument '{text}'"
        raise Usage(msg)
    request.block = int(digits or "1") * _SUFFIX_BYTES[suffix]
    named = text.upper() if suffix else f"{digits}B"
    request.block_name = f"{named}-blocks" if digits else f"1{named}-blocks"


def _mount_of(path: str, mounts: Sequence[Filesystem]) -> Filesystem:
    where = Path(path)
    if not where.exists():
        msg = f"df: {path}: No such file or directory"
        raise Usage(msg)
    real = where.resolve()
    holds = [mount for mount in mounts if real.is_relative_to(mount.target)]
    return max(holds, key=lambda mount: len(mount.target))


def _output_head(request: _Request) -> list[str]:
    size = "Size" if request.block is None else request.block_name
    return [size if column == "size" else _COLUMNS[column] for column in request.output]


def _output_row(mount: Filesystem, request: _Request) -> list[str]:
    cells = {
        "source": mount.source,
        "fstype": mount.fstype,
        "size": _sized(mount.size, request),
        "used": _sized(mount.used, request),
        "avail": _sized(mount.avail, request),
        "pcent": _percent(mount),
        "target": mount.target,
    }
    return [cells[column] for column in request.output]


def _sized(size: int, request: _Request) -> str:
    return _human(size) if request.block is None else str(math.ceil(size / request.block))


def _human(size: int) -> str:
    amount = float(size)
    for suffix in _SUFFIX_BYTES:
        if amount < 1024 or suffix == "P":
            exact = not suffix or amount >= 10
            return f"{math.ceil(amount)}{suffix}" if exact else f"{amount:.1f}{suffix}"
        amount /= 1024
    return str(size)


def _percent(mount: Filesystem) -> str:
    return f"{math.ceil(100 * mount.used / mount.size)}%" if mount.size else "-"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns of text left, numbers right; the last column as it is."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    names = {"Filesystem", "Type", "Mounted on"}
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if head in names else cell.rjust(width)
            for cell, width, head in zip(row, widths, rows[0], strict=True)
        ]
        lines.append(" ".join(cells).rstrip() + "\n")
    return "".join(lines)


def _free_unit(arguments: Sequence[str]) -> int | None:
    units = {
        "-b": 1,
        "--bytes": 1,
        "-k": 2**10,
        "--kibi": 2**10,
        "-m": 2**20,
        "--mebi": 2**20,
        "-g": 2**30,
        "--gibi": 2**30,
        "-h": None,
        "--human": None,
    }
    unit: int | None = 2**10
    for argument in arguments:
        if argument not in {*units, "-w", "-t"}:
            msg = f"free: unrecognized option '{argument}'"
            raise Usage(msg)
        unit = units.get(argument, unit)
    return unit


def _bytes_below(folder: Path) -> int:
    """What files really take, each inode once (caches link and copy)."""
    seen: dict[tuple[int, int], int] = {}
    for base, _, names in os.walk(folder):
        for name in names:
            try:
                status = (Path(base) / name).lstat()
            except OSError:
                continue
            seen[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(seen.values())


def main() -> int:
    """Answer the command line of the tool named first."""
    tool, hardware_file, home, *arguments = sys.argv[1:]
    hardware = json.loads(Path(hardware_file).read_text(encoding="utf-8"))

    def print_df() -> str:
        shm = Path("/dev/shm")  # noqa: S108 - the mount point
        used = {"home_bytes": _bytes_below(Path(home)), "shm_bytes": _bytes_below(shm)}
        return df(arguments, filesystems(hardware, **used))

    tools: dict[str, Callable[[], str]] = {
        "df": print_df,
        "free": lambda: free(arguments, hardware),
        "nproc": lambda: nproc(arguments, hardware),
    }
    try:
        sys.stdout.write(tools[tool]())
    except Usage as refusal:
        print(refusal, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

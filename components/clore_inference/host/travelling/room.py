"""Room for the weights: known before a byte is fetched, and held from then on.

A free disk is not enough where a quota holds: `fallocate` asks the file system itself, which
answers at once, takes no time to write, and gives nobody else what it has promised.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from .partial import Partial
from .refusal import Refusal

MARGIN = 0.01
"""Share of what is missing that must be free beside it."""
_KEEP_SIZE = 1
"""FALLOC_FL_KEEP_SIZE (linux/falloc.h): blocks are reserved, the length of the file stays."""


def check(missing: float, folder: Path) -> None:
    """Raise Refusal unless `missing` bytes and a margin are free in a folder."""
    free = shutil.disk_usage(str(folder)).free
    if missing * (1 + MARGIN) > free:
        raise Refusal(
            "disk_full",
            f"{missing / 1e9:.1f} GB are missing and {free / 1e9:.1f} GB are free under {folder}",
        )


def hold(files: list[Partial], folder: Path) -> None:
    """Reserve the space of every file that is under way; raises Refusal where it is not to be had.

    File systems that cannot reserve (EOPNOTSUPP) let it be found out while writing.
    """
    for file in files:
        try:
            reserve(file.descriptor, file.size)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                return
            refusal = no_room(error, sum(one.missing_space() for one in files), folder)
            give_up(files)
            raise refusal from error


def reserve(descriptor: int, size: int) -> None:
    """Ask the file system for `size` bytes; raises OSError."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "fallocate64", None)
    if call is None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
    done = call(descriptor, _KEEP_SIZE, ctypes.c_longlong(0), ctypes.c_longlong(size))
    if done != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def give_up(files: Iterable[Partial]) -> None:
    """Let go of reservations in which nothing lies."""
    for file in files:
        if not file.received:
            file.forget()


def no_room(error: OSError, missing: float, folder: Path) -> Refusal:
    """The named reason behind a refused reservation or write."""
    free = shutil.disk_usage(str(folder)).free
    amounts = f"{missing / 1e9:.1f} GB are missing and {free / 1e9:.1f} GB are free under {folder}"
    if error.errno == errno.EDQUOT:
        return Refusal("quota", f"a quota of this file system is used up; {amounts}")
    return Refusal("disk_full", amounts)


def clear(blobs: Path, wanted: set[str]) -> None:
    """Remove what is under way of other files: this job does not want them, and they take space."""
    for data in blobs.glob("*.part"):
        if data.stem not in wanted:
            data.unlink()
            data.with_suffix(".blocks").unlink(missing_ok=True)

"""The Linux namespaces that make a process tree look like a container of its own.

Standard library only and importable by itself: run as a program it is the probe that says
whether this kernel allows what `enter` needs (exit status 0) or not (1, reason on stderr).
Flags and structures: man 2 unshare, man 2 mount, man 2 prctl, man 7 netdevice.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import struct
import sys
from pathlib import Path

_CLONE_NEWNS = 0x00020000
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWPID = 0x20000000
_CLONE_NEWNET = 0x40000000
_MS_NOSUID_NODEV_NOEXEC = 2 | 4 | 8
_MS_BIND = 4096
_MS_REC_PRIVATE = 0x4000 | (1 << 18)
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_SIOCSIFADDR = 0x8916
_IFF_UP = 0x1

OUTER_ADDRESS = "192.0.2.2"
"""By which a container is reached from outside (RFC 5737: of documentation, nobody's): what listens
on 127.0.0.1 alone is not reached by it."""


def leave_outside() -> None:
    """Move this process into its own user (unless root), network, mount and PID namespaces.

    Only children made afterwards are inside the PID namespace. Must run before any thread
    starts. Raises OSError where the kernel forbids it.
    """
    uid, gid = os.getuid(), os.getgid()
    flags = _CLONE_NEWNET | _CLONE_NEWNS | _CLONE_NEWPID
    if uid != 0:
        flags |= _CLONE_NEWUSER
    _call("unshare", flags)
    if uid != 0:
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1", encoding="ascii")


def furnish(*, shm_bytes: int, meminfo: Path | None) -> None:
    """Give the first process inside its own /proc, /dev/shm, /proc/meminfo and loopback.

    Raises OSError where the kernel forbids it (a container with a masked /proc does).
    """
    _mount(None, "/", None, _MS_REC_PRIVATE, None)
    _mount("proc", "/proc", "proc", _MS_NOSUID_NODEV_NOEXEC, None)
    if Path("/dev/shm").is_dir():  # noqa: S108 - this is the mount point, not a temporary file
        _mount("shm", "/dev/shm", "tmpfs", 2 | 4, f"size={shm_bytes},mode=1777")  # noqa: S108
    if meminfo is not None:
        _mount(str(meminfo), "/proc/meminfo", None, _MS_BIND, None)
    _raise_loopback()
    _take_outer_address()


def die_with_parent(parent_pid: int, signum: signal.Signals) -> None:
    """Have the kernel send `signum` to this process when its parent ends (Linux; else nothing).

    `parent_pid` is the parent's own idea of its id: if it has already ended, exit at once.
    """
    if sys.platform != "linux":
        return
    _call("prctl", _PR_SET_PDEATHSIG, int(signum), 0, 0, 0)
    # A parent outside our PID namespace is 0 to us, whatever its id outside.
    if os.getppid() not in (parent_pid, 0):
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of every orphan below this process (Linux; else nothing)."""
    if sys.platform == "linux":
        _call("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = struct.pack("16sh14x", b"lo", 0)
        answer = fcntl.ioctl(probe, _SIOCGIFFLAGS, request)
        flags: int = struct.unpack("16sh14x", answer)[1]
        fcntl.ioctl(probe, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


def _take_outer_address() -> None:
    """Give the container the address that the relays connect to, as a second one of loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        address = socket.inet_aton(OUTER_ADDRESS)
        # struct ifreq: the name, then sockaddr_in (family in host order, port, address).
        request = struct.pack("16sHH4s8x", b"lo:1", socket.AF_INET, 0, address)
        fcntl.ioctl(probe, _SIOCSIFADDR, request)


def _mount(
    source: str | None, target: str, kind: str | None, flags: int, options: str | None
) -> None:
    def encoded(text: str | None) -> bytes | None:
        return None if text is None else os.fsencode(text)

    _call(
        "mount",
        encoded(source),
        encoded(target),
        encoded(kind),
        ctypes.c_ulong(flags),
        encoded(options),
    )


def _call(name: str, *arguments: object) -> None:
    """Call a libc function that answers 0 or sets errno."""
    if sys.platform != "linux":
        msg = f"{name} exists on Linux only"
        raise OSError(msg)
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def _probe() -> int:
    """Do once, in throw-away processes, all that a host does."""
    try:
        leave_outside()
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    child = os.fork()
    if child == 0:
        try:
            furnish(shm_bytes=1 << 20, meminfo=Path("/proc/uptime"))
            _bind_loopback()
        except OSError as error:
            print(error, file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _bind_loopback() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        with socket.create_connection(listener.getsockname(), timeout=1):
            pass


if __name__ == "__main__":
    sys.exit(_probe())

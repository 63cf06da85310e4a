"""The rented hosts: process trees that look like Clore containers over SSH."""

from __future__ import annotations

from clore_emulator.hosts.address import HostAddress
from clore_emulator.hosts.hosts import Hosts, HostStatus

__all__ = ["HostAddress", "HostStatus", "Hosts"]

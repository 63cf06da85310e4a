"""Give Python programs of a host without a network namespace a loopback address of their own.

Python imports this at start when it lies on PYTHONPATH. 127.0.0.1, localhost and 0.0.0.0 then
mean the address in CLORE_EMULATOR_BIND, so that two hosts can both listen on port 8000.
"""

from __future__ import annotations

import os
import socket
from typing import Any

_OWN = os.environ.get("CLORE_EMULATOR_BIND", "")
_SHARED = frozenset({"", "127.0.0.1", "localhost", "0.0.0.0"})


def _moved(address: Any) -> Any:
    if isinstance(address, tuple) and len(address) == 2 and address[0] in _SHARED:
        return (_OWN, address[1])
    return address


_original_bind = socket.socket.bind
_original_connect = socket.socket.connect
_original_connect_ex = socket.socket.connect_ex


def _bind(self: socket.socket, address: Any) -> None:
    _original_bind(self, _moved(address))


def _connect(self: socket.socket, address: Any) -> None:
    _original_connect(self, _moved(address))


def _connect_ex(self: socket.socket, address: Any) -> int:
    return _original_connect_ex(self, _moved(address))


if _OWN:
    for _name, _method in (("bind", _bind), ("connect", _connect), ("connect_ex", _connect_ex)):
        setattr(socket.socket, _name, _method)

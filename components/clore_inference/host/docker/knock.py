"""Whether a Docker engine on this machine answers, asked once and without a loop."""

from __future__ import annotations

import socket
from typing import Final

from clore_inference.host.docker.daemon import Daemon

TIMEOUT_S: Final = 2.0
"""Real seconds; a socket of this machine answers within milliseconds."""
_PING: Final = b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n"


def why_silent(daemon: Daemon) -> str:
    """Why nobody answers at a local socket; empty if somebody does. Other hosts are not asked."""
    if not daemon.is_local:
        return ""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(TIMEOUT_S)
        try:
            line.connect(daemon.path)
            line.sendall(_PING)
            said = line.recv(64)
        except TimeoutError:
            return f"no answer within {TIMEOUT_S:g} s"
        except OSError as error:
            return error.strerror or str(error)
    return "" if b" 200 " in said else f"it answers {said[:40]!r}"

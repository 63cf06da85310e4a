"""The inputs of the two resources: which there are, their defaults, and what is secret."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from commands.wire import UNKNOWN, Properties, is_secret, plain, secret

LOCAL: Final = "command:local:Command"
REMOTE: Final = "command:remote:Command"

SHARED: Final = frozenset(
    {
        "create", "update", "delete", "triggers", "environment", "stdin", "logging",
        "addPreviousOutputInEnv",
    }
)  # fmt: skip
KNOWN: Final = {
    LOCAL: SHARED | {"interpreter", "dir"},
    REMOTE: SHARED | {"connection"},
}
CONNECTION: Final = frozenset(
    {
        "host", "port", "user", "password", "privateKey", "privateKeyPassword", "agentSocketPath",
        "dialErrorLimit", "perDialTimeout", "hostKey",
    }
)  # fmt: skip

CONNECTION_DEFAULTS: Final = {
    "user": "root",
    "port": 22,
    "dialErrorLimit": 10,
    "perDialTimeout": 15,
}
"""As documented for pulumi-command 1.2; the time-out is in seconds."""

LOGGING: Final = {"stdout", "stderr", "stdoutAndStderr", "none"}


def checked(token: str, inputs: Properties) -> Properties:
    """Return the inputs with defaults; a connection is secret as a whole."""
    result = {key: value for key, value in inputs.items() if value is not None}
    if token != REMOTE or "connection" not in result:
        return result
    connection = result["connection"]
    inner = connection["value"] if is_secret(connection) else connection
    if inner != UNKNOWN:
        inner = CONNECTION_DEFAULTS | inner
    return result | {"connection": secret(inner)}


def failures(token: str, inputs: Properties) -> Iterator[tuple[str, str]]:
    """Yield property and reason for every input that cannot be used."""
    if token not in KNOWN:
        yield "", f"{token} needs the official plugin `command`; this stand-in has {sorted(KNOWN)}"
        return
    for name in sorted(inputs.keys() - KNOWN[token] - {"version"}):
        if inputs[name] is not None and not name.startswith("__"):
            yield name, f"the stand-in for the plugin `command` has no input {name!r}"
    logging = plain(inputs.get("logging"))
    if logging not in {None, UNKNOWN} | LOGGING:
        yield "logging", f"{logging!r} is none of {sorted(LOGGING)}"
    if token == REMOTE:
        yield from _connection_failures(plain(inputs.get("connection")))


def _connection_failures(connection: Any) -> Iterator[tuple[str, str]]:
    if connection == UNKNOWN:
        return
    if not isinstance(connection, dict):
        yield "connection", "a remote command needs a connection"
        return
    if connection.get("host") is None:
        yield "connection.host", "a connection needs a host"
    for name in sorted(connection.keys() - CONNECTION):
        if connection[name] is not None:
            yield f"connection.{name}", f"the stand-in for `command` has no {name!r} in connections"

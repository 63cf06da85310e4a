"""SSH as we use it: one pinned host key, one private key, nothing of the user's own set-up.

No configuration file, agent, known_hosts file or password is read or offered, and nothing is
forwarded unless asked for. A host that shows another key than the pinned one is a TrustError.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import asyncssh

from clore_inference.errors import HostUnreachable, TrustError
from clore_inference.host.login import Login

CONNECT_TIMEOUT_S: Final = 15.0
"""Real seconds for one connection; relays of the marketplace answer late or not at all."""
KEEPALIVE_S: Final = 15
KEEPALIVES_MISSED: Final = 3
"""A connection that is silent for 45 real seconds is dropped and made again."""

HOST_KEY_ALGORITHMS: Final = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
)
"""Never RSA: pulumi-command 1.2 offers exactly the type of the pinned key (`connection.go`), and
the RSA type stands for a signature with SHA-1 that servers refuse."""

Value = TypeVar("Value")


@dataclass(frozen=True)
class Output:
    """What a command on a host printed, and how it ended."""

    code: int
    stdout: str
    stderr: str


class LoginRefused(HostUnreachable):
    """The host answers with its pinned key but does not take ours, at least not yet."""


def in_loop(work: Coroutine[Any, Any, Value]) -> Value:
    """Run async work to its end from synchronous code, also inside a thread that has no loop."""
    with asyncio.Runner() as runner:
        return runner.run(work)


@asynccontextmanager
async def connected(
    login: Login, *, timeout_s: float = CONNECT_TIMEOUT_S
) -> AsyncIterator[asyncssh.SSHClientConnection]:
    """A connection to the host with the pinned key; raises TrustError or HostUnreachable."""
    connection = await connect(login, timeout_s=timeout_s)
    try:
        yield connection
    finally:
        connection.abort()


async def connect(
    login: Login, *, timeout_s: float = CONNECT_TIMEOUT_S
) -> asyncssh.SSHClientConnection:
    """Open a connection that the caller closes; raises TrustError or HostUnreachable."""
    if login.host_key is None:
        message = f"{login.place} has no pinned host key, so nothing is sent to it"
        raise TrustError(message)
    pinned = asyncssh.import_public_key(login.host_key)
    key = asyncssh.import_private_key(login.private_key.reveal())
    try:
        return await asyncio.wait_for(
            asyncssh.connect(
                login.host,
                login.port,
                username=login.user,
                client_keys=[key],
                known_hosts=([pinned], [], []),
                server_host_key_algs=[pinned.get_algorithm()],
                preferred_auth="publickey",
                config=None,
                agent_path=None,
                agent_forwarding=False,
                x509_trusted_certs=None,
                keepalive_interval=KEEPALIVE_S,
                keepalive_count_max=KEEPALIVES_MISSED,
            ),
            timeout_s,
        )
    except (asyncssh.HostKeyNotVerifiable, asyncssh.KeyExchangeFailed) as error:
        raise _other_key(login, error) from error
    except asyncssh.PermissionDenied as error:
        message = f"{login.place} does not accept our SSH key for {login.user}"
        raise LoginRefused(message) from error
    except (OSError, TimeoutError, asyncssh.Error) as error:
        raise unreachable(login, error) from error


def _other_key(login: Login, error: Exception) -> TrustError:
    return TrustError(
        f"{login.place} does not show the host key that was pinned "
        f"({fingerprint(login.host_key or '')}): {error}. Nothing was sent to it, in case somebody "
        "stands in between. If the host was rebuilt, destroy the order and run `pulumi up` again."
    )


def unreachable(login: Login, error: BaseException) -> HostUnreachable:
    """The error for a host that gave no answer, with the reason in a few words."""
    reason = str(error) or type(error).__name__
    if isinstance(error, TimeoutError):
        reason = "no answer in time"
    return HostUnreachable(f"{login.place} is not reachable: {reason}")


def fingerprint(host_key: str) -> str:
    """A host key as people compare it: `SHA256:...`."""
    return asyncssh.import_public_key(host_key).get_fingerprint()


async def run(
    connection: asyncssh.SSHClientConnection, command: str, *, stdin: str = "", timeout_s: float
) -> Output:
    """Run a command; raises OSError, TimeoutError or asyncssh.Error when the connection fails."""
    given: dict[str, Any] = {"input": stdin} if stdin else {"stdin": asyncssh.DEVNULL}
    work = connection.run(command, check=False, errors="replace", **given)
    done = await asyncio.wait_for(work, timeout_s)
    code = done.exit_status
    if code is None:
        message = "the connection ended before the command did"
        raise asyncssh.ConnectionLost(message)
    return Output(code=code, stdout=str(done.stdout or ""), stderr=str(done.stderr or ""))

"""Which endpoint a command is about: a stack's, or one that the command line names."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from clore_inference.cli.stack import Endpoint, endpoint_of, outputs
from clore_inference.clock import is_loopback
from clore_inference.errors import ConfigError, HostUnreachable
from clore_inference.host.docker.tunnel import way_to_port
from clore_inference.secret import Secret

KEY_VARIABLE: Final = "CLORE_ENDPOINT_KEY"
DEFAULT_MODEL: Final = "mistral-medium-3.5"
"""The name under which the guide's command lines serve the model."""


def chosen(
    url: str | None,
    *,
    stack: str | None,
    directory: Path | None,
    model: str | None,
    key_file: str | None,
    environment: Mapping[str, str],
    replica: str | None = None,
) -> Endpoint:
    """Return the endpoint that the options name; raises ConfigError."""
    if url is None:
        return endpoint_of(outputs(stack, directory), replica)
    if stack or replica:
        raise ConfigError(["Give an address or --stack, not both: they may be two endpoints."])
    return Endpoint(
        model=model or DEFAULT_MODEL,
        key=read_key(key_file, environment),
        url=checked_url(url),
    )


def checked_url(url: str) -> str:
    """Return an address without `/v1`; raises ConfigError for one that cannot be used safely."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError([f"{url[:200]!r} is not an address like https://name.clorecloud.net."])
    local = parts.hostname == "localhost" or is_loopback(parts.hostname)
    if parts.scheme == "http" and not local:
        text = f"{parts.hostname} by plain http would show the key to everybody on the way."
        raise ConfigError([text + f" Use https://{parts.netloc}, or the stack's SSH tunnel."])
    if parts.username or parts.query or parts.fragment:
        raise ConfigError(["The address may have a host, a port and a path, nothing else."])
    return url.rstrip("/").removesuffix("/v1")


def read_key(key_file: str | None, environment: Mapping[str, str]) -> Secret:
    """Return the key from a file, from standard input (`-`) or from the environment."""
    if key_file == "-":
        value = sys.stdin.read()
    elif key_file:
        try:
            value = Path(key_file).read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError([f"The key file cannot be read: {error.strerror}."]) from None
    else:
        value = environment.get(KEY_VARIABLE, "")
    value = value.strip()
    if not value or not value.isprintable() or " " in value:
        text = f"There is no key for this endpoint: export {KEY_VARIABLE}, or give --key-file FILE"
        raise ConfigError([text + " (`-` reads standard input). A key is one word, on one line."])
    return Secret(value)


@contextmanager
def reached(endpoint: Endpoint, say: Callable[[str], None]) -> Iterator[str]:
    """Yield an address that works from here: an SSH tunnel where possible, else the public name."""
    with ExitStack() as open_ways:
        yield _opened(endpoint, open_ways, say)


def _opened(endpoint: Endpoint, open_ways: ExitStack, say: Callable[[str], None]) -> str:
    if endpoint.docker is not None:
        local = open_ways.enter_context(way_to_port(endpoint.docker, endpoint.port))
        say(f"Port {endpoint.port} on the loopback of the Docker host {endpoint.docker.address}.")
        return f"http://127.0.0.1:{local}"
    if endpoint.login is None:
        return _public(endpoint)
    from clore_inference.host.tunnel import open_tunnel  # noqa: PLC0415 - imports asyncssh

    try:
        port = open_ways.enter_context(open_tunnel(endpoint.login, endpoint.port))
    except HostUnreachable as error:
        if not endpoint.url:
            raise
        say(f"No way by SSH ({error}); using the public name.")
        return _public(endpoint)
    say(f"SSH tunnel to {endpoint.login.place}, port {endpoint.port} on its loopback.")
    return f"http://127.0.0.1:{port}"


def _public(endpoint: Endpoint) -> str:
    if not endpoint.url:
        text = "The endpoint is private and the stack does not say how to reach its host by SSH."
        raise ConfigError([text + " Export the output `ssh` of MistralDeployment."])
    return endpoint.url

"""`clore-inference connect`: the endpoint on a local port, with its key."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Annotated

import typer

from clore_inference.cli import option
from clore_inference.cli.address import chosen, reached
from clore_inference.cli.output import note
from clore_inference.cli.relay import Relay, Upstream
from clore_inference.cli.stack import Endpoint
from clore_inference.errors import ConfigError
from clore_inference.spec import API_PORT


def connect(
    url: option.Url = None,
    *,
    port: Annotated[
        int, typer.Option("--port", "-p", min=0, max=65535, help="Local port; 0 takes a free one.")
    ] = API_PORT,
    stack: option.Stack = None,
    replica: option.Replica = None,
    cwd: option.Directory = None,
    model: option.Model = None,
    key_file: option.KeyFile = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Do not list requests.")] = False,
) -> None:
    """Open the endpoint on http://localhost:8000 and add its key to every request.

    The guide's examples, which know neither key nor host, then run as they stand, with curl and
    with the openai client. Goes over SSH where the stack says how, else to the public name.
    Streams are passed on as they come. Ctrl-C ends it.

    A stack:     clore-inference connect --stack h100

    An address:  clore-inference connect https://abc.clorecloud.net --key-file key.txt

    While it runs, every program on this machine can use the endpoint on this port.
    """
    endpoint = chosen(
        url,
        stack=stack,
        replica=replica,
        directory=cwd,
        model=model,
        key_file=key_file,
        environment=os.environ,
    )
    with reached(endpoint, note) as base_url:
        upstream = Upstream.of(base_url, endpoint.key, endpoint.certificate)
        relay = Relay(upstream, (lambda _: None) if quiet else note)
        asyncio.run(serve(relay, port, lambda bound: _greet(endpoint, base_url, bound)))
    billing = f", and order {endpoint.order_id} goes on billing" if endpoint.order_id else ""
    note(f"Closed; the endpoint itself runs on{billing}.")


async def serve(relay: Relay, port: int, greet: Callable[[int], None]) -> None:
    """Serve until SIGINT or SIGTERM; raises ConfigError when the port is taken."""
    try:
        server = await relay.listen(port)
    except OSError as error:
        text = f"Port {port} of this machine cannot be opened: {error.strerror or error}."
        raise ConfigError([text + f" Use another: --port {port + 1}."]) from None
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    greet(server.sockets[0].getsockname()[1])
    await stop.wait()
    server.close()


def _greet(endpoint: Endpoint, base_url: str, port: int) -> None:
    way = "the SSH tunnel" if endpoint.login and base_url != endpoint.url else base_url
    note(f"http://localhost:{port} is {endpoint.model}, by {way}. The key is added here.")
    if endpoint.order_id:
        price = f", {endpoint.usd_per_day} USD/day" if endpoint.usd_per_day else ""
        note(f"Order {endpoint.order_id}{price}. Ctrl-C ends the connection, not the order.")
    note(
        f"  curl http://localhost:{port}/v1/chat/completions -H 'Content-Type: application/json' "
        f'-d \'{{"model": "{endpoint.model}", '
        '"messages": [{"role": "user", "content": "Hello"}]}\''
    )

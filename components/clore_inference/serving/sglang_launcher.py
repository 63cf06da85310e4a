"""Start SGLang with the guard around its whole application: `python3 -m clore_sglang <its flags>`.

SGLang has no flag for a middleware, and one that is added to its application ends up inside its own
key check, so the built middleware stack is wrapped instead. Its warm-up calls its own HTTP routes
and kills the process when it is refused: it is skipped, and `/health`, which generates one token,
warms the engine. Ways around the application (a Rust server, gRPC, several HTTP workers) are
refused. Names: `sglang/srt/entrypoints/http_server.py`, release 0.5.23.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

WAYS_AROUND_ENVIRONMENT = ("SGLANG_RUST_SERVER", "SGLANG_GRPC_PORT")
FALSE_WORDS = ("", "0", "false", "no", "n")
"""What SGLang reads as false in its environment, case-insensitively."""


def ways_around(arguments: Any, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return what would serve requests past the guard, as the operator spelled it."""
    found = [
        f"{name}={environment[name]}"
        for name in WAYS_AROUND_ENVIRONMENT
        if environment.get(name, "").lower() not in FALSE_WORDS
    ]
    if (getattr(arguments, "tokenizer_worker_num", None) or 1) > 1:
        found.append(f"--tokenizer-worker-num {arguments.tokenizer_worker_num}")
    if getattr(arguments, "grpc_port", None) is not None:
        found.append(f"--grpc-port {arguments.grpc_port}")
    switches = ("smg_grpc_mode", "grpc_mode", "encoder_only", "use_ray")
    on = [name for name in switches if getattr(arguments, name, False)]
    return (*found, *("--" + name.replace("_", "-") for name in on))


def wrap(app: Any) -> Any:
    """Put a guard around the stack that the application builds on its first request; return it."""
    inner: list[Any] = []

    async def engine(scope: Any, receive: Any, send: Any) -> None:
        await inner[0](scope, receive, send)

    guard = importlib.import_module("clore_guard").Guard(engine)
    build = app.build_middleware_stack

    def build_guarded() -> Any:
        inner[:] = [build()]
        return guard

    app.build_middleware_stack = build_guarded
    return guard


def main(argv: Sequence[str]) -> None:
    """Serve; returns when the engine has ended."""
    prepare = importlib.import_module("sglang.srt.server_args").prepare_server_args
    arguments = prepare([*argv, "--skip-server-warmup"])
    found = ways_around(arguments, os.environ)
    if found:
        sys.exit(
            f"clore_sglang: {', '.join(found)} would serve requests past the guard. "
            "The engine was not started. Take it out of the command line or the environment."
        )
    server = importlib.import_module("sglang.srt.entrypoints.http_server")
    guard = wrap(server.app)
    if guard.engine_key:
        # Set here, not as a flag: a command line can be read by every process of the host.
        arguments.api_key = guard.engine_key.decode()
    try:
        server.launch_server(arguments)
    finally:
        end_children = getattr(server, "kill_process_tree", None)
        if end_children is not None:
            end_children(os.getpid(), include_parent=False)


if __name__ == "__main__":
    main(sys.argv[1:])

"""`app` and `launch_server` at their real place."""

import sys
from typing import Any

from clore_emulator.engines.sglang import app, launch
from clore_emulator.engines.sglang_arguments import ServerArgs


def launch_server(server_args: ServerArgs, **_callbacks: Any) -> None:
    """Serve `app` as it is now, wrapped or not; leaves with the engine's exit code if not 0."""
    if code := launch(server_args, app):
        sys.exit(code)


__all__ = ["app", "launch_server"]

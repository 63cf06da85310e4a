"""Both arms of a measurement in real vLLM's own process: `vllm serve … --middleware arms.Arms`.

`/bare/v1/…` goes past the guard to the engine, with the engine's own key; everything else through
the guard. For measurements on a loopback only: the first arm asks nobody for a key.
"""

from __future__ import annotations

import importlib
import os
from typing import Any, Final

BARE: Final = "/bare"


class Arms:
    """The middleware."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._guarded = importlib.import_module("clore_guard").Guard(app)
        self._key = f"Bearer {os.environ['VLLM_API_KEY']}".encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or not scope["path"].startswith(f"{BARE}/"):
            await self._guarded(scope, receive, send)
            return
        path = scope["path"].removeprefix(BARE)
        kept = [pair for pair in scope["headers"] if pair[0] != b"authorization"]
        headers = [*kept, (b"authorization", self._key)]
        inner = {**scope, "path": path, "raw_path": path.encode(), "headers": headers}
        await self._app(inner, receive, send)

"""The fetch of a host without its host: in this process, with limits that tests can set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import constants, file_download  # noqa: F401 - the fetch's own imports

from clore_inference.host.job import FetchJob
from clore_inference.host.travelling import partial, schedule
from clore_inference.host.travelling.fetch import Fetch
from support.small_hub import REPOSITORY, SmallHub

FAST = 1000.0
"""Marketplace seconds in a real one: waits between tries pass at once."""


class Home:
    """The home of a host, and fetches in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = folder / ".cache" / "huggingface" / "hub"
        self.last: Fetch | None = None

    def fetch(self, hub: SmallHub, *, token: str = "", scale: float = FAST, **job: Any) -> Any:
        """Run one fetch to its end; raises its Refusal."""
        return self.fetch_from(hub.url, token=token, scale=scale, **job)

    def fetch_from(
        self, endpoint: str, *, token: str = "", scale: float = FAST, **job: Any
    ) -> dict[str, Any]:
        """The same from any hub."""
        wanted = FetchJob(**{"repository": REPOSITORY, "endpoint": endpoint, **job})
        (self.folder / "start").mkdir(exist_ok=True)
        self.last = Fetch(
            huggingface_hub,
            {
                "job": wanted.model_dump(mode="json"),
                "folder": str(self.folder / "start"),
                "token": token,
                "scale": scale,
            },
        )
        return self.last.run()

    def blobs(self) -> set[str]:
        """Names of everything that lies where the files' contents are kept."""
        return {path.name for path in self.cache.glob("*/blobs/*")}


@contextmanager
def a_home(tmp_path: Path, *, block_bytes: int, most_run_bytes: int) -> Iterator[Home]:
    """A home whose fetches share files in small blocks."""
    with pytest.MonkeyPatch.context() as patch:
        home = Home(tmp_path)
        patch.setenv("HOME", str(tmp_path))
        patch.setattr(constants, "HF_HUB_CACHE", str(home.cache))
        patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        patch.setattr(partial, "BLOCK_BYTES", block_bytes)
        patch.setattr(schedule, "MOST_RUN_BYTES", most_run_bytes)
        yield home

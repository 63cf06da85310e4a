"""The files in which the processes of one machine share what they know of one account.

They lie outside every checkout, in a directory named after a hash of the marketplace's address and
the key, so two keys never share a pace and a key is never written down.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import uuid4

import filelock

from clore_inference.secret import Secret

LOCK_SLICE_REAL_S: Final = 0.25
"""How often somebody who waits for a lock looks whether waiting still makes sense."""


class Store(Protocol):
    """Small JSON documents by name, and locks by name, shared between processes."""

    def read(self, name: str) -> dict[str, Any] | None:
        """Return a document; None where it is absent or unreadable."""

    def write(self, name: str, value: Mapping[str, Any], *, durable: bool = False) -> None:
        """Replace a document at once; `durable` survives a power cut."""

    def lock(self, name: str, waiting: Callable[[], None]) -> AbstractContextManager[None]:
        """Hold a lock; calls `waiting` a few times a second, which may raise to give up."""


class FileStore:
    """Documents and locks as files of mode 0600 in a directory of mode 0700."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def read(self, name: str) -> dict[str, Any] | None:
        try:
            value = json.loads((self.directory / f"{name}.json").read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return value if isinstance(value, dict) else None

    def write(self, name: str, value: Mapping[str, Any], *, durable: bool = False) -> None:
        target = self.directory / f"{name}.json"
        draft = self.directory / f".{name}.{uuid4().hex}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(value, file)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        draft.replace(target)
        if durable:
            self._sync_directory()

    def _sync_directory(self) -> None:
        descriptor = os.open(self.directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def lock(self, name: str, waiting: Callable[[], None]) -> Iterator[None]:
        # A lock object of its own for each holder: threads exclude each other as processes do.
        lock = filelock.FileLock(self.directory / f"{name}.lock", thread_local=False, mode=0o600)
        while True:
            try:
                lock.acquire(timeout=LOCK_SLICE_REAL_S, poll_interval=0.02)
                break
            except filelock.Timeout:
                waiting()
        try:
            yield
        finally:
            lock.release()


def default_root(environment: Mapping[str, str]) -> Path:
    """`${XDG_STATE_HOME:-~/.local/state}/clore-inference`."""
    home = environment.get("XDG_STATE_HOME")
    base = Path(home) if home and Path(home).is_absolute() else Path.home() / ".local" / "state"
    return base / "clore-inference"


def directory_name(api_url: str, key: Secret | None) -> str:
    """The name of an account's directory: a hash of address and key."""
    identity = f"{api_url.rstrip('/')}\n{key.reveal() if key else ''}"
    return hashlib.sha256(identity.encode()).hexdigest()[:32]

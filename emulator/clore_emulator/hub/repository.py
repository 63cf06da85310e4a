"""Repositories as the hub serves them: one commit each, whole files in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

SHORTEST_COMMIT: Final = 7
"""Hex digits of a commit that still name it."""
POINTER_BYTES: Final = 135
"""A Git LFS pointer file's usual size."""


@dataclass(frozen=True)
class File:
    """A file. Large files (`lfs`) are named by SHA-256, the others by their Git blob id."""

    path: str
    content: bytes
    lfs: bool = False

    @property
    def size(self) -> int:
        return len(self.content)

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def blob_id(self) -> str:
        """The Git blob id: of the content, or of the pointer that stands for it."""
        content = self.content
        if self.lfs:
            version = "version https://git-lfs.github.com/spec/v1"
            content = f"{version}\noid sha256:{self.sha256}\nsize {self.size}\n".encode()
        head = f"blob {len(content)}\0".encode()
        return hashlib.sha1(head + content, usedforsecurity=False).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.blob_id

    def entry(self) -> dict[str, Any]:
        """One row of the tree listing."""
        row = {"type": "file", "oid": self.blob_id, "size": self.size, "path": self.path}
        lfs = {"oid": self.sha256, "size": self.size, "pointerSize": POINTER_BYTES}
        return {**row, "lfs": lfs} if self.lfs else row

    def sibling(self, *, blobs: bool) -> dict[str, Any]:
        """One row of `siblings` in the model's document."""
        if not blobs:
            return {"rfilename": self.path}
        row = {"rfilename": self.path, "size": self.size, "blobId": self.blob_id}
        lfs = {"sha256": self.sha256, "size": self.size, "pointerSize": POINTER_BYTES}
        return {**row, "lfs": lfs} if self.lfs else row


@dataclass(frozen=True)
class Repository:
    """A model repository with one commit."""

    name: str
    commit: str
    files: tuple[File, ...]
    gated: bool = False
    branches: tuple[str, ...] = ("main",)
    card: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def by_path(self) -> dict[str, File]:
        return {file.path: file for file in self.files}

    def knows(self, revision: str) -> bool:
        """Whether a revision is a branch, `refs/heads/` included, or the commit."""
        if revision.removeprefix("refs/heads/") in self.branches:
            return True
        return len(revision) >= SHORTEST_COMMIT and self.commit.startswith(revision)

    def document(self, *, blobs: bool) -> dict[str, Any]:
        """What `/api/models/{name}` answers."""
        return {
            "_id": hashlib.sha256(self.name.encode()).hexdigest()[:24],
            "id": self.name,
            "modelId": self.name,
            "author": self.name.partition("/")[0],
            "sha": self.commit,
            "lastModified": "2026-05-04T09:00:00.000Z",
            "createdAt": "2026-04-29T08:00:00.000Z",
            "private": False,
            "disabled": False,
            "gated": "manual" if self.gated else False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
            "pipeline_tag": "text-generation",
            "cardData": dict(self.card),
            "siblings": [file.sibling(blobs=blobs) for file in self.files],
        }

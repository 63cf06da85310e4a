"""Fetches the files of one repository into the cache that the engines read, once and verified.

The listing, the small files and the layout are the work of the host's own `huggingface_hub`; the
large files are brought by `download.py`, so that a cut costs only what was not yet written: newer
clients keep a partial file for one process only (`_download_to_tmp_and_move`, 2.x).
Every byte is hashed on its way; what was verified once is written down and not hashed again.

Reads one JSON line {"job", "folder", "scale", "token"} on standard input; writes `progress.json`
and `result.json` in the folder. A failure has one of the names of `KINDS`.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from . import own, record, room
from .download import FIRST_WAIT_S, MOST_WAIT_S, STREAMS, TRIES, Download
from .partial import HASH_PIECE_BYTES, Partial
from .ranged import Place, announced_wait_s, without_token
from .refusal import Refusal, cause

KINDS = (
    "gated",
    "not_found",
    "revision_not_found",
    "disk_full",
    "quota",
    "hash_mismatch",
    "network",
    "no_hub_client",
    "unexpected",
)
PROGRESS_EVERY_S = 0.3
"""Real seconds between two measurements."""

Result = TypeVar("Result")


class Wanted(NamedTuple):
    """One file of the repository, as the hub lists it."""

    path: str
    size: int
    sha256: str
    """Empty for small files, which git keeps itself."""
    blob_id: str
    """Git's own hash of a small file: SHA-1 over a header and the content."""


class Fetch:
    """One fetch of one repository."""

    def __init__(self, hub: Any, order: dict[str, Any]) -> None:
        self.hub = hub
        self.job: dict[str, Any] = order["job"]
        self.own: str = self.job.get("path") or ""
        self.token: str = order.get("token") or ""
        self.scale = float(order.get("scale", 1))
        self.folder = Path(order["folder"])
        self.api = hub.HfApi(endpoint=self.job["endpoint"], token=self.token or False)
        self.cache = Path(hub.constants.HF_HUB_CACHE)
        name = "models--" + str(self.job["repository"]).replace("/", "--")
        self.storage = self.cache / name
        self.verified = record.read_json(record.home() / "verified.json")
        self._lock = threading.Lock()
        self.files: tuple[Wanted, ...] = ()
        self._under_way: dict[str, Partial] = {}
        self.phase = "listing"

    def run(self) -> dict[str, Any]:
        """Bring everything that is missing; returns where it lies."""
        self.storage.mkdir(parents=True, exist_ok=True)
        commit, self.files = self._persist(self._listed)
        if not self.files:
            raise Refusal("not_found", "no file of the repository matches the wanted patterns")
        snapshot = self._linked(commit) if self.own else self._brought(commit)
        return {
            "snapshot": str(snapshot),
            "revision": commit,
            "files": len(self.files),
            "bytes": sum(one.size for one in self.files),
        }

    def _brought(self, commit: str) -> Path:
        """Fetch what is missing, lay it out, and verify what was not hashed on its way."""
        self._download(self._large(), commit)
        snapshot = self._persist(self._laid_out)
        self._forget_listing(commit)
        self.phase = "verifying"
        self._each(lambda one: self._verify(one, commit), list(self.files))
        return snapshot

    def _linked(self, commit: str) -> Path:
        """Verify the files of one's own where they lie, and show them as the cache would."""
        self.phase = "verifying"
        at = own.folder(self.own)
        sources = {one: own.present(at, one.path) for one in self.files}
        self._each(lambda one: self._verify_own(one, sources[one]), list(self.files))
        for one, source in sources.items():
            own.link(self._blob(one), source)
        return own.lay_out(
            self.storage,
            commit,
            str(self.job["revision"]),
            {one.path: self._blob(one) for one in self.files},
        )

    def _verify_own(self, one: Wanted, source: Path) -> None:
        if self.verified.get(str(source.resolve())) == _state(source):
            return
        found = _hash(source, one)
        wanted = one.sha256 or one.blob_id
        if found != wanted:
            raise Refusal(
                "hash_mismatch",
                f"{source} has hash {found[:16]}..., its list says {wanted[:16]}...; it is yours, so "
                "it was left as it is",
            )
        self._remember(source)

    def _large(self) -> list[Partial]:
        """The large files that are not there yet, largest first; equal ones count once."""
        missing = {
            one.sha256: Partial(self._blob(one), one.path, one.size, one.sha256)
            for one in self.files
            if one.sha256 and one.size and not self._blob(one).exists()
        }
        return sorted(missing.values(), key=lambda one: one.size, reverse=True)

    def _download(self, large: list[Partial], commit: str) -> None:
        """Make room, then bring what is missing; what is there of it stays whatever happens."""
        for one in large:
            one.open()
        self._under_way = {str(one.blob): one for one in large}
        self._make_room(large)
        self.phase = "fetching"
        work = Download(
            large,
            self.storage,
            resolve=lambda one: self._persist(lambda: self._place(one, commit)),
            scale=self.scale,
        )
        work.run(lambda one: self._remember(one.blob))

    def _make_room(self, large: list[Partial]) -> None:
        small = sum(one.size for one in self.files if not one.sha256)
        missing = small + sum(one.missing_space() for one in large)
        try:
            room.check(missing, self.storage)
        except Refusal:
            room.clear(self.storage / "blobs", {one.sha256 for one in large})
            room.check(missing, self.storage)
        room.hold(large, self.storage)

    def _each(self, work: Callable[[Wanted], None], files: list[Wanted]) -> None:
        """Do `work` for every file, several at once; the first failure ends it."""
        pool = ThreadPoolExecutor(STREAMS)
        try:
            for done in [pool.submit(work, one) for one in files]:
                done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _persist(self, action: Callable[[], Result]) -> Result:
        """Try again after what may pass; a try that brought bytes counts as the first."""
        failures = 0
        while True:
            before = self.bytes_done()
            try:
                return action()
            except Exception as error:  # hub clients raise their own version's types
                found = cause(error)
                failures = 1 if self.bytes_done() > before else failures + 1
                if found.kind != "network" or failures >= TRIES:
                    raise found from error
                wait_s = max(_asked_wait_s(error), FIRST_WAIT_S * 2 ** (failures - 1))
                time.sleep(min(MOST_WAIT_S, wait_s) / self.scale)

    def _listed(self) -> tuple[str, tuple[Wanted, ...]]:
        """The commit behind the revision, and its wanted files with sizes and hashes."""
        commit, files = own.sums(own.folder(self.own)) if self.own else ("", [])
        if files:
            at = own.folder(self.own)
            sizes = {one.path: own.present(at, one.path).stat().st_size for one in files}
            rows = {one.path: Wanted(one.path, sizes[one.path], one.sha256, "") for one in files}
            return commit, tuple(rows[name] for name in self._matching(rows))
        return self._listed_by_hub()

    def _listed_by_hub(self) -> tuple[str, tuple[Wanted, ...]]:
        repository = self.job["repository"]
        commit = str(self.api.repo_info(repository, revision=self.job["revision"]).sha)
        tree = self.api.list_repo_tree(repository, recursive=True, revision=commit)
        rows = {str(row.path): row for row in tree if getattr(row, "blob_id", None)}
        return commit, tuple(_wanted(rows[name]) for name in self._matching(rows))

    def _matching(self, rows: Iterable[str]) -> Iterable[str]:
        """The names that the job's patterns want."""
        names: Iterable[str] = self.hub.utils.filter_repo_objects(
            list(rows),
            allow_patterns=list(self.job["allow_patterns"]) or None,
            ignore_patterns=list(self.job["ignore_patterns"]) or None,
        )
        return names

    def _blob(self, one: Wanted) -> Path:
        return self.storage / "blobs" / (one.sha256 or one.blob_id)

    def bytes_done(self) -> int:
        """Bytes of the wanted files that lie on this disk; files under way count as they grow."""
        return sum(self._done(blob, size) for blob, size in self._sizes().items())

    def _done(self, blob: Path, size: int) -> int:
        under_way = self._under_way.get(str(blob))
        return size if blob.exists() else under_way.received if under_way else 0

    def _sizes(self) -> dict[Path, int]:
        return {self._blob(one): one.size for one in self.files}

    def _place(self, one: Partial, commit: str) -> Place:
        """Where the content lies now; the token goes to the hub itself only, never to a CDN."""
        url = self.hub.hf_hub_url(
            self.job["repository"], one.path, revision=commit, endpoint=self.job["endpoint"]
        )
        found = self.hub.get_hf_file_metadata(url, token=self.token or False)
        headers = dict(self.hub.utils.build_hf_headers(token=self.token or False))
        is_hub = urlsplit(found.location).netloc == urlsplit(url).netloc
        return Place(str(found.location), headers if is_hub else without_token(headers), is_hub)

    def _laid_out(self) -> Path:
        """Let the client bring the small files and make the snapshot that engines look for."""
        return Path(
            self.hub.snapshot_download(
                self.job["repository"],
                revision=self.job["revision"],
                endpoint=self.job["endpoint"],
                token=self.token or False,
                allow_patterns=list(self.job["allow_patterns"]) or None,
                ignore_patterns=list(self.job["ignore_patterns"]) or None,
            )
        )

    def _forget_listing(self, commit: str) -> None:
        """Remove the list of all files that newer clients keep beside a snapshot.

        With it, a client that is offline calls a snapshot of one layout incomplete
        (`_raise_if_incomplete_snapshot`, huggingface_hub 2.x); vLLM looks a model up like that when
        it is offline (`get_model_path`).
        """
        (self.storage / "trees" / f"{commit}.json").unlink(missing_ok=True)

    def _verify(self, one: Wanted, commit: str) -> None:
        """Check a file of the snapshot by size and hash, once for each state of its blob."""
        path = self.storage / "snapshots" / commit / one.path
        if not path.is_file():
            raise Refusal("network", f"{one.path} did not arrive")
        # One step only: behind it may lie a file of the user's own, which is never removed.
        blob = path.parent / path.readlink() if path.is_symlink() else path
        if self.verified.get(str(blob.resolve())) == _state(blob):
            return
        found = _hash(blob, one)
        if blob.stat().st_size != one.size or found != (one.sha256 or one.blob_id):
            size = blob.stat().st_size
            path.unlink()
            blob.unlink(missing_ok=True)
            raise Refusal(
                "hash_mismatch",
                f"{one.path} has {size} bytes and hash {found[:16]}..., the hub lists "
                f"{one.size} bytes and {(one.sha256 or one.blob_id)[:16]}...; it was removed",
            )
        self._remember(blob)

    def _remember(self, blob: Path) -> None:
        with self._lock:
            self.verified[str(blob.resolve())] = _state(blob)
            record.write_json(record.home() / "verified.json", self.verified)

    def progress(self) -> dict[str, Any]:
        """What is here and what is wanted."""
        return {
            "phase": self.phase,
            "bytes_done": self.bytes_done(),
            "bytes_total": sum(self._sizes().values()),
            "files_done": sum(1 for one in self.files if self._blob(one).exists()),
            "files_total": len(self.files),
        }


def _wanted(row: Any) -> Wanted:
    lfs = getattr(row, "lfs", None)
    sha256 = (lfs.get("sha256") if isinstance(lfs, dict) else lfs.sha256) if lfs else ""
    return Wanted(str(row.path), int(row.size), str(sha256 or ""), str(row.blob_id))


def _asked_wait_s(error: Exception) -> float:
    """What a hub's answer asks for, whichever client raised it."""
    response = getattr(error, "response", None)
    return announced_wait_s(getattr(response, "headers", None) or {})


def _state(path: Path) -> list[int]:
    """What changes when somebody writes to a file."""
    seen = path.stat()
    return [seen.st_size, seen.st_mtime_ns, seen.st_ino]


def _hash(path: Path, one: Wanted) -> str:
    digest = hashlib.sha256() if one.sha256 else hashlib.sha1()  # noqa: S324 - git's own hash
    if not one.sha256:
        digest.update(b"blob %d\0" % path.stat().st_size)
    with path.open("rb") as file:
        for piece in iter(lambda: file.read(HASH_PIECE_BYTES), b""):
            digest.update(piece)
    return digest.hexdigest()


def _measure(fetch: Fetch) -> None:
    while True:
        record.write_json(fetch.folder / "progress.json", fetch.progress())
        time.sleep(PROGRESS_EVERY_S)


def main() -> int:
    """Fetch what standard input asks for."""
    order = json.loads(sys.stdin.readline())
    folder = Path(order["folder"])
    try:
        import huggingface_hub  # noqa: PLC0415 - the host's own, if it has one
        from huggingface_hub import file_download  # noqa: F401, PLC0415 - loads the attribute
    except ImportError as error:
        refusal = Refusal("no_hub_client", f"this host's Python has no huggingface_hub: {error}")
        record.write_json(folder / "result.json", {"failure": refusal.kept()})
        return 1
    fetch = Fetch(huggingface_hub, order)
    threading.Thread(target=_measure, args=(fetch,), daemon=True).start()
    try:
        result: dict[str, Any] = fetch.run()
        code = 0
    except Exception as error:  # noqa: BLE001 - every end of this process has a name
        result, code = {"failure": cause(error).kept()}, 1
    record.write_json(folder / "progress.json", fetch.progress())
    record.write_json(folder / "result.json", result)
    sys.stdout.flush()
    os._exit(code)  # streams that are under way must not hold the process

"""Fetches the files of one repository into the cache that the engines read, once and verified.

The layout is made by the host's own `huggingface_hub`; the large files are brought by its
`http_get` into `blobs/<sha256>.incomplete`, so that a cut costs only what was not yet written:
newer clients keep a partial file for one process only (`_download_to_tmp_and_move`, 2.x).
Every byte is hashed on its way; what was verified once is written down and not hashed again.

Reads one JSON line {"job", "folder", "scale", "token"} on standard input; writes `progress.json`
and `result.json` in the folder. A failure has one of the names of `KINDS`.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, Optional, TypeVar
from urllib.parse import urlsplit

from . import record
from .refusal import Refusal, cause

KINDS = (
    "gated",
    "not_found",
    "revision_not_found",
    "disk_full",
    "hash_mismatch",
    "network",
    "no_hub_client",
    "unexpected",
)
STREAMS = 8
"""Files at once; the hub client's own default."""
PIECE_BYTES = 256 * 1024
"""What a cut costs of each stream: the client hands on whole pieces only, its own are 10 MB."""
TRIES = 6
"""Failures in a row without one new byte before the network is given up."""
FIRST_WAIT_S = 1.0
"""Marketplace seconds before the second try; doubled for each further one: 31 s in all."""
DISK_MARGIN = 0.01
"""Share of the missing bytes that must be free beside them."""
PROGRESS_EVERY_S = 0.3
"""Real seconds between two measurements."""
HASH_PIECE_BYTES = 4 * 1024 * 1024

Result = TypeVar("Result")


class Wanted(NamedTuple):
    """One file of the repository, as the hub lists it."""

    path: str
    size: int
    sha256: str
    """Empty for small files, which git keeps itself."""
    blob_id: str
    """Git's own hash of a small file: SHA-1 over a header and the content."""


class Hashed(io.FileIO):
    """A file that is opened for going on where it ended, and knows the hash of its content."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), "a+")
        self.digest = hashlib.sha256()
        self._hash_from_start(os.fstat(self.fileno()).st_size)

    def _hash_from_start(self, length: int) -> None:
        self.digest = hashlib.sha256()
        self.seek(0)
        while length > 0:
            piece = self.read(min(HASH_PIECE_BYTES, length))
            self.digest.update(piece)
            length -= len(piece)
        self.seek(0, os.SEEK_END)

    def write(self, piece: Any) -> int:
        """Append all of `piece` and hash it."""
        view = memoryview(piece)
        written = 0
        while written < len(view):
            written += super().write(view[written:])
        self.digest.update(view)
        return written

    def truncate(self, size: Optional[int] = None) -> int:  # noqa: UP045 - Python 3.9
        """Cut the file, as the client does when a server ignored the range, and hash again."""
        length = super().truncate(size)
        self._hash_from_start(length)
        return length


class Fetch:
    """One fetch of one repository."""

    def __init__(self, hub: Any, order: dict[str, Any]) -> None:
        self.hub = hub
        self.job: dict[str, Any] = order["job"]
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
        hub.constants.DOWNLOAD_CHUNK_SIZE = PIECE_BYTES
        self.phase = "listing"

    def run(self) -> dict[str, Any]:
        """Bring everything that is missing; returns where it lies."""
        self.storage.mkdir(parents=True, exist_ok=True)
        commit, self.files = self._persist(self._listed)
        if not self.files:
            raise Refusal("not_found", "no file of the repository matches the wanted patterns")
        self._check_disk()
        self.phase = "fetching"
        large = [one for one in self.files if one.sha256 and one.size]
        large.sort(key=lambda one: one.size, reverse=True)
        unique = list({one.sha256: one for one in large}.values())
        self._each(lambda one: self._bring(one, commit), unique)
        snapshot = self._persist(self._laid_out)
        self.phase = "verifying"
        self._each(lambda one: self._verify(one, commit), list(self.files))
        return {
            "snapshot": str(snapshot),
            "revision": commit,
            "files": len(self.files),
            "bytes": sum(one.size for one in self.files),
        }

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
                time.sleep(FIRST_WAIT_S * 2 ** (failures - 1) / self.scale)

    def _listed(self) -> tuple[str, tuple[Wanted, ...]]:
        """The commit behind the revision, and its wanted files with sizes and hashes."""
        repository = self.job["repository"]
        commit = str(self.api.repo_info(repository, revision=self.job["revision"]).sha)
        tree = self.api.list_repo_tree(repository, recursive=True, revision=commit)
        rows = {str(row.path): row for row in tree if getattr(row, "blob_id", None)}
        names: Iterable[str] = self.hub.utils.filter_repo_objects(
            rows,
            allow_patterns=list(self.job["allow_patterns"]) or None,
            ignore_patterns=list(self.job["ignore_patterns"]) or None,
        )
        return commit, tuple(_wanted(rows[name]) for name in names)

    def _blob(self, one: Wanted) -> Path:
        return self.storage / "blobs" / (one.sha256 or one.blob_id)

    def _partial(self, one: Wanted) -> Path:
        return self.storage / "blobs" / f"{one.sha256 or one.blob_id}.incomplete"

    def bytes_done(self) -> int:
        """Bytes of the wanted files that lie on this disk; files under way count as they grow."""
        seen: dict[Path, int] = {}
        for one in self.files:
            blob = self._blob(one)
            partial = self._partial(one)
            seen[blob] = one.size if blob.exists() else min(one.size, _length(partial))
        return sum(seen.values())

    def _check_disk(self) -> None:
        missing = self._total() - self.bytes_done()
        free = shutil.disk_usage(str(self.storage)).free
        if missing * (1 + DISK_MARGIN) > free:
            raise Refusal(
                "disk_full",
                f"{missing / 1e9:.1f} GB are missing and {free / 1e9:.1f} GB are free "
                f"under {self.storage}",
            )

    def _total(self) -> int:
        return sum({self._blob(one): one.size for one in self.files}.values())

    def _bring(self, one: Wanted, commit: str) -> None:
        """Bring one large file into its place, from where an earlier try left off."""
        if self._blob(one).exists():
            return
        if self._persist(lambda: self._received(one, commit)) != one.sha256:
            self._partial(one).unlink()
            second = self._persist(lambda: self._received(one, commit))
            if second != one.sha256:
                self._partial(one).unlink()
                raise Refusal(
                    "hash_mismatch",
                    f"{one.path} arrived twice with SHA-256 {second[:16]}..., "
                    f"the hub lists {one.sha256[:16]}...",
                )
        self._partial(one).replace(self._blob(one))
        self._remember(self._blob(one))

    def _received(self, one: Wanted, commit: str) -> str:
        """Bring what is missing of a partial file; returns the hash of the whole."""
        self._blob(one).parent.mkdir(parents=True, exist_ok=True)
        if _length(self._partial(one)) > one.size:
            self._partial(one).unlink()
        url = self.hub.hf_hub_url(
            self.job["repository"], one.path, revision=commit, endpoint=self.job["endpoint"]
        )
        with Hashed(self._partial(one)) as file:
            have = file.tell()
            if have < one.size:
                place, headers = self._location(url)
                http_get = self.hub.file_download.http_get
                http_get(place, file, resume_size=have, headers=headers, expected_size=one.size)
            return file.digest.hexdigest()

    def _location(self, url: str) -> tuple[str, dict[str, str]]:
        """Where the content lies now; the token goes to the hub itself only, never to a CDN."""
        found = self.hub.get_hf_file_metadata(url, token=self.token or False)
        headers = dict(self.hub.utils.build_hf_headers(token=self.token or False))
        if urlsplit(found.location).netloc != urlsplit(url).netloc:
            headers = {
                name: value for name, value in headers.items() if name.lower() != "authorization"
            }
        return str(found.location), headers

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

    def _verify(self, one: Wanted, commit: str) -> None:
        """Check a file of the snapshot by size and hash, once for each state of its blob."""
        path = self.storage / "snapshots" / commit / one.path
        blob = path.resolve()
        if not blob.is_file():
            raise Refusal("network", f"{one.path} did not arrive")
        if self.verified.get(str(blob)) == _state(blob):
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
            "bytes_total": self._total(),
            "files_done": sum(1 for one in self.files if self._blob(one).exists()),
            "files_total": len(self.files),
        }


def _wanted(row: Any) -> Wanted:
    lfs = getattr(row, "lfs", None)
    sha256 = (lfs.get("sha256") if isinstance(lfs, dict) else lfs.sha256) if lfs else ""
    return Wanted(str(row.path), int(row.size), str(sha256 or ""), str(row.blob_id))


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


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

"""The files that an engine is installed from: found in an index by name, fetched and checked by hash.

An index is asked for nothing but where a file lies (PEP 503, or PEP 691 where it has JSON): size and
SHA-256 come with the job. So any mirror will do, and none has to be trusted. What has arrived stays,
also half of a file: the next try goes on from there.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import html.parser
import json
import os
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, NamedTuple, Optional

AT_ONCE = 4
TRIES = 4
PIECE_BYTES = 1024 * 1024
TIMEOUT_S = 60.0
LARGEST_LISTING_BYTES = 64 * 1024 * 1024
ACCEPTED = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
_ASK_PIP = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"


class InstallFailed(Exception):
    """An install that ended, with the name of its cause and what is true."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text


class File(NamedTuple):
    """One file of a lock."""

    sha256: str
    size: int
    name: str

    @property
    def project(self) -> str:
        """Its name in an index (PEP 503)."""
        stem = self.name.split("-")[0]
        if not self.name.endswith(".whl"):
            stem = re.sub(r"-[0-9][^-]*$", "", self.name)
        return re.sub(r"[-_.]+", "-", stem).lower()


def locked(text: str) -> list[File]:
    """The files of a lock, as `catalog/lock.py` of the client has checked it."""
    lines = [line.split() for line in text.splitlines() if line.strip() and line[0] != "#"]
    return [File(words[0], int(words[1]), words[2]) for words in lines]


def own_index(python: str, environment: dict[str, str]) -> str:
    """The index that this host installs from: its settings, else what its pip was made with."""
    for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        if environment.get(name):
            return environment[name]
    for words in (["-m", "pip", "config", "get", "global.index-url"], ["-c", _ASK_PIP]):
        found = subprocess.run(
            [python, *words],
            env=environment,
            check=False,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=60,
        )
        if found.returncode == 0 and found.stdout.strip().startswith("http"):
            return found.stdout.strip()
    raise InstallFailed("no_installer", f"{python} has no pip, and the host names no package index")


class Fetch:
    """Brings files into one folder, several at once."""

    def __init__(
        self, index: str, folder: Path, *, stopped: Callable[[], bool] = lambda: False
    ) -> None:
        self._index = index.rstrip("/")
        self._folder = folder
        self._stopped = stopped

    def arrived(self, files: list[File]) -> int:
        """Bytes of those files that are here, files under way included."""
        return sum(
            _size(self._folder / file.name) or _size(self._folder / f"{file.name}.part")
            for file in files
        )

    def all(self, files: list[File]) -> list[Path]:
        """Fetch and check every file; raises InstallFailed. Returns where they lie, in order."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            tasks = [pool.submit(self._one, file) for file in sorted(files, key=_largest_first)]
            try:
                for task in concurrent.futures.as_completed(tasks):
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()
        return [self._folder / file.name for file in files]

    def _one(self, file: File) -> None:
        path = self._folder / file.name
        if path.exists() and path.stat().st_size == file.size and _sha256(path) == file.sha256:
            return
        part = self._folder / f"{file.name}.part"
        reason = ""
        for _ in range(TRIES):
            if self._stopped():
                raise InstallFailed("stopped", "it was asked to end")
            try:
                self._fetch(self._place(file), part, file.size)
            except (OSError, ValueError, urllib.error.URLError) as error:
                reason = f"{type(error).__name__}: {error}"
                if isinstance(error, OSError) and error.errno == 28:
                    raise InstallFailed("install_disk_full", reason) from error
                continue
            if _sha256(part) == file.sha256:
                os.replace(str(part), str(path))  # noqa: PTH105 - one word for what happens
                return
            part.unlink()
            reason = "hash"
        if reason == "hash":
            raise InstallFailed(
                "install_hash", f"{file.name} of {self._index} is not the file that was locked"
            )
        raise InstallFailed("install_network", f"{file.name} did not arrive: {reason}")

    def _fetch(self, url: str, part: Path, size: int) -> None:
        have = part.stat().st_size if part.exists() else 0
        if have > size:
            part.unlink()
            have = 0
        if have == size:
            return
        request = urllib.request.Request(url)  # noqa: S310 - what arrives is checked by its hash
        if have:
            request.add_header("Range", f"bytes={have}-")
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - likewise
            mode = "ab" if answer.status == 206 else "wb"
            self._pour(answer, part, mode, size)

    def _pour(self, answer: IO[bytes], part: Path, mode: str, size: int) -> None:
        with part.open(mode) as out:
            self._copy(answer, out, size)

    def _copy(self, answer: IO[bytes], out: IO[bytes], size: int) -> None:
        while piece := answer.read(PIECE_BYTES):
            if self._stopped():
                raise InstallFailed("stopped", "it was asked to end")
            out.write(piece)
            if out.tell() > size:
                break
        if out.tell() != size:
            raise ValueError(f"{out.tell()} of {size} bytes came before the end")

    def _place(self, file: File) -> str:
        """The address of a file; raises ValueError where the index does not have it."""
        page = f"{self._index}/{file.project}/"
        request = urllib.request.Request(page, headers={"Accept": ACCEPTED})  # noqa: S310 - see top
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - see top
            listing = answer.read(LARGEST_LISTING_BYTES)
            kind = answer.headers.get_content_type()
        links = _json_links(listing) if kind.endswith("json") else _html_links(listing)
        for name, url in links:
            if name == file.name:
                return urllib.parse.urljoin(page, url)
        raise ValueError(f"{self._index} has no {file.name}")


def _largest_first(file: File) -> int:
    return -file.size


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def _json_links(listing: bytes) -> list[tuple[str, str]]:
    return [(str(one["filename"]), str(one["url"])) for one in json.loads(listing)["files"]]


class _Anchors(html.parser.HTMLParser):
    """Collects where the links of a page lead."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Optional[str]]]) -> None:  # noqa: UP045
        self.found += [value for name, value in attrs if tag == "a" and name == "href" and value]


def _html_links(listing: bytes) -> list[tuple[str, str]]:
    parser = _Anchors()
    parser.feed(listing.decode("utf-8", errors="replace"))
    bare = [one.partition("#")[0] for one in parser.found]
    return [(urllib.parse.unquote(one.rpartition("/")[2]), one) for one in bare]

"""Wheels and source packages of a few files, made in memory; the same bytes every time."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_MOMENT: Final = (2026, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Package:
    """One file of the index."""

    project: str
    file: str
    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def wheel(
    name: str, version: str, files: Mapping[str, str], programs: Mapping[str, str] | None = None
) -> Package:
    """A pure wheel (PEP 427); `programs` maps a command to `module:function`."""
    info = f"{name}-{version}.dist-info"
    members = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: clore-emulator\n"
        "Root-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if programs:
        rows = "".join(f"{command} = {place}\n" for command, place in programs.items())
        members[f"{info}/entry_points.txt"] = f"[console_scripts]\n{rows}"
    record = "".join(f"{path},{_digest(text)},{len(text)}\n" for path, text in members.items())
    members[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in members.items():
            archive.writestr(zipfile.ZipInfo(path, _MOMENT), text)
    return Package(name.replace("_", "-"), f"{name}-{version}-py3-none-any.whl", packed.getvalue())


def source(name: str, version: str, files: Mapping[str, str]) -> Package:
    """A source package: a folder in a compressed archive."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(f"{name}-{version}/{path}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    packed = gzip.compress(plain.getvalue(), mtime=0)
    return Package(name.replace("_", "-"), f"{name}-{version}.tar.gz", packed)


def _digest(text: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
    return f"sha256={digest.decode().rstrip('=')}"
